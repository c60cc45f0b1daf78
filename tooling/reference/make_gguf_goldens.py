"""ggml's block quantisation in numpy, for packages/tensor's tests.

    python3 tooling/reference/make_gguf_goldens.py > packages/tensor/test/goldens/gguf-quants.json

Needs numpy only. Written from the definition of the formats, not from anybody's code:
q8_0: 32 values a block; d = max|x| / 127 in float32, stored as f16; q = round half away from zero of x * (1 / d).
q4_0: 32 values a block; m the first value of largest magnitude; d = m / -8, stored as f16;
      q = min(15, trunc(x * (1 / d) + 8.5)); byte i has q[i] below and q[i + 16] above.
All arithmetic is float32, each operation rounded by itself.
"""

import base64
import json

import numpy as np

F = np.float32
BLOCK = 32


def scales(d: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """f16 bytes of each block's scale, and the float32 inverse that its values are multiplied by."""
    inverse = np.zeros_like(d)
    np.divide(F(1), d, out=inverse, where=d != 0)
    return d.astype(np.float16).view(np.uint8).reshape(-1, 2), inverse


def q8_0(x: np.ndarray) -> bytes:
    x = x.reshape(-1, BLOCK)
    head, inverse = scales(np.abs(x).max(axis=1) / F(127))
    y = (x * inverse[:, None]).astype(np.float64)
    q = (np.sign(y) * np.floor(np.abs(y) + 0.5)).astype(np.int8)
    return np.hstack([head, q.view(np.uint8)]).tobytes()


def q4_0(x: np.ndarray) -> bytes:
    x = x.reshape(-1, BLOCK)
    m = x[np.arange(len(x)), np.abs(x).argmax(axis=1)]
    m = np.where(m == 0, F(0), m)  # zeros have no sign here
    head, inverse = scales(m / F(-8))
    q = np.minimum(15, np.trunc(x * inverse[:, None] + F(8.5))).astype(np.uint8)
    return np.hstack([head, q[:, :16] | (q[:, 16:] << 4)]).tobytes()


def dequantize(data: bytes, kind: str) -> np.ndarray:
    rows = np.frombuffer(data, np.uint8).reshape(-1, {"q8_0": 34, "q4_0": 18}[kind])
    d = rows[:, :2].copy().view(np.float16).astype(F)
    body = rows[:, 2:].copy()
    if kind == "q8_0":
        q = body.view(np.int8).astype(F)
    else:
        q = np.hstack([body & 15, body >> 4]).astype(F) - F(8)
    return (q * d).astype(F).reshape(-1)


def bf16(x: np.ndarray) -> bytes:
    """The nearest, of two as near the even one."""
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16).tobytes()


def inputs() -> dict[str, np.ndarray]:
    random = np.random.default_rng(7)
    zeros = np.zeros(BLOCK, F)
    minus = zeros.copy()
    minus[::3] = -0.0
    both = random.normal(size=BLOCK).astype(F)
    both[[5, 9]] = [-4, 4]
    halves = (np.arange(BLOCK) - 15.5).astype(F)  # x / d falls on halves
    halves[0] = -127
    return {
        "normal": (random.normal(size=64 * BLOCK) * 0.02).astype(F),
        "wide": (random.normal(size=16 * BLOCK) * 10.0 ** random.uniform(-6, 3, 16 * BLOCK)).astype(F),
        "zeros of both signs": np.concatenate([zeros, minus, -zeros]),
        "two of largest magnitude": np.concatenate([both, -both]),
        "halves": np.concatenate([halves, -halves]),
        "scales below f16's normal numbers": (random.normal(size=4 * BLOCK) * 1e-4).astype(F),
        "scales that f16 has as 0": (random.normal(size=4 * BLOCK) * 1e-7).astype(F),
        "large": (random.uniform(-60000, 60000, 4 * BLOCK)).astype(F),
    }


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def main() -> None:
    cases = []
    for name, x in inputs().items():
        case = {"name": name, "x": text(x.tobytes())}
        case["f16"] = {"bytes": text(x.astype(np.float16).tobytes()), "x": text(x.astype(np.float16).astype(F).tobytes())}
        b = bf16(x)
        case["bf16"] = {"bytes": text(b), "x": text((np.frombuffer(b, np.uint16).astype(np.uint32) << 16).tobytes())}
        for kind, quantize in (("q8_0", q8_0), ("q4_0", q4_0)):
            data = quantize(x)
            case[kind] = {"bytes": text(data), "x": text(dequantize(data, kind).tobytes())}
        cases.append(case)
    made_by = f"tooling/reference/make_gguf_goldens.py, numpy {np.__version__}"
    print(json.dumps({"madeBy": made_by, "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
