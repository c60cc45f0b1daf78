"""The decoder families beside Llama in plain torch, each as transformers' eager path computes it.

Each family is written out by itself, so that JORA's one decoder, whose families are data, is held against something that
is not built the same way. Sources: the papers named at each class and the published configurations.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

from llama import Config, Llama, RMSNorm, inverse_frequencies, repeat_kv, rotate_half


class GemmaNorm(RMSNorm):
    """Stores how far the weight is from 1."""

    def forward(self, x):
        return (1.0 + self.weight) * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps))


class GemmaMLP(nn.Module):
    """GeGLU, with GELU's tanh approximation."""

    def __init__(self, config):
        super().__init__()
        self.gate_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.up_proj = nn.Linear(config.hidden_size, config.intermediate_size, bias=False)
        self.down_proj = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x):
        return self.down_proj(F.gelu(self.gate_proj(x), approximate="tanh") * self.up_proj(x))


class FamilyAttention(nn.Module):
    """Attention with what any family adds; a mask is given for each layer."""

    def __init__(self, config, bias=False, head_norms=False, scale=None, softcap=None):
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = config.num_attention_heads, config.num_key_value_heads, config.head_dim
        hidden, kv = config.hidden_size, self.kv_heads * self.head_dim
        self.q_proj = nn.Linear(hidden, self.heads * self.head_dim, bias=bias)
        self.k_proj = nn.Linear(hidden, kv, bias=bias)
        self.v_proj = nn.Linear(hidden, kv, bias=bias)
        self.o_proj = nn.Linear(self.heads * self.head_dim, hidden, bias=False)
        self.q_norm = RMSNorm(self.head_dim, config.rms_norm_eps) if head_norms else nn.Identity()
        self.k_norm = RMSNorm(self.head_dim, config.rms_norm_eps) if head_norms else nn.Identity()
        self.scale = scale or 1 / math.sqrt(self.head_dim)
        self.softcap = softcap

    def forward(self, x, cos, sin, mask):
        batch, length, _ = x.shape
        by_head = lambda y, heads: y.view(batch, length, heads, self.head_dim)
        q = self.q_norm(by_head(self.q_proj(x), self.heads)).transpose(1, 2)
        k = self.k_norm(by_head(self.k_proj(x), self.kv_heads)).transpose(1, 2)
        v = by_head(self.v_proj(x), self.kv_heads).transpose(1, 2)
        q = q * cos + rotate_half(q) * sin
        k = k * cos + rotate_half(k) * sin
        groups = self.heads // self.kv_heads
        k, v = repeat_kv(k, groups), repeat_kv(v, groups)
        scores = q @ k.transpose(2, 3) * self.scale
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        out = F.softmax(scores + mask, dim=-1) @ v
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class Family(Llama):
    """Llama whose layers' masks may differ. `raw` is the whole config.json."""

    def __init__(self, raw):
        super().__init__(Config.from_dict(raw))
        self.raw = raw

    def windowed(self, layer):
        return False

    def embed(self, ids):
        return self.model.embed_tokens(ids)

    def head(self, x):
        return self.lm_head(x)

    def run_layer(self, layer, x, cos, sin, mask):
        return layer(x, cos, sin, mask)

    def forward(self, ids):
        length = ids.shape[1]
        dtype = self.model.embed_tokens.weight.dtype
        inv_freq = inverse_frequencies(self.config.head_dim, self.config.rope_theta, self.config.rope_scaling)
        angles = torch.arange(length).float()[:, None] * inv_freq[None, :]
        angles = torch.cat((angles, angles), dim=-1)
        cos, sin = angles.cos().to(dtype), angles.sin().to(dtype)
        causal = torch.full((length, length), torch.finfo(dtype).min, dtype=dtype).triu(1)
        far = torch.ones(length, length).tril(-(self.raw.get("sliding_window") or length)).bool()
        x = self.embed(ids)
        for index, layer in enumerate(self.model.layers):
            mask = causal.masked_fill(far, torch.finfo(dtype).min) if self.windowed(index) else causal
            x = self.run_layer(layer, x, cos, sin, mask)
        return self.head(self.model.norm(x))


class Mistral(Family):
    """Jiang et al. 2023: Llama with a sliding window in every layer."""

    def windowed(self, layer):
        return True


class Qwen2(Family):
    """Yang et al. 2024: Llama with biases on q, k and v."""

    def __init__(self, raw):
        super().__init__(raw)
        for layer in self.model.layers:
            layer.self_attn = FamilyAttention(self.config, bias=True)

    def windowed(self, layer):
        return self.raw.get("use_sliding_window", False) and layer >= self.raw["max_window_layers"]


class Qwen3(Family):
    """Yang et al. 2025: Llama with each head's query and key normalised before they are rotated."""

    def __init__(self, raw):
        super().__init__(raw)
        for layer in self.model.layers:
            layer.self_attn = FamilyAttention(self.config, head_norms=True)


class Gemma(Family):
    """Gemma Team 2024a."""

    def __init__(self, raw):
        super().__init__(raw)
        config = self.config
        for layer in self.model.layers:
            layer.mlp = GemmaMLP(config)
            layer.input_layernorm = GemmaNorm(config.hidden_size, config.rms_norm_eps)
            layer.post_attention_layernorm = GemmaNorm(config.hidden_size, config.rms_norm_eps)
        self.model.norm = GemmaNorm(config.hidden_size, config.rms_norm_eps)

    def embed(self, ids):
        return self.model.embed_tokens(ids) * math.sqrt(self.config.hidden_size)


class Gemma2(Gemma):
    """Gemma Team 2024b: norms on both sides, capped scores and logits, a window in every other layer."""

    def __init__(self, raw):
        super().__init__(raw)
        for layer in self.model.layers:
            layer.self_attn = FamilyAttention(
                self.config, scale=raw["query_pre_attn_scalar"] ** -0.5, softcap=raw["attn_logit_softcapping"])
            layer.pre_feedforward_layernorm = GemmaNorm(self.config.hidden_size, self.config.rms_norm_eps)
            layer.post_feedforward_layernorm = GemmaNorm(self.config.hidden_size, self.config.rms_norm_eps)

    def windowed(self, layer):
        return layer % 2 == 0

    def run_layer(self, layer, x, cos, sin, mask):
        x = x + layer.post_attention_layernorm(layer.self_attn(layer.input_layernorm(x), cos, sin, mask))
        return x + layer.post_feedforward_layernorm(layer.mlp(layer.pre_feedforward_layernorm(x)))

    def head(self, x):
        cap = self.raw["final_logit_softcapping"]
        return torch.tanh(self.lm_head(x) / cap) * cap


FAMILIES = {"llama": Family, "mistral": Mistral, "qwen2": Qwen2, "qwen3": Qwen3, "gemma": Gemma, "gemma2": Gemma2}
