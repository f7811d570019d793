"""What the four training scripts share: fixed seeds, the folders, the export to ONNX and its check.

A model is only worth showing if anybody can make it again. So every script starts with `start`, which fixes the seeds
and leaves torch one thread, since sums in several threads come out in another order each time.
"""

import json
import random
import time
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

TRAIN = Path(__file__).resolve().parent
MODELS = TRAIN.parent / "models"
SOURCES = TRAIN.parent.parent / "target" / "demo"
ACCURACY = TRAIN / "accuracy.json"
OPSET = 17


def start(seed):
    """Fix everything that is random, and return the generator that draws the data."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    return np.random.default_rng(seed)


def source_folder(name):
    """The folder that `infer add` reads later. Git ignores it, since it derives from the scripts."""
    folder = SOURCES / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def export(module, inputs, names, output, open_axes, path, metadata=None):
    """Write a module as ONNX, and check that ONNX Runtime computes the same from the inputs.

    `open_axes` names the dimensions that a request may choose.
    """
    module.eval()
    with torch.no_grad():
        expected = module(*inputs).numpy()
    torch.onnx.export(
        module,
        inputs,
        path,
        input_names=names,
        output_names=[output],
        dynamic_axes=open_axes,
        opset_version=OPSET,
        dynamo=False,
    )
    model = finished(onnx.load(path), expected.shape, open_axes[output], metadata or {})
    path.write_bytes(model.SerializeToString(deterministic=True))

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (actual,) = session.run(None, {name: value.numpy() for name, value in zip(names, inputs)})
    difference = np.abs(actual - expected).max() / max(1.0, np.abs(expected).max())
    assert difference < 1e-4, f"ONNX Runtime differs from torch by {difference}"
    operators = sorted({node.op_type for node in model.graph.node})
    print(f"{path.name}: {path.stat().st_size} bytes, differs by {difference:.1e}, operators {' '.join(operators)}")
    return session


def finished(model, shape, open_axes, metadata):
    """The exporter's model with the sizes of its output, which `infer add` compares with the number of labels.

    Traces of the exporter are removed: they contain paths of this machine, so the same training would write different
    bytes elsewhere.
    """
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    for axis, dimension in enumerate(model.graph.output[0].type.tensor_type.shape.dim):
        if axis not in open_axes:
            dimension.dim_value = shape[axis]
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def record(name, values):
    """Print the held-out accuracy, and keep it beside those of the other models."""
    known = json.loads(ACCURACY.read_text()) if ACCURACY.exists() else {}
    known[name] = values
    ACCURACY.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n")
    print(f"{name}: {values}")


def train(module, batches, loss_of, steps, rate):
    """Train with AdamW, whose rate rises for a twentieth of the steps and then falls to zero."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=rate, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.05)
    module.train()
    began = time.monotonic()
    for step in range(steps):
        loss = loss_of(module, next(batches))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % max(1, steps // 10) == 0:
            print(f"step {step + 1}/{steps}, loss {loss.item():.4f}, {time.monotonic() - began:.0f} s", flush=True)
