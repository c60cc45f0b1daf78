"""Blocks as ggml itself quantises them, for packages/tensor's tests: digests of its bytes for formula-made values.

    python tooling/reference/make_quantise_goldens.py LIBGGML_BASE > packages/tensor/test/goldens/quantised.json

LIBGGML_BASE is libggml-base.so of llama.cpp (node-llama-cpp brings one). Needs numpy and torch (formula.py).
"""

import ctypes
import hashlib
import json
import sys

import numpy as np

from formula import formula_tensor

TYPES = {"q4_0": 2, "q5_0": 6, "q5_1": 7, "q8_0": 8, "q4_k": 12, "q5_k": 13, "q6_k": 14}
ROWS, COLUMNS = 24, 512


def inputs():
    for name, scale, base in [("small", 0.02, 0.0), ("shifted", 0.5, 0.4), ("one", 1.0, 0.0), ("tiny", 1e-6, 0.0)]:
        yield name, scale, base, formula_tensor(name, (ROWS * COLUMNS,), scale, base).numpy()
    # Cubes spread values as trained weights are spread, with a few that are far out; then zeros.
    values = formula_tensor("spread", (ROWS * COLUMNS,), 1.0).numpy()
    spread = (values * values).astype(np.float32) * values
    spread[:COLUMNS] = 0
    yield "spread", None, None, spread.astype(np.float32)


def main():
    lib = ctypes.CDLL(sys.argv[1])
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    cases = []
    for name, scale, base, x in inputs():
        x = np.ascontiguousarray(x, np.float32)
        made = {}
        for kind, number in TYPES.items():
            out = np.zeros(x.nbytes, np.uint8)
            size = lib.ggml_quantize_chunk(
                ctypes.c_int(number), x.ctypes.data_as(ctypes.c_void_p), out.ctypes.data_as(ctypes.c_void_p),
                ctypes.c_int64(0), ctypes.c_int64(ROWS), ctypes.c_int64(COLUMNS), None)
            made[kind] = {"bytes": size, "sha256": hashlib.sha256(out[:size].tobytes()).hexdigest()}
        cases.append({"name": name, "scale": scale, "base": base, "made": made})
    print(json.dumps({"madeBy": "tooling/reference/make_quantise_goldens.py, ggml_quantize_chunk",
                      "rows": ROWS, "columns": COLUMNS, "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
