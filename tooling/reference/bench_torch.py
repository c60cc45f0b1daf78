"""The torch side of the speed bench: a PEFT-style LoRA step (frozen base, r=16 on q_proj and v_proj, f32, eager).

    /usr/bin/python3 tooling/reference/bench_torch.py --shape 26m --batch 2 --seq 512 --steps 8 --threads 2
    /usr/bin/python3 tooling/reference/bench_torch.py --shape 26m --rows rows.json --batch 8 --threads 2

rows.json is [{"ids": [..], "labels": [..]}], labels as in transformers (−100 = no loss, shifted inside). Rows are taken in
the file's order, each batch padded to its longest, as a PEFT user's collator does. Prints one JSON line.

Fair to torch: nothing is copied or kept that a careful user would not, the graph is gone before the next step, labels
are shifted instead of logits, and the peak (VmHWM) is read before anything else is measured.

`--loop careful` (the default) is as written above. `--loop usual` is the loop most scripts have: logits shifted by copy as
transformers did for years, and `logits` and `loss` of one step alive while the next step's forward runs. On
2×512 tokens 1980–2065 MB instead of 1150–1220. Both are PEFT-style torch; a claim should name the one it stands against.

Torch is a fair peer only with the right BLAS: `apt-get install python3-torch libopenblas0-openmp`. Debian's default libblas3
is the slow reference one, and libopenblas0-pthread brings a second set of spinning threads beside torch's OpenMP ones, which
made the step 2.2 times slower on two cores. The OpenMP build is used wherever it is installed, whatever the system's default;
"blas" and "fair_blas" say what was loaded. On a busy machine its spinning threads wait for one another (7 s instead of 1 s a
step): a run whose "cores_used" is well below "threads" says nothing.
"""

import argparse
import glob
import json
import os
import statistics
import sys
import time

FAIR_BLAS = ("openblas-openmp", "mkl")

SHAPES = {
    "26m": dict(hidden_size=512, intermediate_size=1408, num_hidden_layers=8, num_attention_heads=8,
                num_key_value_heads=4, vocab_size=8192, tie_word_embeddings=False),
    "tiny": dict(hidden_size=64, intermediate_size=176, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=2, vocab_size=512, tie_word_embeddings=False),
}

parser = argparse.ArgumentParser(description="time PEFT-style LoRA training in plain torch")
parser.add_argument("--shape", choices=SHAPES, default="26m", help="random weights of this shape")
parser.add_argument("--model", help="a Hugging Face folder instead of --shape")
parser.add_argument("--rows", help="JSON file of rows; without it, random full-length rows, every token labelled")
parser.add_argument("--batch", type=int, default=2)
parser.add_argument("--seq", type=int, default=512)
parser.add_argument("--steps", type=int, help="timed steps (default 8; with --rows, the whole file once)")
parser.add_argument("--warmup", type=int, default=1, help="untimed steps before")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--loop", choices=("careful", "usual"), default="careful", help="what stays alive between steps")
parser.add_argument("--r", type=int, default=16)
parser.add_argument("--targets", default="q_proj,v_proj")
options = parser.parse_args()

# Before torch is loaded, for the loader, OpenBLAS and OpenMP read these once.
fast_blas = glob.glob("/usr/lib/*/openblas-openmp")
search_path = os.environ.get("LD_LIBRARY_PATH", "").split(":")
if fast_blas and fast_blas[0] not in search_path:
    os.environ["LD_LIBRARY_PATH"] = ":".join([fast_blas[0], *filter(None, search_path)])
    os.execv(sys.executable, [sys.executable, *sys.argv])
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(options.threads)

try:
    import torch
except ImportError:
    sys.exit("bench_torch: no torch for this Python; on Debian: apt-get install python3-torch libopenblas0-openmp, then /usr/bin/python3")

from llama import IGNORE, Config, Llama, add_lora, causal_loss

torch.set_num_threads(options.threads)
torch.manual_seed(0)


def peak_rss_mb():
    with open("/proc/self/status") as status:
        for line in status:
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    return None


def blas():
    """The BLAS this process has loaded, by its path."""
    with open("/proc/self/maps") as maps:
        paths = {line.split()[-1] for line in maps if "/" in line}
    for name in ("openblas-openmp", "openblas-pthread", "openblas", "mkl", "blis", "atlas"):
        if any(name in path.lower() and "dnn" not in path.lower() for path in paths):
            return name
    return "reference"


def gemm_gflops(size=1024, tries=8):
    """The best f32 rate of x @ W.T for square matrices: what the machine reaches in this run."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    best = float("inf")
    for _ in range(tries):
        start = time.perf_counter()
        torch.nn.functional.linear(a, b)
        best = min(best, time.perf_counter() - start)
    return 2 * size**3 / best / 1e9


def build_model():
    if options.model:
        return Llama.from_folder(options.model)
    model = Llama(Config(**SHAPES[options.shape]))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith("norm.weight"):
                parameter.normal_(0, 0.02)
    return model


def random_batches(vocab, count):
    for _ in range(count):
        ids = torch.randint(vocab, (options.batch, options.seq))
        yield ids, ids


def row_batches(rows):
    for first in range(0, len(rows), options.batch):
        group = rows[first : first + options.batch]
        width = max(len(row["ids"]) for row in group)
        ids = torch.zeros(len(group), width, dtype=torch.int64)
        labels = torch.full((len(group), width), IGNORE, dtype=torch.int64)
        for i, row in enumerate(group):
            ids[i, : len(row["ids"])] = torch.tensor(row["ids"])
            labels[i, : len(row["ids"])] = torch.tensor(row["labels"])
        yield ids, labels


def main():
    model = build_model().train()
    adapter = list(add_lora(model, r=options.r, alpha=2 * options.r, targets=tuple(options.targets.split(","))).values())
    optimizer = torch.optim.AdamW(adapter, lr=1e-4, weight_decay=0.0)

    kept = {}

    def step(ids, labels):
        if options.loop == "careful":
            loss = causal_loss(model(ids), labels)
        else:
            kept["logits"] = model(ids)
            shifted = kept["shifted"] = kept["logits"][:, :-1].contiguous()
            targets = labels[:, 1:].reshape(-1)
            loss = kept["loss"] = torch.nn.functional.cross_entropy(shifted.flatten(0, 1), targets, ignore_index=IGNORE)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    if options.rows:
        with open(options.rows) as file:
            batches = list(row_batches(json.load(file)))[: options.steps]
        warm = batches[: options.warmup]
    else:
        steps = options.steps or 8
        batches = list(random_batches(model.config.vocab_size, steps))
        warm = list(random_batches(model.config.vocab_size, options.warmup))
    for ids, labels in warm:
        step(ids, labels)

    times, losses = [], []
    cpu_start = time.process_time()
    for ids, labels in batches:
        start = time.perf_counter()
        losses.append(step(ids, labels))
        times.append(time.perf_counter() - start)
    cpu = time.process_time() - cpu_start
    peak = peak_rss_mb()
    used = blas()
    if used not in FAIR_BLAS:
        print(f"bench_torch: torch runs on the {used} BLAS, far below its best: install libopenblas0-openmp", file=sys.stderr)

    samples = sum(len(ids) for ids, _ in batches)
    computed = sum(ids.numel() for ids, _ in batches)
    report = {
        "median_step_s": round(statistics.median(times), 4),
        "min_step_s": round(min(times), 4),
        "total_s": round(sum(times), 4),
        "steps": len(times),
        "cores_used": round(cpu / sum(times), 2),  # well below threads: something else had the cores
        "samples_per_s": round(samples / sum(times), 3),
        "tokens_per_s": round(computed / sum(times), 1),
        "tokens": computed,
        "real_tokens": sum(len(row["ids"]) for row in json.load(open(options.rows))[:samples]) if options.rows else computed,
        "target_tokens": sum(int((labels[:, 1:] != IGNORE).sum()) for _, labels in batches),
        "first_loss": round(losses[0], 5),
        "last_loss": round(losses[-1], 5),
        "peak_rss_mb": round(peak, 1),
        "gemm_gflops": round(gemm_gflops(), 1),
        "loop": options.loop,
        "threads": options.threads,
        "torch": torch.__version__,
        "blas": used,
        "fair_blas": used in FAIR_BLAS,
    }
    print(json.dumps(report))


main()
