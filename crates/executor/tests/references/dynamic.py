"""Writes dynamic.json: what ONNX Runtime gives for operators of dynamic quantization and small networks of them, for
../ops_dynamic.rs.

    pip install onnx onnxruntime && python3 dynamic.py
"""

import json
import pathlib
import tempfile

import numpy
import onnx
import onnxruntime
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from microsoft import compute, tensor

random = numpy.random.default_rng(7)


def reals(*shape):
    return random.uniform(-2, 2, shape).round(3).astype("f4")


def scales(*shape):
    return random.uniform(0.01, 0.03, shape).round(4).astype("f4")


def u8(*shape):
    return random.integers(0, 256, shape).astype("u1")


def i8(*shape):
    return random.integers(-128, 128, shape).astype("i1")


def lstm(steps, batch, features, size, kind, columns=False, lengths=None, has_states=True, has_bias=True, **attributes):
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    of_scale = (directions, 4 * size) if columns else (directions,)
    states = lambda: reals(directions, batch, size) / 2 if has_states else None
    weights = {"i1": i8, "u1": u8}[kind]
    middle = {"i1": 0, "u1": 128}[kind]
    # With a zero point in the middle: others make gates that are all open or all closed.
    zeros = lambda: numpy.full(of_scale, middle, kind)
    return (
        "DynamicQuantizeLSTM",
        {"hidden_size": size, **attributes},
        [
            reals(steps, batch, features),
            weights(directions, features, 4 * size),
            weights(directions, size, 4 * size),
            reals(directions, 8 * size) / 4 if has_bias else None,
            None if lengths is None else numpy.array(lengths, "i4"),
            states(),
            states(),
            None,
            scales(*of_scale) / 2,
            zeros(),
            scales(*of_scale) / 2,
            zeros(),
        ],
        ["f4", "f4", "f4"],
    )


BOTH = {"direction": "bidirectional"}
BACK = {"direction": "reverse"}
S, T = numpy.array(0.05, "f4"), numpy.array(0.02, "f4")
Z = numpy.array(130, "u1")
# The operator, its attributes, its inputs (an omitted one is None), the datatype of its outputs.
CASES = [
    ("MatMulInteger", {}, [u8(3, 5), i8(5, 4)], ["i4"]),
    ("MatMulInteger", {}, [u8(1, 9), i8(9, 40), numpy.array(7, "u1"), numpy.array(-3, "i1")], ["i4"]),
    ("MatMulInteger", {}, [u8(2, 3, 8), u8(8, 35), numpy.array([200], "u1"), u8(35)], ["i4"]),
    ("MatMulInteger", {}, [i8(2, 9), i8(9, 5), numpy.array(-100, "i1"), i8(5)], ["i4"]),
    ("ConvInteger", {"pads": [1, 1, 1, 1]}, [u8(2, 3, 5, 6), u8(4, 3, 3, 3), Z, numpy.array(120, "u1")], ["i4"]),
    ("ConvInteger", {"strides": [2, 1], "dilations": [1, 2]}, [u8(1, 2, 9, 12), i8(5, 2, 3, 2), Z, numpy.array(0, "i1")], ["i4"]),
    ("ConvInteger", {"pads": [2, 0]}, [u8(1, 5, 7), i8(3, 5, 3), Z], ["i4"]),
    ("ConvInteger", {"group": 2}, [u8(1, 4, 5, 5), u8(6, 2, 2, 2), Z, numpy.array(9, "u1")], ["i4"]),
    ("ConvInteger", {"auto_pad": "SAME_UPPER"}, [u8(1, 1, 10, 11), u8(2, 1, 4, 2), Z, numpy.array([77], "u1")], ["i4"]),
    ("DynamicQuantizeLinear", {}, [reals(3, 7)], ["u1", "f4", "u1"]),
    ("DynamicQuantizeLinear", {}, [reals(40)], ["u1", "f4", "u1"]),
    ("DynamicQuantizeLinear", {}, [abs(reals(17))], ["u1", "f4", "u1"]),
    ("DynamicQuantizeLinear", {}, [-abs(reals(16))], ["u1", "f4", "u1"]),
    ("MatMulIntegerToFloat", {}, [u8(5, 6), i8(6, 7), S, T, numpy.array(120, "u1"), numpy.array(0, "i1"), reals(7)], ["f4"]),
    ("MatMulIntegerToFloat", {}, [u8(2, 1, 4), u8(4, 33), S, scales(33), numpy.array(9, "u1"), u8(33)], ["f4"]),
    ("DynamicQuantizeMatMul", {}, [reals(3, 4), i8(4, 5), scales(5), None, reals(5)], ["f4"]),
    ("DynamicQuantizeMatMul", {}, [reals(2, 2, 6), u8(6, 9), T, numpy.array(130, "u1")], ["f4"]),
    lstm(4, 1, 3, 5, "i1"),
    lstm(4, 3, 3, 4, "u1", **BOTH),
    lstm(4, 2, 5, 4, "i1", columns=True, **BACK),
    lstm(70, 1, 2, 1, "u1", columns=True, has_bias=False, has_states=False),
]


def perceptron(weight_type, per_channel):
    """A small network, quantized as ONNX Runtime's quantizer does."""
    wide = {name: reals(*shape) for name, shape in {"w": (6, 40), "b": (40,), "v": (40, 3), "c": (1,)}.items()}
    node = helper.make_node
    graph = helper.make_graph(
        [
            node("MatMul", ["x", "w"], ["m"]),
            node("Add", ["m", "b"], ["a"]),
            node("Relu", ["a"], ["t"]),
            node("MatMul", ["t", "v"], ["n"]),
            node("Add", ["c", "n"], ["y"]),
        ],
        "case",
        [helper.make_tensor_value_info("x", 1, ["rows", 6])],
        [helper.make_tensor_value_info("y", 1, None)],
        [numpy_helper.from_array(value, name) for name, value in wide.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "quantized.onnx")
        quantize_dynamic(model, path, weight_type=weight_type, per_channel=per_channel)
        model = onnx.load(path)
    x = reals(3, 6)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return {
        "name": f"perceptron {weight_type}",
        "model": model.SerializeToString().hex(),
        "inputs": [tensor(x)],
        "outputs": [tensor(output) for output in session.run(None, {"x": x})],
    }


def case(operator, attributes, inputs, datatypes):
    domain = "" if operator in ("MatMulInteger", "ConvInteger", "DynamicQuantizeLinear") else "com.microsoft"
    return {
        "domain": domain,
        "operator": operator,
        "opset": 1 if domain else 17,
        "attributes": attributes,
        "inputs": [None if array is None else tensor(array) for array in inputs],
        "outputs": [tensor(output) for output in compute(operator, attributes, inputs, datatypes, domain)],
    }


if __name__ == "__main__":
    cases = [case(*row) for row in CASES]
    cases += [perceptron(QuantType.QInt8, False), perceptron(QuantType.QInt8, True), perceptron(QuantType.QUInt8, False)]
    path = pathlib.Path(__file__).with_name("dynamic.json")
    path.write_text("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in cases) + "\n]\n")
