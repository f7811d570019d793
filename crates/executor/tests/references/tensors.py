"""Writes tensors.json: what ONNX Runtime gives for nodes on tensors, for ../ops_tensors.rs.

    pip install onnx onnxruntime && python3 tensors.py

Values are whole numbers or what ONNX Runtime rounded; each case is a node, its inputs and its outputs.
"""

import json
import pathlib

import numpy
import onnx
import onnxruntime
from onnx import helper

DATATYPES = {"float32": "FP32", "float64": "FP64", "int32": "INT32", "int64": "INT64", "uint8": "UINT8", "bool": "BOOL"}
random = numpy.random.default_rng(7)


def reals(*shape):
    return random.uniform(-2, 2, shape).astype("f4")


def wholes(*values):
    return numpy.array(values, "i8")


# Regions inside, beyond the edges, and without a size.
ROIS = numpy.array([[0.5, 1.0, 3.5, 4.25], [-2.0, -1.5, 9.0, 7.0], [2.0, 2.0, 2.0, 2.0]], "f4")

# The operator, its version, its attributes, its inputs.
CASES = [
    ("Softmax", 11, {"axis": 1}, [reals(2, 3, 2)]),  # the axes from 1 on as if they were one
    ("Softmax", 13, {"axis": 1}, [reals(2, 3, 2)]),
    ("LogSoftmax", 11, {}, [reals(2, 3, 2)]),
    ("Hardmax", 13, {"axis": 0}, [reals(3, 2)]),
    ("Squeeze", 11, {"axes": [0]}, [reals(1, 2)]),
    ("Squeeze", 13, {}, [reals(1, 2), wholes(0)]),
    ("Clip", 6, {"min": -0.5, "max": 0.5}, [reals(5)]),
    ("ReduceSum", 11, {"axes": [1], "keepdims": 0}, [reals(2, 3, 2)]),
    ("ReduceSum", 13, {"noop_with_empty_axes": 1}, [reals(2, 2)]),
    ("ReduceL2", 18, {}, [reals(2, 3, 2), wholes(-1, 0)]),
    ("ReduceLogSumExp", 18, {}, [reals(2, 3), wholes(1)]),
    ("ReduceMax", 18, {}, [numpy.zeros((2, 0), "f4"), wholes(1)]),
    ("Pad", 2, {"pads": [1, -1], "value": 9.0}, [reals(3)]),
    ("Pad", 13, {"mode": "reflect"}, [reals(4), wholes(3, 2)]),
    ("Pad", 19, {"mode": "wrap"}, [reals(3), wholes(2, 2)]),
    ("Slice", 9, {"starts": [-2], "ends": [9]}, [reals(4)]),
    ("Slice", 13, {}, [reals(5), wholes(-1), wholes(-9), wholes(0), wholes(-2)]),
    ("Split", 18, {"num_outputs": 2}, [reals(5)]),
    ("Where", 16, {}, [numpy.array([[True], [False]]), reals(3), reals(2, 1)]),
    ("Div", 14, {}, [numpy.array([7, -7, 7], "i4"), numpy.array([2, 2, -2], "i4")]),
    ("Mod", 13, {}, [numpy.array([7, -7, 7], "i4"), numpy.array([3, 3, -3], "i4")]),
    ("Mod", 13, {"fmod": 1}, [numpy.array([7, -7, 7], "i4"), numpy.array([3, 3, -3], "i4")]),
    ("Pow", 15, {}, [numpy.array([3, -2], "i8"), numpy.array([30, 3], "i8")]),
    ("MatMul", 13, {}, [reals(2, 1, 2, 3), reals(4, 3, 2)]),
    ("MatMul", 13, {}, [reals(3), reals(2, 3, 2)]),
    ("Gemm", 13, {"transA": 1, "transB": 1, "alpha": 0.5, "beta": 2.0}, [reals(3, 2), reals(4, 3), reals(4)]),
    ("Einsum", 12, {"equation": "...ij,kj->k...i"}, [reals(2, 3, 4), reals(5, 4)]),
    ("Einsum", 12, {"equation": "ii,j,ik"}, [reals(3, 3), reals(2), reals(3, 4)]),
    ("GatherND", 13, {"batch_dims": 1}, [reals(2, 3, 2), wholes([1], [-1])]),
    ("ScatterElements", 18, {"axis": 1, "reduction": "max"}, [reals(2, 3), wholes([0, 0], [2, -1]), reals(2, 2)]),
    ("ScatterND", 18, {"reduction": "add"}, [reals(4), wholes([1], [1]), reals(2)]),
    ("OneHot", 11, {"axis": 0}, [wholes(1, -1, 7), wholes(3), wholes(0, 5)]),
    ("TopK", 11, {"largest": 0}, [numpy.array([3, 1, 2, 1], "f4"), wholes(3)]),
    ("Unique", 11, {"sorted": 0}, [numpy.array([2, 1, 2, 3], "f4")]),
    ("CumSum", 14, {"exclusive": 1, "reverse": 1}, [reals(4), numpy.array(0, "i4")]),
    ("NonZero", 13, {}, [numpy.array([[0, 1], [2, 0]], "i4")]),
    ("SoftmaxCrossEntropyLoss", 13, {"ignore_index": 1}, [reals(3, 4), wholes(0, 1, 3), reals(4)]),
    ("DepthToSpace", 13, {"blocksize": 2, "mode": "CRD"}, [reals(1, 4, 1, 2)]),
    ("Range", 11, {}, [numpy.array(5, "i8"), numpy.array(-2, "i8"), numpy.array(-3, "i8")]),
    ("Trilu", 14, {"upper": 0}, [reals(3, 3), numpy.array(-1, "i8")]),
    ("Cast", 13, {"to": onnx.TensorProto.INT32}, [numpy.array([1.9, -1.9, 0.5], "f4")]),
    ("Round", 11, {}, [numpy.array([0.5, 1.5, -2.5, 2.4], "f4")]),
    ("AffineGrid", 20, {}, [reals(2, 2, 3), wholes(2, 1, 3, 4)]),
    ("AffineGrid", 20, {"align_corners": 1}, [reals(1, 3, 4), wholes(1, 2, 2, 3, 4)]),
    (
        "DeformConv",
        22,
        {"pads": [1, 0, 1, 2], "strides": [2, 1], "group": 2, "offset_group": 2},
        [reals(2, 4, 5, 4), reals(6, 2, 2, 3), reals(2, 24, 3, 4), reals(6), reals(2, 12, 3, 4)],
    ),
    ("DeformConv", 19, {"dilations": [1, 2]}, [reals(1, 1, 4, 5), reals(1, 1, 2, 2), reals(1, 8, 3, 3)]),
    *[
        (
            "TfIdfVectorizer",
            9,
            {
                "mode": mode,
                "min_gram_length": shortest,
                "max_gram_length": 3,
                "max_skip_count": skip,
                "ngram_counts": [0, 2, 6],
                "ngram_indexes": [4, 0, 2, 1, 5, 3],
                "pool_int64s": [2, 3, 5, 2, 2, 3, 3, 5, 2, 2, 9, 3],
                "weights": [0.5, 1.5, 2.0, 3.0, 0.25, 4.0],
            },
            [wholes([2, 3, 5, 2, 9, 3, 5], [7, 7, 7, 5, 3, 2, 2])],
        )
        for mode, shortest, skip in [("TF", 1, 0), ("IDF", 1, 2), ("TFIDF", 2, 5)]
    ],
    *[
        (operator, 17, {"periodic": periodic}, [numpy.array(9, "i4")])
        for operator in ("HannWindow", "HammingWindow", "BlackmanWindow")
        for periodic in (0, 1)
    ],
    (
        "MelWeightMatrix",
        17,
        {},
        [*[numpy.array(value, "i4") for value in (5, 32, 8000)], numpy.array(100, "f4"), numpy.array(3900, "f4")],
    ),
    ("DFT", 17, {"axis": 1}, [reals(2, 12, 1).astype("f8")]),
    ("DFT", 17, {"axis": 1, "onesided": 1}, [reals(1, 7, 1).astype("f8")]),
    ("DFT", 17, {"axis": 2, "inverse": 1}, [reals(1, 2, 10, 2).astype("f8")]),
    ("DFT", 20, {}, [reals(1, 6, 2).astype("f8"), numpy.array(9, "i8"), numpy.array(1, "i8")]),
    ("DFT", 20, {}, [reals(1, 6, 1).astype("f8"), numpy.array(4, "i8")]),
    ("STFT", 17, {}, [reals(2, 20, 1).astype("f8"), numpy.array(3, "i8"), reals(6).astype("f8")]),
    ("STFT", 17, {"onesided": 0}, [reals(1, 20, 1).astype("f8"), numpy.array(4, "i8"), reals(8).astype("f8"), numpy.array(8, "i8")]),
    ("RoiAlign", 16, {"output_height": 3, "output_width": 2}, [reals(2, 2, 6, 5), ROIS, wholes(0, 1, 1)]),
    ("RoiAlign", 16, {"output_height": 2, "output_width": 2, "sampling_ratio": 2, "spatial_scale": 0.5,
                      "coordinate_transformation_mode": "output_half_pixel"}, [reals(2, 2, 6, 5), ROIS, wholes(1, 0, 0)]),
    ("RoiAlign", 10, {"output_width": 3, "mode": "max"}, [reals(1, 1, 6, 5), ROIS, wholes(0, 0, 0)]),
]
OUTPUTS = {"Split": 2, "TopK": 2, "Unique": 4}


def tensor(array):
    return {"datatype": DATATYPES[str(array.dtype)], "shape": list(array.shape), "values": numeric(array)}


def numeric(array):
    # JSON has no infinity.
    return [value if abs(value) < 1e300 else str(value) for value in array.astype("O").ravel().tolist()]


def compute(operator, opset, attributes, inputs):
    names = [f"i{at}" for at in range(len(inputs))]
    outputs = [f"o{at}" for at in range(OUTPUTS.get(operator, 1))]
    of = lambda name, array: helper.make_tensor_value_info(
        name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape
    )
    graph = helper.make_graph(
        [helper.make_node(operator, names, outputs, **attributes)],
        "case",
        [of(name, array) for name, array in zip(names, inputs)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, dict(zip(names, inputs)))


cases = [
    {
        "operator": operator,
        "opset": opset,
        "attributes": attributes,
        "inputs": [tensor(array) for array in inputs],
        "outputs": [tensor(numpy.asarray(array)) for array in compute(operator, opset, attributes, inputs)],
    }
    for operator, opset, attributes, inputs in CASES
]
path = pathlib.Path(__file__).with_name("tensors.json")
path.write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
