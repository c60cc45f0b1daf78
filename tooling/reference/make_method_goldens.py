"""Makes the goldens of DoRA, PiSSA and OLoRA that packages/lora is tested against, with PEFT itself.

    python tooling/reference/make_method_goldens.py --shared ../shared

Rerunnable; writes packages/lora/test/goldens/stories260K-{dora,pissa,olora}.json. Needs torch, transformers and peft. Rows, batches
and the optimiser are those of make_goldens.py; of PiSSA and OLoRA the start is in the golden too, for it is PEFT's decomposition.
"""

import argparse
import json
import tempfile
from pathlib import Path

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from formula import TEXT as FORMULA
from formula import formula_tensor
from llama import IGNORE, causal_loss
from make_goldens import LORA, ROWS_A_STEP, SCALE_A, STEPS, distance, f32, f32_base64, pad_batch, write

MADE_BY = (
    f"tooling/reference/make_method_goldens.py, torch {torch.__version__}, "
    f"transformers {transformers.__version__}, peft {peft.__version__}, CPU"
)
RATE = 3e-3
BASE = {"lora_dropout": 0.0, "task_type": "CAUSAL_LM", "target_modules": ["q_proj", "v_proj", "down_proj"]}
METHODS = {
    "dora": {**BASE, "r": 4, "lora_alpha": 8, "use_dora": True},
    "pissa": {**BASE, "r": 4, "lora_alpha": 8, "init_lora_weights": "pissa"},
    "olora": {**BASE, "r": 3, "lora_alpha": 6, "use_rslora": True, "init_lora_weights": "olora"},
}
ASKED = [1, 403, 407, 261, 378, 499, 281, 447, 263]


def saved(model, folder, **options):
    """What PEFT writes: names and tensors of adapter_model.safetensors, and adapter_config.json."""
    model.save_pretrained(folder, **options)
    config = json.loads((Path(folder) / "adapter_config.json").read_text())
    return load_file(Path(folder) / "adapter_model.safetensors"), config


def golden(shared, rows, name, settings):
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(shared / "models/stories260K", dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(**settings))
    trained = {key: p for key, p in model.named_parameters() if p.requires_grad}
    if name == "dora":
        with torch.no_grad():
            for key, p in trained.items():
                if "lora_A" in key:
                    p.copy_(formula_tensor(key.replace(".default", ""), p.shape, SCALE_A))
    with tempfile.TemporaryDirectory() as folder:
        first = f"{folder}/first"
        initial, _ = saved(model, first)
        optimizer = torch.optim.AdamW(trained.values(), lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
        log = []
        for step in range(STEPS):
            ids, labels = pad_batch(rows[step * ROWS_A_STEP : (step + 1) * ROWS_A_STEP])
            loss = causal_loss(model(input_ids=ids).logits, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            norm = torch.nn.utils.clip_grad_norm_(trained.values(), 1.0)
            optimizer.step()
            log.append({"loss": f32(loss.item()), "gradNorm": f32(norm.item()), "targetTokens": int((labels != IGNORE).sum())})
        final, config = saved(model, f"{folder}/final")
        converted = None
        if name != "dora":
            tensors, converted = saved(model, f"{folder}/converted", path_initial_model_for_weight_conversion=first)
            for key, value in tensors.items():
                half = initial[key] if "lora_A" in key else -initial[key]
                assert torch.equal(value, torch.cat([final[key], half], dim=0 if "lora_A" in key else 1)), key
    moved = distance(initial, final)
    merged = model.merge_and_unload()
    with torch.no_grad():
        logits = merged(input_ids=torch.tensor([ASKED])).logits[0, -3:]
    print(f"{name}: loss {log[0]['loss']:.4f} → {log[-1]['loss']:.4f}, moved {moved:.4f}, {len(final)} tensors")
    kept = ("r", "lora_alpha", "use_rslora", "use_dora", "init_lora_weights", "target_modules")
    value = {
        "madeBy": MADE_BY,
        "model": "stories260K, f32",
        "rows": "gsm8k-rows-stories260K.json: step s (from 0) takes rows 8s … 8s+7 in file order",
        "config": {key: sorted(config[key]) if key == "target_modules" else config[key] for key in kept},
        **({"converted": {key: converted[key] for key in kept[:5]}} if converted else {}),
        "initial": {"A": {"formula": FORMULA, "name": "the tensor's own PEFT name", "base": 0, "scale": SCALE_A}, "B": 0}
        if name == "dora"
        else "in the tensors",
        "optimizer": {"name": "AdamW", "learningRate": RATE, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0,
                      "maxGradNorm": 1, "schedule": "constant"},
        "steps": log,
        "distanceMoved": f32(moved),
        "merged": {"tokens": ASKED, "rows": 3, "logits": f32_base64(logits)},
        "tensors": {
            key: {
                "shape": list(tensor.shape),
                **({} if name == "dora" and "lora_" in key and "magnitude" not in key else {"initial": f32_base64(initial[key])}),
                "final": f32_base64(tensor),
            }
            for key, tensor in sorted(final.items())
        },
    }
    write(LORA / f"stories260K-{name}.json", value)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    shared = parser.parse_args().shared
    rows = json.loads((LORA / "gsm8k-rows-stories260K.json").read_text())["rows"]
    for name, settings in METHODS.items():
        golden(shared, rows, name, settings)


if __name__ == "__main__":
    main()
