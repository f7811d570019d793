"""Makes the images that the image tasks share."""

import numpy as np
from common import IMAGES
from PIL import Image, ImageDraw


def shapes(seed, width, height, count):
    """Flat rectangles and ellipses: small as PNG, and every pixel matters to a resize."""
    random = np.random.default_rng(seed)
    image = Image.new("RGB", (width, height), tuple(random.integers(0, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for i in range(count):
        x, y = random.integers(-width // 8, width), random.integers(-height // 8, height)
        w, h = random.integers(2, max(3, width // 2)), random.integers(2, max(3, height // 2))
        color = tuple(random.integers(0, 256, 3).tolist())
        box = [int(x), int(y), int(x + w), int(y + h)]
        (draw.ellipse if i % 2 else draw.rectangle)(box, fill=color)
    return image


def flat(color, width, height):
    return Image.new("RGB", (width, height), color)


def gradient(width, height):
    x, y = np.arange(width) * 255 // max(1, width - 1), np.arange(height)[:, None] * 255 // max(1, height - 1)
    return Image.fromarray(np.stack([x + 0 * y, y + 0 * x, (x + y) // 2], -1).astype(np.uint8))


def checker(width, height, size):
    y, x = np.mgrid[:height, :width]
    return Image.fromarray((((x // size + y // size) % 2) * 255).astype(np.uint8)).convert("RGB")


def stripes(width, height):
    row = (np.arange(width) // 37 * 29 % 256).astype(np.uint8)
    array = np.stack([row, 255 - row, row // 2 + 40], -1)
    return Image.fromarray(np.repeat(array[None], height, 0))


def photo():
    random = np.random.default_rng(7)
    coarse = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((640, 480), Image.BICUBIC)
    noise = random.normal(0, 4, (480, 640, 1))
    return Image.fromarray(np.clip(np.array(coarse) + noise, 0, 255).astype(np.uint8))


def write():
    IMAGES.mkdir(parents=True, exist_ok=True)
    pictures = {
        "one-pixel": flat((200, 30, 90), 1, 1),
        "two-pixels": Image.fromarray(np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)),
        "banner": stripes(8000, 100),
        "pole": stripes(400, 30).rotate(90, expand=True),
        "black": flat((0, 0, 0), 96, 64),
        "white": flat((255, 255, 255), 50, 50),
        "gray": flat((114, 114, 114), 64, 96),
        "gradient": gradient(320, 200),
        "gradient-odd": gradient(97, 65),
        "checker": checker(130, 70, 1),
        "checker-coarse": checker(201, 199, 13),
        "luminance": gradient(90, 120).convert("L"),
        "exact": shapes(1, 96, 64, 14),
        "almost": shapes(2, 95, 64, 10),
        "half": shapes(3, 48, 32, 12),
        "double": shapes(4, 192, 128, 16),
        "square": shapes(5, 150, 150, 12),
        "portrait": shapes(6, 111, 207, 18),
        "landscape": shapes(7, 300, 123, 20),
        "odd": shapes(8, 77, 53, 9),
        "large": shapes(9, 500, 375, 30),
        "small": shapes(10, 17, 11, 5),
    }
    for name, image in pictures.items():
        image.save(IMAGES / f"{name}.png", optimize=True)
    photo().save(IMAGES / "photo.jpg", quality=60)


if __name__ == "__main__":
    write()
