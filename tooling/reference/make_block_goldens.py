"""Blocks of ggml's quantised types and the values that gguf-py unpacks them to, for packages/tensor's tests.

    python3 tooling/reference/make_block_goldens.py > packages/tensor/test/goldens/blocks.json

Needs gguf and numpy. Of each type: blocks of random bytes whose f16 scales are random, then zero, the smallest, the
largest and negative ones.
"""

import base64
import json

import gguf
import numpy as np
from gguf.quants import dequantize

# Where each type's f16 scales are in a block.
SCALES = {
    "Q4_0": [0],
    "Q4_1": [0, 2],
    "Q5_0": [0],
    "Q5_1": [0, 2],
    "Q8_0": [0],
    "Q2_K": [80, 82],
    "Q3_K": [108],
    "Q4_K": [0, 2],
    "Q5_K": [0, 2],
    "Q6_K": [208],
    "IQ4_NL": [0],
    "IQ4_XS": [0],
}
CORNERS = [0.0, -0.0, 2.0**-24, -(2.0**-14), 65504.0, -1.0]


def main() -> None:
    rng = np.random.default_rng(16)
    cases = []
    for name, places in SCALES.items():
        kind = gguf.GGMLQuantizationType[name]
        _, size = gguf.GGML_QUANT_SIZES[kind]
        scales = [float(x) for x in rng.normal(0, 0.1, 4)] + CORNERS
        blocks = rng.integers(0, 256, (len(scales), size), dtype=np.uint8)
        for block, scale in zip(blocks, scales):
            for place, factor in zip(places, [1.0, 0.5]):
                block[place : place + 2] = np.array([scale * factor], np.float16).view(np.uint8)
        with np.errstate(over="ignore"):
            values = dequantize(blocks, kind).astype(np.float32)
        cases.append(
            {
                "type": name.lower(),
                "bytes": base64.b64encode(blocks.tobytes()).decode(),
                "values": base64.b64encode(values.tobytes()).decode(),
            }
        )
    made_by = f"tooling/reference/make_block_goldens.py, numpy {np.__version__}"
    print(json.dumps({"madeBy": made_by, "cases": cases}, indent=1))


main()
