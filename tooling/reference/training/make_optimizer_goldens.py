"""Makes packages/tensor/test/goldens/optimizers.json: steps of optimisers, schedules and averages by their references.

    OMP_NUM_THREADS=1 python3 tooling/reference/training/make_optimizer_goldens.py

Needs torch, transformers, peft, schedulefree and lion-pytorch. Gradients are given, so that each step is a function of the last.
"""

import sys
from pathlib import Path

import lion_pytorch
import peft.optimizers
import schedulefree
import torch
import torch.optim._muon as muon_module
from transformers import optimization

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from formula import formula_tensor
from make_goldens import MADE_BY, TENSOR, f32, f32_list, write

SHAPES = {"loraA": (2, 3), "loraB": (4, 2)}
STEPS = 5


def orthogonalised(grad, coefficients, steps, eps):
    """torch's iteration, in f32 where torch has bfloat16."""
    a, b, c = coefficients
    x = grad.T if grad.size(0) > grad.size(1) else grad
    x = x / x.norm().clamp(min=eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if grad.size(0) > grad.size(1) else x


muon_module._zeropower_via_newtonschulz = orthogonalised


class Pair(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Module()
        self.layer.lora_A = torch.nn.ParameterDict({"default": torch.nn.Parameter(formula_tensor("optim.loraA", SHAPES["loraA"], 1.0))})
        self.layer.lora_B = torch.nn.ParameterDict({"default": torch.nn.Parameter(formula_tensor("optim.loraB", SHAPES["loraB"], 1.0))})

    def named(self):
        return {"loraA": self.layer.lora_A["default"], "loraB": self.layer.lora_B["default"]}


def case(name, optimizer, config, make, rates=None, free=False):
    model = Pair()
    named = model.named()
    out = {"name": name, "optimizer": optimizer, "config": config, "initial": {n: f32_list(p) for n, p in named.items()}, "steps": []}
    made = make(model)
    if free:
        made.train()
    for step in range(STEPS):
        for n, p in named.items():
            p.grad = formula_tensor(f"optim.grad.{step}.{n}", p.shape, 1.0)
        if rates:
            made.param_groups[0]["lr"] = rates[step]
        grads = {n: f32_list(p.grad) for n, p in named.items()}
        made.step()
        entry = {"grads": grads, "learningRate": made.param_groups[0]["lr"], "after": {n: f32_list(p) for n, p in named.items()}}
        if free:
            made.eval()
            entry["evaluated"] = {n: f32_list(p) for n, p in named.items()}
            made.train()
        out["steps"].append(entry)
    return out


def base(**more):
    return {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weightDecay": 0, **more}


def averages():
    """torch's AveragedModel with an exponential average."""
    model = Pair()
    averaged = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9))
    steps = []
    for step in range(4):
        with torch.no_grad():
            for n, p in model.named().items():
                p.add_(formula_tensor(f"optim.move.{step}.{n}", p.shape, 0.5))
        averaged.update_parameters(model)
        steps.append({"params": {n: f32_list(p) for n, p in model.named().items()},
                      "average": {n: f32_list(p) for n, p in averaged.module.named().items()}})
    return {"decay": 0.9, "steps": steps}


def schedules():
    rows = []
    for warmup, total in [(0, 10), (3, 20)]:
        for cycles in [1, 2, 3]:
            rate = lambda s: optimization._get_cosine_with_hard_restarts_schedule_with_warmup_lr_lambda(
                s, num_warmup_steps=warmup, num_training_steps=total, num_cycles=cycles)
            rows.append({"scheduler": "cosine_with_restarts", "warmupSteps": warmup, "totalSteps": total, "cycles": cycles,
                         "rates": [rate(s) for s in range(total + 1)]})
        for decay in [4, 7]:
            rate = lambda s: optimization._get_wsd_scheduler_lambda(
                s, num_warmup_steps=warmup, num_stable_steps=total - warmup - decay, num_decay_steps=decay,
                warmup_type="linear", decay_type="cosine", min_lr_ratio=0.0, num_cycles=0.5)
            rows.append({"scheduler": "wsd", "warmupSteps": warmup, "totalSteps": total, "decaySteps": decay,
                         "rates": [rate(s) for s in range(total + 1)]})
    return rows


def main():
    free = lambda lr, **k: lambda m: schedulefree.AdamWScheduleFree(m.parameters(), lr=lr, foreach=False, **k)
    plus = lambda m: peft.optimizers.create_loraplus_optimizer(
        m, torch.optim.AdamW, lr=0.01, loraplus_lr_ratio=16, loraplus_weight_decay=0.1)
    cases = [
        case("SGD", "sgd", base(momentum=0.9), lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9)),
        case("SGD without momentum", "sgd", base(momentum=0), lambda m: torch.optim.SGD(m.parameters(), lr=0.1)),
        case("Lion", "lion", base(beta2=0.99, weightDecay=0.1),
             lambda m: lion_pytorch.Lion(m.parameters(), lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)),
        case("schedule-free", "schedule_free_adamw", base(), free(0.02), free=True),
        case("schedule-free with decay, and rates that rise", "schedule_free_adamw", base(beta1=0.95, weightDecay=0.1),
             free(0.02, betas=(0.95, 0.999), weight_decay=0.1), rates=[0.004, 0.008, 0.012, 0.016, 0.02], free=True),
        case("Muon", "muon", base(momentum=0.95, weightDecay=0.1),
             lambda m: torch.optim.Muon(m.parameters(), lr=0.02, momentum=0.95, weight_decay=0.1)),
        case("LoRA+", "adamw", base(weightDecay=0.1, loraPlusRatio=16), plus),
    ]
    write(TENSOR / "optimizers.json", {
        "madeBy": MADE_BY.replace("make_goldens", "training/make_optimizer_goldens"),
        "note": f"loraA {list(SHAPES['loraA'])}, loraB {list(SHAPES['loraB'])}; 'evaluated' is schedule-free's x; Muon's iteration runs in "
                "f32 here, where torch has bfloat16; LoRA+ by peft.optimizers.create_loraplus_optimizer",
        "cases": cases,
        "averages": averages(),
        "schedules": schedules(),
    })


if __name__ == "__main__":
    main()
