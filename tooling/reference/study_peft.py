"""PEFT on the token ids of a study; the last line is JSON. tooling/studies/studies/peers.mjs calls it.

    python study_peft.py train --model DIR --rows ids.jsonl --adapter DIR --epochs 1 --seed 420 --step-samples 4 --batch 4 --learning-rate 5e-4 --dtype bf16
    python study_peft.py answer --model DIR --adapter DIR --asked asked.jsonl --rows heldout-ids.jsonl --tokens 48 --dtype bf16

Rows are {"ids", "labels"} with -100 where nothing is learned. The recipe is `raft`'s: LoRA r 16, alpha 32, dropout 0.05 on all linear
layers, AdamW at --learning-rate falling as a cosine, steps of --step-samples samples whose loss is the mean over their labelled tokens, gradients
clipped to 1. A step goes through the model --batch samples at a time, padded to the longest. The adapter is f32 in either dtype, as
PEFT makes it.
"""

import argparse
import json
import os
import sys
import time

parser = argparse.ArgumentParser(description="one part of a study with PEFT")
parser.add_argument("what", choices=("train", "answer"))
parser.add_argument("--model", required=True)
parser.add_argument("--adapter", required=True)
parser.add_argument("--rows", required=True)
parser.add_argument("--asked")
parser.add_argument("--epochs", type=int, default=1)
parser.add_argument("--seed", type=int, default=420)
parser.add_argument("--tokens", type=int, default=48)
parser.add_argument("--step-samples", type=int, default=4)
parser.add_argument("--batch", type=int, default=1)
parser.add_argument("--learning-rate", type=float, default=5e-4)
parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(options.threads)

import torch  # noqa: E402
from peft import LoraConfig, PeftModel, get_peft_model  # noqa: E402
from transformers import AutoModelForCausalLM, get_cosine_schedule_with_warmup  # noqa: E402

torch.set_num_threads(options.threads)


def lines(path):
    with open(path, encoding="utf8") as file:
        return [json.loads(line) for line in file if line.strip()]


def base():
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[options.dtype]
    return AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype)


def loss_sum(model, rows):
    """The sum over labelled tokens, and their number, of rows padded to the longest."""
    longest = max(len(row["ids"]) for row in rows)

    def padded(name, value):
        return torch.tensor([row[name] + [value] * (longest - len(row[name])) for row in rows])

    ids, labels = padded("ids", 0), padded("labels", -100)[:, 1:]
    mask = torch.tensor([[1] * len(row["ids"]) + [0] * (longest - len(row["ids"])) for row in rows])
    logits = model(input_ids=ids, attention_mask=mask).logits[:, :-1]
    learned = labels != -100
    loss = torch.nn.functional.cross_entropy(logits[learned].float(), labels[learned], reduction="sum")
    return loss, int(learned.sum())


def train():
    torch.manual_seed(options.seed)
    rows = lines(options.rows)
    config = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules="all-linear", task_type="CAUSAL_LM")
    model = get_peft_model(base(), config)
    model.train()
    model.base_model.model.config.use_cache = False
    trained = [p for p in model.parameters() if p.requires_grad]
    size = options.step_samples
    steps = options.epochs * ((len(rows) + size - 1) // size)
    optimizer = torch.optim.AdamW(trained, lr=options.learning_rate, weight_decay=0.0)
    schedule = get_cosine_schedule_with_warmup(optimizer, 0, steps)
    generator = torch.Generator().manual_seed(options.seed)
    samples, losses, begun = 0, [], time.perf_counter()
    for _ in range(options.epochs):
        order = torch.randperm(len(rows), generator=generator).tolist()
        for start in range(0, len(order), size):
            part = [rows[i] for i in order[start : start + size]]
            count = sum(sum(label != -100 for label in row["labels"][1:]) for row in part)
            total = 0.0
            for first in range(0, len(part), options.batch):
                loss, _ = loss_sum(model, part[first : first + options.batch])
                (loss / count).backward()
                total += float(loss.detach())
            torch.nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            samples += len(part)
            losses.append(total / count)
            seconds = time.perf_counter() - begun
            print(f"  PEFT step {len(losses)} of {steps}, loss {losses[-1]:.4f}, {seconds:.0f} s", file=sys.stderr)
    seconds = time.perf_counter() - begun
    model.save_pretrained(options.adapter)
    return {"samples": samples, "seconds": seconds, "losses": losses}


@torch.no_grad()
def answer():
    model = PeftModel.from_pretrained(base(), options.adapter)
    model.eval()
    total, count = 0.0, 0
    for row in lines(options.rows):
        loss, tokens = loss_sum(model, [row])
        total, count = total + float(loss), count + tokens
    answers = []
    asked = lines(options.asked)
    for number, question in enumerate(asked):
        ids = torch.tensor([question["ids"]])
        made = model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=options.tokens,
            do_sample=False,
            eos_token_id=question["stops"],
            pad_token_id=question["stops"][0],
        )[0, ids.shape[1] :].tolist()
        end = next((i for i, token in enumerate(made) if token in question["stops"]), len(made))
        answers.append(made[:end])
        print(f"  PEFT answer {number + 1} of {len(asked)}", file=sys.stderr)
    return {"loss": total / count, "answers": answers}


print(json.dumps({"train": train, "answer": answer}[options.what]()))
