"""Write the small graphs of the engine's tests into this folder.

usage: python3 generate.py        (after: pip install -r requirements.txt)

Each has one property that a test names. Running it again writes the same bytes.
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent
NAMES = {
    "fp16": TensorProto.FLOAT16,
    "fp32": TensorProto.FLOAT,
    "fp64": TensorProto.DOUBLE,
    "bf16": TensorProto.BFLOAT16,
    "uint8": TensorProto.UINT8,
    "int8": TensorProto.INT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}


def value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def save(name, nodes, inputs, outputs, weights=(), metadata=None):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(weights))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    helper.set_model_props(model, metadata or {})
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))


def main():
    for name, kind in NAMES.items():
        node = helper.make_node("Identity", ["x"], ["y"])
        save(f"identity-{name}", [node], [value("x", kind, ["n"])], [value("y", kind, ["n"])])

    add = helper.make_node("Add", ["a", "b"], ["sum"])
    pair = [value("a", TensorProto.FLOAT, ["n", 2]), value("b", TensorProto.FLOAT, ["n", 2])]
    save("add", [add], pair, [value("sum", TensorProto.FLOAT, ["n", 2])])

    # An input that has a default is no input that must be given.
    weight = numpy_helper.from_array(np.array([10, 20], np.float32), "b")
    save("add-default", [add], pair, [value("sum", TensorProto.FLOAT, ["n", 2])], [weight])

    equal = helper.make_node("Equal", ["a", "b"], ["same"])
    ints = [value("a", TensorProto.INT64, ["n"]), value("b", TensorProto.INT64, ["n"])]
    save("equal", [equal], ints, [value("same", TensorProto.BOOL, ["n"])])

    nodes = [
        helper.make_node("Relu", ["x"], ["h"], name="first"),
        helper.make_node("Frobnicate", ["h"], ["y"], name="second"),
    ]
    save("unknown-operator", nodes, [value("x", TensorProto.FLOAT, [1])], [value("y", TensorProto.FLOAT, [1])])

    # A reshape that no tensor of most sizes can take: fails while computing.
    shape = numpy_helper.from_array(np.array([3, -1], np.int64), "shape")
    reshape = helper.make_node("Reshape", ["x", "shape"], ["y"], name="thirds")
    save("thirds", [reshape], [value("x", TensorProto.FLOAT, ["n"])], [value("y", TensorProto.FLOAT, [3, "m"])], [shape])

    scalar = helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)
    save("sum", [scalar], [value("x", TensorProto.FLOAT, ["n"])], [value("y", TensorProto.FLOAT, [])])

    external = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    external.external_data.add(key="location", value="weights.bin")
    multiply = helper.make_node("Mul", ["x", "w"], ["y"])
    save("external", [multiply], [value("x", TensorProto.FLOAT, [2])], [value("y", TensorProto.FLOAT, [2])], [external])

    sequence = helper.make_node("SequenceConstruct", ["x"], ["s"])
    element = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
    output = helper.make_value_info("s", helper.make_sequence_type_proto(element))
    save("sequence", [sequence], [value("x", TensorProto.FLOAT, [1])], [output])

    # Of token numbers, themselves as an item a token, and their mean as an item a text.
    tokens = helper.make_node("Cast", ["input_ids"], ["tokens"], to=TensorProto.FLOAT)
    mean = helper.make_node("ReduceMean", ["tokens"], ["mean"], axes=[1], keepdims=1)
    save("tokens", [tokens, mean], [value("input_ids", TensorProto.INT64, ["batch", "tokens"])],
         [value("tokens", TensorProto.FLOAT, ["batch", "tokens"]), value("mean", TensorProto.FLOAT, ["batch", 1])],
         metadata={"task": "mean", "names": "{0: 'a',\n 1: 'b'}"})


if __name__ == "__main__":
    main()
