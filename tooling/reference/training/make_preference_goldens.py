"""Makes packages/lora/test/goldens/preferences.json: losses and gradients of DPO, ORPO and KTO by TRL's own functions.

    OMP_NUM_THREADS=1 python3 tooling/reference/training/make_preference_goldens.py --shared ../shared

Needs torch, transformers, peft, trl and datasets. The model is stories260K with a LoRA whose A and B are both given.
"""

import argparse
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import peft
import torch
import torch.nn.functional as F
import trl

# TRL takes what transformers says of a package for a truth value; transformers 5 says (is there, its version).
told = sys.modules["trl.import_utils"]
for key, value in list(vars(told).items()):
    if key.endswith("_available") and isinstance(value, tuple):
        setattr(told, key, value[0])

from transformers import AutoModelForCausalLM
from trl import DPOTrainer, KTOTrainer, ORPOTrainer
from trl.trainer.dpo_config import FDivergenceType

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from formula import TEXT as FORMULA
from formula import formula_tensor
from make_goldens import LORA, f32, f32_base64, write

SETTINGS = {"r": 2, "lora_alpha": 4, "target_modules": ["q_proj"], "lora_dropout": 0.0, "task_type": "CAUSAL_LM"}
SCALE = 0.3
BETA = 0.3


def batch(rows):
    """Prompt, then answer, right-padded; labels are those of the answers."""
    longest = max(len(prompt) + len(answer) for prompt, answer in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    labels = torch.full((len(rows), longest), -100)
    mask = torch.zeros(len(rows), longest, dtype=torch.long)
    for i, (prompt, answer) in enumerate(rows):
        n = len(prompt) + len(answer)
        ids[i, :n] = torch.tensor(prompt + answer)
        labels[i, len(prompt):n] = torch.tensor(answer)
        mask[i, :n] = 1
    return ids, labels, mask


def logps(model, rows, average=False):
    ids, labels, mask = batch(rows)
    logits = model(input_ids=ids, attention_mask=mask).logits
    return ORPOTrainer.get_batch_logps(logits, labels, average_log_prob=average), logits, ids, mask


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, required=True)
    shared = parser.parse_args().shared
    rows = json.loads((LORA / "gsm8k-rows-stories260K.json").read_text())["rows"]
    cut = [(row["ids"][: min(row["promptLength"], 24)], row["ids"][row["promptLength"]:][:n]) for row, n in zip(rows, [9, 14, 6, 11, 8, 5])]
    pairs = [{"prompt": cut[i][0], "chosen": cut[i][1], "rejected": cut[i + 3][1]} for i in range(3)]
    judged = [{"prompt": p, "completion": a, "label": i != 1} for i, (p, a) in enumerate(cut[:3])]
    base = AutoModelForCausalLM.from_pretrained(shared / "models/stories260K", dtype=torch.float32)
    model = peft.get_peft_model(base, peft.LoraConfig(**SETTINGS))
    trained = {key.replace(".default", ""): p for key, p in model.named_parameters() if p.requires_grad}
    with torch.no_grad():
        for key, p in trained.items():
            p.copy_(formula_tensor(key, p.shape, SCALE))
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(device="cpu", gather_for_metrics=lambda x: x), reference_free=False, beta=BETA, label_smoothing=0,
        f_divergence_type=FDivergenceType.REVERSE_KL, f_divergence_params=None, use_weighting=False, loss_type="kto",
        calculate_KL=True, desirable_weight=1.0, undesirable_weight=1.0, aux_loss_enabled=False)

    def reference(rows):
        with torch.no_grad(), model.disable_adapter():
            return logps(model, rows)[0]

    chosen = [(p["prompt"], p["chosen"]) for p in pairs]
    rejected = [(p["prompt"], p["rejected"]) for p in pairs]

    def dpo():
        losses, _, _ = DPOTrainer.dpo_loss(trainer, logps(model, chosen)[0], logps(model, rejected)[0], reference(chosen), reference(rejected))
        return losses.mean()

    def orpo():
        first, logits, ids, mask = logps(model, chosen, average=True)
        second = logps(model, rejected, average=True)[0]
        labels = torch.where(mask == 1, ids, -100)
        likelihood = F.cross_entropy(logits[:, :-1].reshape(-1, logits.shape[-1]), labels[:, 1:].reshape(-1))
        losses, *_ = ORPOTrainer.odds_ratio_loss(trainer, first, second)
        return likelihood - losses.mean()

    def kto():
        answers = [r["completion"] for r in judged]
        own = [(r["prompt"], r["completion"]) for r in judged]
        other = [(r["prompt"], answers[i - 1]) for i, r in enumerate(judged)]
        good = torch.tensor([r["label"] for r in judged])
        policy, ref = logps(model, own)[0], reference(own)
        with torch.no_grad():
            kl = logps(model, other)[0]
        losses, *_ = KTOTrainer.kto_loss(trainer, policy[good], policy[~good], kl, ref[good], ref[~good], reference(other))
        return losses.mean()

    out = {}
    for name, objective in {"dpo": dpo, "orpo": orpo, "kto": kto}.items():
        model.zero_grad(set_to_none=True)
        loss = objective()
        loss.backward()
        out[name] = {"loss": f32(loss.item()), "gradients": {key: f32_base64(p.grad) for key, p in trained.items()}}
        print(name, loss.item())
    write(LORA / "preferences.json", {
        "madeBy": f"tooling/reference/training/make_preference_goldens.py, torch {torch.__version__}, trl {trl.__version__}, CPU",
        "model": "stories260K, f32",
        "adapter": {**SETTINGS, "A and B": {"formula": FORMULA, "name": "the tensor's own PEFT name", "scale": SCALE}},
        "beta": BETA,
        "pairs": pairs,
        "judged": judged,
        "objectives": out,
    })


if __name__ == "__main__":
    main()
