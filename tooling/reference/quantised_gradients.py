"""PEFT's gradients at each step of a training on the unpacked numbers of a GGUF file. tooling/bench/quantised-gradients.mjs calls it.

    python quantised_gradients.py --gguf FILE.gguf --ids IDS.json --output DIR [--steps 10] [--rank 8] [--threads 2]

IDS.json is a list of token ids, which are given since transformers reads the tokenizers of some GGUF files otherwise than llama.cpp
does. All tokens but the first are learned; the model is in f32, its cross-entropy in f64. DIR gets two adapters in PEFT's format for
each step: `adapter-0`, before the step, and `gradients-0`, whose tensors are d loss / d A and d loss / d B there. The last line is
JSON: the loss of each step, and versions.
"""

import argparse
import importlib.metadata
import json
import os
import shutil

parser = argparse.ArgumentParser(description="gradients of a LoRA training on an unpacked GGUF file")
parser.add_argument("--gguf", required=True)
parser.add_argument("--ids", required=True)
parser.add_argument("--output", required=True)
parser.add_argument("--steps", type=int, default=10)
parser.add_argument("--rank", type=int, default=8)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(options.threads)

import torch
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM

torch.set_num_threads(options.threads)
torch.manual_seed(1)
directory, name = os.path.split(os.path.abspath(options.gguf))
base = AutoModelForCausalLM.from_pretrained(
    directory, gguf_file=name, dtype=torch.float32, attn_implementation="eager"
)
base.config.use_cache = False
config = LoraConfig(r=options.rank, lora_alpha=2 * options.rank, target_modules=["q_proj", "v_proj"])
model = get_peft_model(base, config)
model.eval()
trained = [p for p in model.parameters() if p.requires_grad]
optimizer = torch.optim.AdamW(trained, lr=1e-3, weight_decay=0)
with open(options.ids) as file:
    ids = torch.tensor([json.load(file)])

losses = []
for step in range(options.steps):
    adapter = os.path.join(options.output, f"adapter-{step}")
    model.save_pretrained(adapter)
    optimizer.zero_grad()
    # In f64: of 49,152 logits, torch's softmax in f32 is off by 7e-6 on processors with AVX2, which makes 1e-4 of a gradient.
    logits = model(input_ids=ids).logits[0, :-1].double()
    loss = torch.nn.functional.cross_entropy(logits, ids[0, 1:])
    loss.backward()
    losses.append(loss.item())
    values = [p.detach().clone() for p in trained]
    with torch.no_grad():
        for p in trained:
            p.copy_(p.grad)
        gradients = {name: t.clone() for name, t in get_peft_model_state_dict(model).items()}
        for p, value in zip(trained, values):
            p.copy_(value)
    folder = os.path.join(options.output, f"gradients-{step}")
    os.makedirs(folder, exist_ok=True)
    shutil.copy(os.path.join(adapter, "adapter_config.json"), folder)
    save_file(gradients, os.path.join(folder, "adapter_model.safetensors"))
    optimizer.step()

versions = {package: importlib.metadata.version(package) for package in ("torch", "transformers", "peft")}
print(json.dumps({"losses": losses, "versions": versions}))
