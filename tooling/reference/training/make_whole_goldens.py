"""Makes the goldens of weights that are trained themselves, without an adapter, with torch and transformers.

    python tooling/reference/training/make_whole_goldens.py --shared ../shared

Rerunnable; writes packages/lora/test/goldens/stories260K-whole.json, and stories260K-decayed.json: with the parameter groups of
transformers' Trainer, which decays neither norms nor biases. Rows and batches are those of make_method_goldens.py. Of
matrices every 32nd row is kept. Muon's iteration runs in f32, where torch has bfloat16.
"""

import argparse
import json
import sys
from pathlib import Path

import torch
import torch.optim._muon as muon_module
import transformers
from transformers import AutoModelForCausalLM
from transformers.trainer_pt_utils import get_parameter_names

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from llama import causal_loss
from make_goldens import LORA, ROWS_A_STEP, STEPS, f32, f32_base64, pad_batch, write
from make_method_goldens import RATE

MADE_BY = f"tooling/reference/training/make_whole_goldens.py, torch {torch.__version__}, transformers {transformers.__version__}, CPU"
EVERY = 32
DECAY = 0.5
# As in Trainer.get_decay_parameter_names.
FORBIDDEN = [r"bias", r"layernorm", r"rmsnorm", r"(?:^|\.)norm(?:$|\.)", r"_norm(?:$|\.)"]


def orthogonalised(grad, coefficients, steps, eps):
    """torch's iteration, in f32."""
    a, b, c = coefficients
    x = grad.T if grad.size(0) > grad.size(1) else grad
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if grad.size(0) > grad.size(1) else x


muon_module._zeropower_via_newtonschulz = orthogonalised


def adamw(params):
    return torch.optim.AdamW(params, lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)


def decayed(named, model):
    names = get_parameter_names(model, [torch.nn.LayerNorm], FORBIDDEN)
    groups = [
        {"params": [p for n, p in named if n in names], "weight_decay": DECAY},
        {"params": [p for n, p in named if n not in names], "weight_decay": 0.0},
    ]
    assert all(group["params"] for group in groups)
    return torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8)


def is_hidden(name, p):
    return p.ndim == 2 and "embed_tokens" not in name and "lm_head" not in name


KINDS = {
    "full": (lambda name: True, lambda named, _model: [adamw([p for _, p in named])]),
    "freeze": (lambda name: "layers.3." in name or "layers.4." in name, lambda named, _model: [adamw([p for _, p in named])]),
    "muon": (
        lambda name: True,
        lambda named, _model: [
            torch.optim.Muon([p for n, p in named if is_hidden(n, p)], lr=RATE, momentum=0.95, weight_decay=0.0,
                             adjust_lr_fn="match_rms_adamw"),
            adamw([p for n, p in named if not is_hidden(n, p)]),
        ],
    ),
}


DECAYED = {"decayed": (lambda name: True, lambda named, model: [decayed(named, model)])}


def golden(shared, rows, wanted, optimizers_of, every=EVERY):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(shared / "models/stories260K", dtype=torch.float32)
    for name, p in model.named_parameters():
        p.requires_grad_(wanted(name))
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    initial = {name: p.detach().clone() for name, p in named}
    optimizers = optimizers_of(named, model)
    log = []
    for step in range(STEPS):
        ids, labels = pad_batch(rows[step * ROWS_A_STEP : (step + 1) * ROWS_A_STEP])
        loss = causal_loss(model(input_ids=ids).logits, labels)
        model.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_([p for _, p in named], 1.0)
        for optimizer in optimizers:
            optimizer.step()
        log.append({"loss": f32(loss.item()), "gradNorm": f32(norm.item())})
    kept = lambda value: value[::every] if value.ndim == 2 else value
    print(f"loss {log[0]['loss']:.4f} → {log[-1]['loss']:.4f}, {len(named)} tensors")
    return {
        "steps": log,
        "distanceMoved": {name: f32(torch.norm(kept(p.detach() - initial[name])).item()) for name, p in named},
        "tensors": {name: f32_base64(kept(p.detach()).contiguous()) for name, p in named},
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    shared = parser.parse_args().shared
    rows = json.loads((LORA / "gsm8k-rows-stories260K.json").read_text())["rows"]
    for file, kinds, decay, every in [("whole", KINDS, 0, EVERY), ("decayed", DECAYED, DECAY, 2 * EVERY)]:
        write(LORA / f"stories260K-{file}.json", {
            "madeBy": MADE_BY,
            "rows": "gsm8k-rows-stories260K.json: step s (from 0) takes rows 8s … 8s+7 in file order",
            "optimizer": {"learningRate": RATE, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": decay, "maxGradNorm": 1},
            "every": every,
            "kinds": {name: golden(shared, rows, *kind, every) for name, kind in kinds.items()},
        })


if __name__ == "__main__":
    main()
