"""Small random models of today's families, computed by transformers and PEFT themselves: logits and adapter gradients.

    OMP_NUM_THREADS=1 python tooling/reference/make_family_goldens.py

Writes packages/lora/test/goldens/transformers-families.json, and stretched.json: a Llama made for 8 positions whose config.json
stretches them, as a run with ropeScaling does. Weights are
remade from formula.py by name, so that only configurations, logits and gradients are kept. Needs torch, transformers, peft.
"""

import base64
import json
from pathlib import Path

import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import AutoConfig, AutoModelForCausalLM

from formula import formula_tensor

ROOT = Path(__file__).resolve().parents[2]
SCALE = 0.25
SEQ = 18
R, ALPHA = 1, 1.5
IDS = [[(7 * i + 11 * row + 3) % 36 + 2 for i in range(SEQ)] for row in range(2)]
LABELS = [[-100 if i < 6 + 3 * row else IDS[row][i] for i in range(SEQ)] for row in range(2)]

SIZES = {
    "vocab_size": 40, "hidden_size": 32, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}
FACTORS = [1.0, 1.5, 2.5, 4.0]
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 16}
CASES = {
    "llama 3": {"model_type": "llama", "rope_scaling": LLAMA3},
    "mistral": {"model_type": "mistral", "head_dim": 12, "sliding_window": None},
    "qwen 2": {"model_type": "qwen2", "tie_word_embeddings": True,
               "rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16}},
    "qwen 3": {"model_type": "qwen3", "head_dim": 16, "tie_word_embeddings": True},
    "gemma 3": {"model_type": "gemma3_text", "head_dim": 8, "sliding_window": 5, "sliding_window_pattern": 2,
                "rope_theta": 1e6, "rope_local_base_freq": 10000.0, "query_pre_attn_scalar": 24,
                "rope_scaling": {"rope_type": "linear", "factor": 8.0}, "tie_word_embeddings": True},
    "phi 3": {"model_type": "phi3", "sliding_window": 9},
    "phi 4 mini, within": {"model_type": "phi3", "partial_rotary_factor": 0.75, "num_attention_heads": 2,
                           "num_key_value_heads": 1, "tie_word_embeddings": True,
                           "original_max_position_embeddings": 32,
                           "rope_scaling": {"type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3, 1.5, 2.0],
                                            "long_factor": [1.0, 1.5, 2.5, 4.0, 6.0, 9.0]}},
    "phi 4 mini, beyond": {"model_type": "phi3", "original_max_position_embeddings": 16,
                           "rope_scaling": {"type": "longrope", "short_factor": [1.0] * 4, "long_factor": FACTORS}},
    "granite 3": {"model_type": "granite", "embedding_multiplier": 12.0, "attention_multiplier": 0.05,
                  "residual_multiplier": 0.22, "logits_scaling": 8.0, "attention_bias": True},
    "olmo 2": {"model_type": "olmo2"},
    "smollm 3": {"model_type": "smollm3", "no_rope_layer_interval": 2, "tie_word_embeddings": True},
    "llama, dynamic": {"model_type": "llama", "max_position_embeddings": 16,
                       "rope_scaling": {"rope_type": "dynamic", "factor": 3.0}},
}

# The keys that the setting comes to, on `SIZES` with so many positions; 18 tokens are beyond them.
ORIGINAL, FACTOR = 8, 4.0
STRETCHED = {
    "yarn": {},
    "linear": {},
    "llama3": {"low_freq_factor": 1.0, "high_freq_factor": 4.0},
}


def f32(tensor):
    return base64.b64encode(tensor.detach().float().contiguous().numpy().tobytes()).decode()


def remake(named, gemma):
    with torch.no_grad():
        for name, parameter in named:
            base = 1.0 if name.endswith("norm.weight") and not gemma else 0.0
            parameter.copy_(formula_tensor(name, parameter.shape, SCALE, base))


def make(config):
    settings = AutoConfig.for_model(**config)
    settings._attn_implementation = "eager"
    model = AutoModelForCausalLM.from_config(settings).eval()
    remake(model.named_parameters(), config["model_type"].startswith("gemma"))
    model.tie_weights()
    ids = torch.tensor(IDS)
    targets = "all-linear"
    adapted = get_peft_model(model, LoraConfig(r=R, lora_alpha=ALPHA, lora_dropout=0.0, target_modules=targets))
    names = {}
    for name, parameter in adapted.named_parameters():
        if "lora_" in name:
            names[name.replace(".default", "")] = parameter
    remake(names.items(), True)
    out = adapted(input_ids=ids, labels=torch.tensor(LABELS))
    out.loss.backward()
    return {
        "config": config,
        "adaptedLogits": f32(out.logits),
        "loss": float(out.loss),
        "gradients": {name: f32(parameter.grad) for name, parameter in names.items()},
    }


def stretched(kind, keys):
    scaling = {"rope_type": kind, "factor": FACTOR, **keys}
    if kind != "linear":
        scaling["original_max_position_embeddings"] = ORIGINAL
    return {"model_type": "llama", "max_position_embeddings": int(ORIGINAL * FACTOR), "rope_scaling": scaling}


def write(name, configs):
    cases = [{"name": title, **make({**SIZES, **keys})} for title, keys in configs.items()]
    golden = {
        "madeBy": f"tooling/reference/make_family_goldens.py, transformers {transformers.__version__}, torch {torch.__version__.split('+')[0]}, CPU",
        "formulaInputs": {"name": "the tensor's Hugging Face or PEFT name", "scale": SCALE,
                          "base": "1 for names ending in norm.weight but Gemma's, else 0"},
        "lora": {"r": R, "alpha": ALPHA, "targets": "all-linear"},
        "ids": IDS,
        "labels": LABELS,
        "cases": cases,
    }
    path = ROOT / f"packages/lora/test/goldens/{name}.json"
    path.write_text(json.dumps(golden, indent=1) + "\n")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.1f} kB")


def main():
    write("transformers-families", CASES)
    write("stretched", {f"llama, stretched ({kind})": stretched(kind, keys) for kind, keys in STRETCHED.items()})


if __name__ == "__main__":
    main()
