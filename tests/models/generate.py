"""Write folders as `optimum-cli export onnx` writes them, with tiny networks, and their expected scores.

usage: python3 generate.py        (after: pip install -r requirements.txt)

one/    a single-label image classifier, with the graph and the JSON files at the root
many/   a multi-label image classifier, with two variants of the graph in onnx/ as on the Hugging Face Hub
expected.json  the scores of each class for images of tests/preprocessing/images, preprocessed by `transformers` and
        computed by ONNX Runtime

The weights are random (seeded). Running it again writes the same bytes.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

FOLDER = Path(__file__).resolve().parent
IMAGES = FOLDER.parent / "preprocessing/images"
PICTURES = ["wide.png", "tall.png", "tiny.png"]


def network(classes, seed):
    """A convolution, an average and a dense layer; only the number of classes is fixed."""
    rng = np.random.default_rng(seed)
    weights = {
        "kernel": rng.normal(0, 0.5, (6, 3, 3, 3)),
        "kernel_bias": rng.normal(0, 0.5, 6),
        "dense": rng.normal(0, 3, (classes, 6)),
        "dense_bias": rng.normal(0, 1, classes),
    }
    nodes = [
        helper.make_node("Conv", ["pixel_values", "kernel", "kernel_bias"], ["features"],
                         kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["features"], ["active"]),
        helper.make_node("GlobalAveragePool", ["active"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("Gemm", ["flat", "dense", "dense_bias"], ["logits"], transB=1),
    ]
    graph = helper.make_graph(
        nodes,
        "main_graph",
        [helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT,
                                       ["batch_size", "num_channels", "height", "width"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch_size", classes])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, producer_name="pytorch", producer_version="2.9",
                              opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 8
    return model.SerializeToString(deterministic=True)


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def scores(onnx, processor, activation):
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    answers = {}
    for name in PICTURES:
        pixels = processor(Image.open(IMAGES / name).convert("RGB"))["pixel_values"]
        (logits,) = session.run(["logits"], {"pixel_values": np.asarray(pixels, np.float32)})
        answers[name] = activation(logits[0].astype(np.float64)).tolist()
    return answers


def softmax(x):
    powers = np.exp(x - x.max())
    return powers / powers.sum()


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def main():
    labels = [f"{animal}, {kind}" for animal in ("cat", "dog", "hen", "cow") for kind in ("big", "small", "tabby")]
    one = FOLDER / "one"
    one.mkdir(exist_ok=True)
    graph = network(len(labels), 1)
    (one / "model.onnx").write_bytes(graph)
    write_json(one / "config.json", {
        "architectures": ["ViTForImageClassification"],
        # Keys sorted as strings, as some tools write them.
        "id2label": {key: labels[int(key)] for key in sorted(str(index) for index in range(len(labels)))},
        "label2id": {label: str(index) for index, label in enumerate(labels)},
        "model_type": "vit",
    })
    settings = {"do_normalize": True, "do_rescale": True, "do_resize": True, "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.5, 0.5, 0.5], "resample": 2, "rescale_factor": 1 / 255,
                "size": {"height": 24, "width": 24}}
    write_json(one / "preprocessor_config.json", {"image_processor_type": "ViTImageProcessor", **settings})
    expected = {"one": scores(graph, ViTImageProcessorPil(**settings), softmax)}

    many = FOLDER / "many"
    (many / "onnx").mkdir(parents=True, exist_ok=True)
    graph = network(4, 2)
    (many / "onnx/model_fp16.onnx").write_bytes(network(4, 3))
    (many / "onnx/model_quantized.onnx").write_bytes(graph)
    write_json(many / "config.json", {
        "architectures": ["CLIPForImageClassification"],
        "id2label": {str(index): label for index, label in enumerate(["sun", "rain", "wind", "snow"])},
        "problem_type": "multi_label_classification",
    })
    settings = {"crop_size": {"height": 22, "width": 22}, "do_center_crop": True, "size": {"shortest_edge": 25}}
    write_json(many / "preprocessor_config.json", {"feature_extractor_type": "CLIPFeatureExtractor", **settings})
    expected["many"] = scores(graph, CLIPImageProcessorPil(**settings), sigmoid)
    write_json(FOLDER / "expected.json", expected)


if __name__ == "__main__":
    main()
