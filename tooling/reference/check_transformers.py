"""Holds families.json, made with plain torch, against transformers and PEFT themselves.

    pip install torch transformers peft
    python3 tooling/reference/check_transformers.py

Both need a torch that Debian does not have; the goldens need neither.
"""

import base64
import json
from pathlib import Path

import numpy
import peft
import torch
import transformers

from formula import formula_tensor

ROOT = Path(__file__).resolve().parents[2]


def array(text):
    return torch.from_numpy(numpy.frombuffer(base64.b64decode(text), dtype="<f4").copy())


def main():
    golden = json.loads((ROOT / "packages/lora/test/goldens/families.json").read_text())
    plain = {c["name"]: c for c in json.loads((ROOT / "packages/llama/test/goldens/families.json").read_text())["cases"]}
    ids, labels = torch.tensor(golden["ids"]), torch.tensor(golden["labels"])
    print(f"transformers {transformers.__version__}, peft {peft.__version__}, torch {torch.__version__}")
    for case in golden["cases"]:
        raw = case["config"]
        config = transformers.AutoConfig.for_model(**raw)
        model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
        gemma = raw["model_type"].startswith("gemma")
        with torch.no_grad():
            for key, parameter in model.named_parameters():
                base = 1.0 if key.endswith("norm.weight") and not gemma else 0.0
                parameter.copy_(formula_tensor(key, parameter.shape, 0.25, base))
            logits = model(ids).logits
        lora = golden["lora"]
        model = peft.get_peft_model(model, peft.LoraConfig(
            r=lora["r"], lora_alpha=lora["alpha"], target_modules=lora["targets"], task_type="CAUSAL_LM")).eval()
        adapter = {k.replace(".default", ""): p for k, p in model.named_parameters() if p.requires_grad}
        with torch.no_grad():
            for key, parameter in adapter.items():
                parameter.copy_(formula_tensor(key, parameter.shape, 0.25))
        out = model(ids, labels=labels)
        out.loss.backward()
        off = lambda value, text: (value.detach().flatten() - array(text)).abs().max().item()
        worst = max(off(p.grad, case["gradients"][k]) / array(case["gradients"][k]).abs().max().item() for k, p in adapter.items())
        assert set(adapter) == set(case["gradients"])
        print(f"{case['name']}: logits {off(logits, plain[case['name']]['logits']):.1e}, with adapter "
              f"{off(out.logits, case['adaptedLogits']):.1e}, loss {abs(out.loss.item() - case['loss']):.1e}, "
              f"gradients {worst:.1e} of each tensor's largest")


if __name__ == "__main__":
    main()
