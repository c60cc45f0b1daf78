"""Quantised folders' tensors as their libraries pack and unpack them, for packages/llama's tests.

    PYTHONPATH=FOLDER_OF_BITSANDBYTES python tooling/reference/make_packed_goldens.py > packages/llama/test/goldens/packed.json

bitsandbytes packs and unpacks its own (4 bits with nested scales, LLM.int8). GPTQ's and AWQ's are packed here by the layout of
AutoGPTQ and AutoAWQ, and unpacked in torch float16 as their code computes. Needs torch and bitsandbytes.
"""

import base64
import json

import torch
from bitsandbytes import functional as bnb

from formula import formula_tensor

OUT, IN, GROUP = 32, 128, 64


def f64(tensor):
    tensor = tensor.contiguous()
    kind = str(tensor.dtype).replace("torch.", "")
    data = tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor
    return {"dtype": kind, "shape": list(tensor.shape), "bytes": base64.b64encode(data.numpy().tobytes()).decode()}


def nf4(dtype, nested, kind):
    w = formula_tensor("nf4", (OUT, IN), 0.3).to(dtype)
    packed, state = bnb.quantize_4bit(w, blocksize=GROUP, compress_statistics=nested, quant_type=kind)
    parts = {"weight": packed, **{f"weight.{k}": v for k, v in state.as_dict(packed=True).items()}}
    return {"method": "bitsandbytes", "parts": {k: f64(v) for k, v in parts.items()},
            "weight": f64(bnb.dequantize_4bit(packed, state) + 0)}  # its fp4 has a zero of either sign


def int8():
    w = formula_tensor("int8", (OUT, IN), 0.3).half()
    packed, scale, _ = bnb.int8_vectorwise_quant(w)
    return {"method": "bitsandbytes", "parts": {"weight": f64(packed), "SCB": f64(scale)},
            "weight": f64(bnb.int8_vectorwise_dequant(packed, scale).to(torch.float16))}


def pack(values, order):
    """Eight 4-bit numbers of the last axis a word, the one at order[k] in bits 4k."""
    rows, columns = values.shape
    words = torch.zeros(rows, columns // 8, dtype=torch.int64)
    for k, column in enumerate(order):
        words |= values[:, column::8].to(torch.int64) << (4 * k)
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


def levels():
    q = (formula_tensor("levels", (IN, OUT), 8.0) + 8).floor().clamp(0, 15).to(torch.int32)
    z = (formula_tensor("zeros", (IN // GROUP, OUT), 7.0) + 8).floor().clamp(1, 15).to(torch.int32)
    s = (formula_tensor("scales", (IN // GROUP, OUT), 0.01, 0.02)).half()
    wide = lambda x: x.repeat_interleave(GROUP, 0)
    return q, z, s, ((q - wide(z)).half() * wide(s)).T


def gptq():
    q, z, s, w = levels()
    parts = {"qweight": pack(q.T, range(8)).T, "qzeros": pack(z - 1, range(8)), "scales": s,
             "g_idx": torch.arange(IN, dtype=torch.int32) // GROUP}
    return {"method": "gptq", "parts": {k: f64(v) for k, v in parts.items()}, "weight": f64(w)}


def awq():
    q, z, s, w = levels()
    order = [0, 2, 4, 6, 1, 3, 5, 7]
    parts = {"qweight": pack(q, order), "qzeros": pack(z, order), "scales": s}
    return {"method": "awq", "parts": {k: f64(v) for k, v in parts.items()}, "weight": f64(w)}


def main():
    cases = {"nf4, nested, bf16": nf4(torch.bfloat16, True, "nf4"), "nf4, f16": nf4(torch.float16, False, "nf4"),
             "fp4, nested, f16": nf4(torch.float16, True, "fp4"), "int8": int8(), "gptq": gptq(), "awq": awq()}
    print(json.dumps({"madeBy": "tooling/reference/make_packed_goldens.py", "group": GROUP,
                      "cases": [{"name": name, **case} for name, case in cases.items()]}, indent=1))


if __name__ == "__main__":
    main()
