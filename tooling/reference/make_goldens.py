"""Makes the goldens that packages/lora and packages/llama are tested against, with plain torch (llama.py).

    /usr/bin/python3 tooling/reference/make_goldens.py --shared ../shared [--rate 0.003]

Rerunnable; writes test/goldens of packages/tensor, lora and llama, beside this repository's sources.
Every golden states its own inputs: real rows as token ids, weights by the formula of formula.py.
"""

import argparse
import base64
import json
from array import array
from pathlib import Path

import torch

from families import FAMILIES
from formula import TEXT as FORMULA
from formula import formula_tensor
from llama import ALL, IGNORE, QV, Config, Llama, add_lora, causal_loss, inverse_frequencies, verify
from tokenize_stories import BOS, EOS, StoriesTokenizer

ROOT = Path(__file__).resolve().parents[2]
TENSOR = ROOT / "packages/tensor/test/goldens"
LORA = ROOT / "packages/lora/test/goldens"
LLAMA = ROOT / "packages/llama/test/goldens"
MADE_BY = f"tooling/reference/make_goldens.py, torch {torch.__version__}, CPU"

STEPS, ROWS_A_STEP = 20, 8
SCALE_A = 0.125  # the initial A is uniform in ±this; B is zero


# ------------------------------------------------------------------------------------------- writing


def f32(value):
    """The shortest decimal that reads back as the same f32."""
    value = float(value)
    for digits in range(6, 10):
        short = float(f"{value:.{digits}g}")
        if torch.tensor(short, dtype=torch.float32).item() == torch.tensor(value, dtype=torch.float32).item():
            return short
    return value


def f32_list(tensor):
    return [f32(x) for x in tensor.flatten().tolist()]


def f32_base64(tensor):
    """Little-endian f32, row-major."""
    return base64.b64encode(array("f", tensor.detach().float().flatten().tolist()).tobytes()).decode()


def write(path, value):
    """One line for every entry of the top two levels, so that a diff can be read."""

    def lines(item, indent, depth):
        if depth == 0 or not isinstance(item, (dict, list)) or not item:
            return json.dumps(item, separators=(",", ":"), ensure_ascii=False)
        pad, inner = "\n" + " " * indent, "\n" + " " * (indent + 1)
        if isinstance(item, list):
            if all(isinstance(x, (int, float, str)) for x in item):
                return json.dumps(item, separators=(",", ":"))
            return "[" + inner + ("," + inner).join(lines(x, indent + 1, depth - 1) for x in item) + pad + "]"
        body = (f"{json.dumps(key)}: {lines(x, indent + 1, depth - 1)}" for key, x in item.items())
        return "{" + inner + ("," + inner).join(body) + pad + "}"

    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines(value, 0, 2) + "\n")
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:.1f} kB")


# ------------------------------------------------------------------------------------------- LoRA


def make_rows(shared):
    """160 real GSM8K rows as short token ids: BOS, the end of the question, the start of the answer, EOS
    where the whole answer fitted. Lengths differ from row to row (49–96) so that batches have padding."""
    tokenizer = StoriesTokenizer(shared)
    data = json.loads((shared / "data/gsm8k_train_alpaca.json").read_text())[: STEPS * ROWS_A_STEP]
    rows = []
    for i, row in enumerate(data):
        prompt = [BOS] + tokenizer.encode(row["instruction"])[-(24 + 5 * i % 17) :]
        answer = tokenizer.encode(row["output"]) + [EOS]
        limit = 96 - 7 * i % 48
        rows.append({"ids": (prompt + answer)[:limit], "promptLength": len(prompt)})
    return rows


def pad_batch(rows):
    """Right padding; no attention mask is needed under a causal one, for padding stands after every real token."""
    width = max(len(row["ids"]) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.int64)
    labels = torch.full((len(rows), width), IGNORE, dtype=torch.int64)
    for i, row in enumerate(rows):
        tokens = torch.tensor(row["ids"])
        ids[i, : len(tokens)] = tokens
        labels[i, row["promptLength"] : len(tokens)] = tokens[row["promptLength"] :]
    return ids, labels


def train(shared, rows, r, alpha, targets, rate, dtype=torch.float32):
    model = Llama.from_folder(shared / "models/stories260K").to(dtype)
    adapter = add_lora(model, r, alpha, targets)
    with torch.no_grad():
        for name, parameter in adapter.items():
            if "lora_A" in name:
                parameter.copy_(formula_tensor(name, parameter.shape, SCALE_A))
    initial = {name: parameter.detach().clone() for name, parameter in adapter.items()}
    parameters = list(adapter.values())
    optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0)
    log = []
    for step in range(STEPS):
        ids, labels = pad_batch(rows[step * ROWS_A_STEP : (step + 1) * ROWS_A_STEP])
        loss = causal_loss(model(ids), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        log.append({"loss": loss.item(), "gradNorm": norm.item(), "targetTokens": int((labels != IGNORE).sum())})
    return initial, {name: parameter.detach() for name, parameter in adapter.items()}, log


def distance(a, b):
    return sum((a[name].double() - b[name].double()).pow(2).sum().item() for name in a) ** 0.5


def lora_golden(shared, rows, name, r, alpha, targets, rate):
    initial, final, log = train(shared, rows, r, alpha, targets, rate)
    moved = distance(initial, final)
    # The same run in f64 tells how much of the result is f32 rounding: a tolerance below that would be luck.
    _, exact, exact_log = train(shared, rows, r, alpha, targets, rate, torch.float64)
    noise = {
        "adapter": distance(final, exact) / moved,
        "loss": max(abs(a["loss"] - b["loss"]) for a, b in zip(log, exact_log)),
        "gradNorm": max(abs(a["gradNorm"] / b["gradNorm"] - 1) for a, b in zip(log, exact_log)),
    }
    print(f"{name}: loss {log[0]['loss']:.4f} → {log[-1]['loss']:.4f}, moved {moved:.4f}, f32 against f64: "
          + ", ".join(f"{key} {value:.1e}" for key, value in noise.items()))
    golden = {
        "madeBy": MADE_BY,
        "model": "stories260K, f32",
        "rows": "gsm8k-rows-stories260K.json: step s (from 0) takes rows 8s … 8s+7 in file order",
        "rowsPerStep": ROWS_A_STEP,
        "lora": {"r": r, "alpha": alpha, "dropout": 0, "targetModules": list(targets)},
        "initial": {"A": {"formula": FORMULA, "name": "the tensor's own PEFT name", "base": 0, "scale": SCALE_A}, "B": 0},
        "optimizer": {"name": "AdamW", "learningRate": rate, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0,
                      "maxGradNorm": 1, "schedule": "constant"},
        "steps": [{**s, "loss": f32(s["loss"]), "gradNorm": f32(s["gradNorm"])} for s in log],
        "distanceMoved": moved,
        "float32AgainstFloat64": noise,
        "tensors": {key: {"shape": list(t.shape), "initialHead": f32_list(initial[key].flatten()[:3]), "final": f32_base64(t)}
                    for key, t in final.items()},
    }
    write(LORA / f"stories260K-lora-20steps-{name}.json", golden)


# ------------------------------------------------------------------------------------------- AdamW


def adamw_golden():
    """Tiny vectors with given gradients: weight decay, clipping, gradients near eps, a zero gradient."""
    cases = [
        {"name": "plain", "learningRate": 0.01, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0, "maxGradNorm": None, "gradScale": 1},
        {"name": "decay and clipping", "learningRate": 0.02, "betas": [0.9, 0.999], "eps": 1e-8, "weightDecay": 0.1, "maxGradNorm": 1, "gradScale": 2},
        {"name": "clipping that does not bite", "learningRate": 0.02, "betas": [0.9, 0.95], "eps": 1e-8, "weightDecay": 0.01, "maxGradNorm": 10, "gradScale": 0.5},
        {"name": "gradients near eps", "learningRate": 0.01, "betas": [0.8, 0.99], "eps": 1e-6, "weightDecay": 0.1, "maxGradNorm": None, "gradScale": 2e-6},
    ]
    shapes = {"a": (2, 3), "b": (4,)}
    for case in cases:
        parameters = {n: torch.nn.Parameter(formula_tensor(f"adamw.{n}", s, 1.0)) for n, s in shapes.items()}
        case["initial"] = {n: f32_list(p) for n, p in parameters.items()}
        limit = case["maxGradNorm"]
        optimizer = torch.optim.AdamW(parameters.values(), lr=case["learningRate"], betas=tuple(case["betas"]),
                                      eps=case["eps"], weight_decay=case["weightDecay"])
        case["steps"] = []
        for step in range(6):
            for n, p in parameters.items():
                p.grad = formula_tensor(f"adamw.grad.{step}.{n}", p.shape, case["gradScale"])
            parameters["b"].grad[2] = 0.0
            grads = {n: f32_list(p.grad) for n, p in parameters.items()}
            norm = torch.nn.utils.clip_grad_norm_(parameters.values(), limit if limit else float("inf"))
            optimizer.step()
            case["steps"].append({"grads": grads, "gradNorm": f32(norm), "after": {n: f32_list(p) for n, p in parameters.items()}})
    write(TENSOR / "adamw.json", {
        "madeBy": MADE_BY,
        "note": "gradNorm is the global L2 norm before clipping; torch multiplies by min(1, max / (norm + 1e-6)); 'after' is the "
                "parameter after the step; decay is decoupled (p *= 1 - lr*wd first); shapes a [2,3], b [4]",
        "cases": cases,
    })


# ------------------------------------------------------------------------------------------- Llama

LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
          "original_max_position_embeddings": 8192}
LLAMA32 = {**LLAMA3, "factor": 32.0}


def rope_golden():
    cases = [
        {"headDim": 64, "theta": 10000.0, "scaling": None},
        {"headDim": 128, "theta": 10000.0, "scaling": {"rope_type": "default"}},
        {"headDim": 64, "theta": 10000.0, "scaling": {"rope_type": "linear", "factor": 4.0}},
        {"headDim": 128, "theta": 10000.0, "scaling": {"type": "linear", "factor": 4.0}},
        {"headDim": 64, "theta": 500000.0, "scaling": LLAMA3},
        {"headDim": 128, "theta": 500000.0, "scaling": LLAMA3},
        {"headDim": 64, "theta": 500000.0, "scaling": LLAMA32},
    ]
    for case in cases:
        case["invFreq"] = f32_list(inverse_frequencies(case["headDim"], case["theta"], case["scaling"]))
    write(LLAMA / "rope-scaling.json", {
        "madeBy": MADE_BY,
        "note": "transformers' inv_freq, computed in f32 as it does; f64 differs by about 1e-6 of the value; angle = position * invFreq[i]",
        "cases": cases,
    })


def random_llamas_golden():
    small3 = {**LLAMA3, "original_max_position_embeddings": 64}
    cases = {
        "gqa 4/2, tied head": dict(hidden_size=32, intermediate_size=40, num_attention_heads=4, num_key_value_heads=2,
                                   rope_theta=10000.0, tie_word_embeddings=True),
        "mha 2/2, separate head, head_dim 12 of hidden 16": dict(hidden_size=16, intermediate_size=24, num_attention_heads=2,
                                   num_key_value_heads=2, head_dim=12, rope_theta=10000.0, tie_word_embeddings=False),
        "gqa 6/1, separate head, head_dim 8, llama3 rope": dict(hidden_size=32, intermediate_size=48, num_attention_heads=6,
                                   num_key_value_heads=1, head_dim=8, rope_theta=10000.0, rope_scaling=small3, tie_word_embeddings=False),
        "gqa 4/2, tied head, linear rope, eps 1e-6": dict(hidden_size=24, intermediate_size=32, num_attention_heads=4, num_key_value_heads=2,
                                   head_dim=6, rms_norm_eps=1e-6, rope_theta=100.0, rope_scaling={"type": "linear", "factor": 4.0},
                                   tie_word_embeddings=True),
    }
    out = []
    for name, raw in cases.items():
        raw = {"model_type": "llama", "vocab_size": 48, "num_hidden_layers": 2, "rms_norm_eps": 1e-5,
               "max_position_embeddings": 512, "hidden_act": "silu", **raw}
        model = Llama(Config.from_dict(raw))
        weights = {}
        for key, parameter in model.named_parameters():
            norm = key.endswith("norm.weight")
            weights[key] = formula_tensor(key, parameter.shape, 0.25, 1.0 if norm else 0.0)
        model.load_weights(weights)
        ids = torch.tensor([[(7 * i * i + 5 * i + 3) % 48 for i in range(24)], [(11 * i + i // 3) % 48 for i in range(24)]])
        with torch.no_grad():
            logits = model(ids)
        exact = model.double()(ids).detach()
        print(f"{name}: logits in ±{logits.abs().max():.2f}, f32 against f64 {(logits - exact).abs().max():.1e}")
        out.append({
            "name": name, "config": raw, "ids": ids.tolist(), "logitsShape": list(logits.shape), "logits": f32_base64(logits),
            "weights": {key: {"shape": list(t.shape), "head": f32_list(t.flatten()[:3])} for key, t in weights.items()},
        })
    write(LLAMA / "random-llamas.json", {
        "madeBy": MADE_BY,
        "formula": FORMULA,
        "formulaInputs": {"name": "the weight's Hugging Face name", "scale": 0.25, "base": "1 for names ending in norm.weight, else 0"},
        "cases": out,
    })


SMALL = dict(vocab_size=48, hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
             num_key_value_heads=2, head_dim=8, rms_norm_eps=1e-6, rope_theta=100.0, max_position_embeddings=512)
FAMILY_CASES = {
    "llama 3": {"model_type": "llama", **SMALL, "hidden_act": "silu", "tie_word_embeddings": True,
                "rope_scaling": {**LLAMA3, "original_max_position_embeddings": 64}},
    "mistral": {"model_type": "mistral", **SMALL, "hidden_act": "silu", "sliding_window": 7, "tie_word_embeddings": False},
    "qwen 2": {"model_type": "qwen2", **SMALL, "hidden_act": "silu", "tie_word_embeddings": True},
    "qwen 2, windows": {"model_type": "qwen2", **SMALL, "hidden_act": "silu", "tie_word_embeddings": False,
                        "use_sliding_window": True, "sliding_window": 5, "max_window_layers": 1},
    "qwen 3": {"model_type": "qwen3", **SMALL, "hidden_act": "silu", "tie_word_embeddings": True},
    "gemma": {"model_type": "gemma", **SMALL, "hidden_act": "gelu", "hidden_activation": None, "tie_word_embeddings": True},
    # Caps low and scores large enough that both caps bend.
    "gemma 2": {"model_type": "gemma2", **SMALL, "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu_pytorch_tanh",
                "tie_word_embeddings": True, "query_pre_attn_scalar": 3, "attn_logit_softcapping": 4.0,
                "final_logit_softcapping": 2.0, "sliding_window": 6},
}


def family_base(key, model_type):
    """About 1 for norms, or 0 where they store how far they are from 1."""
    return 1.0 if key.endswith("norm.weight") and not model_type.startswith("gemma") else 0.0


def families_golden():
    """Logits, and the gradients of an adapter on all linear layers, of a small random model of each family."""
    ids = torch.tensor([[(7 * i * i + 5 * i + 3) % 48 for i in range(24)], [(11 * i + i // 3) % 48 for i in range(24)]])
    labels = ids.clone()
    labels[0, :5], labels[1, :11] = IGNORE, IGNORE
    out = []
    for name, raw in FAMILY_CASES.items():
        model = FAMILIES[raw["model_type"]](raw)
        model.load_weights({key: formula_tensor(key, p.shape, 0.25, family_base(key, raw["model_type"]))
                            for key, p in model.named_parameters()})
        with torch.no_grad():
            logits = model(ids)
        adapter = add_lora(model, 2, 3, ALL)
        with torch.no_grad():
            for key, parameter in adapter.items():
                parameter.copy_(formula_tensor(key, parameter.shape, 0.25))
        adapted = model(ids)
        loss = causal_loss(adapted, labels)
        loss.backward()
        grads = {key: p.grad.clone() for key, p in adapter.items()}
        model.double().zero_grad()
        exact = model(ids)
        causal_loss(exact, labels).backward()
        off = max(((p.grad - grads[key]).abs().max() / p.grad.abs().max()).item() for key, p in adapter.items())
        print(f"{name}: logits in ±{adapted.abs().max():.2f}, loss {loss:.4f}, f32 against f64: "
              f"logits {(adapted - exact).abs().max():.1e}, gradients {off:.1e} of each tensor's largest")
        out.append({"name": name, "config": raw, "logits": f32_base64(logits), "adaptedLogits": f32_base64(adapted),
                    "loss": f32(loss), "gradients": {key: f32_base64(g) for key, g in grads.items()}})
    for folder in (LLAMA, LORA):
        keys = ("name", "config", "logits") if folder == LLAMA else ("name", "config", "adaptedLogits", "loss", "gradients")
        write(folder / "families.json", {
            "madeBy": MADE_BY,
            "formula": FORMULA,
            "formulaInputs": {"name": "the tensor's Hugging Face or PEFT name", "scale": 0.25,
                              "base": "1 for names ending in norm.weight but Gemma's, else 0"},
            "lora": {"r": 2, "alpha": 3, "targets": list(ALL)},
            "ids": ids.tolist(), "labels": labels.tolist(),
            "cases": [{key: case[key] for key in keys} for case in out],
        })


def main():
    parser = argparse.ArgumentParser(description="make the goldens of packages/lora and packages/llama")
    parser.add_argument("--shared", type=Path, default=ROOT / "../shared")
    parser.add_argument("--rate", type=float, default=3e-3, help="learning rate of the 20 LoRA steps")
    options = parser.parse_args()
    torch.manual_seed(0)
    if not verify(options.shared):
        raise SystemExit("the reference model is wrong: no goldens written")
    rows = make_rows(options.shared)
    write(LORA / "gsm8k-rows-stories260K.json", {
        "madeBy": MADE_BY,
        "source": "GSM8K train (MIT), rows 0–159, stories260K tokenizer; labels = ids with the first promptLength replaced by -100, shifted inside",
        "rows": rows,
    })
    lora_golden(options.shared, rows, "qv", 8, 16, QV, options.rate)
    lora_golden(options.shared, rows, "all", 4, 16, ALL, options.rate)
    adamw_golden()
    rope_golden()
    random_llamas_golden()
    families_golden()


if __name__ == "__main__":
    main()
