"""Makes the goldens that packages/data's tokenizer is tested against in the shapes of popular tokenizers.

    pip install tokenizers==0.23.2
    python3 tooling/reference/make_tokenizer_shapes.py [--shared ../shared]

Three small models are trained (byte-level BPE, BPE of characters with bytes to fall back on, unigram), on text that is not cut into
words, so that pieces cross every place where a pre-tokenizer has to cut. Each shape is one of them with the normalizer,
pre-tokenizer, decoder and added tokens of a tokenizer that is in use. Writes packages/data/test/goldens/tokenizer-shapes.json: the
models, the shapes, and for each of 1,000 texts that a seed gives six digits of the SHA-256 of its ids, and one hash of what all of
them decode to. With --shared, the same of the vocabularies there.
"""

import argparse
import hashlib
import json
import struct
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders as D, models, normalizers as N, pre_tokenizers as P, trainers

ROOT = Path(__file__).resolve().parents[2]

POOLS = [
    "abcdefghij", "ABC XYZ", "0123456789", " \t\n\r\u00a0\u3000\u2003\u0085", ".,;:!?'\"-_/\\|<>[]{}()=+", "äöüßéñçøœ", "日本語中文한국", "Привет",
    "עברית عربي", "ไทยภาษา", "👍🦙🏽\u200d\u200b", "\u0301\u0308\ufeff\u2581", "½Ⅷ²١٢㈠", "ǅﬁΣςİ",
]
PHRASES = [
    "def x(self):\n    return", "don't I'LL we've they'RE", "  leading", "trailing  ", "\n\n\n", "1234567 3.14", "The quick brown fox", "日本語のテキスト", "e\u0301 \u00e9",
    "<|im_start|>user\nHi<|im_end|>\n", "a\u0345b", "Hello, world!", "https://example.org/a?b=c", "I I'm AI", "\t\tif (a && b) {",
]
ADDED = ["</s>", "<s>", "<|im_end|>", "<b>", " <b>", "<eos>", "<|endoftext|>", "<unk>"]
COUNT = 1000


class Dice:
    """mulberry32, as tooling/fuzz has it."""

    def __init__(self, seed):
        self.state = seed & 0xFFFFFFFF

    def below(self, n):
        self.state = (self.state + 0x6D2B79F5) & 0xFFFFFFFF
        t = self.state
        t = ((t ^ (t >> 15)) * (t | 1)) & 0xFFFFFFFF
        t ^= (t + (((t ^ (t >> 7)) * (t | 61)) & 0xFFFFFFFF)) & 0xFFFFFFFF
        return ((t ^ (t >> 14)) & 0xFFFFFFFF) * n >> 32

    def pick(self, items):
        return items[self.below(len(items))]


def text_of(seed):
    dice = Dice(seed)
    parts = []
    for _ in range(1 + dice.below(40)):
        kind = dice.below(20)
        parts.append(dice.pick(ADDED) if kind == 0 else dice.pick(PHRASES) if kind == 1 else dice.pick(dice.pick(POOLS)))
    return "".join(parts)


POOLS = [list(pool) for pool in POOLS]
TEXTS = [text_of(seed) for seed in range(COUNT)]
CORPUS = [text_of(seed) for seed in range(50_000, 56_000)] + [
    path.read_text("utf8") for path in sorted((ROOT / "docs").glob("*.md"))
]

QWEN = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA3 = QWEN.replace(r"\p{N}|", r"\p{N}{1,3}|")
CL100K = r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"
O200K = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+"
    r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
split = lambda regex: P.Split(Regex(regex), "isolated")
bytes_of = lambda *steps: P.Sequence([*steps, P.ByteLevel(add_prefix_space=False, use_regex=False)])
special = lambda *contents: [AddedToken(content, special=True, normalized=False) for content in contents]
IM = special("<|im_start|>", "<|im_end|>")
sp_decoder = lambda strips: D.Sequence([D.Replace("▁", " "), D.ByteFallback(), D.Fuse(), *([D.Strip(" ", 1, 0)] if strips else [])])

# name: model, normalizer, pre-tokenizer, decoder, added tokens
SHAPES = {
    "gpt2": ("bytes", None, P.ByteLevel(add_prefix_space=False), D.ByteLevel(), special("<|endoftext|>")),
    "gpt2-prefix": ("bytes", None, P.ByteLevel(add_prefix_space=True), D.ByteLevel(), special("</s>")),
    "smollm2": ("bytes", None, P.Sequence([P.Digits(individual_digits=True), P.ByteLevel(add_prefix_space=False, use_regex=True)]), D.ByteLevel(), IM),
    "qwen2.5": ("bytes", N.NFC(), bytes_of(split(QWEN)), D.ByteLevel(), IM),
    "llama3": ("bytes", None, bytes_of(split(LLAMA3)), D.ByteLevel(), special("<s>", "</s>")),
    "cl100k": ("bytes", None, bytes_of(split(CL100K)), D.ByteLevel(), IM),
    "o200k": ("bytes", None, bytes_of(split(O200K)), D.ByteLevel(), IM),
    "deepseek": ("bytes", None, bytes_of(
        split("[\r\n]"), split(r"\s?[A-Za-zµÀ-ÖØ-öø-ƺ]+"), split("\\s?[!-/:-~！-／：-～‘-‟　-。]+"), split(r"\s+$"), split("[一-龥ࠀ-一가-퟿]+"),
        P.Digits(individual_digits=True)), D.ByteLevel(), special("</s>")),
    "falcon": ("bytes", None, P.Sequence([P.Punctuation("contiguous"), P.ByteLevel(add_prefix_space=False), P.Digits(individual_digits=False), P.Split(Regex("[0-9][0-9][0-9]"), "isolated")]),
        D.ByteLevel(), special("<|endoftext|>")),
    "flags": ("bytes", N.Sequence([N.Lowercase(), N.StripAccents(), N.Replace("fox", "ox$&"), N.Strip(left=False, right=True)]), bytes_of(P.Punctuation(), split(r"\d{3}(?=(?:\d{3})*\b)"), P.Split(Regex("[a-c]"), "merged_with_next")), D.ByteLevel(),
        [AddedToken("I", single_word=True, special=True), AddedToken("<b>", lstrip=True, rstrip=True, special=True), AddedToken("<EOS>", normalized=True)]),
    "phi3": ("characters", N.Sequence([N.Prepend("▁"), N.Replace(" ", "▁")]), None, sp_decoder(True),
        [AddedToken("</s>", rstrip=True, normalized=False, special=True), AddedToken("<b>", rstrip=True, lstrip=True, normalized=False, special=True), AddedToken("<eos>", normalized=True)]),
    "mistral-v0.3": ("characters", None, P.Metaspace(replacement="▁", prepend_scheme="first", split=False), sp_decoder(True), special("<s>", "</s>")),
    "metaspace": ("characters", None, P.Metaspace(replacement="▁", prepend_scheme="always", split=True), D.Metaspace(), special("</s>")),
    "gemma3": ("characters", N.Replace(" ", "▁"), P.Split(" ", "merged_with_previous"), sp_decoder(False), [*special("<eos>"), AddedToken("<b>", normalized=False), AddedToken("\n\n", normalized=False)]),
    "unigram": ("unigram", N.NFKC(), P.Metaspace(replacement="▁", prepend_scheme="always", split=True), D.Metaspace(), special("</s>")),
    "unigram-words": ("unigram", None, P.Sequence([P.WhitespaceSplit(), P.Metaspace(replacement="▁", prepend_scheme="never")]), D.Metaspace(), []),
    "whitespace": ("unigram", None, P.Whitespace(), D.Metaspace(), []),
}


def train():
    byte_level = Tokenizer(models.BPE())
    byte_level.pre_tokenizer = P.Sequence([P.Split(Regex(r"[\s\S]{1,12}"), "isolated"), P.ByteLevel(add_prefix_space=False, use_regex=False)])
    byte_level.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=1200, initial_alphabet=sorted(P.ByteLevel.alphabet()), show_progress=False))
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    characters = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    characters.normalizer = N.Replace(" ", "▁")
    characters.pre_tokenizer = P.Split(Regex(r"[\s\S]{1,12}"), "isolated")
    characters.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=1200, special_tokens=["<unk>", "<s>", "</s>", *fallback], limit_alphabet=140, show_progress=False))
    unigram = Tokenizer(models.Unigram())
    unigram.normalizer = N.NFKC()
    unigram.pre_tokenizer = P.Metaspace(replacement="▁", prepend_scheme="always", split=True)
    unigram.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=700, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False))
    of = lambda tokenizer: json.loads(tokenizer.to_str())["model"]
    # Rounded before anything is computed with them: they stand so in the file.
    scored = of(unigram)
    scored["vocab"] = [[piece, round(score, 6)] for piece, score in scored["vocab"]]
    return {"bytes": of(byte_level), "characters": of(characters), "unigram": scored}


def golden(tokenizer):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    texts = hashlib.sha256("\0".join(tokenizer.decode(each, skip_special_tokens=False) for each in ids).encode())
    return {"ids": "".join(hashlib.sha256(struct.pack(f"<{len(each)}I", *each)).hexdigest()[:6] for each in ids), "decoded": texts.hexdigest()}


def main():
    parser = argparse.ArgumentParser(description="make the goldens of the shapes of tokenizers")
    parser.add_argument("--shared", type=Path, default=ROOT / "../shared")
    shared = parser.parse_args().shared / "tokenizers"
    trained = train()
    shapes = {}
    for name, (model, normalizer, pre_tokenizer, decoder, added) in SHAPES.items():
        empty = Tokenizer(models.BPE())
        for key, value in (("normalizer", normalizer), ("pre_tokenizer", pre_tokenizer), ("decoder", decoder)):
            if value is not None:
                setattr(empty, key, value)
        whole = Tokenizer.from_str(json.dumps({**json.loads(empty.to_str()), "model": trained[model]}))
        whole.add_tokens(added)
        kept = json.loads(whole.to_str())
        shapes[name] = {"model": model, "json": {key: kept[key] for key in ("normalizer", "pre_tokenizer", "decoder", "added_tokens")}, **golden(whole)}
    true = {path.name: golden(Tokenizer.from_file(str(path / "tokenizer.json"))) for path in sorted(shared.glob("*")) if (path / "tokenizer.json").exists()}
    models_out = {
        name: {**model, "vocab": sorted(model["vocab"], key=model["vocab"].get)} if isinstance(model["vocab"], dict) else model
        for name, model in trained.items()
    }
    for model in models_out.values():
        if isinstance(model.get("merges", [None])[0], list):
            model["merges"] = [" ".join(pair) for pair in model["merges"]]
    target = ROOT / "packages/data/test/goldens/tokenizer-shapes.json"
    made = f"tooling/reference/make_tokenizer_shapes.py, tokenizers {tokenizers.__version__}"
    target.write_text(json.dumps(
        {"madeBy": made, "texts": {"pools": ["".join(pool) for pool in POOLS], "phrases": PHRASES, "added": ADDED, "count": COUNT}, "models": models_out, "shapes": shapes, "true": true},
        ensure_ascii=False, separators=(",", ":")) + "\n")
    print(target.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
