"""Golden of the optimiser adamw_8bit: twenty steps of bitsandbytes' AdamW8bit, and its code maps.

    pip install bitsandbytes torch; python tooling/reference/training/make_adamw8bit_golden.py

writes packages/tensor/test/goldens/adamw-8bit.json: the two maps, and of each parameter its values and 8-bit state after the last
step. Values and gradients at the start are those of `noise` below, which the test computes too: exact in float64, of many sizes.
"""
import base64
import json
from pathlib import Path

import bitsandbytes as bnb
import bitsandbytes.backends.cpu.ops as on_cpu
import numpy as np
import torch

torch.set_num_threads(1)
steps, learning_rate, weight_decay = 20, 1e-3, 0.01
# Not a multiple of a block, a multiple, and below the size from which moments are kept in 8 bits.
shapes = {"loraA": [16, 301], "loraB": [40, 128], "magnitude": [300]}


def noise(seed: int, size: int) -> np.ndarray:
    i = np.arange(size, dtype=np.uint64) + np.uint64(seed * 100_000 + 1)
    word = (i * np.uint64(2654435761)) % np.uint64(2**32)
    word = ((word ^ (word >> np.uint64(15))) * np.uint64(40503)) % np.uint64(2**32)
    return ((word.astype(np.float64) / 2**32 - 0.5) * 2.0 ** -(i % np.uint64(5)).astype(np.float64)).astype(np.float32)


def nearest(x, code, absmax, out, blocksize):
    """The nearest codes, as bitsandbytes defines them and its path for other types finds them; its CPU library misses some."""
    blocks = torch.nn.functional.pad(x.flatten(), (0, -x.numel() % blocksize)).view(-1, blocksize)
    absmax.copy_(blocks.abs().amax(1))
    scaled = (blocks / absmax[:, None]).flatten()[: x.numel()]
    out.copy_((scaled[:, None] - code).abs().argmin(1).to(torch.uint8).view(out.shape))


on_cpu._quant_blockwise_fp32_direct = nearest

params = {name: torch.nn.Parameter(torch.from_numpy(noise(k, int(np.prod(shape))).reshape(shape)))
          for k, (name, shape) in enumerate(shapes.items())}
optimizer = bnb.optim.AdamW8bit(params.values(), lr=learning_rate, betas=(0.9, 0.999), eps=1e-8, weight_decay=weight_decay)
for step in range(1, steps + 1):
    for k, (name, p) in enumerate(params.items()):
        p.grad = torch.from_numpy(noise(10 * step + k, p.numel()).reshape(shapes[name]))
    optimizer.step()


def base(values: torch.Tensor) -> str:
    return base64.b64encode(values.detach().contiguous().numpy().tobytes()).decode()


def kept(p: torch.nn.Parameter) -> dict:
    state = optimizer.state[p]
    if state["state1"].dtype != torch.uint8:
        return {}
    return {key: base(state[key]) for key in ("state1", "state2", "absmax1", "absmax2")}


golden = {
    "bitsandbytes": bnb.__version__,
    "steps": steps,
    "learningRate": learning_rate,
    "weightDecay": weight_decay,
    "maps": {name: [float(x) for x in bnb.functional.create_dynamic_map(signed=name == "signed")] for name in ("signed", "unsigned")},
    "params": {name: {"shape": shapes[name], "after": base(p), **kept(p)} for name, p in params.items()},
}
target = Path(__file__).parents[3] / "packages/tensor/test/goldens/adamw-8bit.json"
target.write_text(json.dumps(golden, indent=1) + "\n")
print(target, target.stat().st_size)
