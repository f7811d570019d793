"""Writes recurrent.json: what ONNX Runtime gives for RNN, GRU and LSTM, for ../ops_recurrent.rs.

    pip install onnx onnxruntime && python3 recurrent.py

ONNX Runtime does not support `layout` 1: those cases are computed with the batch as the second axis, and transposed.
"""

import json
import pathlib

import numpy
import onnxruntime
from onnx import helper

from microsoft import tensor

random = numpy.random.default_rng(5)
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}


def reals(*shape):
    return random.uniform(-1, 1, shape).round(3).astype("f4")


def layer(operator, steps, batch, features, size, lengths=None, has_bias=True, has_states=True, peepholes=False, **attributes):
    """A layer's inputs and attributes; direction and batch are the sizes that matter."""
    directions = 2 if attributes.get("direction") == "bidirectional" else 1
    width = GATES[operator] * size
    states = reals(directions, batch, size) if has_states else None
    inputs = [
        reals(steps, batch, features),
        reals(directions, width, features),
        reals(directions, width, size),
        reals(directions, 2 * width) if has_bias else None,
        None if lengths is None else numpy.array(lengths, "i4"),
        states,
    ]
    if operator == "LSTM":
        inputs += [reals(directions, batch, size) if has_states else None]
        inputs += [reals(directions, 3 * size)] if peepholes else []
    return operator, {"hidden_size": size, **attributes}, inputs


BOTH = {"direction": "bidirectional"}
BACK = {"direction": "reverse"}
CASES = [
    layer("LSTM", 3, 1, 2, 5),
    layer("LSTM", 3, 3, 2, 5, **BOTH),
    layer("LSTM", 4, 3, 2, 4, lengths=[4, 1, 3], **BOTH),
    layer("LSTM", 4, 3, 2, 3, lengths=[2, 0, 3], **BACK),
    layer("LSTM", 2, 6, 3, 9, has_bias=False, has_states=False),
    layer("LSTM", 3, 2, 2, 4, layout=1, **BOTH),
    layer("LSTM", 3, 3, 2, 4, layout=1, lengths=[3, 2, 1], **BOTH),
    layer("LSTM", 70, 1, 1, 1, **BACK),
    layer("LSTM", 3, 2, 2, 3, peepholes=True),
    layer("LSTM", 3, 2, 2, 3, clip=0.3),
    layer("LSTM", 3, 2, 2, 3, activations=["HardSigmoid", "Tanh", "Tanh"]),
    layer("GRU", 3, 1, 2, 5),
    layer("GRU", 3, 1, 2, 5, linear_before_reset=1),
    layer("GRU", 3, 3, 2, 4, linear_before_reset=1, **BOTH),
    layer("GRU", 3, 3, 2, 4, lengths=[1, 3, 2], **BOTH),
    layer("GRU", 4, 3, 2, 3, lengths=[1, 0, 4], linear_before_reset=1, **BACK),
    layer("GRU", 2, 5, 3, 11, has_bias=False, has_states=False),
    layer("GRU", 2, 5, 3, 11, has_bias=False, linear_before_reset=1),
    layer("GRU", 3, 2, 2, 4, layout=1, **BOTH),
    layer("GRU", 3, 2, 2, 4, activations=["Sigmoid", "Relu"]),
    layer("RNN", 3, 1, 2, 5),
    layer("RNN", 3, 3, 2, 5, **BOTH),
    layer("RNN", 4, 3, 2, 4, lengths=[4, 1, 2], **BACK),
    layer("RNN", 3, 2, 2, 4, layout=1, has_bias=False),
    layer("RNN", 3, 2, 2, 4, activations=["Relu"]),
]
# The order of the axes in layout 1, by their number.
BATCH_FIRST = {3: (1, 0, 2), 4: (2, 0, 1, 3)}


def compute(operator, attributes, inputs):
    names = [f"i{at}" if array is not None else "" for at, array in enumerate(inputs)]
    outputs = ["y", "h", "c"][: 3 if operator == "LSTM" else 2]
    given = {name: array for name, array in zip(names, inputs) if name}
    kind = lambda array: helper.np_dtype_to_tensor_dtype(array.dtype)
    graph = helper.make_graph(
        [helper.make_node(operator, names, outputs, **attributes)],
        "case",
        [helper.make_tensor_value_info(name, kind(array), array.shape) for name, array in given.items()],
        [helper.make_tensor_value_info(name, 1, None) for name in outputs],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, given)


def case(operator, attributes, inputs):
    is_batch_first = attributes.pop("layout", 0)
    outputs = compute(operator, attributes, inputs)
    if is_batch_first:
        attributes["layout"] = 1
        first = lambda array: array.transpose(BATCH_FIRST[array.ndim])
        inputs = [first(array) if at in (0, 5, 6) and array is not None else array for at, array in enumerate(inputs)]
        outputs = [first(array) for array in outputs]
    return {
        "operator": operator,
        "opset": 17,
        "attributes": attributes,
        "inputs": [None if array is None else tensor(array) for array in inputs],
        "outputs": [tensor(output) for output in outputs],
    }


if __name__ == "__main__":
    cases = [case(*row) for row in CASES]
    path = pathlib.Path(__file__).with_name("recurrent.json")
    path.write_text("[\n" + ",\n".join(json.dumps(row, separators=(",", ":")) for row in cases) + "\n]\n")
