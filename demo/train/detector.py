"""A small object detector with the outputs of YOLOv8, and the measure of its accuracy.

The code is this project's own: Ultralytics' is under the AGPL. Only the layout of the file is theirs, so that
`infer add` takes it for one of their exports: `images` of shape [batch, 3, height, width], letterboxed, from 0 to 1;
`output0` of shape [batch, 4 + classes, places] with the center, the width and the height in pixels, then a score for
each class.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional

import common

STRIDES = (8, 16)
# What `infer add` writes into a card, so that the numbers here are those of the service.
THRESHOLD, OVERLAP = 0.25, 0.7


class Block(nn.Sequential):
    def __init__(self, inner, outer, kernel=3, stride=1):
        conv = nn.Conv2d(inner, outer, kernel, stride, (kernel - 1) // 2, bias=False)
        super().__init__(conv, nn.BatchNorm2d(outer), nn.SiLU())


class Detector(nn.Module):
    """Convolutions down to an eighth and a sixteenth of the size, and one prediction at each place of both."""

    def __init__(self, classes, height, width):
        super().__init__()
        self.classes = classes
        self.size = (height, width)
        # One large step: at half of the size, even a few channels would take most of the time.
        self.stem = Block(3, 24, kernel=6, stride=4)
        self.quarter = Block(24, 24)
        self.to_eighth = Block(24, 36, stride=2)
        self.eighth = Block(36, 36)
        self.to_sixteenth = Block(36, 56, stride=2)
        self.sixteenth = Block(56, 56)
        # Pooling lets a place see a shape that is larger than what the convolutions reach.
        self.squeeze, self.pool, self.spread = Block(56, 28, 1), nn.MaxPool2d(5, 1, 2), Block(84, 56, 1)
        self.up = Block(56, 36, 1)
        self.merge = Block(36, 36)
        self.heads = nn.ModuleList(nn.Conv2d(channels, 4 + classes, 1) for channels in (36, 56))
        for head in self.heads:
            nn.init.constant_(head.bias[:4], 0.7)
            # Almost every place has no object, so scores start low.
            nn.init.constant_(head.bias[4:], -4.5)
        centers, strides = [], []
        for stride in STRIDES:
            rows, columns = torch.meshgrid(
                torch.arange(height // stride), torch.arange(width // stride), indexing="ij"
            )
            centers.append((torch.stack([columns.flatten(), rows.flatten()]) + 0.5) * stride)
            strides.append(torch.full((1, rows.numel()), float(stride)))
        self.register_buffer("centers", torch.cat(centers, 1)[None])
        self.register_buffer("strides", torch.cat(strides, 1)[None])

    def raw(self, images):
        """The edges of the boxes, [batch, 4, places], and the scores before the sigmoid."""
        x = self.stem(images)
        x = x + self.quarter(x)
        x = self.to_eighth(x)
        eighth = x + self.eighth(x)
        x = self.to_sixteenth(eighth)
        x = self.squeeze(x + self.sixteenth(x))
        once = self.pool(x)
        sixteenth = self.spread(torch.cat([x, once, self.pool(once)], 1))
        eighth = self.merge(eighth + functional.interpolate(self.up(sixteenth), scale_factor=2.0, mode="nearest"))
        places = [
            head(level).reshape(-1, 4 + self.classes, (self.size[0] // stride) * (self.size[1] // stride))
            for head, level, stride in zip(self.heads, (eighth, sixteenth), STRIDES)
        ]
        values = torch.cat(places, 2)
        distances = torch.exp(values[:, :4]) * self.strides
        edges = torch.cat([self.centers - distances[:, :2], self.centers + distances[:, 2:]], 1)
        return edges, values[:, 4:]

    def forward(self, images):
        edges, scores = self.raw(images)
        low, high = edges[:, :2], edges[:, 2:]
        return torch.cat([(low + high) * 0.5, high - low, torch.sigmoid(scores)], 1)


def overlaps(a, b):
    """Intersection over union, and the same less the empty part of the hull (GIoU), which has a slope everywhere."""
    low, high = torch.maximum(a[..., :2], b[..., :2]), torch.minimum(a[..., 2:], b[..., 2:])
    area = lambda box: (box[..., 2:] - box[..., :2]).clamp(min=0).prod(-1)
    common_area = (high - low).clamp(min=0).prod(-1)
    union = area(a) + area(b) - common_area + 1e-7
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).prod(-1) + 1e-7
    iou = common_area / union
    return iou, iou - (hull - union) / hull


def loss_of(model, batch):
    """The loss of a batch: which place predicts which object follows from the predictions themselves.

    Of the places inside of an object, those ten learn it whose score and box are best already (task-aligned
    assignment). A score's target is the overlap of its box, so that suppression keeps the best box.
    """
    images, boxes, labels, is_object = batch
    edges, scores = model.raw(images)
    edges = edges.transpose(1, 2)
    with torch.no_grad():
        iou = overlaps(boxes[:, :, None], edges[:, None])[0]
        centers = model.centers[0].T
        inside = torch.cat([centers - boxes[..., None, :2], boxes[..., None, 2:] - centers], -1).amin(-1) > 0
        index = labels[..., None].expand(-1, -1, scores.shape[2])
        fit = scores.sigmoid().gather(1, index).sqrt() * iou**6
        fit = torch.where(inside & is_object[..., None], fit + 1e-9, 0)
        least = fit.topk(10, 2).values[..., -1:]
        fit = torch.where(fit >= least, fit, 0)
        # A place within several objects learns the one that its box covers best.
        best = torch.where(fit > 0, iou + 1e-9, 0).argmax(1, keepdim=True)
        fit = torch.zeros_like(fit).scatter(1, best, fit.gather(1, best))
        strength = fit / fit.amax(2, keepdim=True).clamp(min=1e-12) * (iou * (fit > 0)).amax(2, keepdim=True)
        strength = strength.gather(1, best)[:, 0]
        is_positive = fit.amax(1) > 0
        best = best[:, 0]
        targets = torch.zeros_like(scores)
        targets.scatter_(1, labels.gather(1, best)[:, None], (strength * is_positive)[:, None])
        total = targets.sum().clamp(min=1.0)
        wanted = boxes.gather(1, best[..., None].expand(-1, -1, 4))[is_positive]
    of_scores = functional.binary_cross_entropy_with_logits(scores, targets, reduction="sum") / total
    giou = overlaps(edges[is_positive], wanted)[1]
    of_boxes = ((1 - giou) * strength[is_positive]).sum() / total
    return of_scores + 4 * of_boxes


def letterbox(image, height, width):
    """An image in the size of the input, padded with gray, with the scale and the offsets.

    As Ultralytics does it: OpenCV's linear filter, which skips pixels when it reduces. Training on a smoother filter
    would cost accuracy in the service.
    """
    ratio = min(height / image.shape[0], width / image.shape[1])
    rows, columns = round(image.shape[0] * ratio), round(image.shape[1] * ratio)
    pixels = torch.from_numpy(image).permute(2, 0, 1)[None].float()
    pixels = functional.interpolate(pixels, size=(rows, columns), mode="bilinear", align_corners=False)
    top, left = round((height - rows) / 2 - 0.1), round((width - columns) / 2 - 0.1)
    result = np.full((3, height, width), 114, np.uint8)
    result[:, top : top + rows, left : left + columns] = pixels[0].round().numpy().astype(np.uint8)
    return result, ratio, np.array([left, top, left, top])


def draw(scene, count, rng, height, width, most):
    """Tensors of drawn scenes: images, boxes in pixels of the input, labels, and which of them are objects."""
    images = torch.empty((count, 3, height, width), dtype=torch.uint8)
    boxes, labels = torch.zeros((count, most, 4)), torch.zeros((count, most), dtype=torch.long)
    is_object = torch.zeros((count, most), dtype=torch.bool)
    for i in range(count):
        image, objects = scene(rng)
        pixels, ratio, offset = letterbox(image, height, width)
        images[i] = torch.from_numpy(pixels)
        for k, (label, box) in enumerate(objects):
            boxes[i, k] = torch.from_numpy(np.asarray(box) * ratio + offset)
            labels[i, k], is_object[i, k] = label, True
    return images, boxes, labels, is_object


def batches(data, size, rng, mirror):
    """Batches without end, in a new order each time, half of them mirrored if the objects stay what they are."""
    images, boxes, labels, is_object = data
    while True:
        order = torch.from_numpy(rng.permutation(len(images)))
        for part in order.split(size)[: len(order) // size]:
            batch, edges = images[part].float().contiguous(memory_format=torch.channels_last) / 255, boxes[part]
            if mirror and rng.random() < 0.5:
                batch, (left, top, right, bottom) = batch.flip(3), edges.unbind(-1)
                edges = torch.stack([batch.shape[3] - right, top, batch.shape[3] - left, bottom], -1)
            yield batch, edges, labels[part], is_object[part]


def found(output, threshold=THRESHOLD):
    """The boxes of an output as (label, score, edges), best first, after suppression within each class."""
    boxes, scores = output[:4].T, output[4:]
    edges = np.concatenate([boxes[:, :2] - boxes[:, 2:] / 2, boxes[:, :2] + boxes[:, 2:] / 2], 1)
    kept = []
    for label, place in sorted(np.argwhere(scores > threshold).tolist(), key=lambda at: -scores[at[0], at[1]]):
        same = [box for other, _, box in kept if other == label]
        if not same or iou(np.array(same), edges[place]).max() <= OVERLAP:
            kept.append((label, float(scores[label, place]), edges[place]))
    return kept


def iou(boxes, box):
    """The overlap of each of the boxes with one."""
    sides = np.minimum(boxes[:, 2:], box[2:]) - np.maximum(boxes[:, :2], box[:2])
    both = np.clip(sides, 0, None).prod(1)
    return both / ((boxes[:, 2:] - boxes[:, :2]).prod(1) + (box[2:] - box[:2]).prod() - both)


def true_objects(data, i):
    return [(int(label), box.numpy()) for box, label, is_object in zip(*(part[i] for part in data[1:])) if is_object]


def outputs(session, data):
    """What ONNX Runtime computes for each image, so that the accuracy is that of the file."""
    for image in data[0]:
        yield session.run(None, {"images": image.numpy()[None].astype(np.float32) / 255})[0][0]


def mean_average_precision(session, data, classes):
    """mAP50: for each class the area below precision over recall, where a box is right from an overlap of a half."""
    ranked, count = [[] for _ in range(classes)], np.zeros(classes)
    for i, output in enumerate(outputs(session, data)):
        truth = true_objects(data, i)
        for label, _ in truth:
            count[label] += 1
        free = [True] * len(truth)
        for label, score, edges in found(output, 0.01):
            fits = [
                iou(box[None], edges)[0] if is_free and other == label else 0
                for is_free, (other, box) in zip(free, truth)
            ]
            is_right = max(fits, default=0) >= 0.5
            if is_right:
                free[int(np.argmax(fits))] = False
            ranked[label].append((score, is_right))
    areas = []
    for boxes, total in zip(ranked, count):
        right = np.array([is_right for _, is_right in sorted(boxes, key=lambda box: -box[0])], float)
        precision = right.cumsum() / np.arange(1, len(right) + 1)
        # At each recall counts the best precision from there on.
        precision = np.maximum.accumulate(precision[::-1])[::-1]
        areas.append((precision * right).sum() / total)
    return float(np.mean(areas))


def is_exact(output, truth):
    """Whether a client of the service gets exactly the objects of an image, at the thresholds of the card."""
    boxes = found(output)
    fits = lambda label, edges: [other == label and iou(box[None], edges)[0] >= 0.5 for other, _, box in boxes]
    return len(boxes) == len(truth) and all(any(fits(label, edges)) for label, edges in truth)


def export(model, name, labels):
    """Write the file with the metadata by which `infer add` recognizes an export of Ultralytics."""
    height, width = model.size
    metadata = {
        "description": f"{name}, trained by demo/train",
        "task": "detect",
        "stride": str(max(STRIDES)),
        "batch": "1",
        "imgsz": str([height, width]),
        "names": str(dict(enumerate(labels))),
        "args": str({"batch": 1, "dynamic": True, "nms": False}),
        "channels": "3",
    }
    path = common.source_folder(name) / "model.onnx"
    example = torch.rand(2, 3, height, width)
    open_axes = {"images": {0: "batch"}, "output0": {0: "batch"}}
    return common.export(model, (example,), ["images"], "output0", open_axes, path, metadata)
