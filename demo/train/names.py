"""Train the demo's finder of persons, places and organizations in a text: a tiny encoder like BERT.

usage: python3 names.py        (after: pip install -r requirements.txt)

The texts come from names_texts.py. A fixed seed holds out a fifth of the names, and the held-out texts have templates
of their own, so the accuracy is that of sentences and names that training has not seen.

Writes model.onnx, tokenizer.json, tokenizer_config.json and config.json to target/demo/names/, as `transformers` names
them, and two sentences to demo/models/names/example.txt.
"""

import json

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn
from torch.nn import functional

import common
import names_texts as texts

SEED = 20261128
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY, LENGTH, WIDTH, HEADS, LAYERS, INNER = 1000, 128, 64, 4, 3, 128
TEXTS, HELD_OUT, STEPS, BATCH = 60000, 1000, 1800, 48
IGNORED = -100


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.all, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x, hidden):
        batch, length = x.shape[0], x.shape[1]
        parts = self.all(x).reshape(batch, length, 3, HEADS, WIDTH // HEADS).permute(2, 0, 3, 1, 4)
        weights = parts[0] @ parts[1].transpose(2, 3) * (WIDTH // HEADS) ** -0.5 + hidden
        x = torch.softmax(weights, -1) @ parts[2]
        return self.out(x.transpose(1, 2).reshape(batch, length, WIDTH))


class Words(nn.Module):
    """The mean of the tokens of each word, for each token: a name that is new consists of many, and has one label."""

    def __init__(self, continues):
        super().__init__()
        self.register_buffer("continues", torch.tensor(continues, dtype=torch.float32))

    def forward(self, input_ids, attention_mask):
        """What takes part in each mean, [batch, tokens, tokens], and which tokens continue a word."""
        continues = self.continues[input_ids]
        number = torch.cumsum(1 - continues, 1)
        same = (number[:, :, None] - number[:, None]).abs() < 0.5
        same = same.float() * attention_mask[:, None].float() + 1e-6
        return same / same.sum(2, keepdim=True), continues[..., None]


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.attention, self.first, self.second = Attention(), nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.inner, self.out, self.drop = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH), nn.Dropout(0.1)

    def forward(self, x, hidden):
        x = self.first(x + self.drop(self.attention(x, hidden)))
        return self.second(x + self.drop(self.out(functional.gelu(self.inner(x)))))


class Encoder(nn.Module):
    """Scores of each label for each token."""

    def __init__(self, continues):
        super().__init__()
        self.pieces, self.places = nn.Embedding(len(continues), WIDTH), nn.Embedding(LENGTH, WIDTH)
        nn.init.normal_(self.pieces.weight, std=0.2)
        self.words, self.continuation = Words(continues), nn.Parameter(torch.zeros(WIDTH))
        # Waves: from the start, a token finds its neighbors at any place of the text.
        angles = torch.arange(LENGTH)[:, None] / 10000 ** (torch.arange(0, WIDTH, 2) / WIDTH)
        self.places.weight.data = 0.2 * torch.cat([angles.sin(), angles.cos()], 1)
        self.norm, self.drop = nn.LayerNorm(WIDTH), nn.Dropout(0.1)
        self.layers = nn.ModuleList(Layer() for _ in range(LAYERS))
        self.head = nn.Linear(WIDTH, len(LABELS))

    def forward(self, input_ids, attention_mask):
        words, continues = self.words(input_ids, attention_mask)
        x = self.pieces(input_ids) + self.places.weight[: input_ids.shape[1]]
        x = self.drop(self.norm(x + words @ x))
        # Padding takes no part in the attention.
        hidden = (1 - attention_mask[:, None, None].float()) * -10000.0
        for layer in self.layers:
            x = layer(x, hidden)
        return self.head(words @ x + continues * self.continuation)


def train_tokenizer(lines):
    """A WordPiece tokenizer that keeps capitals, since they are what shows a name."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    # Every letter is in the vocabulary, at the start of a word and within, so that few words of a request are unknown.
    letters = [chr(code) for code in [*range(33, 127), *range(0xC0, 0x100)]]
    lines = [*lines, *(f"x{letter}" for letter in letters)]
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIAL, initial_alphabet=letters, show_progress=False
    )
    tokenizer.train_from_iterator(lines, trainer)
    cls, sep = (tokenizer.token_to_id(token) for token in ("[CLS]", "[SEP]"))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", cls), ("[SEP]", sep)]
    )
    tokenizer.enable_truncation(LENGTH)
    return tokenizer


def labeled(encoding, spans):
    """The label of each token: B at the start of a name, I in it."""
    labels = []
    for (start, end), is_special in zip(encoding.offsets, encoding.special_tokens_mask):
        name = next((span for span in spans if span[0] <= start and end <= span[1]), None)
        label = "O" if name is None else ("B-" if start == name[0] else "I-") + name[2]
        labels.append(IGNORED if is_special else LABELS.index(label))
    return labels


def padded(encodings, labels):
    """Tensors of a batch: ids, mask and labels."""
    length = max(len(encoding.ids) for encoding in encodings)
    fill = lambda rows, value: torch.tensor([row + [value] * (length - len(row)) for row in rows])
    ids = [encoding.ids for encoding in encodings]
    return fill(ids, 0), fill([[1] * len(row) for row in ids], 0), fill(labels, IGNORED)


def batches(tokenizer, data, rng):
    """Batches without end, of texts of about the same length."""
    encodings = tokenizer.encode_batch([text for text, _ in data])
    rows = [(encoding, labeled(encoding, spans)) for encoding, (_, spans) in zip(encodings, data)]
    rows.sort(key=lambda row: len(row[0].ids))
    groups = [rows[i : i + BATCH] for i in range(0, len(rows), BATCH)]
    while True:
        for i in rng.permutation(len(groups)):
            yield padded(*zip(*groups[i]))


def loss_of(model, batch):
    scores = model(batch[0], batch[1])
    return functional.cross_entropy(scores.flatten(0, 1), batch[2].flatten(), ignore_index=IGNORED)


def entities(labels, offsets):
    """The names as the service reads them (`simple` in transformers): a B, or another kind than before, begins one."""
    result, before = [], None
    for label, (start, end) in zip(labels, offsets):
        kind = label[2:]
        if kind and kind == before and label[0] == "I":
            result[-1] = (result[-1][0], end, kind)
        elif kind:
            result.append((start, end, kind))
        before = kind
    return result


def find(session, tokenizer, text):
    """The names in a text, by ONNX Runtime."""
    encoding = tokenizer.encode(text)
    inputs = {"input_ids": [encoding.ids], "attention_mask": [encoding.attention_mask]}
    (logits,) = session.run(None, {name: np.array(value, np.int64) for name, value in inputs.items()})
    labels = [LABELS[index] for index in logits[0].argmax(1)[1:-1]]
    return entities(labels, encoding.offsets[1:-1])


def write_settings(folder, tokenizer):
    tokenizer.no_truncation()
    tokenizer.save(str(folder / "tokenizer.json"))
    numbered = dict(enumerate(LABELS))
    config = {
        "architectures": ["BertForTokenClassification"], "model_type": "bert",
        "id2label": numbered, "label2id": {label: index for index, label in numbered.items()},
        "hidden_size": WIDTH, "intermediate_size": INNER, "num_attention_heads": HEADS, "num_hidden_layers": LAYERS,
        "max_position_embeddings": LENGTH, "vocab_size": tokenizer.get_vocab_size(), "pad_token_id": 0,
    }
    about = {
        "tokenizer_class": "BertTokenizerFast", "do_lower_case": False, "model_max_length": LENGTH,
        "pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]",
    }
    for name, values in (("config.json", config), ("tokenizer_config.json", about)):
        (folder / name).write_text(json.dumps(values, indent=2) + "\n")


def main():
    rng = common.start(SEED)
    lists = {"given": texts.GIVEN, "family": texts.FAMILY, "city": texts.CITY, "land": texts.LAND, "stem": texts.STEM}
    parts = {kind: texts.split(sorted(set(names)), rng) for kind, names in lists.items()}
    writer = texts.Writer(texts.TRAINING, {kind: part[0] for kind, part in parts.items()}, rng, 0.6, 0.15)
    # Most requests are short; long texts train the later positions.
    data = [writer.text(int(rng.choice([1, 2, 3, 8], p=[0.6, 0.25, 0.1, 0.05]))) for _ in range(TEXTS)]
    tokenizer = train_tokenizer(text for text, _ in data)
    continues = [tokenizer.id_to_token(index).startswith("##") for index in range(tokenizer.get_vocab_size())]
    model = Encoder(continues)
    common.train(model, batches(tokenizer, data, rng), loss_of, STEPS, 3e-3)

    folder = common.source_folder("names")
    example = padded(tokenizer.encode_batch([text for text, _ in data[:3]]), [[0]] * 3)[:2]
    names = ["input_ids", "attention_mask"]
    open_axes = {name: {0: "batch", 1: "tokens"} for name in [*names, "logits"]}
    session = common.export(model, example, names, "logits", open_axes, folder / "model.onnx")

    held_out = {kind: part[1] for kind, part in parts.items()}
    unseen = texts.Writer(texts.HELD_OUT, held_out, np.random.default_rng(SEED + 1))
    right = answered = existing = 0
    for text, spans in [unseen.text(1) for _ in range(HELD_OUT)]:
        answer = set(find(session, tokenizer, text))
        right, answered, existing = right + len(answer & set(spans)), answered + len(answer), existing + len(spans)
    common.record("names", {
        "held_out_texts": HELD_OUT,
        "held_out_names": existing,
        "precision": round(right / answered, 4),
        "recall": round(right / existing, 4),
        "f1": round(2 * right / (answered + existing), 4),
    })
    write_settings(folder, tokenizer)
    while True:
        text, spans = unseen.text(2)
        if len(spans) >= 5 and len({span[2] for span in spans}) == 3 and find(session, tokenizer, text) == spans:
            (common.MODELS / "names" / "example.txt").write_text(text + "\n")
            return


if __name__ == "__main__":
    main()
