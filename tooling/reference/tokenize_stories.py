"""A minimal reading of stories260K's tokenizer.json, only to make goldens: BPE merges by rank, `▁` put before
and for spaces, byte fallback. Not a general tokenizer; JORA's own is in packages/data.

    /usr/bin/python3 tooling/reference/tokenize_stories.py --shared ../shared     # check against llama2.c's ids
"""

import argparse
import json
from pathlib import Path

BOS, EOS = 1, 2


class StoriesTokenizer:
    def __init__(self, shared):
        model = json.loads((shared / "models/stories260K/tokenizer.json").read_text())["model"]
        self.vocab = model["vocab"]
        pairs = [tuple(merge.split(" ") if isinstance(merge, str) else merge) for merge in model["merges"]]
        self.rank = {pair: rank for rank, pair in enumerate(pairs)}

    def encode(self, text):
        """Ids without BOS or EOS."""
        pieces = list("▁" + text.replace(" ", "▁"))
        while True:
            ranked = [(self.rank[pair], at) for at, pair in enumerate(zip(pieces, pieces[1:])) if pair in self.rank]
            if not ranked:
                break
            _, at = min(ranked)  # the best merge, leftmost first
            pieces[at : at + 2] = [pieces[at] + pieces[at + 1]]
        ids = []
        for piece in pieces:
            if piece in self.vocab:
                ids.append(self.vocab[piece])
            else:
                ids.extend(self.vocab[f"<0x{byte:02X}>"] for byte in piece.encode())
        return ids


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--shared", type=Path, default=Path("../shared"))
    shared = parser.parse_args().shared
    golden = json.loads((shared / "goldens/stories260K_llama2c.json").read_text())
    expected = golden["tokens_in"]
    ours = [BOS] + StoriesTokenizer(shared).encode(golden["expected_stdout_200_steps_t0"])
    same = ours[: len(expected)] == expected
    print("tokens equal llama2.c's" if same else f"DIFFERS: {ours[: len(expected)]} against {expected}")
    raise SystemExit(0 if same else 1)
