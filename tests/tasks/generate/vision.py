"""Image tasks in Hugging Face's folder form. Expected: the image processors of `transformers` (PIL backend)."""

import logging

import numpy as np
from common import Graph, Set, image_cases, load, png, session, write_json
from yolo import box

logging.getLogger("transformers").setLevel(logging.ERROR)

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
HALF = [0.5, 0.5, 0.5]


def names():
    """Images whose answers hold masks or maps: without the largest."""
    return [
        f"{name}.png"
        for name in [
            "almost",
            "banner",
            "black",
            "checker-coarse",
            "double",
            "exact",
            "gradient",
            "gradient-odd",
            "gray",
            "half",
            "landscape",
            "luminance",
            "odd",
            "one-pixel",
            "pole",
            "portrait",
            "small",
            "square",
            "two-pixels",
            "white",
        ]
    ]


def wide_enough():
    """Without the two that keep no pixel in one direction when both sides become multiples of 14."""
    return [name for name in names() if name not in ("banner.png", "pole.png")] + ["large.png", "photo.jpg"]


def processor_of(model):
    from transformers import AutoImageProcessor

    return AutoImageProcessor.from_pretrained(model, use_fast=False)


def processor(model, kind, mean=MEAN, std=STD, **more):
    value = {
        "image_processor_type": kind,
        "do_resize": True,
        "do_rescale": True,
        "rescale_factor": 0.00392156862745098,
        "do_normalize": True,
        "image_mean": mean,
        "image_std": std,
        **more,
    }
    write_json(model / "preprocessor_config.json", value)


def outputs(run, values):
    """The graph's outputs by name, as `transformers` passes them on."""
    import torch

    class Outputs(dict):
        __getattr__ = dict.__getitem__

    known = [value.name for value in run.get_inputs()]
    found = run.run(None, {name: np.asarray(values[name]) for name in known})
    return Outputs({value.name: torch.from_numpy(array) for value, array in zip(run.get_outputs(), found)})


def labels_of(values):
    return {
        "id2label": {str(i): name for i, name in enumerate(values)},
        "label2id": {name: i for i, name in enumerate(values)},
    }


# Detection with queries: DETR, YOLOS, RT-DETR, Deformable DETR.

THINGS = ["cat", "dog", "remote control", "couch"]
QUERIES = 12


def queries(seed, classes, shift, fixed=None, mask=False):
    """Logits and boxes a query from sixteen samples of the image."""
    random = np.random.default_rng(seed)
    g = Graph()
    image = g.input("pixel_values", "f32", ["batch", 3, *(fixed or ["height", "width"])])
    small = g("Resize", image, "", "", g.ints(1, 3, 4, 4), mode="linear")
    flat = g("Reshape", small, g.ints(1, 48))
    if mask:
        ones = g.input("pixel_mask", "i64", ["batch", *(["height", "width"] if mask == "image" else [64, 64])])
        share = g("ReduceMean", g("Cast", ones, to=1), axes=[1, 2], keepdims=0)
        flat = g("Mul", flat, share)
    hidden = g("Tanh", g("MatMul", flat, g.const(random.normal(0, 0.25, (48, 8)))))

    def rows(width, scale, bias):
        value = g("MatMul", hidden, g.const(random.normal(0, scale, (8, QUERIES * width))))
        bias = g.const(random.normal(0, 1.2, (1, QUERIES, width)) + np.asarray(bias))
        return g("Add", g("Reshape", value, g.ints(1, QUERIES, width)), bias)

    logits = rows(classes, 0.9, shift)
    boxes = g("Sigmoid", rows(4, 0.6, [0, 0, -0.6, -0.6]))
    g.output(logits, "logits", "f32", ["batch", QUERIES, classes])
    g.output(boxes, "pred_boxes", "f32", ["batch", QUERIES, 4])
    return g


def detr(model):
    queries(71, len(THINGS) + 1, [0, 0, 0, 0, 1.5], mask="image").save(model / "model.onnx")
    size = {"shortest_edge": 80, "longest_edge": 133}
    processor(model, "DetrImageProcessor", format="coco_detection", size=size, do_pad=True, resample=2)
    write_json(
        model / "config.json",
        {"architectures": ["DetrForObjectDetection"], "model_type": "detr", **labels_of(THINGS)},
    )


def yolos(model):
    queries(72, len(THINGS) + 1, [0, 0, 0, 0, 1.5]).save(model / "model.onnx")
    size = {"shortest_edge": 64, "longest_edge": 166}
    processor(model, "YolosImageProcessor", format="coco_detection", size=size, do_pad=True, resample=2)
    write_json(
        model / "config.json",
        {"architectures": ["YolosForObjectDetection"], "model_type": "yolos", **labels_of(THINGS)},
    )


def rt_detr(kind):
    def build(model):
        queries(73 + (kind == "d_fine"), len(THINGS), -2.2, fixed=[64, 64]).save(model / "model.onnx")
        size = {"height": 64, "width": 64}
        processor(
            model,
            "RTDetrImageProcessor",
            format="coco_detection",
            size=size,
            do_normalize=False,
            do_pad=False,
            resample=2,
        )
        name = {"rt_detr": "RTDetrForObjectDetection", "d_fine": "DFineForObjectDetection"}[kind]
        write_json(model / "config.json", {"architectures": [name], "model_type": kind, **labels_of(THINGS)})

    return build


def deformable(model):
    queries(75, len(THINGS), -3.2, mask="image").save(model / "model.onnx")
    size = {"shortest_edge": 80, "longest_edge": 133}
    processor(model, "DeformableDetrImageProcessor", format="coco_detection", size=size, do_pad=True, resample=2)
    name = "DeformableDetrForObjectDetection"
    write_json(model / "config.json", {"architectures": [name], "model_type": "deformable_detr", **labels_of(THINGS)})


def queries_reference(model):
    processor, run = processor_of(model), session(model / "model.onnx")

    def answer(case):
        image = load(case["input"]["image"])
        inputs = processor(images=image, return_tensors="np", input_data_format="channels_last")
        (found,) = processor.post_process_object_detection(
            outputs(run, inputs), case["parameters"].get("threshold", 0.5), [(image.height, image.width)]
        )
        rows = [
            {"label": THINGS[int(label)], "index": int(label), "score": score, "box": box(values)}
            for score, label, values in zip(found["scores"].numpy(), found["labels"], found["boxes"].numpy())
        ]
        return sorted(rows, key=lambda row: row["score"], reverse=True)

    return answer


def queries_cases():
    cases = image_cases()
    for label, threshold in [("low", 0.1), ("none", 0.999), ("all", 0.0)]:
        cases += [{**c, "name": f"{c['name']} {label}"} for c in image_cases(["large.png"], threshold=threshold)]
    return cases


def yolos_cases():
    """Without the images that the processor cuts to no pixel: it lowers both sides to multiples of 16."""
    return [case for case in queries_cases() if case["input"]["image"] not in ("banner.png", "pole.png")]


# Maps: segmentation, depth, background removal.

STUFF = ["wall", "floor", "sky", "tree", "person"]


def maps(seed, name, channels, size, step, input="pixel_values", gain=1.5, finish=None, grow=1, squeeze=False):
    random = np.random.default_rng(seed)
    g = Graph()
    image = g.input(input, "f32", ["batch", 3, *size])
    value = g("AveragePool", image, kernel_shape=[step, step], strides=[step, step])
    value = g(
        "Conv", value, g.const(random.normal(0, gain, (6, 3, 3, 3)) / 3), g.const(random.normal(0, 1, 6)), pads=[1] * 4
    )
    value = g("Conv", g("Tanh", value), g.const(random.normal(0, 1, (channels, 6, 1, 1))))
    if grow > 1:
        value = g("Resize", value, "", g.const([1, 1, grow, grow]), mode="linear")
    if finish:
        value = g(finish, value)
    if squeeze:
        value = g("Squeeze", value, g.ints(1))
    shape = ["batch"] + ([] if squeeze else [channels]) + ["rows", "columns"]
    g.output(value, name, "f32", shape)
    return g


def segformer(model):
    maps(81, "logits", len(STUFF), [64, 64], 4).save(model / "model.onnx")
    size = {"height": 64, "width": 64}
    processor(model, "SegformerImageProcessor", size=size, do_reduce_labels=False, resample=2)
    name = "SegformerForSemanticSegmentation"
    write_json(model / "config.json", {"architectures": [name], "model_type": "segformer", **labels_of(STUFF)})


def segformer_reference(model):
    processor, run = processor_of(model), session(model / "model.onnx")

    def answer(case):
        image = load(case["input"]["image"])
        found = outputs(run, processor(images=image, return_tensors="np", input_data_format="channels_last"))
        (kinds,) = processor.post_process_semantic_segmentation(found, [(image.height, image.width)])
        kinds = kinds.numpy()
        return [
            {"label": STUFF[kind], "score": None, "mask": png((kinds == kind).astype(np.uint8) * 255)}
            for kind in np.unique(kinds)
        ]

    return answer


def depth_anything(model):
    g = maps(82, "predicted_depth", 1, ["height", "width"], 7, grow=7, squeeze=True, finish="Softplus")
    g.save(model / "model.onnx")
    processor(
        model,
        "DPTImageProcessor",
        size={"height": 70, "width": 70},
        keep_aspect_ratio=True,
        ensure_multiple_of=14,
        resample=3,
        do_pad=False,
    )
    name = "DepthAnythingForDepthEstimation"
    write_json(model / "config.json", {"architectures": [name], "model_type": "depth_anything"})


def dpt(model):
    maps(83, "predicted_depth", 1, [64, 64], 4, grow=4, squeeze=True, finish="Softplus").save(model / "model.onnx")
    processor(
        model,
        "DPTImageProcessor",
        HALF,
        HALF,
        size={"height": 64, "width": 64},
        keep_aspect_ratio=False,
        ensure_multiple_of=1,
        resample=3,
        do_pad=False,
    )
    write_json(model / "config.json", {"architectures": ["DPTForDepthEstimation"], "model_type": "dpt"})


def samples(values):
    """A map as its size, its range, and at most 30 values: a whole one takes too much room here."""
    height, width = values.shape
    rows = sorted({int(i) for i in np.linspace(0, height - 1, 5)})
    columns = sorted({int(i) for i in np.linspace(0, width - 1, 6)})
    points = [[x, y, values[y, x]] for y in rows for x in columns]
    return [{"width": width, "height": height, "min": values.min(), "max": values.max(), "samples": points}]


def depth_reference(model):
    processor, run = processor_of(model), session(model / "model.onnx")

    def answer(case):
        image = load(case["input"]["image"])
        found = outputs(run, processor(images=image, return_tensors="np", input_data_format="channels_last"))
        (row,) = processor.post_process_depth_estimation(found, [(image.height, image.width)])
        return samples(row["predicted_depth"].reshape(image.height, image.width).numpy())

    return answer


def birefnet(model):
    maps(84, "output_image", 1, [64, 64], 4, input="input_image", grow=4, gain=3.0).save(model / "model.onnx")
    processor(model, "ViTImageProcessor", size={"height": 64, "width": 64}, resample=2)
    write_json(model / "config.json", {"architectures": ["BiRefNet"], "model_type": "SegformerForSemanticSegmentation"})


def rmbg(model):
    g = maps(85, "output", 1, [64, 64], 4, input="input", grow=4, gain=3.0, finish="Sigmoid")
    g.save(model / "model.onnx")
    processor(model, "ViTImageProcessor", HALF, [1.0] * 3, size={"height": 64, "width": 64}, resample=2)
    write_json(model / "config.json", {"architectures": ["BriaRMBG"], "model_type": "SegformerForSemanticSegmentation"})


def matting_reference(sigmoid, stretch):
    """One map in 0..1, bilinear to the image's size; RMBG-1.4 and U2-Net are stretched to the whole range."""

    def reference(model):
        import torch

        processor, run = processor_of(model), session(model / "model.onnx")
        name = run.get_inputs()[0].name

        def answer(case):
            image = load(case["input"]["image"])
            values = processor(images=image, return_tensors="np", input_data_format="channels_last")["pixel_values"]
            found = torch.from_numpy(run.run(None, {name: values})[0])
            found = found.sigmoid() if sigmoid else found
            size = (image.height, image.width)
            found = torch.nn.functional.interpolate(found, size=size, mode="bilinear", align_corners=False)[0, 0]
            if stretch:
                low, high = found.min(), found.max()
                found = (found - low) / (high - low) if high > low else found
            return samples(found.numpy())

        return answer

    return reference


# Features.


def features(model, seed=91, size=56):
    random = np.random.default_rng(seed)
    g = Graph()
    image = g.input("pixel_values", "f32", ["batch", 3, "height", "width"])
    patches = g("Conv", image, g.const(random.normal(0, 0.1, (8, 3, 7, 7))), kernel_shape=[7, 7], strides=[7, 7])
    patches = g("Transpose", g("Reshape", patches, g.ints(0, 8, -1)), perm=[0, 2, 1])
    first = g("ReduceMean", patches, axes=[1], keepdims=1)
    first = g("Add", g("MatMul", first, g.const(random.normal(0, 0.6, (8, 8)))), g.const(random.normal(0, 0.3, 8)))
    hidden = g("Tanh", g("Concat", first, patches, axis=1))
    pooled = g("Squeeze", g("Slice", hidden, g.ints(0), g.ints(1), g.ints(1)), g.ints(1))
    pooled = g("Tanh", g("MatMul", pooled, g.const(random.normal(0, 1, (8, 8)))))
    return g, hidden, pooled


def dinov2(with_pooler):
    def build(model):
        g, hidden, pooled = features(model, 91 + with_pooler)
        g.output(hidden, "last_hidden_state", "f32", ["batch", "sequence", 8])
        if with_pooler:
            g.output(pooled, "pooler_output", "f32", ["batch", 8])
        g.save(model / "model.onnx")
        processor(
            model,
            "BitImageProcessor",
            size={"shortest_edge": 64},
            do_center_crop=True,
            crop_size={"height": 56, "width": 56},
            do_convert_rgb=True,
            resample=3,
        )
        write_json(model / "config.json", {"architectures": ["Dinov2Model"], "model_type": "dinov2", "hidden_size": 8})

    return build


def features_reference(model):
    processor, run = processor_of(model), session(model / "model.onnx")

    def answer(case):
        found = outputs(
            run, processor(images=load(case["input"]["image"]), return_tensors="np", input_data_format="channels_last")
        )
        row = {"cls": found["last_hidden_state"][0, 0].numpy(), "mean": found["last_hidden_state"][0].mean(0).numpy()}
        if "pooler_output" in found:
            row["pooler_output"] = found["pooler_output"][0].numpy()
        return [row]

    return answer


HALFWAY = {"threshold": 0.5}
SETS = [
    Set("object-detection/detr", detr, queries_cases, queries_reference, thresholds=HALFWAY),
    Set("object-detection/yolos", yolos, yolos_cases, queries_reference, thresholds=HALFWAY),
    Set("object-detection/rt-detr", rt_detr("rt_detr"), queries_cases, queries_reference, thresholds=HALFWAY),
    Set(
        "object-detection/d-fine",
        rt_detr("d_fine"),
        lambda: queries_cases()[::2],
        queries_reference,
        thresholds=HALFWAY,
    ),
    Set("object-detection/deformable-detr", deformable, queries_cases, queries_reference, thresholds=HALFWAY),
    Set("image-segmentation/segformer", segformer, lambda: image_cases(names()), segformer_reference),
    Set("depth-estimation/depth-anything", depth_anything, lambda: image_cases(wide_enough()), depth_reference),
    Set("depth-estimation/dpt", dpt, lambda: image_cases(names()), depth_reference),
    Set("background-removal/birefnet", birefnet, lambda: image_cases(names()), matting_reference(True, False)),
    Set("background-removal/rmbg", rmbg, lambda: image_cases(names()), matting_reference(False, True)),
    Set("image-feature-extraction/dinov2", dinov2(True), image_cases, features_reference),
    Set("image-feature-extraction/dinov2-no-pooler", dinov2(False), image_cases, features_reference),
]
