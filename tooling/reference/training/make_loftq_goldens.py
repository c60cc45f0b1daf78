"""Makes the goldens of LoftQ with PEFT and bitsandbytes themselves, on the CPU.

    pip install bitsandbytes scipy; python tooling/reference/training/make_loftq_goldens.py --shared ../shared

Rerunnable; writes packages/lora/test/goldens/loftq.json (matrices alone, 4 and 8 bits) and stories260K-loftq.json (20 steps of
a base in 8 bits, whose rows are quantised from f32). Needs torch, transformers, peft, scipy and bitsandbytes. PEFT computes on a GPU; here "cuda" is the CPU.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path

import bitsandbytes
import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from peft.utils import loftq_utils
from transformers import AutoModelForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from formula import TEXT as FORMULA
from formula import formula_tensor
from llama import causal_loss
from make_goldens import LORA, ROWS_A_STEP, STEPS, distance, f32, f32_base64, pad_batch, write
from make_method_goldens import ASKED, RATE, saved

MADE_BY = (
    f"tooling/reference/training/make_loftq_goldens.py, torch {torch.__version__}, transformers {transformers.__version__}, "
    f"peft {peft.__version__}, bitsandbytes {bitsandbytes.__version__}, CPU"
)
ROWS, COLUMNS, RANK, EVERY = 24, 128, 4, 4

def on_cpu(value):
    is_gpu = isinstance(value, str) and value == "cuda" or isinstance(value, torch.device) and value.type == "cuda"
    return torch.device("cpu") if is_gpu else value


def patch(cls):
    original = cls.to
    cls.to = lambda self, *args, **kwargs: original(self, *map(on_cpu, args), **{k: on_cpu(v) for k, v in kwargs.items()})


for each in (torch.Tensor, bitsandbytes.nn.Params4bit, bitsandbytes.nn.Int8Params):
    patch(each)


def matrices():
    weight = formula_tensor("loftq.weight", (ROWS, COLUMNS), 0.5)
    cases = []
    for bits in (4, 8):
        for iterations in (1, 4):
            quantised, a, b = loftq_utils.loftq_init(weight.clone(), num_bits=bits, reduced_rank=RANK, num_iter=iterations)
            error = torch.linalg.norm(weight - quantised - b @ a).item()
            plain = torch.linalg.norm(weight - quantised).item()
            print(f"{bits} bits, {iterations}: {plain:.4f} → {error:.4f}")
            cases.append({"bits": bits, "iterations": iterations, "error": f32(error), "quantised": f32_base64(quantised[::EVERY].contiguous()),
                          "product": f32_base64((b @ a)[::EVERY].contiguous())})
    write(LORA / "loftq.json", {
        "madeBy": MADE_BY,
        "weight": {"formula": FORMULA, "name": "loftq.weight", "shape": [ROWS, COLUMNS], "scale": 0.5},
        "rank": RANK, "every": EVERY, "note": "scales of nf4 are not quantised, and rows of 8 bits are rounded to f16 first, as PEFT has it", "cases": cases,
    })


class WholeInt8Params:
    """Int8Params that quantises rows as they are: bitsandbytes' own rounds them to 16 bits first."""

    def __init__(self, data, requires_grad=False):
        self.SCB = data.abs().amax(dim=1)
        # 127 / SCB would be a reciprocal times 127, which is rounded twice.
        self.data = torch.round(data * torch.full_like(self.SCB, 127).div(self.SCB)[:, None]).to(torch.int8)

    def to(self, _device):
        return self


def steps(shared, rows):
    torch.manual_seed(0)
    bitsandbytes.nn.Int8Params = WholeInt8Params
    base = AutoModelForCausalLM.from_pretrained(shared / "models/stories260K", dtype=torch.float32)
    config = LoraConfig(
        r=2, lora_alpha=2, lora_dropout=0.0, task_type="CAUSAL_LM", target_modules="all-linear",
        init_lora_weights="loftq", loftq_config={"loftq_bits": 8, "loftq_iter": 1},
    )
    model = get_peft_model(base, config)
    trained = {key: p for key, p in model.named_parameters() if p.requires_grad}
    with tempfile.TemporaryDirectory() as folder:
        initial, _ = saved(model, f"{folder}/first")
        optimizer = torch.optim.AdamW(trained.values(), lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
        log = []
        for step in range(STEPS):
            ids, labels = pad_batch(rows[step * ROWS_A_STEP : (step + 1) * ROWS_A_STEP])
            loss = causal_loss(model(input_ids=ids).logits, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
            optimizer.step()
            log.append({"loss": f32(loss.item()), "gradNorm": f32(norm.item())})
        final, _ = saved(model, f"{folder}/final")
    moved = distance(initial, final)
    merged = model.merge_and_unload()
    with torch.no_grad():
        logits = merged(input_ids=torch.tensor([ASKED])).logits[0, -3:]
    print(f"loss {log[0]['loss']:.4f} → {log[-1]['loss']:.4f}, moved {moved:.4f}, {len(final)} tensors")
    write(LORA / "stories260K-loftq.json", {
        "madeBy": MADE_BY,
        "model": "stories260K, linear layers in 8 bits",
        "rows": "gsm8k-rows-stories260K.json: step s (from 0) takes rows 8s … 8s+7 in file order",
        "config": {"r": 2, "lora_alpha": 2, "loftq_config": {"loftq_bits": 8, "loftq_iter": 1}},
        "optimizer": {"name": "AdamW", "learningRate": RATE, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0,
                      "maxGradNorm": 1, "schedule": "constant"},
        "steps": log,
        "distanceMoved": f32(moved),
        "merged": {"tokens": ASKED, "rows": 3, "logits": f32_base64(logits)},
        "tensors": {
            key: {"shape": list(tensor.shape), "initial": f32_base64(initial[key]), "final": f32_base64(tensor)}
            for key, tensor in sorted(final.items())
        },
    })


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    shared = parser.parse_args().shared
    rows = json.loads((LORA / "gsm8k-rows-stories260K.json").read_text())["rows"]
    matrices()
    steps(shared, rows)


if __name__ == "__main__":
    main()
