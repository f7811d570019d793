"""Write graphs in the forms that exporters write, and what ONNX Runtime computes of them, into this folder.

usage: python3 generate.py        (after: pip install -r requirements.txt)

Each `NAME.onnx` has one form; `NAME.json` has the notes' number, the inputs and the outputs that are served. Running it again
writes the same bytes.
"""

import json
from pathlib import Path

import numpy as np
import onnxruntime
from onnx import AttributeProto
from onnx import TensorProto as T
from onnx import helper as h
from onnx import numpy_helper as nh

FOLDER = Path(__file__).resolve().parent
FLOAT = T.FLOAT


def value(name, kind, shape):
    return h.make_tensor_value_info(name, kind, shape)


def reference(name, of_call):
    """A FLOAT attribute that has the value of the call's attribute."""
    return AttributeProto(name=name, type=AttributeProto.FLOAT, ref_attr_name=of_call)


def constant(name, values, kind):
    return nh.from_array(np.array(values, kind), name)


def case(name, nodes, inputs, outputs, feeds, weights=(), sparse=(), opsets=(("", 17),), functions=(), notes=0, served=None):
    """`served` maps outputs that are served to those that ONNX Runtime computes; without it, all are served."""
    graph = h.make_graph(nodes, name, inputs, outputs, list(weights), sparse_initializer=list(sparse))
    model = h.make_model(graph, opset_imports=[h.make_opsetid(*o) for o in opsets], functions=list(functions))
    model.ir_version = 9
    served = served or {output.name: output.name for output in outputs}
    # A tensor inside the graph is an output for ONNX Runtime, so that it can be compared.
    probe = type(model).FromString(model.SerializeToString())
    known = {output.name for output in outputs}
    probe.graph.output.extend(value(name, FLOAT, None) for name in served.values() if name not in known)
    session = onnxruntime.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
    found = session.run(list(served.values()), feeds)

    def tensor(array):
        return {"datatype": str(array.dtype), "shape": array.shape, "values": array.ravel().tolist()}

    expected = {
        "notes": notes,
        "inputs": {name: tensor(array) for name, array in feeds.items() if array.dtype != object},
        "outputs": {name: tensor(array) for name, array in zip(served, found)},
    }
    (FOLDER / f"{name}.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (FOLDER / f"{name}.json").write_text(json.dumps(expected) + "\n")


def functions():
    x, y = value("x", FLOAT, ["n", 3]), value("y", FLOAT, ["n", 3])
    feeds = {"x": np.arange(6, dtype=np.float32).reshape(2, 3) - 2}
    opsets = (("", 17), ("demo", 1))
    sets = [h.make_opsetid("", 17), h.make_opsetid("demo", 1)]

    def function(name, inputs, outputs, nodes, attributes=(), defaults=()):
        return h.make_function("demo", name, inputs, outputs, nodes, sets, list(attributes), list(defaults))

    def call(name, inputs, outputs, **attributes):
        return h.make_node(name, inputs, outputs, domain="demo", **attributes)

    twice = function("Twice", ["a"], ["r"], [h.make_node("Add", ["a", "a"], ["r"])])
    case("function", [call("Twice", ["x"], ["y"])], [x], [y], feeds, opsets=opsets, functions=[twice])

    # Calls of calls, twice in a graph: the names inside are those of each call.
    inner = function("Quad", ["a"], ["r"], [call("Twice", ["a"], ["t"]), call("Twice", ["t"], ["r"])])
    nodes = [call("Quad", ["x"], ["t"]), call("Quad", ["t"], ["y"])]
    case("function-nested", nodes, [x], [y], feeds, opsets=opsets, functions=[twice, inner])

    # Attributes of the call, a default, and one that neither sets.
    leaky = h.make_node("LeakyRelu", ["a"], ["l"])
    leaky.attribute.append(reference("alpha", "slope"))
    elu = h.make_node("Elu", ["l"], ["e"])
    elu.attribute.append(reference("alpha", "bend"))
    hard = h.make_node("HardSigmoid", ["e"], ["r"])
    hard.attribute.append(reference("beta", "unset"))
    body = function("Bent", ["a"], ["r"], [leaky, elu, hard], ["slope", "unset"], [h.make_attribute("bend", 0.5)])
    case("function-attributes", [call("Bent", ["x"], ["y"], slope=0.25)], [x], [y], feeds, opsets=opsets, functions=[body])

    # An optional input that the call leaves out, an output that is an input, and an output that nobody takes.
    clip = h.make_node("Clip", ["a", "low", "high"], ["c"])
    body = function("Bound", ["a", "low", "high"], ["c", "same", "rest"],
                    [clip, h.make_node("Identity", ["a"], ["same"]), h.make_node("Neg", ["a"], ["rest"])])
    low = constant("low", -1, np.float32)
    nodes = [call("Bound", ["x", "low"], ["c", "s", ""]), h.make_node("Add", ["c", "s"], ["y"])]
    case("function-optional", nodes, [x], [y], feeds, [low], opsets=opsets, functions=[body])

    # A graph inside a function uses the function's values, and a function is called inside a graph.
    positive = h.make_graph([call("Twice", ["a"], ["p"])], "p", [], [value("p", FLOAT, None)])
    negative = h.make_graph([h.make_node("Neg", ["a"], ["q"])], "n", [], [value("q", FLOAT, None)])
    body = function("Turn", ["a"], ["r"], [
        h.make_node("ReduceSum", ["a"], ["sum"], keepdims=0),
        h.make_node("Constant", [], ["zero"], value_float=0.0),
        h.make_node("Greater", ["sum", "zero"], ["is"]),
        h.make_node("If", ["is"], ["r"], then_branch=positive, else_branch=negative),
    ])
    case("function-graph", [call("Turn", ["x"], ["y"])], [x], [y], feeds, opsets=opsets, functions=[twice, body])


def sparse():
    x, y = value("x", FLOAT, ["n", 3]), value("y", FLOAT, ["n", 3])
    feeds = {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}
    linear = h.make_sparse_tensor(
        h.make_tensor("w", FLOAT, [2], [5.0, 7.0]), h.make_tensor("i", T.INT64, [2], [1, 5]), [3, 3])
    case("sparse", [h.make_node("MatMul", ["x", "w"], ["y"])], [x], [y], feeds, sparse=[linear])
    pairs = h.make_sparse_tensor(
        h.make_tensor("w", T.INT64, [2], [-3, 4]), h.make_tensor("i", T.INT64, [2, 2], [0, 2, 1, 0]), [2, 3])
    nodes = [h.make_node("Cast", ["w"], ["f"], to=FLOAT), h.make_node("Add", ["x", "f"], ["y"])]
    case("sparse-pairs", nodes, [x], [y], feeds, sparse=[pairs])
    raw = h.make_sparse_tensor(
        constant("v", [2.0, 8.0], np.float32), constant("i", [0, 2], np.int64), [3])
    nodes = [h.make_node("Constant", [], ["w"], sparse_value=raw), h.make_node("Mul", ["x", "w"], ["y"])]
    case("sparse-constant", nodes, [x], [y], feeds)


def unserved():
    x = value("x", FLOAT, ["n", 3])
    feeds = {"x": np.arange(6, dtype=np.float32).reshape(2, 3)}
    opsets = (("", 17), ("ai.onnx.ml", 3))
    maps = h.make_value_info("maps", h.make_sequence_type_proto(h.make_map_type_proto(T.STRING, h.make_tensor_type_proto(FLOAT, []))))
    softmax = h.make_node("Softmax", ["x"], ["scores"])
    zipped = h.make_node("ZipMap", ["scores"], ["maps"], domain="ai.onnx.ml", classlabels_strings=["red", "green", "blue"])
    arg = h.make_node("ArgMax", ["x"], ["best"], axis=1, keepdims=0)
    best = value("best", T.INT64, ["n"])
    case("maps", [softmax, arg, zipped], [x], [best, maps], feeds, opsets=opsets, notes=1,
         served={"best": "best", "scores": "scores"})
    case("maps-alone", [softmax, zipped], [x], [maps], feeds, opsets=opsets, notes=1, served={"scores": "scores"})

    encoder = h.make_node("LabelEncoder", ["best"], ["label"], domain="ai.onnx.ml", keys_int64s=[0, 1, 2], values_strings=["a", "b", "c"])
    scores = value("scores", FLOAT, ["n", 3])
    case("strings", [softmax, arg, encoder], [x], [value("label", T.STRING, ["n"]), scores], feeds, opsets=opsets,
         notes=1, served={"scores": "scores"})

    many = h.make_value_info("many", h.make_sequence_type_proto(h.make_tensor_type_proto(FLOAT, None)))
    split = h.make_node("SplitToSequence", ["x"], ["many"], axis=0)
    case("sequences", [softmax, split], [x], [many, scores], feeds, notes=1, served={"scores": "scores"})

    # An input that only such an output needs.
    lower = h.make_node("Identity", ["words"], ["lower"])
    words = value("words", T.STRING, [2])
    case("strings-in", [softmax, lower], [x, words], [value("lower", T.STRING, [2]), scores],
         {**feeds, "words": np.array(["A", "b"], object)}, notes=2, served={"scores": "scores"})


def shapes():
    question = [value("a", FLOAT, ["?", "?"]), value("b", FLOAT, ["?", "?"])]
    feeds = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.arange(12, dtype=np.float32).reshape(3, 4)}
    case("same-symbol", [h.make_node("MatMul", ["a", "b"], ["y"])], question, [value("y", FLOAT, ["?", "?"])], feeds)
    past = [value("past", FLOAT, ["n", 2, "p", 4]), value("key", FLOAT, ["n", 2, "s", 4])]
    feeds = {"past": np.zeros((1, 2, 0, 4), np.float32), "key": np.arange(8, dtype=np.float32).reshape(1, 2, 1, 4)}
    case("empty-past", [h.make_node("Concat", ["past", "key"], ["present"], axis=2)], past,
         [value("present", FLOAT, ["n", 2, "t", 4])], feeds)
    feeds = {"x": np.zeros((0, 3), np.float32)}
    case("no-rows", [h.make_node("Softmax", ["x"], ["y"])], [value("x", FLOAT, ["n", 3])], [value("y", FLOAT, ["n", 3])], feeds)


if __name__ == "__main__":
    functions()
    sparse()
    unserved()
    shapes()
