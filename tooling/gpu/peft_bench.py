"""PEFT's LoRA step on one GPU, beside which JORA's is held: a Llama-2-7B of random weights made on the GPU, bf16, sdpa.

    python3 peft_bench.py [--shape llama-2-7b] [--seq 512,2048] [--steps 10] [--warmup 3]

LoRA r=16, alpha=16 on q_proj and v_proj, as PEFT sets it up by default (adapter in f32); batch 1, every token labelled,
torch's AdamW, with and without gradient checkpointing. Then the machine's two ceilings: how fast it copies its own memory
(bytes read and written) and multiplies two 8192×8192 matrices. Prints one JSON object; what goes wrong is told on stderr,
in its place stands {"error": …}, and the rest is measured all the same.

`--device cpu --shape tiny` shows that it runs, not what it measures.
"""

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
import traceback

import peft
import torch
import transformers

SHAPES = {
    "llama-2-7b": dict(hidden_size=4096, intermediate_size=11008, num_hidden_layers=32, num_attention_heads=32,
                       num_key_value_heads=32, vocab_size=32000, max_position_embeddings=4096),
    "tiny": dict(hidden_size=64, intermediate_size=176, num_hidden_layers=2, num_attention_heads=4,
                 num_key_value_heads=4, vocab_size=512, max_position_embeddings=4096),
}

parser = argparse.ArgumentParser(description="time PEFT's LoRA step and the machine's ceilings")
parser.add_argument("--shape", choices=SHAPES, default="llama-2-7b")
parser.add_argument("--seq", default="512,2048", help="tokens in the one row of a step")
parser.add_argument("--steps", type=int, default=10, help="timed steps")
parser.add_argument("--warmup", type=int, default=3, help="untimed steps before")
parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
options = parser.parse_args()
device = torch.device(options.device)
on_gpu = options.device == "cuda"


def synchronize():
    if on_gpu:
        torch.cuda.synchronize()


def nvidia_smi(fields):
    """The values of `nvidia-smi --query-gpu` for the first GPU, or None where there is no such program."""
    try:
        command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits", "--id=0"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def attempt(measure, *arguments):
    """What `measure` returns; a failure, out of memory above all, is noted in its place."""
    try:
        return measure(*arguments)
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {error}"}
    finally:
        gc.collect()
        if on_gpu:
            torch.cuda.empty_cache()


def make_model():
    config = transformers.LlamaConfig(**SHAPES[options.shape], use_cache=False, attn_implementation="sdpa")
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with device:
        base = transformers.LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    lora = peft.LoraConfig(r=16, lora_alpha=16, lora_dropout=0.0, target_modules=["q_proj", "v_proj"], bias="none",
                           task_type="CAUSAL_LM")
    model = peft.get_peft_model(base, lora)
    model.train()  # or gradient checkpointing does nothing
    return model


def lora_steps(model, tokens, checkpointing):
    if checkpointing:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    else:
        model.gradient_checkpointing_disable()
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4)
    ids = torch.randint(0, SHAPES[options.shape]["vocab_size"], (1, tokens), device=device)
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()

    def step():
        synchronize()
        began = time.perf_counter()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        synchronize()
        return (time.perf_counter() - began) * 1e3, loss.item()

    losses = [step()[1] for _ in range(options.warmup)]
    timed = [step() for _ in range(options.steps)]
    ms = [one for one, _ in timed]
    used = nvidia_smi("memory.used")
    return {
        "step_ms": statistics.median(ms),
        "tokens_per_s": tokens / statistics.median(ms) * 1e3,
        "all_step_ms": ms,
        "peak_allocated_bytes": torch.cuda.max_memory_allocated() if on_gpu else None,
        "peak_reserved_bytes": torch.cuda.max_memory_reserved() if on_gpu else None,
        # The whole GPU with context and caches, read after the steps: torch keeps what it has once reserved.
        "nvidia_smi_bytes": int(used) * 2**20 if used else None,
        "losses": losses + [loss for _, loss in timed],
    }


def seconds_each(work, times=10):
    """Of `times` runs in a row, after three: long enough a queue that launching costs nothing."""
    for _ in range(3):
        work()
    synchronize()
    began = time.perf_counter()
    for _ in range(times):
        work()
    synchronize()
    return (time.perf_counter() - began) / times


def copy_rate():
    source = torch.empty(2**32 if on_gpu else 2**27, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return {"bytes_per_s": 2 * source.numel() / seconds_each(lambda: target.copy_(source))}


def product_rate(dtype):
    n = 8192 if on_gpu else 256
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return {"n": n, "flop_per_s": 2 * n**3 / seconds_each(lambda: a @ b)}


began = time.perf_counter()
model = make_model()
synchronize()
report = {
    "gpu": torch.cuda.get_device_name() if on_gpu else None,
    "driver": nvidia_smi("driver_version"),
    "versions": {"torch": torch.__version__, "transformers": transformers.__version__, "peft": peft.__version__},
    "shape": options.shape,
    "parameters": sum(parameter.numel() for parameter in model.parameters()),
    "trained_parameters": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
    "attention": model.config._attn_implementation,
    "dtypes": sorted({str(parameter.dtype) for parameter in model.parameters()}),
    "making_s": time.perf_counter() - began,
    "runs": [],
}
for tokens in map(int, options.seq.split(",")):
    for checkpointing in (False, True):
        result = attempt(lora_steps, model, tokens, checkpointing)
        print(f"{tokens} tokens, checkpointing {checkpointing}: {result}", file=sys.stderr)
        report["runs"].append({"tokens": tokens, "checkpointing": checkpointing, **result})
del model
gc.collect()
report["ceilings"] = {
    "copy": attempt(copy_rate),
    "bf16_product": attempt(product_rate, torch.bfloat16),
    "f16_product": attempt(product_rate, torch.float16),
}
print(json.dumps(report, indent=1))
