"""Makes packages/lora/test/goldens/combinations.json: adapters combined by PEFT's add_weighted_adapter.

    OMP_NUM_THREADS=1 python3 tooling/reference/training/make_combination_goldens.py --shared ../shared

Needs torch, transformers and peft. The adapters are of stories260K, their numbers by formula.py. Of svd, whose factors have no signs
of their own, the product B A is kept.
"""

import argparse
import sys
from pathlib import Path

import peft
import torch
from peft import LoraConfig, get_peft_model
from peft.utils import get_peft_model_state_dict
from transformers import AutoModelForCausalLM

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from formula import formula_tensor
from make_goldens import LORA, f32_base64, write

# The second adapts fewer layers; scales differ.
ADAPTERS = {
    "first": {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj", "v_proj"], "layers_to_transform": [0]},
    "second": {"r": 2, "lora_alpha": 6, "target_modules": ["q_proj"], "layers_to_transform": [0]},
}
WEIGHTS = [0.7, -0.3]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    shared = parser.parse_args().shared
    base = AutoModelForCausalLM.from_pretrained(shared / "models/stories260K", dtype=torch.float32)
    names = list(ADAPTERS)
    model = get_peft_model(base, LoraConfig(**ADAPTERS[names[0]]), adapter_name=names[0])
    model.add_adapter(names[1], LoraConfig(**ADAPTERS[names[1]]))
    for name in names:
        for key, p in model.named_parameters():
            if f".{name}." in key:
                p.data.copy_(formula_tensor(f"{name} {key.replace(f'.{name}', '')}", p.shape, 0.3))
    cases = {}
    for method in ("linear", "cat", "svd"):
        model.add_weighted_adapter(names, WEIGHTS, method, combination_type=method)
        tensors = get_peft_model_state_dict(model, adapter_name=method)
        config = model.peft_config[method]
        kept = {}
        for key, value in tensors.items():
            module = key.removeprefix("base_model.model.").rsplit(".lora_", 1)[0]
            kept.setdefault(module, {})["loraA" if "lora_A" in key else "loraB"] = value
        cases[method] = {
            "r": config.r,
            "alpha": config.lora_alpha,
            "modules": {
                module: {"product": f32_base64(p["loraB"] @ p["loraA"])}
                if method == "svd"
                else {part: f32_base64(value) for part, value in p.items()}
                for module, p in kept.items()
            },
        }
    write(LORA / "combinations.json", {
        "madeBy": f"tooling/reference/training/make_combination_goldens.py, torch {torch.__version__}, peft {peft.__version__}, CPU",
        "adapters": ADAPTERS, "weights": WEIGHTS, "cases": cases,
    })


if __name__ == "__main__":
    main()
