"""Write the reference tensors of the image processors, made by `transformers`.

usage: python3 generate.py        (after: pip install -r requirements.txt)

cases.json  a list of cases: the preprocessor_config.json as a user has it, an image of
            tests/preprocessing/images, and the shape of the tensor
tensors/    <case>.f32: what the processor makes of the image, little-endian, channels first

The processors' NumPy and Pillow backends are used: those that need neither torch nor torchvision.
Sizes are small, so that the tensors are; the arithmetic is the same. Running it again writes the same
bytes.
"""

import importlib
import json
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

FOLDER = Path(__file__).resolve().parent
IMAGES = FOLDER.parents[3] / "tests/preprocessing/images"
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SQUARE = {"height": 20, "width": 20}

# (name, class, its module, what the file says)
CONFIGS = [
    ("vit", "ViTImageProcessor", "vit", {"size": SQUARE, "resample": 2, "do_resize": True}),
    ("vit-defaults", "ViTImageProcessor", "vit", {"size": {"height": 18, "width": 27}}),
    ("vit-int", "ViTFeatureExtractor", "vit", {"size": 19, "image_mean": [0.5, 0.5, 0.5], "resample": 3}),
    ("vit-lanczos", "ViTImageProcessorFast", "vit", {"size": SQUARE, "resample": 1, **IMAGENET}),
    ("vit-nearest", "ViTImageProcessor", "vit", {"size": SQUARE, "resample": 0, "do_normalize": False}),
    ("vit-hamming", "ViTImageProcessor", "vit", {"size": SQUARE, "resample": 5, "do_rescale": False}),
    ("vit-null", "ViTImageProcessor", "vit", {"size": SQUARE, "do_normalize": None, "do_center_crop": None}),
    ("vit-factor", "ViTImageProcessor", "vit", {"size": SQUARE, "rescale_factor": 0.01}),
    ("deit", "DeiTImageProcessor", "deit", {"size": {"height": 26, "width": 26},
                                            "crop_size": {"height": 21, "width": 21}, **IMAGENET}),
    ("deit-int", "DeiTFeatureExtractor", "deit", {"size": 25, "crop_size": 20, "resample": 2}),
    ("clip", "CLIPImageProcessor", "clip", {"size": {"shortest_edge": 20}, "crop_size": SQUARE}),
    ("clip-int", "CLIPFeatureExtractor", "clip", {"size": 21, "crop_size": 18, "do_convert_rgb": True}),
    ("clip-padded", "CLIPImageProcessor", "clip", {"size": {"shortest_edge": 15},
                                                   "crop_size": {"height": 22, "width": 28}}),
    ("clip-no-resize", "CLIPImageProcessor", "clip", {"do_resize": False, "crop_size": SQUARE}),
    ("convnext", "ConvNextImageProcessor", "convnext", {"size": {"shortest_edge": 21}, "crop_pct": 0.875,
                                                        **IMAGENET}),
    ("convnext-int", "ConvNextFeatureExtractor", "convnext", {"size": 20, "resample": 2}),
    ("efficientnet", "EfficientNetImageProcessor", "efficientnet", {
        "size": SQUARE, "resample": 0, "do_center_crop": False, "rescale_offset": False,
        "include_top": True, **IMAGENET}),
    ("efficientnet-crop", "EfficientNetImageProcessor", "efficientnet", {
        "size": {"height": 29, "width": 29}, "do_center_crop": True, "crop_size": SQUARE,
        "rescale_factor": 1 / 127.5, "rescale_offset": True, "include_top": False}),
    ("efficientnet-offset-top", "EfficientNetImageProcessor", "efficientnet", {
        "size": SQUARE, "resample": 3, "rescale_factor": 1 / 127.5, "rescale_offset": True, **IMAGENET}),
    ("mobilevit", "MobileViTImageProcessor", "mobilevit", {
        "size": {"shortest_edge": 24}, "crop_size": {"height": 21, "width": 21}, "resample": 2}),
    ("mobilevit-rgb", "MobileViTFeatureExtractor", "mobilevit", {
        "size": 23, "crop_size": 20, "do_flip_channel_order": False}),
    ("beit", "BeitImageProcessor", "beit", {"size": SQUARE, "do_reduce_labels": False}),
    ("bit", "BitImageProcessor", "bit", {"size": {"shortest_edge": 23}, "crop_size": SQUARE}),
    ("siglip", "SiglipImageProcessor", "siglip", {"size": SQUARE, "resample": 3}),
    ("mobilenet-v1", "MobileNetV1ImageProcessor", "mobilenet_v1", {"size": {"shortest_edge": 24},
                                                                   "crop_size": SQUARE}),
    ("mobilenet-v2", "MobileNetV2ImageProcessor", "mobilenet_v2", {"size": {"shortest_edge": 25},
                                                                   "crop_size": SQUARE}),
    ("pvt", "PvtImageProcessor", "pvt", {"size": SQUARE}),
    ("segformer", "SegformerImageProcessor", "segformer", {"size": SQUARE}),
]
PICTURES = ["wide.png", "tall.png", "tiny.png"]


def plain(name):
    for suffix in ("Fast", "ImageProcessor", "FeatureExtractor"):
        name = name.removesuffix(suffix)
    return name


def main():
    shutil.rmtree(FOLDER / "tensors", ignore_errors=True)
    (FOLDER / "tensors").mkdir()
    cases = []
    for name, kind, module, settings in CONFIGS:
        library = importlib.import_module(f"transformers.models.{module}.image_processing_pil_{module}")
        processor = getattr(library, plain(kind) + "ImageProcessorPil")(**settings)
        key = "feature_extractor_type" if kind.endswith("FeatureExtractor") else "image_processor_type"
        for picture in PICTURES:
            image = Image.open(IMAGES / picture).convert("RGB")
            (pixels,) = processor(image)["pixel_values"]
            pixels = np.asarray(pixels, np.float32)
            case = f"{name}-{Path(picture).stem}"
            (FOLDER / "tensors" / f"{case}.f32").write_bytes(pixels.astype("<f4").tobytes())
            cases.append({"name": case, "config": {key: kind, **settings}, "image": picture,
                          "shape": list(pixels.shape)})
    (FOLDER / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
