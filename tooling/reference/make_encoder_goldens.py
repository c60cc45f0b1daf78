"""Goldens of packages/llama/src/encoder: a small random BERT as transformers computes it, with a WordPiece tokenizer.

python make_encoder_goldens.py [folder of all-MiniLM-L6-v2]

Writes packages/llama/test/goldens/encoder.json: the model's files, texts, their ids and their vectors (mean of the last hidden
states, of length 1). With the folder, also vectors of that model for the same texts.
"""

import base64
import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, __version__

here = Path(__file__).resolve().parent
texts = [
    "Who wrote the letter?",
    "The captain's letter was lost at sea, and nobody found it again.",
    "Ünïcödé naïve CAFÉ — «quotes»…",
    "東京は日本の首都です。",
    "tokenization unaffable x\u0000y \u200bz\ttab",
    "",
    "a" * 120,
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen",
]

specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
pieces = "the a who wrote letter was lost at sea and it found no ##body again cap ##tain token ##ization un ##aff ##able"
characters = "abcdefghijklmnopqrstuvwxyz0123456789.,?'—«»…東京日本首"
vocab = list(
    dict.fromkeys(specials + pieces.split() + list(characters) + ["##" + each for each in "abcdefghijklmnopqrstuvwxyz"])
)


def tokenizer_of():
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(vocab)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocab.index("[CLS]")), ("[SEP]", vocab.index("[SEP]"))]
    )
    return tokenizer


def vectors(model, tokenizer, most):
    found, ids = [], []
    for text in texts:
        row = tokenizer.encode(text).ids
        row = row if len(row) <= most else row[: most - 1] + row[-1:]
        with torch.no_grad():
            hidden = model(torch.tensor([row])).last_hidden_state[0]
        found.append(torch.nn.functional.normalize(hidden.mean(0), dim=0))
        ids.append(row)
    return ids, torch.stack(found)


def packed(tensor):
    return base64.b64encode(tensor.float().contiguous().numpy().astype("<f4").tobytes()).decode()


torch.manual_seed(7)
config = BertConfig(
    vocab_size=len(vocab),
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=3,
    intermediate_size=40,
    max_position_embeddings=48,
    initializer_range=0.3,
)
model = BertModel(config, add_pooling_layer=False).eval()
tokenizer = tokenizer_of()
ids, tiny = vectors(model, tokenizer, 40)
golden = {
    "by": f"make_encoder_goldens.py, transformers {__version__}, torch {torch.__version__}",
    "texts": texts,
    "config": {key: value for key, value in config.to_dict().items() if key in (
        "model_type", "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
        "max_position_embeddings", "type_vocab_size", "layer_norm_eps", "hidden_act")},
    "mostTokens": 40,
    "tokenizer": json.loads(tokenizer.to_str()),
    "weights": {name: {"shape": list(value.shape), "values": packed(value)} for name, value in model.state_dict().items()
                if value.is_floating_point()},
    "ids": ids,
    "decoded": [tokenizer.decode(row, skip_special_tokens=True) for row in ids],
    "vectors": packed(tiny),
}
if len(sys.argv) > 1:
    real = BertModel.from_pretrained(sys.argv[1], add_pooling_layer=False).eval()
    real_tokenizer = Tokenizer.from_file(f"{sys.argv[1]}/tokenizer.json")
    real_tokenizer.no_padding()
    real_tokenizer.no_truncation()
    real_ids, real_vectors = vectors(real, real_tokenizer, 256)
    golden["miniLm"] = {"ids": real_ids, "vectors": packed(real_vectors)}
path = here / "../../packages/llama/test/goldens/encoder.json"
path.write_text(json.dumps(golden, ensure_ascii=False) + "\n")
