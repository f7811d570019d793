"""What ONNX Runtime computes for the nodes of ops_quantized.rs: `python quantized.py` (onnx 1.23, onnxruntime 1.32)."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

A = np.array([[1, 20, 33], [47, 5, 100]], np.uint8)
B = np.array([[-3, 40, 7], [90, -128, 127], [0, 1, 2], [11, -12, 13]], np.int8)
CONSTANTS = {
    "a_scale": np.float32(0.02),
    "a_zero": np.uint8(7),
    "B": B,
    "b_scale": np.array([0.05, 0.01, 0.5, 0.25], np.float32),
    "b_zero": np.zeros(4, np.int8),
    "C": np.array([100, -2000, 3, 0], np.int32),
    "y_scale": np.float32(0.3),
    "y_zero": np.uint8(11),
}


def run(inputs, datatype):
    node = helper.make_node("QGemm", inputs, ["Y"], domain="com.microsoft", transB=1)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("A", TensorProto.UINT8, A.shape)],
        [helper.make_tensor_value_info("Y", datatype, [2, 4])],
        [numpy_helper.from_array(np.array(CONSTANTS[n]), n) for n in inputs[1:] if n],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    return session.run(None, {"A": A})[0]


names = list(CONSTANTS)
print("quantized", run(["A", *names], TensorProto.UINT8).tolist())
print("FP32", run(["A", *names[:6]], TensorProto.FLOAT).tolist())
