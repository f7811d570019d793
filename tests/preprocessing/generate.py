"""Write the encoded images and the reference pixels of the preprocessing tests with Pillow.

usage: python3 generate.py        (after: pip install -r requirements.txt)

images/    encoded images of every format and color type
resized/   <image>-<mode>-<filter>-<channels>.raw: row-major 8-bit pixels, after Pillow decoded the image, applied
           the EXIF orientation, composited it on white, converted it and resized it to 19x13; with "-drop" it is not
           composited: the conversion drops the transparency, as that of `transformers` does
cases.json lists the files in resized/. Running it again writes the same bytes.
"""

import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FOLDER = Path(__file__).resolve().parent
WIDTH, HEIGHT = 19, 13
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
ORIENTATION = 0x0112


def picture(width, height, seed):
    """Waves and blocks, which give every channel smooth parts and hard edges."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x * f + y * g + p) * 100 + 128 for f, g, p in rng.uniform(0.05, 0.6, (3, 3))]
    blocks = rng.integers(-60, 60, (3, height // 6 + 1, width // 6 + 1)).repeat(6, 1).repeat(6, 2)
    pixels = np.stack(waves) + blocks[:, :height, :width]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8).transpose(1, 2, 0))


def write_images(folder):
    wide, tall, tiny = picture(61, 37, 1), picture(23, 44, 2), picture(7, 5, 3)
    strip = picture(5, 600, 5)
    alpha = Image.linear_gradient("L").resize(wide.size)
    gray16 = Image.fromarray((np.arange(31 * 29).reshape(29, 31) * 65535 // (31 * 29)).astype(np.uint16))
    see_through = wide.copy()
    see_through.putalpha(alpha)
    gray_alpha = Image.merge("LA", (wide.convert("L"), alpha))
    images = {
        "wide.png": (wide, {}),
        "tall.png": (tall, {}),
        "tiny.png": (tiny, {}),
        "strip.png": (strip, {}),
        "gray.png": (wide.convert("L"), {}),
        "alpha.png": (see_through, {}),
        "gray-alpha.png": (gray_alpha, {}),
        "see-through.png": (wide.quantize(17), {"transparency": 3}),
        "see-through.gif": (wide.quantize(17), {"transparency": 3}),
        "see-through.webp": (see_through, {"lossless": True, "exact": True}),
        "palette.png": (wide.quantize(17), {}),
        "gray16.png": (gray16, {}),
        "one-bit.png": (wide.convert("1"), {}),
        "wide.bmp": (wide, {}),
        "palette.gif": (wide.quantize(40), {}),
        "lossless.webp": (wide, {"lossless": True}),
        "wide.jpg": (wide, {"quality": 92, "subsampling": 0}),
        "gray.jpg": (wide.convert("L"), {"quality": 92}),
        "cmyk.jpg": (wide.convert("CMYK"), {"quality": 95, "subsampling": 0}),
    }
    for turn in range(1, 9):
        exif = Image.Exif()
        exif[ORIENTATION] = turn
        images[f"turn{turn}.png"] = (tiny, {"exif": exif})
    for name, (image, options) in images.items():
        image.save(folder / name, **options)
    second = picture(61, 37, 4).quantize(40)
    wide.quantize(40).save(folder / "animated.gif", save_all=True, append_images=[second], duration=50)
    return [*images, "animated.gif"]


def prepared(path, channels, alpha):
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode == "I;16":
        image = Image.fromarray((np.asarray(image).astype(np.uint32) * 255 + 32767 >> 16).astype(np.uint8))
    if alpha == "white" and (image.mode in ("LA", "RGBA") or "transparency" in image.info):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB").convert(channels)


def fit(image, mode, resample):
    if mode == "stretch":
        return image.resize((WIDTH, HEIGHT), resample)
    if mode == "pad":
        return ImageOps.pad(image, (WIDTH, HEIGHT), resample)
    # Resize to cover and crop the center, as torchvision does.
    width, height = image.size
    if WIDTH * height > HEIGHT * width:
        size = (WIDTH, int(WIDTH * height / width))
    else:
        size = (int(HEIGHT * width / height), HEIGHT)
    image = image.resize(size, resample)
    left, top = round((size[0] - WIDTH) / 2), round((size[1] - HEIGHT) / 2)
    return image.crop((left, top, left + WIDTH, top + HEIGHT))


def main():
    for name in ("images", "resized"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        (FOLDER / name).mkdir()
    cases = []
    names = write_images(FOLDER / "images")

    def case(name, mode, filter_name, channels, alpha="white"):
        image = fit(prepared(FOLDER / "images" / name, channels, alpha), mode, FILTERS[filter_name])
        suffix = "-drop" if alpha == "drop" else ""
        raw = f"{name}-{mode}-{filter_name}-{channels}{suffix}.raw"
        (FOLDER / "resized" / raw).write_bytes(image.tobytes())
        cases.append(
            {"image": name, "resize": mode, "filter": filter_name, "channels": channels, "pixels": raw}
            | ({"alpha": alpha} if alpha == "drop" else {})
        )

    for name in ("wide.png", "tall.png", "tiny.png", "strip.png"):
        # Pillow gives a padded strip no width at all.
        for mode in ("stretch", "shortest-edge") + (("pad",) if name != "strip.png" else ()):
            for filter_name in FILTERS:
                case(name, mode, filter_name, "RGB")
    for filter_name in FILTERS:
        case("wide.png", "stretch", filter_name, "L")
    for name in names:
        for channels in ("RGB", "L"):
            if {"image": name, "resize": "stretch", "filter": "bilinear", "channels": channels} not in [
                {key: value for key, value in known.items() if key != "pixels"} for known in cases
            ]:
                case(name, "stretch", "bilinear", channels)
    for name in ("alpha.png", "gray-alpha.png", "see-through.png", "see-through.gif", "see-through.webp"):
        for channels in ("RGB", "L"):
            case(name, "stretch", "bilinear", channels, "drop")
    lines = ",\n".join(json.dumps(entry) for entry in cases)
    (FOLDER / "cases.json").write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
