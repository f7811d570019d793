"""Write the parity tests' models and cases; ONNX Runtime computes the outputs.

usage: python3 generate.py        (after: pip install -r requirements.txt)

models/<name>/  model.onnx and model.toml of small graphs: floats, halves, integers, pixels, logic. Together
                their inputs and outputs have each of FP32, FP16, UINT8, INT32, INT64 and BOOL. doubles and brains
                have FP64 and BF16, and steps is quantized to uint8.
cases/<case>/   case.json and one file per tensor: raw, row-major, little-endian

Weights and random inputs are seeded, and ONNX Runtime runs the graphs without optimization in one thread, so running
this again on the same kind of CPU writes the same bytes.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FOLDER = Path(__file__).resolve().parent
DIGITS = FOLDER.parent.parent / "models" / "digits"
OPSET, IR_VERSION = 17, 8
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1

# The Open Inference Protocol's names of ONNX's element types.
DATATYPES = {
    TensorProto.FLOAT: "FP32",
    TensorProto.FLOAT16: "FP16",
    TensorProto.UINT8: "UINT8",
    TensorProto.INT32: "INT32",
    TensorProto.INT64: "INT64",
    TensorProto.BOOL: "BOOL",
    TensorProto.DOUBLE: "FP64",
    TensorProto.BFLOAT16: "BF16",
}


def f32(*values):
    return np.array(values, np.float32)


def i32(*values):
    return np.array(values, np.int32)


def i64(*values):
    return np.array(values, np.int64)


def scalar(array):
    return array.reshape(())


def normal(rng, *shape):
    """Weights that keep the scale of the values they are multiplied with."""
    fan_in = int(np.prod(shape[1:])) if len(shape) == 4 else shape[0]
    return (rng.standard_normal(shape) / np.sqrt(fan_in)).astype(np.float32)


class GraphBuilder:
    """Collects nodes and initializers in the order of the calls."""

    def __init__(self):
        self.nodes, self.initializers = [], []

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def node(self, operator, inputs, *outputs, **attributes):
        """Add a node and return the name of its first output."""
        self.nodes.append(helper.make_node(operator, list(inputs), list(outputs), **attributes))
        return outputs[0]

    def model(self, name, description, inputs, outputs):
        """`inputs` and `outputs` are (name, element type, shape); a string is a symbolic dimension."""
        values = [[helper.make_tensor_value_info(*value) for value in side] for side in (inputs, outputs)]
        graph = helper.make_graph(self.nodes, name, *values, self.initializers, doc_string=description)
        model = helper.make_model(
            graph,
            producer_name="tests/parity/generate.py",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def floats():
    """MatMul, LayerNormalization and Softmax of an FP16 and an FP32 input; outputs of both datatypes."""
    rng = np.random.default_rng(1)
    b = GraphBuilder()
    b.node("Cast", ["half"], "widened", to=TensorProto.FLOAT)

    b.node("MatMul", ["single", b.constant("gate_weight", normal(rng, 8, 8))], "gate_product")
    b.node("Add", ["gate_product", b.constant("gate_bias", normal(rng, 8))], "gate_logits")
    b.node("Sigmoid", ["gate_logits"], "gate")
    b.node("Mul", ["widened", "gate"], "gated_wide")
    b.node("Cast", ["gated_wide"], "gated", to=TensorProto.FLOAT16)

    # Normalized, so that an input of 65504 does not make the softmax one-hot.
    scale, shift = b.constant("norm_scale", np.ones(8, np.float32)), b.constant("norm_shift", normal(rng, 8))
    b.node("LayerNormalization", ["widened", scale, shift], "normalized", axis=-1, epsilon=1e-5)
    b.node("Concat", ["normalized", "single"], "joined", axis=1)
    b.node("MatMul", ["joined", b.constant("hidden_weight", normal(rng, 16, 32))], "hidden_product")
    b.node("Add", ["hidden_product", b.constant("hidden_bias", normal(rng, 32))], "hidden_sum")
    b.node("Relu", ["hidden_sum"], "hidden")
    b.node("MatMul", ["hidden", b.constant("class_weight", normal(rng, 32, 8))], "logits")
    b.node("Softmax", ["logits"], "probabilities", axis=-1)
    return b.model(
        "floats",
        "FP16 and FP32 in and out: a gate and a small classifier",
        [("half", TensorProto.FLOAT16, ["batch", 8]), ("single", TensorProto.FLOAT, ["batch", 8])],
        [("gated", TensorProto.FLOAT16, ["batch", 8]), ("probabilities", TensorProto.FLOAT, ["batch", 8])],
    )


def halves():
    """One FP16 input and one FP16 output, as a raw tensor over HTTP needs."""
    rng = np.random.default_rng(6)
    b = GraphBuilder()
    b.node("Cast", ["half"], "widened", to=TensorProto.FLOAT)
    b.node("Mul", ["widened", b.constant("factor", normal(rng, 8))], "scaled")
    b.node("Cast", ["scaled"], "product", to=TensorProto.FLOAT16)
    return b.model(
        "halves",
        "FP16 in and out, alone",
        [("half", TensorProto.FLOAT16, ["batch", 8])],
        [("product", TensorProto.FLOAT16, ["batch", 8])],
    )


def integers():
    """INT32 and INT64 inputs and outputs. Inputs within 32 bits keep every intermediate value within them, since the
    engine computes INT64 in i32 (up to some 10^6 tokens a row, where the sum of the embeddings overflows)."""
    rng = np.random.default_rng(2)
    b = GraphBuilder()
    table = rng.integers(-1000, 1000, (32, 4)).astype(np.int32)
    b.node("Gather", [b.constant("table", table), "tokens"], "embedded", axis=0)
    b.node("ReduceSum", ["embedded", b.constant("token_axis", i64(1))], "pooled", keepdims=0)
    # Division rounds towards zero, so -7 / 4 is -1; then the product and the sum fit.
    b.node("Div", ["values", b.constant("four", scalar(i32(4)))], "quarters")
    b.node("Mul", ["quarters", b.constant("three", scalar(i32(3)))], "scaled_values")
    b.node("Add", ["scaled_values", b.constant("offset", scalar(i32(-17)))], "shifted_values")
    b.node("Concat", ["shifted_values", "pooled"], "features", axis=1)

    b.node("ArgMax", ["features"], "best", axis=1, keepdims=0)
    b.node("TopK", ["features", b.constant("top_count", i64(3))], "top", "top_index", axis=1)

    # One step towards zero, so that even the branch that `Where` discards stays within 32 bits.
    b.node("Less", ["amounts", b.constant("zero", scalar(i64(0)))], "negative")
    steps = b.constant("minus_one", scalar(i64(-1))), b.constant("one", scalar(i64(1)))
    b.node("Where", ["negative", *steps], "step")
    b.node("Sub", ["amounts", "step"], "nearer")
    # The result has the sign of the divisor, so -1 mod 7 is 6.
    b.node("Mod", ["amounts", b.constant("seven", scalar(i64(7)))], "remainder")
    return b.model(
        "integers",
        "INT32 and INT64 in and out: an embedding, the largest features, arithmetic near the limits",
        [
            ("values", TensorProto.INT32, ["rows", "columns"]),
            ("tokens", TensorProto.INT64, ["rows", "tokens_per_row"]),
            ("amounts", TensorProto.INT64, ["rows"]),
        ],
        [
            ("features", TensorProto.INT32, ["rows", "columns_and_4"]),
            ("top", TensorProto.INT32, ["rows", 3]),
            ("top_index", TensorProto.INT64, ["rows", 3]),
            ("best", TensorProto.INT64, ["rows"]),
            ("nearer", TensorProto.INT64, ["rows"]),
            ("remainder", TensorProto.INT64, ["rows"]),
        ],
    )


def pixels():
    """UINT8 pixels of any height and width; UINT8 and FP32 outputs."""
    rng = np.random.default_rng(3)
    b = GraphBuilder()
    b.node("Cast", ["pixels"], "levels", to=TensorProto.FLOAT)

    # Luma with more contrast, which leaves 0..255 on both sides. All terms are multiples of 1/512 and
    # exact in f32; the odd multiple of 1/1024 at the end keeps every input off the rounding boundary.
    luma = f32(77, 150, 29).reshape(3, 1) / 256
    b.node("MatMul", ["levels", b.constant("luma_weight", luma)], "luma_column")
    b.node("Squeeze", ["luma_column", b.constant("last_axis", i64(2))], "luma")
    b.node("Mul", ["luma", b.constant("contrast", scalar(f32(1.5)))], "stretched")
    shift = b.constant("contrast_shift", scalar(f32(-64 + 1 / 1024)))
    b.node("Add", ["stretched", shift], "contrast_exact")
    b.node("Round", ["contrast_exact"], "contrast_rounded")
    limits = b.constant("black", scalar(f32(0))), b.constant("white", scalar(f32(255)))
    b.node("Clip", ["contrast_rounded", *limits], "contrast_clipped")
    b.node("Cast", ["contrast_clipped"], "brightness", to=TensorProto.UINT8)

    # To NCHW: this transposes the bytes.
    b.node("Transpose", ["pixels"], "planes_bytes", perm=[2, 0, 1])
    b.node("Cast", ["planes_bytes"], "planes", to=TensorProto.FLOAT)
    b.node("Mul", ["planes", b.constant("level", scalar(f32(1 / 255)))], "planes_scaled")
    first = b.constant("first_axis", i64(0))
    b.node("Unsqueeze", ["planes_scaled", first], "image")
    # rten 0.27 needs `kernel_shape`, which is optional in ONNX, for the number of spatial dimensions.
    kernel = b.constant("kernel", normal(rng, 4, 3, 3, 3))
    bias = b.constant("kernel_bias", normal(rng, 4) / 4)
    b.node("Conv", ["image", kernel, bias], "responses", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    b.node("Relu", ["responses"], "activations")
    b.node("Squeeze", ["activations", first], "edges")
    b.node("ReduceMean", ["activations"], "mean", axes=[0, 2, 3], keepdims=0)
    return b.model(
        "pixels",
        "UINT8 pixels of any size in; UINT8 brightness and FP32 convolution out",
        [("pixels", TensorProto.UINT8, ["height", "width", 3])],
        [
            ("brightness", TensorProto.UINT8, ["height", "width"]),
            ("edges", TensorProto.FLOAT, [4, "height", "width"]),
            ("mean", TensorProto.FLOAT, [4]),
        ],
    )


def logic():
    """Two BOOL inputs and two BOOL outputs."""
    b = GraphBuilder()
    b.node("And", ["left", "right"], "both")
    b.node("Not", ["left"], "not_left")
    b.node("Xor", ["not_left", "right"], "same")
    return b.model(
        "logic",
        "BOOL in and out",
        [("left", TensorProto.BOOL, ["count"]), ("right", TensorProto.BOOL, ["count"])],
        [("both", TensorProto.BOOL, ["count"]), ("same", TensorProto.BOOL, ["count"])],
    )


def doubles():
    """FP64 input and output: sums whose terms differ by more than FP32 can represent."""
    rng = np.random.default_rng(7)
    b = GraphBuilder()
    weight = b.constant("weight", rng.standard_normal((8, 4)))
    b.node("MatMul", ["x", weight], "product")
    b.node("Add", ["product", b.constant("bias", rng.standard_normal(4))], "y")
    return b.model(
        "doubles",
        "FP64 in and out",
        [("x", TensorProto.DOUBLE, ["batch", 8])],
        [("y", TensorProto.DOUBLE, ["batch", 4])],
    )


def brains():
    """BF16 input and output, computed in FP32."""
    rng = np.random.default_rng(8)
    b = GraphBuilder()
    b.node("Cast", ["x"], "widened", to=TensorProto.FLOAT)
    b.node("Mul", ["widened", b.constant("factor", normal(rng, 8))], "scaled")
    b.node("Cast", ["scaled"], "y", to=TensorProto.BFLOAT16)
    return b.model(
        "brains",
        "BF16 in and out",
        [("x", TensorProto.BFLOAT16, ["batch", 8])],
        [("y", TensorProto.BFLOAT16, ["batch", 8])],
    )


def steps():
    """FP32 input and output with quantized convolutions between: 7-bit and 8-bit weights, and depthwise."""
    rng = np.random.default_rng(12)
    b = GraphBuilder()

    def quantization(name, scale, zero):
        return [b.constant(f"{name}_scale", np.float32(scale)), b.constant(f"{name}_zero", np.uint8(zero))]

    def convolution(name, x, x_quantization, weights, scale, zero, **attributes):
        """Per-channel scales that keep the size of the values."""
        channels, fan_in = len(weights), int(np.prod(weights.shape[1:]))
        x_scale = numpy_helper.to_array(next(i for i in b.initializers if i.name == x_quantization[0]))
        spread = (x_scale * 60 * 60 * np.sqrt(fan_in) / (scale * 50)).astype(np.float32)
        scales = (rng.uniform(0.8, 1.2, channels) / spread).astype(np.float32)
        y_quantization = quantization(f"{name}_y", scale, zero)
        inputs = [x, *x_quantization, b.constant(f"{name}_weights", weights), b.constant(f"{name}_scale", scales)]
        inputs += [b.constant(f"{name}_zeros", np.zeros(channels, np.int8)), *y_quantization]
        inputs.append(b.constant(f"{name}_bias", rng.integers(-9000, 9000, channels, np.int32)))
        return b.node("QLinearConv", inputs, name, **attributes), y_quantization

    def weights(bits, *shape):
        most = 2 ** (bits - 1) - 1
        numbers = rng.integers(-most - 1, most + 1, shape).astype(np.int8)
        if bits == 8:
            # The largest sum of two products.
            numbers.reshape(-1)[:2], numbers.reshape(-1)[-2:] = 127, -128
        return numbers

    q = quantization("image", 0.02, 119)
    x = b.node("QuantizeLinear", ["image", *q], "pixels")
    x, q = convolution("stem", x, q, weights(8, 16, 3, 3, 3), 0.05, 0, strides=[2, 2], pads=[1, 1, 1, 1])
    x, q = convolution("expand", x, q, weights(7, 40, 16, 1, 1), 0.04, 3)
    x, q = convolution("depth", x, q, weights(8, 40, 1, 3, 3), 0.03, 128, pads=[1, 1, 1, 1], group=40)
    x, q = convolution("project", x, q, weights(8, 12, 40, 1, 1), 0.03, 140)
    x, q = convolution("last", x, q, weights(7, 9, 12, 3, 3), 0.05, 128, pads=[0, 1, 1, 0])
    b.node("DequantizeLinear", [x, *q], "y")
    return b.model(
        "steps",
        "Convolutions of bytes",
        [("image", TensorProto.FLOAT, ["batch", 3, 14, 10])],
        [("y", TensorProto.FLOAT, ["batch", 9, 6, 4])],
    )


def steps_cases():
    rng = np.random.default_rng(13)
    # The outputs must be equal, since sums of integers are exact.
    return [({"image": rng.normal(0, 1, (batch, 3, 14, 10)).astype(np.float32)}, 1e-6, 0) for batch in (1, 3)]


def logic_cases():
    rng = np.random.default_rng(9)
    every = {"left": np.array([False, False, True, True]), "right": np.array([False, True, False, True])}
    random = {name: rng.integers(0, 2, 37).astype(bool) for name in every}
    return [(every, 0, 0), (random, 0, 0)]


def doubles_cases():
    rng = np.random.default_rng(10)
    return [({"x": rng.normal(0, 2, (batch, 8))}, 1e-12, 1e-14) for batch in (1, 6)]


def brains_cases():
    rng = np.random.default_rng(11)
    bfloat16 = helper.tensor_dtype_to_np_dtype(TensorProto.BFLOAT16)
    # One unit in the last place, for a product halfway between two values.
    return [({"x": rng.normal(0, 2, (batch, 8)).astype(bfloat16)}, 2**-7, 1e-6) for batch in (1, 6)]


def floats_cases():
    rng = np.random.default_rng(4)

    def random(batch):
        return {
            "half": rng.normal(0, 2, (batch, 8)).astype(np.float16),
            "single": rng.normal(0, 2, (batch, 8)).astype(np.float32),
        }

    # Subnormals (the smallest is 2^-24), the smallest normal, signed zeros, the largest value.
    extremes = random(2)
    extremes["half"] = np.array(
        [
            [2**-24, -(2**-24), 2**-23, 3 * 2**-24, 1023 * 2**-24, -1023 * 2**-24, 2**-14, 0.0],
            [65504, -65504, 65472, -1, 2**-24, -0.0, 2**-15, 1],
        ],
        np.float16,
    )
    extremes["single"][1] = [0, -0.0, 1e-40, -1e-40, 8, -8, 3, -3]
    # The absolute tolerance is less than half the smallest subnormal, so that it does not hide them.
    return [(random(1), 1e-3, 1e-5), (random(5), 1e-3, 1e-5), (extremes, 1e-3, 2e-8)]


def halves_cases():
    return [({"half": inputs["half"]}, rtol, atol) for inputs, rtol, atol in floats_cases()]


def integers_cases():
    rng = np.random.default_rng(5)

    def random(rows, columns, tokens):
        return {
            "values": rng.integers(-10000, 10000, (rows, columns)).astype(np.int32),
            "tokens": rng.integers(0, 32, (rows, tokens)),
            "amounts": rng.integers(-(10**9), 10**9, rows),
        }

    limits = random(6, 4, 2)
    # No row has two equal maxima: rten 0.27's ArgMax returns the last one, but ONNX defines the first.
    limits["values"][:3] = [
        [INT32_MAX, INT32_MIN, INT32_MAX - 4, INT32_MIN + 4],
        [7, -7, 4, -4],
        [3, -3, 0, -1],
    ]
    limits["tokens"][:3] = [[0, 31], [-1, -32], [31, 31]]
    limits["amounts"] = i64(INT32_MAX, INT32_MIN, INT32_MAX - 1, INT32_MIN + 1, 0, -1)
    return [(random(1, 1, 1), 0, 0), (random(4, 9, 7), 0, 0), (limits, 0, 0)]


def pixels_cases():
    rng = np.random.default_rng(6)
    noise = rng.integers(0, 256, (5, 7, 3), np.uint8)
    halves = np.zeros((16, 9, 3), np.uint8)
    halves[8:] = 255
    # Every value in every channel, combined differently.
    values = np.arange(256, dtype=np.uint8)
    ramps = np.stack([values, values[::-1], np.roll(values, 85)], -1).reshape(16, 16, 3)
    images = [noise, halves, ramps, np.full((1, 1, 3), 255, np.uint8), np.zeros((1, 3, 3), np.uint8)]
    return [({"pixels": image}, 1e-4, 1e-5) for image in images]


def digits_cases():
    images = np.load(DIGITS / "heldout.npy")[:4, 1:].reshape(-1, 1, 8, 8)
    images = images.astype(np.float32) * np.float32(1 / 255)
    return [({"image": images[:1]}, 1e-4, 1e-5), ({"image": images[1:]}, 1e-4, 1e-5)]


def card(model):
    """The model card of a graph."""
    blocks = [f'version = "1"\ndescription = "{model.graph.doc_string}"\n']
    for side, values in (("input", model.graph.input), ("output", model.graph.output)):
        for value in values:
            tensor = value.type.tensor_type
            shape = [-1 if dim.dim_param else dim.dim_value for dim in tensor.shape.dim]
            blocks.append(
                f'[[{side}]]\nname = "{value.name}"\n'
                f'datatype = "{DATATYPES[tensor.elem_type]}"\nshape = {shape}\n'
            )
    return "\n".join(blocks)


def write_tensors(folder, side, values, arrays):
    """Write one file per tensor, and return their entries in case.json."""
    entries = []
    for value in values:
        array = np.ascontiguousarray(arrays[value.name])
        expected = helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)
        assert array.dtype == expected, f"{value.name} is {array.dtype}, expected {expected}"
        file = f"{side}-{value.name}.bin"
        (folder / file).write_bytes(array.astype(expected.newbyteorder("<")).tobytes())
        datatype = DATATYPES[value.type.tensor_type.elem_type]
        entries.append({"name": value.name, "datatype": datatype, "shape": list(array.shape), "file": file})
    return entries


def write_cases(folder, name, model, cases):
    if any(value.type.tensor_type.elem_type == TensorProto.BFLOAT16 for value in model.graph.input):
        # ONNX Runtime's Python API has no BF16 arrays, so ONNX's reference evaluator computes these.
        session = ReferenceEvaluator(model)
    else:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, ["CPUExecutionProvider"])
    names = [value.name for value in model.graph.output]
    for number, (inputs, rtol, atol) in enumerate(cases):
        outputs = dict(zip(names, session.run(names, inputs)))
        case_folder = folder / f"{name}-{number}"
        case_folder.mkdir(parents=True)
        case = {
            "model": name,
            "inputs": write_tensors(case_folder, "input", model.graph.input, inputs),
            "outputs": write_tensors(case_folder, "output", model.graph.output, outputs),
            "rtol": rtol,
            "atol": atol,
        }
        (case_folder / "case.json").write_text(json.dumps(case, indent=2) + "\n")


def main():
    models, cases = FOLDER / "models", FOLDER / "cases"
    for folder in (models, cases):
        shutil.rmtree(folder, ignore_errors=True)
    graphs = (
        (floats, floats_cases),
        (halves, halves_cases),
        (integers, integers_cases),
        (pixels, pixels_cases),
        (logic, logic_cases),
        (doubles, doubles_cases),
        (brains, brains_cases),
        (steps, steps_cases),
    )
    for build, make_cases in graphs:
        model, name = build(), build.__name__
        (models / name).mkdir(parents=True)
        (models / name / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
        (models / name / "model.toml").write_text(card(model))
        write_cases(cases, name, model, make_cases())
    write_cases(cases, "digits", onnx.load(DIGITS / "model.onnx"), digits_cases())


if __name__ == "__main__":
    main()
