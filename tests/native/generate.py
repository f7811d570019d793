"""Write the graphs for the tests of native backends.

usage: python3 generate.py        (after: pip install -r requirements.txt)

models/<name>/  model.onnx and model.toml
  not           BOOL input and output
  pick          gathers rows of a table by index; an index past the end makes the library fail
  seen          twice the input, and the size of the batch that the library got
  slow          multiplies matrices as often as the request says
  newer         uses an operator set that does not exist yet
  pick-ir       `pick` as OpenVINO IR only, model.xml and model.bin
"""

from pathlib import Path

import numpy as np
import onnx
import openvino
from onnx import TensorProto, helper, numpy_helper

FOLDER = Path(__file__).resolve().parent
OPSET, IR_VERSION = 17, 8
DATATYPES = {TensorProto.FLOAT: "FP32", TensorProto.INT64: "INT64", TensorProto.BOOL: "BOOL"}


def constant(name, array):
    return numpy_helper.from_array(np.asarray(array), name)


def save(name, nodes, inputs, outputs, constants=(), opset=OPSET, check=True):
    """`inputs` and `outputs` are (name, element type, shape); a string is a dimension of any size."""
    values = [[helper.make_tensor_value_info(*value) for value in side] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, name, *values, list(constants))
    model = helper.make_model(
        graph,
        producer_name="tests/native/generate.py",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", opset)],
    )
    if check:
        onnx.checker.check_model(model, full_check=True)
    folder = FOLDER / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    card = ""
    for section, side in (("input", inputs), ("output", outputs)):
        for tensor, kind, shape in side:
            sizes = [-1 if isinstance(size, str) else size for size in shape]
            card += f'[[{section}]]\nname = "{tensor}"\ndatatype = "{DATATYPES[kind]}"\nshape = {sizes}\n'
    (folder / "model.toml").write_text(card)


def main():
    f32, i64, boolean = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
    save(
        "not",
        [helper.make_node("Not", ["x"], ["y"])],
        [("x", boolean, ["n"])],
        [("y", boolean, ["n"])],
    )
    table = np.arange(8, dtype=np.float32).reshape(4, 2)
    save(
        "pick",
        [helper.make_node("Gather", ["table", "indices"], ["rows"], axis=0)],
        [("indices", i64, ["n"])],
        [("rows", f32, ["n", 2])],
        [constant("table", table)],
    )
    save(
        "seen",
        [
            helper.make_node("Add", ["x", "x"], ["doubled"]),
            helper.make_node("Shape", ["x"], ["count"], start=0, end=1),
            helper.make_node("Expand", ["count", "count"], ["items"]),
        ],
        [("x", f32, ["n", 3])],
        [("doubled", f32, ["n", 3]), ("items", i64, ["n"])],
    )
    size = 512
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["before", "matrix"], ["after"]),
            helper.make_node("Identity", ["go"], ["go_on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("step", i64, []),
            helper.make_tensor_value_info("go", boolean, []),
            helper.make_tensor_value_info("before", f32, [size, size]),
        ],
        [
            helper.make_tensor_value_info("go_on", boolean, []),
            helper.make_tensor_value_info("after", f32, [size, size]),
        ],
    )
    save(
        "slow",
        [
            helper.make_node("Squeeze", ["steps", "axis"], ["trips"]),
            helper.make_node("ConstantOfShape", ["sizes"], ["start"], value=constant("one", np.ones(1, np.float32))),
            # Each row sums up to one, so products keep their scale.
            helper.make_node("ConstantOfShape", ["sizes"], ["matrix"], value=constant("part", np.float32([1 / size]))),
            helper.make_node("Loop", ["trips", "true", "start"], ["end"], body=body),
            helper.make_node("ReduceMean", ["end"], ["mean"], keepdims=0),
            helper.make_node("Unsqueeze", ["mean", "axis"], ["y"]),
        ],
        [("steps", i64, [1])],
        [("y", f32, [1])],
        [
            constant("sizes", np.array([size, size], np.int64)),
            constant("axis", np.array([0], np.int64)),
            constant("true", np.array(True)),
        ],
    )
    save(
        "newer",
        [helper.make_node("Identity", ["x"], ["y"])],
        [("x", f32, ["n"])],
        [("y", f32, ["n"])],
        opset=99,
        check=False,
    )
    models = FOLDER / "models"
    converted = openvino.convert_model(models / "pick" / "model.onnx")
    (models / "pick-ir").mkdir(exist_ok=True)
    openvino.save_model(converted, models / "pick-ir" / "model.xml", compress_to_fp16=False)
    (models / "pick-ir" / "model.toml").write_text((models / "pick" / "model.toml").read_text())


if __name__ == "__main__":
    main()
