"""Makes the goldens that packages/data's tokenizer is tested against, with the Rust tokenizers.

    pip install tokenizers==0.23.2
    python3 tooling/reference/make_tokenizer_goldens.py --shared ../shared

Writes packages/data/test/goldens/rust-tokenizers.json: for each vocabulary of ../shared the ids of some awkward texts, and
of the texts in ../shared/data (one in --every, of plain text one in 20 of those) their number, a hash of them, and one of what they
decode to (Llama 2's own decoder adds a space behind special tokens).
"""

import argparse
import hashlib
import itertools
import json
import random
import struct
from pathlib import Path

import tokenizers

ROOT = Path(__file__).resolve().parents[2]

AWKWARD = [
    "", " ", "  ", "\n", "\n\n\n", "\t\t x", " a", "a ", "  a  b  ", "a\u00a0b", "a\u3000b", "\u2581", "a\u2581b \u2581 \u2581\u2581c",
    "Hello, world!", "don't DON'T we'll I'm they'Ve", "3.14159 1,000,000 12345678901 ١٢٣ ²³", "x=1;y+=2//z", "snake_case CamelCase",
    "日本語のテキスト、中文文本。", "한국어 문장", "Привет, мир", "مرحبا بالعالم", "שלום עולם", "ไทย ภาษา", "हिन्दी में", "Việt Nam, Türkçe, Straße",
    "e\u0301 vs \u00e9, o\u0308 \ufb01", "👍🏽 👩‍👩‍👧‍👦 🏳️‍🌈 🦙", "\u200b\u200d\ufeff", "\x00\x01\x7f", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𐍈", "\r\n\r\nline\r",
    "<s> </s> <unk> <pad>", "<bos>x<eos>", "<|begin_of_text|>hi<|end_of_text|><|eot_id|>", "<start_of_turn>user\nhi<end_of_turn>\n",
    "<|start_header_id|>user<|end_header_id|>\n\nhi<|eot_id|>", "<b>bold</b> <table><tr><td>1</td></tr></table> <h1>", "<unused0><unused98> [multimodal]",
    "a" * 100, " " * 40 + "x" + " " * 33, "\n" * 35 + "y", "-" * 70, "=" * 17 + ">" * 5, "https://example.org/a?b=c&d=%20#e", "{\"k\": [1, null, \"v\"]}",
    "| a | b |\n|---|---|\n| 1 | 2 |", "<DOCUMENT>\ntext\n</DOCUMENT>\n\n### Response:\n", "ﷺ ﷽", "a\u0300\u0301\u0302\u0303b", "½ Ⅷ ㈠ ℃", "''\"\"``‘’“”",
]


def drawn(count=60):
    """Random texts over characters that tokenizers treat apart."""
    random.seed(20261125)
    pools = ["abcdefghij", "ABC XYZ", "0123456789", " \t\n\r", ".,;:!?'\"-_/\\|<>[]{}", "äöüßéñçøœ", "日本語中文한국", "Привет", "עברית عربي", "👍🦙🏽\u200d\u200b", "\u2581\u00a0\u3000\u0301\ufeff"]
    for _ in range(count):
        yield "".join(random.choice(random.choice(pools)) for _ in range(random.randint(1, 40)))


def texts_of(path):
    """What a file of ../shared/data holds: each string of its rows, or its paragraphs."""

    def strings(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, list):
            for item in value:
                yield from strings(item)
        elif isinstance(value, dict):
            for item in value.values():
                yield from strings(item)

    text = path.read_bytes().decode("utf8")
    if path.suffix == ".json":
        yield from strings(json.loads(text))
    elif path.suffix == ".jsonl":
        for line in text.split("\n"):
            if line.strip():
                yield from strings(json.loads(line))
    else:
        yield from text.split("\n\n")


def main():
    parser = argparse.ArgumentParser(description="make the goldens of packages/data's tokenizer")
    parser.add_argument("--shared", type=Path, default=ROOT / "../shared")
    parser.add_argument("--every", type=int, default=16, help="1 for all of them: some four minutes in the test")
    options = parser.parse_args()
    shared = options.shared
    data = sorted((p for p in (shared / "data").rglob("*") if p.suffix in (".json", ".jsonl", ".txt", ".md", ".tsv")), key=str)
    out = {}
    for name in ("llama2", "llama3", "gemma2"):
        tokenizer = tokenizers.Tokenizer.from_file(str(shared / "tokenizers" / name / "tokenizer.json"))
        ids = lambda text: tokenizer.encode(text, add_special_tokens=False).ids
        cases = [{"text": text, "ids": ids(text)} for text in [*AWKWARD, *drawn()]]
        sets, positions = {}, {}
        for path in data:
            top = path.relative_to(shared / "data").parts[0]
            digest, decoded, counts = sets.setdefault(top, (hashlib.sha256(), hashlib.sha256(), []))
            seen = positions.setdefault(top, itertools.count())
            every = options.every * (20 if top == "pretrain-text" else 1)
            for text in texts_of(path):
                if next(seen) % every == 0:
                    encoded = ids(text)
                    counts.append(len(encoded))
                    digest.update(struct.pack(f"<{len(encoded)}I", *encoded))
                    decoded.update(tokenizer.decode(encoded, skip_special_tokens=False).encode())
        out[name] = {"cases": cases, "sets": {
            top: [sum(counts), digest.hexdigest(), decoded.hexdigest()] for top, (digest, decoded, counts) in sets.items()}}
        print(name, len(cases), "texts,", sum(sum(counts) for *_, counts in sets.values()), "ids of", len(data), "files")
    target = ROOT / "packages/data/test/goldens/rust-tokenizers.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    lines = lambda items: "[\n" + ",\n".join(json.dumps(x, ensure_ascii=True) for x in items) + "\n]"
    body = ",\n".join(
        f'"{name}": {{"cases": {lines(v["cases"])},\n"sets": {json.dumps(v["sets"])}}}' for name, v in out.items())
    target.write_text(f'{{"madeBy": "tooling/reference/make_tokenizer_goldens.py, tokenizers {tokenizers.__version__}",\n"every": {options.every},\n{body}}}\n')


if __name__ == "__main__":
    main()
