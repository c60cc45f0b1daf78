"""A readable Llama with PEFT-style LoRA in plain torch: the reference JORA's TypeScript is held against.

Needs Debian's `python3-torch` (torch 1.13; no transformers, no peft). It follows Hugging Face's eager path:
rotate-half RoPE, repeated KV heads, softmax attention under an additive causal mask, logits in f32.

    /usr/bin/python3 tooling/reference/llama.py --shared ../shared     # check against llama2.c on stories260K
"""

import argparse
import json
import math
import mmap
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

IGNORE = -100  # a label without loss, as in transformers

# ---------------------------------------------------------------------------------------------- files

DTYPES = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "U8": torch.uint8,
}


def read_safetensors(path):
    """Name → tensor. The tensors are views of the mapped file: copy before changing one."""
    with open(path, "rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    (header_size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + header_size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        dtype = DTYPES[entry["dtype"]]
        if begin == end:
            tensors[name] = torch.empty(entry["shape"], dtype=dtype)
            continue
        count = (end - begin) // torch.empty(0, dtype=dtype).element_size()
        flat = torch.frombuffer(data, dtype=dtype, count=count, offset=8 + header_size + begin)
        tensors[name] = flat.view(entry["shape"])
    return tensors


def read_folder_weights(folder):
    """All weights of a Hugging Face folder, sharded (with index) or not."""
    folder = Path(folder)
    index = folder / "model.safetensors.index.json"
    if not index.exists():
        return read_safetensors(folder / "model.safetensors")
    tensors = {}
    for shard in sorted(set(json.loads(index.read_text())["weight_map"].values())):
        tensors.update(read_safetensors(folder / shard))
    return tensors


# ---------------------------------------------------------------------------------------------- config


@dataclass
class Config:
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    vocab_size: int
    num_key_value_heads: Optional[int] = None
    head_dim: Optional[int] = None
    rms_norm_eps: float = 1e-6
    rope_theta: float = 10000.0
    rope_scaling: Optional[dict] = None
    tie_word_embeddings: bool = False

    def __post_init__(self):
        self.num_key_value_heads = self.num_key_value_heads or self.num_attention_heads
        self.head_dim = self.head_dim or self.hidden_size // self.num_attention_heads

    @classmethod
    def from_dict(cls, raw):
        """Takes a config.json; keys the model does not read are left out."""
        return cls(**{key: raw[key] for key in cls.__dataclass_fields__ if key in raw})


# ---------------------------------------------------------------------------------------------- RoPE


def inverse_frequencies(head_dim, theta, scaling=None):
    """transformers' `inv_freq` [head_dim / 2], computed in f32 as it does: default, linear or llama3."""
    exponent = torch.arange(0, head_dim, 2, dtype=torch.int64).float() / head_dim
    inv_freq = 1.0 / (theta**exponent)
    kind = (scaling or {}).get("rope_type", (scaling or {}).get("type", "default"))
    if kind == "default":
        return inv_freq
    if kind == "linear":
        return inv_freq / scaling["factor"]
    if kind != "llama3":
        raise ValueError(f"unknown rope type {kind}")
    factor, low, high = scaling["factor"], scaling["low_freq_factor"], scaling["high_freq_factor"]
    original = scaling["original_max_position_embeddings"]
    wavelength = 2 * math.pi / inv_freq
    # Longer than original/low: divide by the factor. Shorter than original/high: keep. Between: blend.
    scaled = torch.where(wavelength > original / low, inv_freq / factor, inv_freq)
    smooth = (original / wavelength - low) / (high - low)
    smoothed = (1 - smooth) * scaled / factor + smooth * scaled
    between = ~(wavelength < original / high) & ~(wavelength > original / low)
    return torch.where(between, smoothed, scaled)


def rotate_half(x):
    half = x.shape[-1] // 2
    return torch.cat((-x[..., half:], x[..., :half]), dim=-1)


def repeat_kv(x, groups):
    batch, heads, length, size = x.shape
    return x[:, :, None].expand(batch, heads, groups, length, size).reshape(batch, heads * groups, length, size)


# ---------------------------------------------------------------------------------------------- model


class RMSNorm(nn.Module):
    def __init__(self, size, eps):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x):
        return self.weight * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class Attention(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        hidden, kv = config.hidden_size, self.kv_heads * self.head_dim
        self.q_proj = nn.Linear(hidden, self.heads * self.head_dim, bias=False)
        self.k_proj = nn.Linear(hidden, kv, bias=False)
        self.v_proj = nn.Linear(hidden, kv, bias=False)
        self.o_proj = nn.Linear(self.heads * self.head_dim, hidden, bias=False)

    def forward(self, x, cos, sin, mask):
        batch, length, _ = x.shape
        q = self.q_proj(x).view(batch, length, self.heads, self.head_dim).transpose(1, 2)
        k = self.k_proj(x).view(batch, length, self.kv_heads, self.head_dim).transpose(1, 2)
        v = self.v_proj(x).view(batch, length, self.kv_heads, self.head_dim).transpose(1, 2)
        q = q * cos + rotate_half(q) * sin
        k = k * cos + rotate_half(k) * sin
        groups = self.heads // self.kv_heads
        if groups > 1:  # query head h reads kv head h // groups
            k, v = repeat_kv(k, groups), repeat_kv(v, groups)
        scores = q @ k.transpose(2, 3) / math.sqrt(self.head_dim) + mask
        out = F.softmax(scores, dim=-1) @ v
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class MLP(nn.Module):
    def __init__(self, config):
        super().__init__()
        hidden, inner = config.hidden_size, config.intermediate_size
        self.gate_proj = nn.Linear(hidden, inner, bias=False)
        self.up_proj = nn.Linear(hidden, inner, bias=False)
        self.down_proj = nn.Linear(inner, hidden, bias=False)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.self_attn = Attention(config)
        self.mlp = MLP(config)
        self.input_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.rms_norm_eps)

    def forward(self, x, cos, sin, mask):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask)
        return x + self.mlp(self.post_attention_layernorm(x))


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.norm = RMSNorm(config.hidden_size, config.rms_norm_eps)


class Llama(nn.Module):
    """Parameter names are Hugging Face's (`model.layers.0.self_attn.q_proj.weight`, …)."""

    def __init__(self, config):
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight

    @classmethod
    def from_folder(cls, folder):
        config = Config.from_dict(json.loads((Path(folder) / "config.json").read_text()))
        model = cls(config)
        model.load_weights(read_folder_weights(folder))
        return model

    def load_weights(self, weights):
        """Every parameter must be there in its shape; anything else (a tied head, old buffers) is left."""
        with torch.no_grad():
            for name, parameter in self.named_parameters():
                if parameter.shape != weights[name].shape:
                    raise ValueError(f"{name}: {tuple(weights[name].shape)}, the config says {tuple(parameter.shape)}")
                parameter.copy_(weights[name])

    def forward(self, ids: Tensor) -> Tensor:
        """ids [batch, length] → logits [batch, length, vocab]."""
        length = ids.shape[1]
        dtype = self.model.embed_tokens.weight.dtype
        inv_freq = inverse_frequencies(self.config.head_dim, self.config.rope_theta, self.config.rope_scaling)
        angles = torch.arange(length).float()[:, None] * inv_freq[None, :]
        angles = torch.cat((angles, angles), dim=-1)
        cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
        mask = torch.full((length, length), torch.finfo(dtype).min, dtype=dtype).triu(1)
        x = self.model.embed_tokens(ids)
        for layer in self.model.layers:
            x = layer(x, cos, sin, mask)
        return self.lm_head(self.model.norm(x))


def causal_loss(logits, labels, reduction="mean"):
    """transformers' loss: labels stand at their own token and are shifted inside; −100 has no loss.

    The labels are shifted, not the logits, so that no copy of the logits is made.
    """
    shifted = F.pad(labels, (0, 1), value=IGNORE)[:, 1:]
    return F.cross_entropy(logits.flatten(0, 1), shifted.reshape(-1), ignore_index=IGNORE, reduction=reduction)


# ---------------------------------------------------------------------------------------------- LoRA

QV = ("q_proj", "v_proj")
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


class LoraLinear(nn.Module):
    """y = W0 x + (alpha / r) · B(A(dropout(x))), W0 frozen, as peft.tuners.lora.Linear computes it."""

    def __init__(self, base, r, alpha, dropout=0.0):
        super().__init__()
        dtype = base.weight.dtype
        self.base_layer = base.requires_grad_(False)
        self.lora_A = nn.Linear(base.in_features, r, bias=False, dtype=dtype)
        self.lora_B = nn.Linear(r, base.out_features, bias=False, dtype=dtype)
        self.dropout = nn.Dropout(dropout) if dropout > 0 else nn.Identity()
        self.scaling = alpha / r
        nn.init.kaiming_uniform_(self.lora_A.weight, a=math.sqrt(5))
        nn.init.zeros_(self.lora_B.weight)

    def forward(self, x):
        return self.base_layer(x) + self.lora_B(self.lora_A(self.dropout(x))) * self.scaling


def add_lora(model, r, alpha, targets=QV, dropout=0.0):
    """Freezes the model, wraps every Linear whose last name is in `targets`, and returns the adapter:
    PEFT's tensor name → trainable parameter, in the model's order, A before B."""
    model.requires_grad_(False)
    adapter = {}
    for name, module in list(model.named_modules()):
        parent, _, last = name.rpartition(".")
        if isinstance(module, nn.Linear) and last in targets:
            lora = LoraLinear(module, r, alpha, dropout)
            setattr(model.get_submodule(parent), last, lora)
            adapter[f"base_model.model.{name}.lora_A.weight"] = lora.lora_A.weight
            adapter[f"base_model.model.{name}.lora_B.weight"] = lora.lora_B.weight
    return adapter


# ---------------------------------------------------------------------------------------------- check


def verify(shared):
    """Our logits against llama2.c's on stories260K. Returns whether they agree."""
    golden = json.loads((shared / "goldens/stories260K_llama2c.json").read_text())
    model = Llama.from_folder(shared / "models/stories260K")
    with torch.no_grad():
        logits = model(torch.tensor([golden["tokens_in"]]))[0]
    expected = torch.tensor(golden["logits"])
    worst = (logits[: len(expected)] - expected).abs().max().item()
    same = int((logits.argmax(-1) == torch.tensor(golden["argmax"])).sum())
    ok = worst < 1e-3 and same == len(golden["argmax"])
    print(f"stories260K against llama2.c: worst logit difference {worst:.2e} over {len(expected)} positions, "
          f"argmax equal on {same} of {len(golden['argmax'])}: {'ok' if ok else 'DIFFERS'}")
    return ok


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="check the reference Llama against llama2.c")
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    raise SystemExit(0 if verify(parser.parse_args().shared) else 1)
