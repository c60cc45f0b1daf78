"""Golden of --quantize: what bitsandbytes makes of a matrix in nf4 with double quantisation, and in int8.

    pip install bitsandbytes torch; python tooling/reference/make_bitsandbytes_goldens.py

writes packages/tensor/test/goldens/bitsandbytes.json: the tables, a matrix in f16, its codes, the scales of its blocks as
they are read back, and the int8 rows. Arrays are base64 of little-endian elements.
"""

import base64
import json
from pathlib import Path

import bitsandbytes.functional as bnb
import numpy as np
import torch

torch.manual_seed(7)


def text(tensor: torch.Tensor) -> str:
    return base64.b64encode(np.ascontiguousarray(tensor.numpy()).tobytes()).decode()


# 272 blocks of 64: more than the 256 that share a scale of scales. Rows of very different size, one of zeros.
x = torch.randn(16, 1088) * torch.logspace(-4, 1, 16).reshape(16, 1)
x[5] = 0
x[6, 3] = 40.0
x = x.half()

codes, state = bnb.quantize_4bit(x.float(), blocksize=64, quant_type="nf4", compress_statistics=True)
scales = bnb.dequantize_blockwise(state.absmax, state.state2) + state.offset
rows, maxima, _ = torch.ops.bitsandbytes.int8_vectorwise_quant(x, 0.0)

golden = {
    "bitsandbytes": __import__("bitsandbytes").__version__,
    "shape": list(x.shape),
    "x": text(x),
    "nf4": text(bnb.get_4bit_type("nf4", device="cpu").float()),
    "dynamic": text(bnb.create_dynamic_map()),
    "codes": text(codes.flatten()),
    "scales": text(scales.float()),
    "int8": text(rows),
    "maxima": text(maxima.float()),
}
path = Path(__file__).parents[2] / "packages/tensor/test/goldens/bitsandbytes.json"
path.write_text(json.dumps(golden, indent=1) + "\n")
print(path, path.stat().st_size)
