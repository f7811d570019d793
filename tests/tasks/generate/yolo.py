"""Ultralytics' forms: detect, segment, pose, oriented boxes, end to end, NMS in the graph, and YOLOv5's.

Expected: Ultralytics' own predictor on the committed ONNX file. YOLOv5: the NMS of the package `yolov5`.
"""

import ast
import importlib.util
from pathlib import Path

import numpy as np
from common import Graph, Set, image_cases, load, png, session
from PIL import Image

HEIGHT, WIDTH, STRIDE = 64, 96, 8
ROWS, COLUMNS = HEIGHT // STRIDE, WIDTH // STRIDE
CELLS = ROWS * COLUMNS
NAMES = {0: "person", 1: "traffic light", 2: "cat"}


def metadata(task, names=NAMES, **more):
    return {
        "description": f"Ultralytics YOLOv8n-{task} model",
        "author": "Ultralytics",
        "date": "2026-01-02T03:04:05.678901",
        "version": "8.3.0",
        "license": "AGPL-3.0 License (https://ultralytics.com/license)",
        "docs": "https://docs.ultralytics.com",
        "stride": 32,
        "task": task,
        "batch": 1,
        "imgsz": [HEIGHT, WIDTH],
        "names": names,
        "args": {"batch": 1, "half": False, "dynamic": False, "simplify": True, "opset": 17, "nms": False},
        "channels": 3,
        **more,
    }


class Head:
    """Rows of values a cell, each a smooth function of the pixels below it."""

    def __init__(self, seed, gain=2.5, hidden=6):
        self.random = np.random.default_rng(seed)
        self.graph = g = Graph()
        image = g.input("images", "f32", [1, 3, HEIGHT, WIDTH])
        pooled = g("AveragePool", image, kernel_shape=[STRIDE, STRIDE], strides=[STRIDE, STRIDE])
        self.image, self.pooled = image, pooled
        weights = self.random.normal(0, gain, (hidden, 3, 1, 1))
        bias = self.random.normal(0, 1.5, (1, hidden, ROWS, COLUMNS))
        self.features = g("Tanh", g("Add", g("Conv", pooled, g.const(weights)), g.const(bias)))
        self.hidden = hidden

    def linear(self, channels, scale=1.0):
        """[1, channels, CELLS] without bounds."""
        g = self.graph
        weights = self.random.normal(0, scale, (channels, self.hidden, 1, 1))
        bias = self.random.normal(0, 0.3, channels)
        value = g("Conv", self.features, g.const(weights), g.const(bias))
        return g("Reshape", value, g.ints(1, channels, CELLS))

    def affine(self, value, scale, shift):
        g = self.graph
        return g("Add", g("Mul", value, g.const(scale)), g.const(shift))

    def sigmoid(self, value):
        return self.graph("Sigmoid", value)

    def grid(self):
        y, x = np.mgrid[:ROWS, :COLUMNS]
        return (np.stack([x, y]).reshape(1, 2, CELLS) + 0.5) * STRIDE

    def boxes(self):
        g = self.graph
        center = g("Add", g("Mul", g("Tanh", self.linear(2)), g.const(12.0)), g.const(self.grid()))
        size = self.affine(self.sigmoid(self.linear(2)), 44.0, 5.0)
        return center, size

    def scores(self, classes, shift):
        return self.sigmoid(self.affine(self.linear(classes, 1.1), 1.0, shift))


def detect(model):
    head = Head(11)
    g = head.graph
    out = g("Concat", *head.boxes(), head.scores(3, -3.3), axis=1)
    g.output(out, "output0", "f32", [1, 7, CELLS])
    g.save(model / "model.onnx", metadata("detect"))


def prototypes(head, masks):
    g = head.graph
    fine = g("AveragePool", head.image, kernel_shape=[4, 4], strides=[4, 4])
    bias = head.random.normal(0, 1.0, (1, masks, 4, 6))
    bias = g("Resize", g.const(bias), "", g.const([1, 1, 4, 4]), mode="linear")
    return g("Add", g("Conv", fine, g.const(head.random.normal(0, 1.2, (masks, 3, 1, 1)))), bias)


def segment(model):
    head = Head(14)
    g = head.graph
    masks = 8
    out = g("Concat", *head.boxes(), head.scores(3, -5.0), head.linear(masks), axis=1)
    g.output(out, "output0", "f32", [1, 7 + masks, CELLS])
    g.output(prototypes(head, masks), "output1", "f32", [1, masks, HEIGHT // 4, WIDTH // 4])
    g.save(model / "model.onnx", metadata("segment"))


def pose(dimensions):
    def build(model):
        head = Head(45 + dimensions)
        g = head.graph
        points = 3
        parts = []
        for _ in range(points):
            xy = g("Add", g("Mul", g("Tanh", head.linear(2)), g.const(25.0)), g.const(head.grid()))
            parts.append(xy)
            if dimensions == 3:
                parts.append(head.sigmoid(head.linear(1)))
        out = g("Concat", *head.boxes(), head.scores(1, -1.2 if dimensions == 3 else -2.25), *parts, axis=1)
        g.output(out, "output0", "f32", [1, 5 + points * dimensions, CELLS])
        names = ["nose", "left_eye", "tail"]
        more = {"kpt_names": {0: names}} if dimensions == 3 else {}
        g.save(model / "model.onnx", metadata("pose", {0: "animal"}, kpt_shape=[points, dimensions], **more))

    return build


def oriented(model):
    head = Head(20)
    g = head.graph
    angle = g("Mul", head.affine(head.sigmoid(head.linear(1, 2.0)), 1.0, -0.25), g.const(np.pi))
    out = g("Concat", *head.boxes(), head.scores(3, -6.0), angle, axis=1)
    g.output(out, "output0", "f32", [1, 8, CELLS])
    g.save(model / "model.onnx", metadata("obb", {0: "plane", 1: "ship", 2: "storage tank"}))


def rows(head, count, shift, extra=None, padded=False, corners=True):
    """[1, count, 6 + extra]: boxes as corners, best first, as the end-to-end heads give them."""
    g = head.graph
    center, size = head.boxes()
    half = g("Mul", size, g.const(0.5))
    boxes = [g("Sub", center, half), g("Add", center, half)] if corners else [center, size]
    boxes = g("Concat", *boxes, axis=1)
    scores = head.scores(3, shift)
    best = g("ReduceMax", scores, axes=[1], keepdims=1)
    kind = g("Cast", g("ArgMax", scores, axis=1, keepdims=1), to=1)
    parts = [boxes, best, kind] + ([extra] if extra else [])
    table = g("Transpose", g("Concat", *parts, axis=1), perm=[0, 2, 1])
    order = g("Reshape", g("TopK", best, g.ints(count), axis=2, outputs=2)[1], g.ints(count))
    table = g("Gather", table, order, axis=1)
    if padded:  # rows below 0.25 are zero, as exported with nms=True
        score = g("Slice", table, g.ints(4), g.ints(5), g.ints(2))
        table = g("Mul", table, g("Cast", g("Greater", score, g.const(0.25)), to=1))
    return table


def end_to_end(model):
    head = Head(24)
    g = head.graph
    g.output(rows(head, 90, -5.0), "output0", "f32", [1, 90, 6])
    g.save(model / "model.onnx", metadata("detect", end2end=True, version="8.4.0"))


def end_to_end_oriented(model):
    """Rows of cx, cy, w, h, score, class, angle."""
    head = Head(31)
    angle = head.graph("Mul", head.affine(head.sigmoid(head.linear(1, 2.0)), 1.0, -0.25), head.graph.const(np.pi))
    head.graph.output(rows(head, 40, -4.4, angle, corners=False), "output0", "f32", [1, 40, 7])
    names = {0: "plane", 1: "ship", 2: "storage tank"}
    head.graph.save(model / "model.onnx", metadata("obb", names, end2end=True, version="8.4.0"))


def end_to_end_pose(model):
    """Rows of x1, y1, x2, y2, score, class, then x, y, score a keypoint."""
    head = Head(32)
    g = head.graph
    parts = []
    for _ in range(3):
        parts.append(g("Add", g("Mul", g("Tanh", head.linear(2)), g.const(25.0)), g.const(head.grid())))
        parts.append(head.sigmoid(head.linear(1)))
    g.output(rows(head, 40, -6.2, g("Concat", *parts, axis=1)), "output0", "f32", [1, 40, 15])
    g.save(model / "model.onnx", metadata("pose", kpt_shape=[3, 3], end2end=True, version="8.4.0"))


def end_to_end_segment(model):
    """Rows of x1, y1, x2, y2, score, class, then the masks' coefficients."""
    head = Head(33)
    g = head.graph
    g.output(rows(head, 40, -4.6, head.linear(8)), "output0", "f32", [1, 40, 14])
    g.output(prototypes(head, 8), "output1", "f32", [1, 8, HEIGHT // 4, WIDTH // 4])
    g.save(model / "model.onnx", metadata("segment", end2end=True, version="8.4.0"))


def nms_inside(model):
    head = Head(26)
    g = head.graph
    g.output(rows(head, 30, -3.6, padded=True), "output0", "f32", [1, 30, 6])
    data = metadata("detect")
    data["args"] = {**data["args"], "nms": True}
    g.save(model / "model.onnx", data)


def v5(model):
    head = Head(28)
    g = head.graph
    objectness = head.sigmoid(head.affine(head.linear(1), 1.0, 1.0))
    out = g("Concat", *head.boxes(), objectness, head.scores(3, -3.6), axis=1)
    g.output(g("Transpose", out, perm=[0, 2, 1]), "output0", "f32", [1, CELLS, 8])
    g.save(model / "model.onnx", {"stride": 32, "names": NAMES})


TRICKY = {0: "person", 1: "driver's seat", 2: 'the "big" café', 3: "back\\slash\nline"}
TABLE = 400


def table(model):
    """The red channel of a 96×64 image is the table of predictions: 4 + 4 rows of 400 bytes.

    Coordinates are the bytes; scores are bytes / 256, so that 64 is exactly the threshold; 255 is NaN in both.
    """
    g = Graph()
    image = g.input("images", "f32", [1, 3, HEIGHT, WIDTH])
    flat = g("Reshape", image, g.ints(-1))
    values = g("Round", g("Mul", g("Slice", flat, g.ints(0), g.ints(8 * TABLE)), g.const(255.0)))
    values = g("Where", g("Equal", values, g.const(255.0)), g.const(np.nan), values)
    values = g("Reshape", values, g.ints(1, 8, TABLE))
    scale = np.array([1.0] * 4 + [1 / 256] * 4).reshape(1, 8, 1)
    g.output(g("Mul", values, g.const(scale)), "output0", "f32", [1, 8, TABLE])
    g.save(model / "model.onnx", metadata("detect", TRICKY))
    for name, boxes in tables().items():
        bytes = np.zeros((8, TABLE), np.uint8)
        for i, (cx, cy, w, h, *scores) in enumerate(boxes):
            bytes[: 4 + len(scores), i] = [cx, cy, w, h, *scores]
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        pixels[..., 0].reshape(-1)[: 8 * TABLE] = bytes.reshape(-1)
        (model.parent / "images").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(model.parent / "images" / f"{name}.png", optimize=True)


def tables():
    many = [(2 + 4 * (i % 24), 2 + 4 * (i // 24 % 16), 3, 3, 200 - i % 5, 0) for i in range(380)]
    return {
        "no-box": [],
        "one-box": [(40, 30, 20, 10, 0, 200)],
        "one-pixel-box": [(40, 30, 0, 0, 200)],
        "at-threshold": [(10, 10, 8, 8, 64), (30, 30, 8, 8, 65), (50, 50, 8, 8, 63)],
        "tie-of-boxes": [(40, 30, 20, 20, 128), (42, 30, 20, 20, 128), (40, 30, 20, 20, 128)],
        "tie-last-larger": [(40, 30, 20, 20, 128), (40, 30, 20, 22, 128), (40, 30, 20, 24, 129)],
        "tie-of-classes": [(40, 30, 20, 20, 128, 128, 128), (10, 10, 8, 8, 0, 100, 100)],
        "two-classes-one-place": [(40, 30, 20, 20, 128, 0), (40, 30, 20, 20, 0, 127)],
        "iou-at-threshold": [(45, 30, 10, 10, 128), (45, 30, 10, 7, 127), (20, 30, 10, 10, 100), (20, 30, 10, 8, 99)],
        "half-iou": [(44, 30, 10, 20, 128), (44, 30, 10, 10, 127)],
        "chain": [(20, 30, 20, 20, 130), (23, 30, 20, 20, 129), (26, 30, 20, 20, 128), (29, 30, 20, 20, 127)],
        "over-the-edge": [(2, 2, 30, 30, 200), (94, 62, 40, 40, 190), (180, 120, 20, 20, 180), (0, 40, 254, 4, 170)],
        "more-than-300": many,
        "nan-score": [(20, 20, 10, 10, 255), (40, 40, 10, 10, 200, 255), (60, 40, 10, 10, 150)],
        "nan-box": [(255, 20, 10, 10, 200), (40, 40, 10, 10, 150)],
        "all-nan": [(255,) * 8] * 400,
        "certain": [(40, 30, 20, 20, 254), (41, 30, 20, 20, 253)],
        "last-column": [(0, 0, 0, 0)] * 399 + [(60, 30, 20, 20, 0, 0, 0, 99)],
        "unsorted": [(10 * i + 8, 30, 8, 8, *[0] * (i % 4), 80 + 37 * i % 91) for i in range(8)],
        "crowd": [(20 + i % 7 * 3, 20 + i % 5 * 4, 20, 20, *[0] * (i % 3), 70 + i * 13 % 180) for i in range(120)],
        "nested": [(48, 32, 60 - 4 * i, 60 - 4 * i, 100 + i) for i in range(15)],
    }


# The references.


def ultralytics_results(model, task):
    from ultralytics import YOLO

    net = YOLO(str(model / "model.onnx"), task=task)

    def run(image, parameters, **more):
        (result,) = net.predict(
            source=np.ascontiguousarray(np.array(image)[..., ::-1]),
            imgsz=(HEIGHT, WIDTH),
            conf=parameters.get("threshold", 0.25),
            iou=parameters.get("iou_threshold", 0.7),
            max_det=parameters.get("max_detections", 300),
            retina_masks=True,
            device="cpu",
            verbose=False,
            **more,
        )
        return result

    return run


def box(values):
    return dict(zip(["xmin", "ymin", "xmax", "ymax"], values))


def detections(result):
    rows = result.boxes.data.numpy()
    return [
        {"label": result.names[int(row[5])], "index": int(row[5]), "score": row[4], "box": box(row[:4])} for row in rows
    ]


def find(case, model):
    name = case["input"]["image"]
    own = model.parent / "images" / name
    return Image.open(own).convert("RGB") if own.exists() else load(name)


def detect_reference(model):
    run = ultralytics_results(model, "detect")
    return lambda case: detections(run(find(case, model), case["parameters"]))


def segment_reference(model):
    run = ultralytics_results(model, "segment")

    def answer(case):
        result = run(find(case, model), case["parameters"])
        found = detections(result)
        masks = result.masks.data.numpy() if found else []
        return [{**row, "mask": png(mask.astype(np.uint8) * 255)} for row, mask in zip(found, masks)]

    return answer


def pose_reference(model):
    run = ultralytics_results(model, "pose")

    def answer(case):
        result = run(find(case, model), case["parameters"])
        names = ["nose", "left_eye", "tail"] if model.parent.name == "yolov8-pose" else [None] * 9
        rows = detections(result)
        for row, points in zip(rows, result.keypoints.data.numpy()):
            named = len(points[0]) == 3
            row["keypoints"] = [
                {"x": p[0], "y": p[1], **({"score": p[2]} if named else {}), **({"name": name} if name else {})}
                for p, name in zip(points, names)
            ]
        return rows

    return answer


def oriented_reference(model):
    run = ultralytics_results(model, "obb")

    def answer(case):
        result = run(find(case, model), case["parameters"])
        obb = result.obb
        rows = []
        for cls, conf, corners, polygon in zip(obb.cls, obb.conf, obb.xyxy, obb.xyxyxyxy):
            rows.append(
                {
                    "label": result.names[int(cls)],
                    "index": int(cls),
                    "score": conf.numpy()[()],
                    "box": box(corners.numpy()),
                    "polygon": polygon.numpy(),
                }
            )
        return rows

    return answer


def functions(package, file, names):
    """Functions of a package that cannot be imported whole, because its other modules need old libraries."""
    import time

    import torch
    import torchvision

    root = Path(importlib.util.find_spec(package).origin).parent
    tree = ast.parse((root / file).read_text())
    tree.body = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name in names]
    space = {"torch": torch, "torchvision": torchvision, "time": time, "np": np}
    exec(compile(tree, file, "exec"), space)
    return space


def v5_reference(model):
    import torch
    from ultralytics.data.augment import LetterBox
    from ultralytics.utils.ops import scale_boxes

    nms = functions("yolov5", "utils/general.py", ["non_max_suppression", "xywh2xyxy"])["non_max_suppression"]
    run = session(model / "model.onnx")

    def answer(case):
        image = np.array(find(case, model))
        tensor = LetterBox((HEIGHT, WIDTH), auto=False)(image=image).transpose(2, 0, 1)[None].astype(np.float32) / 255
        out = torch.from_numpy(run.run(None, {"images": tensor})[0])
        p = case["parameters"]
        (rows,) = nms(out, p.get("threshold", 0.25), p.get("iou_threshold", 0.7), max_det=p.get("max_detections", 300))
        rows[:, :4] = scale_boxes((HEIGHT, WIDTH), rows[:, :4], image.shape)
        return [
            {"label": NAMES[int(row[5])], "index": int(row[5]), "score": row[4], "box": box(row[:4])}
            for row in rows.numpy()
        ]

    return answer


# The cases.


def natural():
    cases = image_cases()
    for label, parameters in [
        ("threshold", {"threshold": 0.5}),
        ("low", {"threshold": 0.15, "iou_threshold": 0.3}),
        ("most", {"threshold": 0.0, "iou_threshold": 1.0, "max_detections": 9}),
        ("none", {"threshold": 0.999}),
    ]:
        for case in image_cases(["photo.jpg"], **parameters):
            cases.append({**case, "name": f"{case['name']} {label}"})
    return cases


def few():
    """Fewer images where the answers hold masks."""
    names = [
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
    cases = image_cases([f"{name}.png" for name in names], threshold=0.5)
    return cases + [{**case, "name": f"{case['name']} default"} for case in image_cases(["half.png"])]


def fewer():
    return [case for case in natural() if not case["name"].startswith(("gr", "lum", "pole"))]


def without_ties():
    """YOLOv5 sorts by an unstable sort: without the image of two flat halves, where scores are equal."""
    return [case for case in fewer() if case["name"] != "two-pixels"]


def crafted():
    cases = [{"name": name, "input": {"image": f"{name}.png"}, "parameters": {}} for name in tables()]
    for name, parameters in [
        ("half-iou", {"iou_threshold": 0.5}),
        ("more-than-300", {"max_detections": 7}),
        ("at-threshold", {"threshold": 0.0}),
        ("chain", {"iou_threshold": 0.4}),
        ("tie-of-boxes", {"iou_threshold": 1.0}),
        ("two-classes-one-place", {"threshold": 0.4970}),
        ("crowd", {"iou_threshold": 0.0}),
    ]:
        label = " ".join(f"{key} {value}" for key, value in parameters.items())
        cases.append({"name": f"{name} {label}", "input": {"image": f"{name}.png"}, "parameters": parameters})
    return cases


PREPROCESSED = [
    "large",
    "landscape",
    "portrait",
    "half",
    "double",
    "gradient-odd",
    "small",
    "banner",
    "pole",
    "one-pixel",
    "exact",
]


def preprocessed(folder):
    """The letterboxed bytes, RGB, as OpenCV makes them: the resize must give these exactly."""
    from ultralytics.data.augment import LetterBox

    folder.mkdir(exist_ok=True)
    for name in PREPROCESSED:
        image = np.array(load(f"{name}.png"))
        boxed = LetterBox((HEIGHT, WIDTH), auto=False)(image=np.ascontiguousarray(image[..., ::-1]))[..., ::-1]
        Image.fromarray(np.ascontiguousarray(boxed)).save(folder / f"{name}.png", optimize=True)


def detect_and_preprocessed(model):
    detect(model)
    preprocessed(model.parent / "preprocessed")


DEFAULTS = {"threshold": 0.25, "iou_threshold": 0.7}
SETS = [
    Set("object-detection/yolov8", detect_and_preprocessed, natural, detect_reference, thresholds=DEFAULTS),
    Set("object-detection/yolov8-table", table, crafted, detect_reference),
    Set("object-detection/yolov5", v5, without_ties, v5_reference, thresholds=DEFAULTS),
    Set("object-detection/yolo26", end_to_end, fewer, detect_reference, thresholds=DEFAULTS),
    Set("object-detection/yolo26-obb", end_to_end_oriented, fewer, oriented_reference, thresholds=DEFAULTS),
    Set("keypoint-detection/yolo26-pose", end_to_end_pose, fewer, pose_reference, thresholds=DEFAULTS),
    Set("instance-segmentation/yolo26-seg", end_to_end_segment, few, segment_reference, thresholds=DEFAULTS),
    Set("object-detection/yolov8-nms", nms_inside, fewer, detect_reference, thresholds=DEFAULTS),
    Set("object-detection/yolov8-obb", oriented, fewer, oriented_reference, thresholds=DEFAULTS),
    Set("instance-segmentation/yolov8-seg", segment, few, segment_reference, thresholds=DEFAULTS),
    Set("keypoint-detection/yolov8-pose", pose(3), fewer, pose_reference, thresholds=DEFAULTS),
    Set("keypoint-detection/yolov8-pose-2d", pose(2), fewer, pose_reference, thresholds=DEFAULTS),
]
