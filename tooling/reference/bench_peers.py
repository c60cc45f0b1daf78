"""What peers do of one bench, each in a process of its own; the last line is JSON. tooling/bench/peers.mjs calls it.

    python bench_peers.py folder --gguf FILE.gguf --output DIR       the model as a folder in bf16, as its users have it
    python bench_peers.py step --model DIR --dtype f32|bf16 --tokens 512 --steps 5 --threads 2
    python bench_peers.py decode --model FILE.gguf --prompt 256 --tokens 64 --rounds 3 --threads 2
    python bench_peers.py versions

A step is PEFT's: a frozen base, LoRA r 16 on q_proj and v_proj, batch 1, all tokens labelled, AdamW. Decoding is llama.cpp's by
llama-cpp-python.
"""

import argparse
import importlib.metadata
import json
import os
import statistics
import time

parser = argparse.ArgumentParser(description="one measurement of a peer")
parser.add_argument("what", choices=("folder", "step", "decode", "versions"))
parser.add_argument("--gguf")
parser.add_argument("--output")
parser.add_argument("--model")
parser.add_argument("--dtype", choices=("f32", "bf16"), default="f32")
parser.add_argument("--tokens", type=int, default=512)
parser.add_argument("--prompt", type=int, default=256)
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--threads", type=int, default=2)
options = parser.parse_args()
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = str(options.threads)


def folder():
    import torch
    from transformers import AutoModelForCausalLM

    directory, name = os.path.split(os.path.abspath(options.gguf))
    model = AutoModelForCausalLM.from_pretrained(directory, gguf_file=name, dtype=torch.float32)
    # It was unpacked: as transformers sees it, it is quantised still, and is not to be saved.
    model.hf_quantizer = None
    model.is_quantized = False
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.to(torch.bfloat16).save_pretrained(options.output)
    return {"folder": options.output}


def step():
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    dtype = {"f32": torch.float32, "bf16": torch.bfloat16}[options.dtype]
    base = AutoModelForCausalLM.from_pretrained(options.model, dtype=dtype)
    base.config.use_cache = False
    config = LoraConfig(r=16, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(base, config)
    model.train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-4)
    ids = torch.tensor([[(i * 7919) % base.config.vocab_size for i in range(options.tokens)]])
    times = []
    for _ in range(options.steps + 1):
        begun = time.perf_counter()
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        times.append(time.perf_counter() - begun)
        value = float(loss.detach())
        del loss
    return {"stepMs": 1000 * statistics.median(times[1:]), "firstStepMs": 1000 * times[0], "loss": value}


def decode():
    from llama_cpp import Llama

    size = options.prompt + options.tokens + 8
    llama = Llama(options.model, n_ctx=size, n_threads=options.threads, n_threads_batch=options.threads, verbose=False)
    vocabulary = llama.n_vocab()
    rounds = []
    for number in range(options.rounds + 1):
        llama.reset()
        prompt = [100 + (i * 7919 + number * 31) % (vocabulary - 200) for i in range(options.prompt)]
        begun = time.perf_counter()
        marks = []
        for _ in llama.generate(prompt, temp=0.0, reset=True):
            marks.append(time.perf_counter())
            if len(marks) == options.tokens:
                break
        rounds.append((marks[0] - begun, (marks[-1] - marks[0]) / (options.tokens - 1)))
    return {
        "promptTokensPerSecond": options.prompt / statistics.median(r[0] for r in rounds[1:]),
        "tokensPerSecond": 1 / statistics.median(r[1] for r in rounds[1:]),
    }


def versions():
    known = {}
    for name in ("torch", "transformers", "peft", "llama-cpp-python"):
        try:
            known[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            pass
    return known


print(json.dumps({"folder": folder, "step": step, "decode": decode, "versions": versions}[options.what]()))
