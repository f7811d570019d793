"""Train the demo's model of a table: which of three growers a wine comes from, by its chemical analysis.

usage: python3 wine.py        (after: pip install -r requirements.txt)

The dataset is scikit-learn's: 178 wines with 13 numbers each. A fixed seed holds out a quarter, in equal shares of the
classes, before anything else. The standardization is in the graph, so requests have the numbers as they were measured.

Writes model.onnx, features.txt (the columns, which `infer add` reads) and labels.txt (for its option `--labels`) to
target/demo/wine/, and a record for a request to demo/models/wine/example.json.
"""

import json

import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import nn
from torch.nn import functional

import common

SEED = 20261126
HIDDEN, STEPS, NOISE = 16, 300, 0.3
LABELS = ["grower-1", "grower-2", "grower-3"]


class Perceptron(nn.Module):
    """Two layers on standardized columns, which return probabilities."""

    def __init__(self, mean, deviation):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("scale", torch.tensor(1 / deviation, dtype=torch.float32))
        self.hidden, self.last = nn.Linear(len(mean), HIDDEN), nn.Linear(HIDDEN, len(LABELS))

    def scores(self, table):
        return self.last(torch.relu(self.hidden((table - self.mean) * self.scale)))

    def forward(self, table):
        return torch.softmax(self.scores(table), 1)


def batches(values, labels):
    """The whole table each time, with noise: 133 wines are few, and their numbers are not exact either."""
    values, labels = torch.tensor(values, dtype=torch.float32), torch.tensor(labels)
    deviation = values.std(0)
    while True:
        yield values + NOISE * deviation * torch.randn_like(values), labels


def loss_of(model, batch):
    # Smoothed labels keep the probabilities of such a small table honest.
    return functional.cross_entropy(model.scores(batch[0]), batch[1], label_smoothing=0.05)


def main():
    common.start(SEED)
    wine = load_wine()
    train, held_out = train_test_split(
        np.arange(len(wine.target)), test_size=0.25, stratify=wine.target, random_state=SEED
    )
    values = wine.data[train]
    model = Perceptron(values.mean(0), values.std(0))
    common.train(model, batches(values, wine.target[train]), loss_of, STEPS, 1e-2)

    folder = common.source_folder("wine")
    rows = wine.data[held_out].astype(np.float32)
    open_axes = {"table": {0: "batch"}, "probabilities": {0: "batch"}}
    session = common.export(
        model, (torch.tensor(rows),), ["table"], "probabilities", open_axes, folder / "model.onnx"
    )
    (folder / "features.txt").write_text("".join(f"{name}\n" for name in wine.feature_names))
    (folder / "labels.txt").write_text("".join(f"{label}\n" for label in LABELS))

    (probabilities,) = session.run(None, {"table": rows})
    right = probabilities.argmax(1) == wine.target[held_out]
    common.record("wine", {
        "held_out_records": len(right),
        "accuracy": round(float(right.mean()), 4),
    })
    # The first held-out wine that the model gets right.
    chosen = held_out[int(np.argmax(right))]
    record = dict(zip(wine.feature_names, wine.data[chosen].tolist()))
    (common.MODELS / "wine" / "example.json").write_text(json.dumps({"instances": [record]}, indent=2) + "\n")
    print(f"wine.json is of {LABELS[wine.target[chosen]]}")


if __name__ == "__main__":
    main()
