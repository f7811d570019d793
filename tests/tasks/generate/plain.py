"""A second opinion on the YOLO answers: the same arithmetic in NumPy, written from its description.

It is also the shortest statement of what a server must do. `check.py` compares it with the committed answers.
"""

import numpy as np
from common import load, session

HEIGHT, WIDTH = 64, 96


def resize(image, width, height):
    """OpenCV's INTER_LINEAR on bytes, bit for bit: 11-bit weights, half-pixel centers, no antialiasing.

    Exactly half the size in both directions is the mean of 2×2 pixels, rounded half up.
    """
    rows, columns = image.shape[:2]
    if (columns, rows) == (width, height):
        return image
    if (columns, rows) == (2 * width, 2 * height):
        sums = image.astype(np.int32).reshape(height, 2, width, 2, 3).sum((1, 3))
        return ((sums + 2) >> 2).astype(np.uint8)

    def taps(size, count, across):
        place = ((np.arange(size) + 0.5) * (count / size) - 0.5).astype(np.float32)
        first = np.floor(place).astype(int)
        part = place - first
        if across:  # only the columns' weights become 1 and 0 at the edge; the rows keep both, which rounds differently
            part[(first < 0) | (first >= count - 1)] = 0
        weights = np.stack([1 - part, part]) * np.float32(2048)
        return np.clip(first, 0, count - 1), np.clip(first + 1, 0, count - 1), np.rint(weights).astype(np.int64)

    x0, x1, wx = taps(width, columns, True)
    y0, y1, wy = taps(height, rows, False)
    pixels = image.astype(np.int64)
    across = pixels[:, x0] * wx[0][:, None] + pixels[:, x1] * wx[1][:, None]
    a = (wy[0][:, None, None] * (across[y0] >> 4)) >> 16
    b = (wy[1][:, None, None] * (across[y1] >> 4)) >> 16
    return ((a + b + 2) >> 2).astype(np.uint8)


def fit(columns, rows):
    """Size of the resized image, and the padding to its left and above it."""
    ratio = min(HEIGHT / rows, WIDTH / columns)
    width, height = max(round(columns * ratio), 1), max(round(rows * ratio), 1)
    return width, height, round((WIDTH - width) / 2 - 0.1), round((HEIGHT - height) / 2 - 0.1)


def letterbox(image):
    width, height, left, top = fit(image.shape[1], image.shape[0])
    boxed = np.full((HEIGHT, WIDTH, 3), 114, np.uint8)
    boxed[top : top + height, left : left + width] = resize(image, width, height)
    return boxed


def iou(a, b):
    one = np.float32(0)
    w = np.maximum(np.minimum(a[2], b[2]) - np.maximum(a[0], b[0]), one)
    h = np.maximum(np.minimum(a[3], b[3]) - np.maximum(a[1], b[1]), one)
    inter = w * h
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    with np.errstate(invalid="ignore", divide="ignore"):
        return inter / (areas - inter)


def covariance(box):
    a, b = box[2] ** 2 / 12, box[3] ** 2 / 12
    cos, sin = np.cos(box[4]), np.sin(box[4])
    return a * cos**2 + b * sin**2, a * sin**2 + b * cos**2, (a - b) * cos * sin


def probiou(p, q, eps=1e-7):
    """One less the Hellinger distance of two Gaussians."""
    a1, b1, c1 = covariance(p)
    a2, b2, c2 = covariance(q)
    x, y = p[0] - q[0], p[1] - q[1]
    inner = (a1 + a2) * (b1 + b2) - (c1 + c2) ** 2
    t1 = ((a1 + a2) * y**2 + (b1 + b2) * x**2) / (inner + eps) / 4
    t2 = -(c1 + c2) * x * y / (inner + eps) / 2
    apart = 4 * np.sqrt(max(a1 * b1 - c1**2, 0) * max(a2 * b2 - c2**2, 0)) + eps
    t3 = np.log(inner / apart + eps) / 2
    distance = np.clip(t1 + t2 + t3, eps, 100)
    return 1 - np.sqrt(1 - np.exp(-distance) + eps)


def candidates(table, classes, threshold):
    """Rows [cx, cy, w, h, score, class, …] over the threshold; a row with NaN among its scores is none."""
    scores = table[:, 4 : 4 + classes]
    best = scores.max(1)  # NaN if any is NaN
    keep = best > np.float32(threshold)
    kind = np.argmax(np.nan_to_num(scores, nan=-1), 1)
    return np.concatenate([table[:, :4], best[:, None], kind[:, None], table[:, 4 + classes :]], 1)[keep]


def corners(rows):
    half = rows[:, 2:4] / 2
    return np.concatenate([rows[:, :2] - half, rows[:, :2] + half, rows[:, 4:]], 1).astype(np.float32)


def nms(rows, limit, most):
    """Greedy, within a class (the boxes are moved by 7680 a class), ties in the order of the graph."""
    order = np.argsort(-rows[:, 4], kind="stable")
    moved = rows[:, :4] + rows[:, 5:6] * np.float32(7680)
    kept = []
    for i in order:
        if not any(iou(moved[j], moved[i]) > limit for j in kept):
            kept.append(i)
    return rows[kept[:most]]


def rotated_nms(rows, limit, most):
    """Not greedy: a box falls to any better box, also to one that fell itself."""
    rows = rows[np.argsort(-rows[:, 4], kind="stable")]
    boxes = np.concatenate([rows[:, :2] + rows[:, 5:6] * 7680, rows[:, 2:4], rows[:, -1:]], 1).astype(np.float64)
    kept = [i for i in range(len(rows)) if not any(probiou(boxes[j], boxes[i]) > limit for j in range(i))]
    return rows[kept[:most]]


def undo(x, y, image, clip=True):
    """From the graph's pixels to the image's: the gain is the rounded size over the size, in each direction."""
    columns, rows = image.shape[1], image.shape[0]
    width, height, left, top = fit(columns, rows)
    x, y = (x - left) / (width / columns), (y - top) / (height / rows)
    return (np.clip(x, 0, columns), np.clip(y, 0, rows)) if clip else (x, y)


def answer(item, find):
    """The function that answers a case of the set, or None if this file has no opinion on it."""
    kind = item.name.split("/")[1]
    model = item.path / "model" / "model.onnx"
    run = session(model)
    names = eval(run.get_modelmeta().custom_metadata_map["names"])  # noqa: S307, the file is ours
    classes = len(names)

    def one(case):
        image = np.array(find(case, item.path / "model"))
        p = case["parameters"]
        threshold, limit = p.get("threshold", 0.25), p.get("iou_threshold", 0.7)
        most = p.get("max_detections", 300)
        tensor = letterbox(image).transpose(2, 0, 1)[None].astype(np.float32) / np.float32(255)
        found = run.run(None, {"images": tensor})
        table = found[0][0]
        if kind.startswith("yolo26") or kind == "yolov8-nms":
            rows = table[table[:, 4] > np.float32(threshold)][:most]
        elif kind == "yolov8-obb":
            rows = rotated_nms(candidates(table.T, classes, threshold), limit, most)
        else:
            if kind == "yolov5":
                table = np.concatenate([table[:, :4], table[:, 5:] * table[:, 4:5]], 1)
            else:
                table = table.T
            rows = nms(corners(candidates(table, classes, threshold)), limit, most)
        result = []
        for row in rows:
            base = {"label": names[int(row[5])], "index": int(row[5]), "score": row[4]}
            if kind.endswith("-obb"):
                x, y = undo(row[0], row[1], image, clip=False)
                width, height, _, _ = fit(image.shape[1], image.shape[0])
                w, h = row[2] / (width / image.shape[1]), row[3] / (height / image.shape[0])
                cos, sin = np.cos(row[-1]), np.sin(row[-1])
                a, b = np.array([w / 2 * cos, w / 2 * sin]), np.array([-h / 2 * sin, h / 2 * cos])
                c = np.array([x, y])
                polygon = np.stack([c + a + b, c + a - b, c - a - b, c - a + b])
                low, high = polygon.min(0), polygon.max(0)
                base["box"] = dict(xmin=low[0], ymin=low[1], xmax=high[0], ymax=high[1])
                base["polygon"] = polygon
            else:
                (x1, y1), (x2, y2) = undo(row[0], row[1], image), undo(row[2], row[3], image)
                base["box"] = dict(xmin=x1, ymin=y1, xmax=x2, ymax=y2)
            if "pose" in kind:
                size = 2 if kind.endswith("-2d") else 3
                points = row[6:].reshape(-1, size)
                x, y = undo(points[:, 0], points[:, 1], image)
                base["keypoints"] = np.stack([x, y, *points.T[2:]], 1)
            result.append(base)
        return result

    return one


def close(a, b):
    if a is None or (isinstance(b, float) and np.isnan(b)):
        return a is None and np.isnan(b)
    return abs(float(a) - float(b)) <= 2e-3 * max(1, abs(float(a)))


def agrees(expected, found):
    """The first difference between a committed answer and this file's, or None."""
    if len(expected) != len(found):
        return f"{len(expected)} and {len(found)} elements"
    for i, (a, b) in enumerate(zip(expected, found)):
        if (a["label"], a["index"]) != (b["label"], b["index"]) or not close(a["score"], b["score"]):
            return f"[{i}] {a['label']} {a['score']} and {b['label']} {b['score']}"
        if not all(close(a["box"][key], b["box"][key]) for key in a["box"]):
            return f"[{i}] {a['box']} and {b['box']}"
        if "polygon" in a and not np.allclose(a["polygon"], b["polygon"], atol=5e-3, rtol=1e-3):
            return f"[{i}] polygon"
        if "keypoints" in a:
            points = [[p["x"], p["y"], *([p["score"]] if "score" in p else [])] for p in a["keypoints"]]
            if not np.allclose(points, b["keypoints"], atol=5e-3, rtol=1e-3):
                return f"[{i}] keypoints"
    return None


def opinions(sets):
    """Compares every YOLO set without masks, and every preprocessed image, bit for bit."""
    from yolo import PREPROCESSED, find

    passed = failed = 0
    for item in sets:
        if "/yolo" not in item.name or item.name.endswith(("-seg", "/yolos")):
            continue
        one = answer(item, find)
        for case in item.read():
            found = agrees(case["expected"], one(case))
            passed, failed = passed + (found is None), failed + (found is not None)
            if found:
                print(f"{item.name}, {case['name']}: the second opinion differs: {found}")
        if item.name == "object-detection/yolov8":
            from PIL import Image

            for name in PREPROCESSED:
                expected = np.array(Image.open(item.path / "preprocessed" / f"{name}.png"))
                off = np.abs(expected.astype(int) - letterbox(np.array(load(f"{name}.png")))).max()
                passed, failed = passed + (off == 0), failed + (off != 0)
                if off:
                    print(f"{name}: the resize differs by up to {off}")
    return passed, failed
