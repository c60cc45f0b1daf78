"""Makes the goldens of embeddings and heads that are trained whole, or by rows, with PEFT itself.

    python tooling/reference/training/make_replaced_goldens.py --shared ../shared

Rerunnable; writes packages/lora/test/goldens/stories260K-{modules,tied,tokens}.json. Needs torch, transformers and peft. Rows,
batches and the optimiser are those of make_method_goldens.py. Of whole matrices every sixteenth row is kept.
"""

import argparse
import json
import sys
import tempfile
import warnings
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from formula import TEXT as FORMULA
from formula import formula_tensor
from llama import causal_loss
from make_goldens import LORA, ROWS_A_STEP, SCALE_A, STEPS, distance, f32, f32_base64, pad_batch, write
from make_method_goldens import ASKED, RATE, saved

MADE_BY = (
    f"tooling/reference/training/make_replaced_goldens.py, torch {torch.__version__}, "
    f"transformers {transformers.__version__}, peft {peft.__version__}, CPU"
)
BASE = {"lora_dropout": 0.0, "task_type": "CAUSAL_LM", "target_modules": ["q_proj"], "r": 2, "lora_alpha": 4}
KINDS = {
    # The head of stories260K is tied to its embedding.
    "modules": {"modules_to_save": ["embed_tokens", "lm_head"]},
    "tied": {"modules_to_save": ["embed_tokens"], "ensure_weight_tying": True},
    "tokens": {"trainable_token_indices": [447, 3, 261, 403]},
}
EVERY = 16


def golden(shared, rows, name, settings):
    torch.manual_seed(0)
    warnings.simplefilter("ignore")
    base = AutoModelForCausalLM.from_pretrained(shared / "models/stories260K", dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(**BASE, **settings))
    trained = {key: p for key, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for key, p in trained.items():
            if "lora_A" in key:
                p.copy_(formula_tensor(key.replace(".default", ""), p.shape, SCALE_A))
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
        final, config = saved(model, f"{folder}/final")
    moved = distance(initial, final)
    merged = model.merge_and_unload()
    with torch.no_grad():
        logits = merged(input_ids=torch.tensor([ASKED])).logits[0, -3:]
    print(f"{name}: loss {log[0]['loss']:.4f} → {log[-1]['loss']:.4f}, moved {moved:.4f}, {len(final)} tensors")
    kept = lambda key, value: value[::EVERY] if key.endswith(("embed_tokens.weight", "lm_head.weight")) else value
    own = ("modules_to_save", "ensure_weight_tying", "trainable_token_indices")
    value = {
        "madeBy": MADE_BY,
        "model": "stories260K, f32",
        "rows": "gsm8k-rows-stories260K.json: step s (from 0) takes rows 8s … 8s+7 in file order",
        "config": {key: config[key] for key in ("r", "lora_alpha", "target_modules", *own)},
        "initial": {"A": {"formula": FORMULA, "name": "the tensor's own PEFT name", "base": 0, "scale": SCALE_A}, "B": 0},
        "optimizer": {"name": "AdamW", "learningRate": RATE, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0,
                      "maxGradNorm": 1, "schedule": "constant"},
        "steps": log,
        "every": EVERY,
        "distanceMoved": {key: f32(torch.norm(kept(key, final[key] - initial[key])).item()) for key in sorted(final)},
        "tied": merged.config.tie_word_embeddings,
        "merged": {"tokens": ASKED, "rows": 3, "logits": f32_base64(logits)},
        "tensors": {
            key: {"shape": list(tensor.shape), "final": f32_base64(kept(key, tensor).contiguous())}
            for key, tensor in sorted(final.items())
        },
    }
    write(LORA / f"stories260K-{name}.json", value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    shared = parser.parse_args().shared
    rows = json.loads((LORA / "gsm8k-rows-stories260K.json").read_text())["rows"]
    for name, settings in KINDS.items():
        golden(shared, rows, name, settings)


if __name__ == "__main__":
    main()
