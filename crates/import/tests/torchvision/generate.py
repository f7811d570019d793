"""Write the reference tensors of torchvision's own preprocessing, which `--image` asks for.

usage: python3 generate.py        (after: pip install -r requirements.txt)

cases.json  a list of cases: what `--image` says, an image of tests/preprocessing/images, and the shape
tensors/    <case>.f32: what torchvision makes of the image, little-endian, channels first

Squares are prepared by the preset for classification that comes with torchvision's weights (Resize to 8/7 of
the size, CenterCrop, ImageNet's mean and deviation); others are stretched, by the same steps without the cut.
"""

import json
import shutil
from pathlib import Path

from PIL import Image
from torchvision.transforms import Compose, Normalize, Resize, ToTensor
from torchvision.transforms._presets import ImageClassification

FOLDER = Path(__file__).resolve().parent
IMAGES = FOLDER.parents[3] / "tests/preprocessing/images"
PICTURES = ["wide.png", "wide.jpg", "tall.png", "tiny.png"]
SIZES = [(20, 20), (21, 21), (28, 28), (32, 24), (17, 30)]


def transform(width, height):
    if width == height:
        return ImageClassification(crop_size=width, resize_size=round(width / 0.875))
    return Compose([Resize((height, width)), ToTensor(),
                    Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])


def main():
    shutil.rmtree(FOLDER / "tensors", ignore_errors=True)
    (FOLDER / "tensors").mkdir()
    cases = []
    for width, height in SIZES:
        for picture in PICTURES:
            name = f"{width}x{height}-{picture.replace('.', '-')}"
            image = Image.open(IMAGES / picture).convert("RGB")
            tensor = transform(width, height)(image).numpy()
            (FOLDER / f"tensors/{name}.f32").write_bytes(tensor.astype("<f4").tobytes())
            cases.append({"name": name, "width": width, "height": height, "image": picture,
                          "shape": list(tensor.shape)})
    (FOLDER / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
