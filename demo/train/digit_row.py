"""Train the demo's reader of digits in a row, as a detector: the boxes from left to right are the number.

usage: python3 digit_row.py        (after: pip install -r requirements.txt)

The digits are scikit-learn's: 8x8 pixels, handwritten. Three to seven of them are scaled up, slanted and put in a row,
dark on light or light on dark. The held-out images have only digits that no training image has: those that
models/digits/train.py holds out. Writes target/demo/digit-row/model.onnx and demo/models/digit-row/example.png.
"""

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import common
import detector

SEED = 20261127
# The seed of models/digits/train.py.
SPLIT_SEED = 20261124
LABELS = [str(digit) for digit in range(10)]
SIZE = (96, 256)
IMAGES, HELD_OUT, STEPS, BATCH = 5000, 500, 1600, 32
LEAST, MOST = 3, 7


def split():
    """The images and labels of the digits for training and of the held-out ones."""
    digits = load_digits()
    pixels = np.rint(digits.images * 255 / 16).astype(np.uint8)
    train, held_out = train_test_split(
        np.arange(len(pixels)), test_size=0.2, stratify=digits.target, random_state=SPLIT_SEED
    )
    return [(pixels[part], digits.target[part]) for part in (train, held_out)]


def ink(pixels, height, slant, rng):
    """How much ink each pixel of a digit has, at a height, slanted, and cut to what one sees."""
    width = max(4, int(height * rng.uniform(0.75, 1.1)))
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    room = int(abs(slant) * height) + 1
    shift = -slant * height / 2 - room
    image = image.transform(
        (width + 2 * room, height), Image.Transform.AFFINE, (1, slant, shift, 0, 1, 0), Image.Resampling.BILINEAR
    )
    values = np.asarray(image).astype(np.float32) / 255
    columns, rows = np.flatnonzero(values.max(0) > 0.35), np.flatnonzero(values.max(1) > 0.35)
    return values[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def scene(digits, rng, noise=None, is_dark=None):
    """An image with a row of digits, and the objects of it: label and edges."""
    pixels, labels = digits
    chosen = rng.integers(0, len(labels), rng.integers(LEAST, MOST + 1))
    # The size in the image as sent; the row then fills the width of the input more or less.
    height, slant = rng.uniform(24, 80), rng.uniform(-0.3, 0.3)
    gap = rng.uniform(0.05, 0.6) * height
    glyphs = [
        ink(pixels[i], int(height * rng.uniform(0.85, 1.15)), slant + rng.uniform(-0.08, 0.08), rng) for i in chosen
    ]
    left, objects, places = rng.uniform(0.1, 0.8) * height, [], []
    top = rng.uniform(0.15, 0.9) * height
    for i, glyph in zip(chosen, glyphs):
        y = top + rng.uniform(-0.1, 0.1) * height
        x, y = int(left), int(y)
        places.append((x, y))
        objects.append((int(labels[i]), np.array([x, y, x + glyph.shape[1], y + glyph.shape[0]], float)))
        left += glyph.shape[1] + gap * rng.uniform(0.6, 1.4)
    width = int(left - gap + rng.uniform(0.6, 0.9) * height)
    total = int(max(box[3] for _, box in objects) + rng.uniform(0.1, 0.9) * height)
    layer = np.zeros((total, max(width, int(objects[-1][1][2]) + 2)), np.float32)
    for (x, y), glyph in zip(places, glyphs):
        part = layer[y : y + glyph.shape[0], x : x + glyph.shape[1]]
        np.maximum(part, glyph, out=part)
    return paint(layer, rng, noise, is_dark), objects


def paint(layer, rng, noise, is_dark):
    """Ink of a color on paper of another, which differ in lightness, with a shadow and noise."""
    light, dark = rng.uniform(150, 255, 3), rng.uniform(0, 90, 3)
    is_dark = rng.random() < 0.4 if is_dark is None else is_dark
    paper, color = (dark, light) if is_dark else (light, dark)
    shadow = np.linspace(rng.uniform(0.8, 1), rng.uniform(0.8, 1), layer.shape[1])[None, :, None]
    image = (paper + layer[..., None] * (color - paper)) * shadow
    image += rng.normal(0, rng.uniform(0, 14) if noise is None else noise, image.shape)
    return image.clip(0, 255).astype(np.uint8)


def write_example(session, digits, rng):
    """Save the first row of six for readers, about 400x150 pixels, that the model reads exactly."""
    while True:
        image, objects = scene(digits, rng, noise=0, is_dark=False)
        pixels, ratio, offset = detector.letterbox(image, *SIZE)
        (output,) = session.run(None, {"images": pixels[None].astype(np.float32) / 255})
        truth = [(label, box * ratio + offset) for label, box in objects]
        is_fit = len(objects) == 6 and 380 <= image.shape[1] <= 460 and 120 <= image.shape[0] <= 170
        if is_fit and detector.is_exact(output[0], truth):
            Image.fromarray(image).save(common.MODELS / "digit-row" / "example.png", optimize=True)
            print("digit-row.png is", "".join(LABELS[label] for label, _ in objects))
            return


def main():
    rng = common.start(SEED)
    train, unseen = split()
    data = detector.draw(lambda rng: scene(train, rng), IMAGES, rng, *SIZE, MOST)
    held_out = detector.draw(lambda rng: scene(unseen, rng), HELD_OUT, np.random.default_rng(SEED + 1), *SIZE, MOST)
    print("drawn", flush=True)
    model = detector.Detector(len(LABELS), *SIZE).to(memory_format=torch.channels_last)
    # A mirrored digit is no digit.
    batches = detector.batches(data, BATCH, rng, mirror=False)
    common.train(model, batches, detector.loss_of, STEPS, 4e-3)

    session = detector.export(model, "digit-row", LABELS)
    read = []
    for i, output in enumerate(detector.outputs(session, held_out)):
        boxes = sorted(detector.found(output), key=lambda box: box[2][0])
        read.append([label for label, _, _ in boxes] == [label for label, _ in detector.true_objects(held_out, i)])
    common.record("digit-row", {
        "held_out_images": HELD_OUT,
        "map50": round(detector.mean_average_precision(session, held_out, len(LABELS)), 4),
        "rows_read_right": round(float(np.mean(read)), 4),
    })
    write_example(session, unseen, np.random.default_rng(SEED + 6))


if __name__ == "__main__":
    main()
