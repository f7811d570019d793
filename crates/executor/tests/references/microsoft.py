"""Writes microsoft.json: what ONNX Runtime gives for nodes of `com.microsoft`, for ../ops_microsoft.rs.

    pip install onnx onnxruntime && python3 microsoft.py

A quantized output may be one step apart, since ONNX Runtime rounds in FP32; QLinearSoftmax rounds as it does.
"""

import json
import pathlib

import numpy
import onnxruntime
from onnx import helper

DATATYPES = {"float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64", "uint8": "UINT8", "int8": "INT8", "bool": "BOOL"}
random = numpy.random.default_rng(11)


def reals(*shape):
    return random.uniform(-2, 2, shape).astype("f4")


def u8(*shape):
    return random.integers(0, 256, shape).astype("u1")


def i8(*shape):
    return random.integers(-128, 128, shape).astype("i1")


def scalar(value, kind="f4"):
    return numpy.array(value, kind)


def rotation(rows, half):
    angles = reals(rows, half)
    return [numpy.cos(angles), numpy.sin(angles)]


S, Z = scalar(0.05), scalar(120, "u1")
T, Y = scalar(0.03), scalar(7, "u1")
HEADS = {"num_heads": 2}

# The operator, its attributes, its inputs (an omitted one is None), the datatype of its outputs.
CASES = [
    ("QLinearSigmoid", {}, [u8(3, 5), S, Z, scalar(1 / 256), scalar(0, "u1")], ["u1"]),
    ("QLinearSigmoid", {}, [i8(7), S, scalar(3, "i1"), scalar(1 / 256), scalar(-128, "i1")], ["i1"]),
    ("QLinearLeakyRelu", {"alpha": 0.1}, [u8(3, 5), S, Z, T, Y], ["u1"]),
    ("QLinearSoftmax", {"axis": -1, "opset": 13}, [u8(2, 6), S, Z, scalar(1 / 256), scalar(0, "u1")], ["u1"]),
    ("QLinearConcat", {"axis": 1}, [S, Z, u8(2, 3), T, Y, u8(2, 1), S, Y], ["u1"]),
    (
        "QLinearAveragePool",
        {"kernel_shape": [2, 3], "strides": [1, 2], "pads": [0, 1, 1, 0]},
        [u8(1, 2, 4, 6), S, Z, T, Y],
        ["u1"],
    ),
    (
        "QLinearWhere",
        {},
        [numpy.array([[True], [False]]), u8(2, 3), S, Z, u8(3), T, Y, scalar(0.04), scalar(100, "u1")],
        ["u1"],
    ),
    ("MatMulIntegerToFloat", {}, [u8(3, 4), i8(4, 5), S, T, Z, scalar(0, "i1"), reals(5)], ["f4"]),
    ("MatMulIntegerToFloat", {}, [u8(2, 3, 4), u8(4, 5), S, abs(reals(5)), Z, u8(5)], ["f4"]),
    ("DynamicQuantizeMatMul", {}, [reals(3, 4), i8(4, 5), abs(reals(5)), None, reals(5)], ["f4"]),
    ("DynamicQuantizeMatMul", {}, [reals(3, 4), u8(4, 5), S, Z], ["f4"]),
    *[
        (
            "MatMulNBits",
            {"K": 40, "N": 3, "bits": bits, "block_size": 16},
            [reals(2, 2, 40), u8(3, 3, 2 * bits), reals(9), *more],
            ["f4"],
        )
        for bits, more in [
            (4, []),
            (4, [u8(6)]),
            (4, [reals(9) + 8]),
            (4, [None, None, reals(3)]),
            (8, [u8(9)]),
        ]
    ],
    ("Gelu", {}, [reals(3, 4)], ["f4"]),
    ("FastGelu", {}, [reals(3, 4), reals(4)], ["f4"]),
    ("FastGelu", {}, [reals(3, 4)], ["f4"]),
    ("BiasGelu", {}, [reals(3, 4), reals(4)], ["f4"]),
    ("QuickGelu", {}, [reals(3, 4)], ["f4"]),
    ("QuickGelu", {"alpha": 1.0}, [reals(3, 4)], ["f4"]),
    ("FusedMatMul", {"transA": 1, "alpha": 0.5}, [reals(2, 4, 3), reals(4, 5)], ["f4"]),
    ("FusedMatMul", {"transB": 1}, [reals(2, 3, 4), reals(2, 5, 4)], ["f4"]),
    ("FusedGemm", {"transB": 1, "activation": "LeakyRelu", "activation_alpha": 0.2}, [reals(3, 4), reals(5, 4), reals(5)], ["f4"]),
    ("FusedGemm", {"activation": "Relu"}, [reals(3, 4), reals(4, 5)], ["f4"]),
    ("FusedConv", {"activation": "Relu"}, [reals(1, 2, 5, 5), reals(3, 2, 3, 3), reals(3)], ["f4"]),
    (
        "FusedConv",
        {"activation": "HardSigmoid", "activation_params": [0.2, 0.5], "pads": [1, 1, 1, 1]},
        [reals(1, 2, 5, 5), reals(3, 2, 3, 3), reals(3), reals(1, 3, 5, 5)],
        ["f4"],
    ),
    ("FusedConv", {"activation": "Clip", "activation_params": [-0.5, 0.5]}, [reals(1, 2, 5, 5), reals(3, 2, 3, 3)], ["f4"]),
    ("NhwcMaxPool", {"kernel_shape": [2, 2], "strides": [2, 1]}, [u8(1, 4, 5, 3)], ["u1"]),
    ("Pad", {}, [reals(2, 3), numpy.array([1, 0, 0, 2]), scalar(0.5)], ["f4"]),
    ("RotaryEmbedding", {}, [reals(2, 3, 8), numpy.array([[0, 1, 2], [4, 3, 1]]), *rotation(5, 2)], ["f4"]),
    ("RotaryEmbedding", {**HEADS}, [reals(2, 3, 8), numpy.array([1]), *rotation(5, 2)], ["f4"]),
    (
        "RotaryEmbedding",
        {**HEADS, "rotary_embedding_dim": 2, "interleaved": 1},
        [reals(1, 3, 8), numpy.array([[0, 2, 4]]), *rotation(5, 1)],
        ["f4"],
    ),
    ("RotaryEmbedding", {}, [reals(2, 2, 3, 4), numpy.array([[0, 1, 2], [4, 3, 1]]), *rotation(5, 2)], ["f4"]),
    ("MultiHeadAttention", HEADS, [reals(2, 3, 8), reals(2, 5, 8), reals(2, 5, 8)], ["f4"]),
    ("MultiHeadAttention", {**HEADS, "scale": 0.3}, [reals(2, 3, 8), reals(2, 5, 8), reals(2, 5, 8), reals(24)], ["f4"]),
    (
        "MultiHeadAttention",
        {**HEADS, "unidirectional": 1},
        [reals(2, 4, 8), reals(2, 4, 8), reals(2, 4, 8)],
        ["f4"],
    ),
    (
        "MultiHeadAttention",
        HEADS,
        [
            reals(2, 3, 8),
            reals(2, 5, 8),
            reals(2, 5, 8),
            None,
            numpy.array([[1, 1, 0, 1, 1], [1, 1, 1, 0, 0]], "i4"),
            reals(1, 2, 3, 5),
        ],
        ["f4"],
    ),
    (
        "MultiHeadAttention",
        HEADS,
        [reals(2, 3, 8), reals(2, 3, 8), reals(2, 3, 8), None, None, None, reals(2, 2, 4, 4), reals(2, 2, 4, 4)],
        ["f4", "f4", "f4"],
    ),
    ("Attention", HEADS, [reals(2, 3, 6), reals(6, 24), reals(24)], ["f4"]),
    ("Attention", HEADS, [reals(2, 3, 6), reals(6, 24), reals(24), numpy.array([[1, 1, 0], [0, 1, 1]], "i4")], ["f4"]),
    ("Attention", HEADS, [reals(2, 3, 6), reals(6, 24), reals(24), numpy.array([2, 3], "i4")], ["f4"]),
    ("Attention", {**HEADS, "unidirectional": 1}, [reals(2, 3, 6), reals(6, 24), reals(24)], ["f4"]),
    ("QLinearSoftmax", {"axis": 1, "opset": 13}, [u8(2, 5, 3), S, Z, scalar(0.006), scalar(3, "u1")], ["u1"]),
    ("QLinearSoftmax", {"axis": 1, "opset": 12}, [i8(2, 5, 3), S, scalar(3, "i1"), scalar(0.01), scalar(-100, "i1")], ["i1"]),
    (
        "QLinearAveragePool",
        {"kernel_shape": [2, 3], "pads": [0, 1, 1, 0], "channels_last": 1},
        [u8(1, 4, 6, 2), S, Z, T, Y],
        ["u1"],
    ),
    ("QLinearGlobalAveragePool", {"channels_last": 1}, [u8(2, 3, 4, 2), S, Z, T, Y], ["u1"]),
    *[
        (
            "QLinearConv",
            {"channels_last": last},
            [u8(*shape), S, Z, u8(3, 2, 2, 2), T, Y, scalar(2.0), Z, random.integers(-9, 9, 3).astype("i4")],
            ["u1"],
        )
        for last, shape in [(0, (1, 2, 4, 5)), (1, (1, 4, 5, 2))]
    ],
    ("FusedMatMul", {"transBatchA": 1, "transBatchB": 1}, [reals(3, 2, 4), reals(4, 2, 5)], ["f4"]),
    ("FusedMatMul", {"transBatchA": 1, "transA": 1, "transB": 1}, [reals(4, 2, 3), reals(2, 5, 4)], ["f4"]),
    ("TransposeMatMul", {"transA": 1, "alpha": 0.5}, [reals(4, 3), reals(4, 5)], ["f4"]),
    ("RotaryEmbedding", {"scale": 0.5}, [reals(1, 2, 3, 4), numpy.array([1]), *rotation(5, 2)], ["f4"]),
    ("ExpandDims", {}, [reals(2, 3), scalar(-1, "i4")], ["f4"]),
    ("GatherND", {}, [reals(2, 3), numpy.array([[1, 0], [0, 2]])], ["f4"]),
    ("GridSample", {"mode": "bicubic"}, [reals(1, 2, 3, 4), reals(1, 2, 2, 2) / 2], ["f4"]),
    ("Range", {}, [scalar(1, "i4"), scalar(4, "i4")], ["i4"]),
    ("Range", {}, [scalar(1.0), scalar(-2.0), scalar(-0.75)], ["f4"]),
    ("Trilu", {"upper": 0}, [reals(2, 3, 3), numpy.array(-1)], ["f4"]),
    ("Unique", {}, [numpy.array([3, 1, -1, 1, 3], "f4")], ["f4", "i8", "i8"]),
    ("CDist", {"metric": "euclidean"}, [reals(3, 4), reals(2, 4)], ["f4"]),
    ("CDist", {"metric": "sqeuclidean"}, [reals(3, 4).astype("f8"), reals(2, 4).astype("f8")], ["f8"]),
    ("Inverse", {}, [(reals(2, 3, 3) + 5 * numpy.eye(3, dtype="f4")).astype("f8")], ["f8"]),
    ("Inverse", {}, [numpy.array([[0, 2], [4, 0]], "f4")], ["f4"]),
    *[
        ("EmbedLayerNormalization", attributes, [*ids, *embeddings], outputs)
        for attributes, ids, embeddings, outputs in [
            (
                {"epsilon": 1e-5},
                [numpy.array([[3, 0, 2], [1, 1, 3]], "i4"), numpy.array([[0, 1, 1], [0, 0, 1]], "i4")],
                [reals(4, 4), reals(3, 4), reals(2, 4), reals(4), reals(4), numpy.array([[1, 1, 0], [1, 1, 1]], "i4")],
                ["f4", "i4"],
            ),
            (
                {"mask_index_type": 0},
                [numpy.array([[3, 0, 2]], "i4"), None],
                [reals(4, 4), reals(3, 4), None, reals(4), reals(4), None, numpy.array([[2, 0, 1]], "i4")],
                ["f4", "i4", "f4"],
            ),
        ]
    ],
    ("NGramRepeatBlock", {"ngram_size": 2}, [numpy.array([[1, 2, 1], [3, 3, 3], [0, 1, 2]]), reals(3, 5)], ["f4"]),
    (
        "ConvTransposeWithDynamicPads",
        {"strides": [2, 1]},
        [reals(1, 2, 3, 4), reals(2, 3, 2, 3), numpy.array([1, 0, 0, 2]), reals(3)],
        ["f4"],
    ),
    (
        "Attention",
        HEADS,
        [reals(1, 3, 6), reals(6, 24), reals(24), numpy.array([[[1, 0, 1], [1, 1, 0], [0, 1, 1]]], "i4")],
        ["f4"],
    ),
]


def tensor(array):
    array = numpy.asarray(array)
    if array.dtype == numpy.float32:
        values = [float(str(value)) if numpy.isfinite(value) else str(value) for value in array.ravel()]
    else:
        values = array.ravel().tolist()
    return {"datatype": DATATYPES[str(array.dtype)], "shape": list(array.shape), "values": values}


def compute(operator, attributes, inputs, datatypes, domain="com.microsoft"):
    names = [f"i{at}" if array is not None else "" for at, array in enumerate(inputs)]
    outputs = [f"o{at}" for at in range(len(datatypes))]
    kind = lambda datatype: helper.np_dtype_to_tensor_dtype(numpy.dtype(datatype))
    given = {name: numpy.asarray(array) for name, array in zip(names, inputs) if name}
    graph = helper.make_graph(
        [helper.make_node(operator, names, outputs, domain=domain, **attributes)],
        "case",
        [helper.make_tensor_value_info(name, kind(array.dtype), array.shape) for name, array in given.items()],
        [helper.make_tensor_value_info(name, kind(datatype), None) for name, datatype in zip(outputs, datatypes)],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    # With more threads, an LSTM may quantize the state of each sequence on its own.
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, given)


def case(operator, attributes, inputs, datatypes):
    return {
        "domain": "com.microsoft",
        "operator": operator,
        "opset": 1,
        "step": 1 if operator.startswith("QLinear") and operator != "QLinearSoftmax" else 0,
        "attributes": attributes,
        "inputs": [None if array is None else tensor(array) for array in inputs],
        "outputs": [tensor(output) for output in compute(operator, attributes, inputs, datatypes)],
    }


if __name__ == "__main__":
    cases = [case(*row) for row in CASES]
    path = pathlib.Path(__file__).with_name("microsoft.json")
    path.write_text("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in cases) + "\n]\n")
