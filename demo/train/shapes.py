"""Train the demo's detector of shapes: circles, squares, triangles and stars on any background.

usage: python3 shapes.py        (after: pip install -r requirements.txt)

Every image is drawn here: colored shapes of any size and angle, partly hidden by others, on a noisy gradient. The
held-out images come from a generator of their own. Writes target/demo/shapes/model.onnx and demo/models/shapes/example.png.
"""

import colorsys

import numpy as np
import torch
from PIL import Image, ImageDraw

import common
import detector

SEED = 20261125
LABELS = ["circle", "square", "triangle", "star"]
SIZE = (160, 160)
IMAGES, HELD_OUT, STEPS, BATCH = 4000, 500, 1400, 32
MOST = 8


def outline(label, radius, angle, rng):
    """The corners of a shape around the origin, or the many of a circle."""
    if label == "circle":
        angles, radii = np.linspace(0, 2 * np.pi, 60, endpoint=False), radius
    elif label == "square":
        angles, radii = np.arange(4) * np.pi / 2 + np.pi / 4, radius
    elif label == "triangle":
        angles, radii = np.arange(3) * 2 * np.pi / 3 + rng.uniform(-0.2, 0.2, 3), radius
    else:
        angles, radii = np.arange(10) * np.pi / 5, np.where(np.arange(10) % 2, radius * rng.uniform(0.38, 0.52), radius)
    return np.stack([np.cos(angles + angle), np.sin(angles + angle)], 1) * np.reshape(radii, (-1, 1))


def color(rng, others, distance):
    """A strong color that differs from the others, since nobody can see a shape in the color of what is below it."""
    for _ in range(60):
        value = np.array(colorsys.hsv_to_rgb(rng.random(), rng.uniform(0.35, 1), rng.uniform(0.3, 1))) * 255
        if all(np.linalg.norm(value - other) > distance for other in others):
            return value
    return None


def background(rng, width, height, ends):
    """A gradient between two colors in any direction."""
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[0:height, 0:width]
    along = np.cos(angle) * columns / width + np.sin(angle) * rows / height
    along = (along - along.min()) / (along.max() - along.min())
    return ends[0] + along[..., None] * (ends[1] - ends[0])


def draw_scene(rng, width, height, count, noise, ends):
    """An image and its objects. Shapes are drawn at twice the size, for smooth edges."""
    pixels = background(rng, width, height, ends)
    image = Image.fromarray(pixels.astype(np.uint8)).resize((width * 2, height * 2))
    canvas = ImageDraw.Draw(image)
    owners = Image.new("L", (width, height))
    colors, areas, objects = [], [], []
    for _ in range(count * 6):
        if len(objects) == count:
            break
        label = LABELS[rng.integers(len(LABELS))]
        radius = min(width, height) * rng.uniform(0.07, 0.25)
        corners = outline(label, radius, rng.uniform(0, 2 * np.pi), rng)
        corners += [rng.uniform(radius, width - radius), rng.uniform(radius, height - radius)]
        # Of each shape three quarters stay visible; a new one that hides more is not drawn.
        trial = owners.copy()
        ImageDraw.Draw(trial).polygon([tuple(corner) for corner in corners], fill=len(objects) + 1)
        visible = np.bincount(np.asarray(trial).ravel(), minlength=MOST + 1)[1:]
        fill = color(rng, [*ends, *colors], 75)
        if fill is None or any(visible[k] < 0.75 * area for k, area in enumerate(areas)):
            continue
        owners = trial
        areas.append(visible[len(objects)])
        colors.append(fill)
        line = tuple(int(value * 0.6) for value in fill) if rng.random() < 0.3 else None
        points = [tuple(corner * 2) for corner in corners]
        canvas.polygon(points, fill=tuple(int(value) for value in fill), outline=line, width=max(1, int(radius / 8)))
        objects.append((LABELS.index(label), np.concatenate([corners.min(0), corners.max(0)])))
    pixels = np.asarray(image.reduce(2)).astype(np.float32)
    pixels += rng.normal(0, 1, pixels.shape).astype(np.float32) * noise
    return pixels.clip(0, 255).astype(np.uint8), objects


def scene(rng):
    """A scene of any size and proportions, as people send them."""
    edge, proportion = rng.uniform(160, 480), rng.uniform(0.65, 1)
    sizes = [int(edge), int(edge * proportion)]
    rng.shuffle(sizes)
    ends = rng.uniform(0, 255, (2, 3))
    # Half of the gradients are gentle.
    if rng.random() < 0.5:
        ends[1] = (ends[0] + rng.uniform(-50, 50, 3)).clip(0, 255)
    return draw_scene(rng, *sizes, int(rng.integers(1, MOST + 1)), rng.uniform(0, 18), ends)


def write_example(session, rng):
    """Save the first scene for readers that the model reads exactly, and that has every shape and fills its corners."""
    ends = np.array([[246.0, 241, 230], [205, 220, 236]])
    while True:
        image, objects = draw_scene(rng, 480, 360, 7, 0, ends)
        pixels, ratio, offset = detector.letterbox(image, *SIZE)
        truth = [(label, box * ratio + offset) for label, box in objects]
        (output,) = session.run(None, {"images": pixels[None].astype(np.float32) / 255})
        corners = {(box[0] + box[2] > 480, box[1] + box[3] > 360) for _, box in objects}
        is_full = len(objects) == 7 and len({label for label, _ in objects}) == len(LABELS)
        if is_full and len(corners) == 4 and detector.is_exact(output[0], truth):
            Image.fromarray(image).save(common.MODELS / "shapes" / "example.png", optimize=True)
            return


def main():
    rng = common.start(SEED)
    data = detector.draw(scene, IMAGES, rng, *SIZE, MOST)
    held_out = detector.draw(scene, HELD_OUT, np.random.default_rng(SEED + 1), *SIZE, MOST)
    print("drawn", flush=True)
    model = detector.Detector(len(LABELS), *SIZE).to(memory_format=torch.channels_last)
    batches = detector.batches(data, BATCH, rng, mirror=True)
    common.train(model, batches, detector.loss_of, STEPS, 4e-3)

    session = detector.export(model, "shapes", LABELS)
    exact = [
        detector.is_exact(output, detector.true_objects(held_out, i))
        for i, output in enumerate(detector.outputs(session, held_out))
    ]
    common.record("shapes", {
        "held_out_images": HELD_OUT,
        "map50": round(detector.mean_average_precision(session, held_out, len(LABELS)), 4),
        "images_exactly_right": round(float(np.mean(exact)), 4),
    })
    write_example(session, np.random.default_rng(SEED + 6))


if __name__ == "__main__":
    main()
