"""Train the digits model and write the files that derive from it.

usage: python3 train.py        (after: pip install -r requirements.txt)

The dataset is scikit-learn's: 1797 handwritten digits of 8x8 pixels with 17 gray values. A fixed seed
holds out a fifth of the images before anything else: neither training nor model selection sees them.
Pixels are rounded to 8 bits as in a PNG, so the model is trained on the values that the service sends.

Writes model.onnx, samples/<digit>.png and heldout.npy; prints the held-out accuracy. heldout.npy is uint8
of shape [360, 65]: in each row the label, then the 64 pixels. Running it again writes the same bytes.
"""

import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from scipy.ndimage import affine_transform
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

SEED = 20261124
MEMBERS = 5
WARPS = 20
FOLDER = Path(__file__).resolve().parent


def warped(images, rng):
    """The images, each slightly rotated, sheared, scaled and shifted."""
    center = np.array([3.5, 3.5])
    result = np.empty_like(images)
    for i, image in enumerate(images):
        angle, slant = rng.uniform(-0.25, 0.25), rng.uniform(-0.15, 0.15)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = turn @ np.array([[1, slant], [0, 1]]) @ np.diag(rng.uniform(0.85, 1.15, 2))
        offset = center - matrix @ center + rng.uniform(-1, 1, 2)
        result[i] = affine_transform(image, matrix, offset=offset, order=1)
    return result


def export(members, path):
    """Write the ensemble as ONNX: each perceptron is Gemm, Relu, Gemm, Relu, Gemm, Softmax; then the mean."""
    nodes = [helper.make_node("Flatten", ["image"], ["pixels"], axis=1)]
    weights = []
    for m, member in enumerate(members):
        value = "pixels"
        layers = list(zip(member.coefs_, member.intercepts_))
        for i, (matrix, bias) in enumerate(layers):
            names = [f"weight{m}_{i}", f"bias{m}_{i}"]
            weights += [numpy_helper.from_array(a.astype(np.float32), n) for a, n in zip((matrix, bias), names)]
            nodes.append(helper.make_node("Gemm", [value, *names], [f"sum{m}_{i}"]))
            value = f"value{m}_{i}"
            if i + 1 < len(layers):
                nodes.append(helper.make_node("Relu", [f"sum{m}_{i}"], [value]))
            else:
                nodes.append(helper.make_node("Softmax", [f"sum{m}_{i}"], [value], axis=1))
    last = len(members[0].coefs_) - 1
    outputs = [f"value{m}_{last}" for m in range(len(members))]
    nodes.append(helper.make_node("Mean", outputs, ["probabilities"]))
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 1, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    model.producer_name = "train.py"
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString(deterministic=True))


def write_images(folder, named_images):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for name, pixels in named_images:
        Image.fromarray(pixels).save(folder / f"{name}.png", optimize=True)


def main():
    digits = load_digits()
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)
    index = np.arange(len(pixels))
    train, held_out = train_test_split(
        index, test_size=0.2, stratify=digits.target, random_state=SEED
    )
    rng = np.random.default_rng(SEED)
    originals = pixels[train].astype(np.float32)
    images = np.concatenate([originals] + [warped(originals, rng) for _ in range(WARPS)])
    images = images.reshape(-1, 64) / 255
    labels = np.tile(digits.target[train], WARPS + 1)
    members = [
        MLPClassifier((160, 80), alpha=1e-4, batch_size=128, max_iter=30, random_state=SEED + i).fit(images, labels)
        for i in range(MEMBERS)
    ]
    export(members, FOLDER / "model.onnx")

    session = onnxruntime.InferenceSession(FOLDER / "model.onnx", providers=["CPUExecutionProvider"])
    batch = pixels[held_out, None].astype(np.float32) / 255
    (probabilities,) = session.run(None, {"image": batch})
    right = probabilities.argmax(1) == digits.target[held_out]
    print(f"held-out accuracy: {right.sum()}/{len(right)} = {right.mean():.4f}")

    rows = sorted(held_out)
    held_out_rows = np.column_stack([digits.target[rows], pixels[rows].reshape(-1, 64)])
    np.save(FOLDER / "heldout.npy", held_out_rows.astype(np.uint8))
    samples = []
    for digit in range(10):
        # The first held-out image of each digit that the model classifies correctly.
        candidates = held_out[(digits.target[held_out] == digit) & right]
        samples.append((str(digit), pixels[min(candidates)]))
    write_images(FOLDER / "samples", samples)


if __name__ == "__main__":
    main()
