"""Numbers anyone can rebuild bit for bit: weights for goldens, from a tensor's name and an element's index.

Integer arithmetic modulo 2^32, one f64 product and one rounding to f32, so that JavaScript gets the same bits:

    const hash32 = (x) => { x ^= x >>> 16; x = Math.imul(x, 0x7feb352d); x ^= x >>> 15
                            x = Math.imul(x, 0x846ca68b); return (x ^ (x >>> 16)) >>> 0 }
    const fnv1a = (name) => { let h = 0x811c9dc5; for (const c of new TextEncoder().encode(name))
                              h = Math.imul(h ^ c, 0x01000193) >>> 0; return h }
    const value = (name, i, scale, base = 0) =>
      Math.fround(base + scale * (hash32((hash32(fnv1a(name)) + i) >>> 0) / 2 ** 31 - 1))

`/usr/bin/python3 tooling/reference/formula.py` prints the first values of one name, to compare.
"""

import torch

MASK = 0xFFFFFFFF
TEXT = (
    "element i (row-major) = f32(base + scale * (hash32(hash32(fnv1a32(utf8 name)) + i mod 2^32) / 2^31 - 1)); "
    "hash32: x^=x>>>16, x*=0x7feb352d, x^=x>>>15, x*=0x846ca68b, x^=x>>>16; products mod 2^32; f64 before f32"
)


def hash32(x):
    x ^= x >> 16
    x = x * 0x7FEB352D & MASK
    x ^= x >> 15
    x = x * 0x846CA68B & MASK
    return x ^ (x >> 16)


def fnv1a(name):
    h = 0x811C9DC5
    for byte in name.encode():
        h = (h ^ byte) * 0x01000193 & MASK
    return h


def formula_tensor(name, shape, scale, base=0.0):
    """An f32 tensor uniform in [base − scale, base + scale)."""
    seed = hash32(fnv1a(name))
    count = torch.Size(shape).numel()
    values = [base + scale * (hash32(seed + i & MASK) / 2**31 - 1) for i in range(count)]
    return torch.tensor(values, dtype=torch.float64).float().view(shape)


if __name__ == "__main__":
    print(formula_tensor("model.embed_tokens.weight", (4,), 0.5).tolist())
