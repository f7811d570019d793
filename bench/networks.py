"""Write a model repository of well-known networks for benchmarks.

usage: python3 networks.py DIR [NAME…]        (after: pip install -r requirements.txt)

NAME is one of these; the default is all of them:

mobilenetv2 (14 MB), resnet50 (102 MB), squeezenet (5 MB)
encoder (55 MB)     a transformer with the shape of all-MiniLM-L6
mobilenetv2-qdq, mobilenetv2-qoperator (4 MB)    int8 with per-channel scales
                    with -tensor: per-tensor scales; with -7bit: 7-bit weights
identity            returns its input

Each folder DIR/NAME gets model.onnx, model.toml, input.bin (the concatenated inputs in graph order, raw and
little-endian) and output.bin (ONNX Runtime's outputs). Image networks also get picture.jpg and picture-output.bin:
ONNX Runtime's outputs for the image that Pillow preprocessed as [image] in the card says.

The architectures are the published ones, so their inference times are realistic. The weights are random (seeded,
He et al. 2015), with batch normalization folded into the convolutions as for inference. The scores mean nothing, but
stay in a range in which outputs can be compared.
"""

import argparse
import io
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from PIL import Image

OPSET, IR_VERSION = 13, 8
INPUT, INPUT_SHAPE = "data", [1, 3, 224, 224]
OUTPUT, CLASSES = "logits", 1000


class Network:
    """A graph under construction. Layers take and return tensor names; `channels` has the channels of each tensor."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.initializers = [], []
        self.channels = {INPUT: INPUT_SHAPE[1]}
        # The value of each input in a benchmark.
        self.inputs = {INPUT: reference_input()}
        self.output, self.output_shape = OUTPUT, [1, CLASSES]

    def node(self, operator, inputs, channels=None, output=None, **attributes):
        output = output or f"{operator.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        self.channels[output] = channels
        return output

    def constant(self, name, array, datatype=np.float32):
        self.initializers.append(numpy_helper.from_array(np.asarray(array, datatype), name))
        return name

    def once(self, name, array, datatype=np.float32):
        """A constant that several nodes share."""
        if any(tensor.name == name for tensor in self.initializers):
            return name
        return self.constant(name, array, datatype)

    def parameters(self, shape, gain):
        """Weights of variance gain/fan_in (2 keeps the scale through a ReLU) and small biases."""
        fan_in = int(np.prod(shape[1:]))
        number = len(self.nodes)
        weight = self.rng.standard_normal(shape, np.float32) * np.float32(np.sqrt(gain / fan_in))
        bias = self.rng.standard_normal(shape[0], np.float32) * np.float32(0.01)
        return [self.constant(f"weight_{number}", weight), self.constant(f"bias_{number}", bias)]

    def conv(self, x, channels, kernel=1, stride=1, padding=None, groups=1, gain=2.0):
        padding = kernel // 2 if padding is None else padding
        shape = (channels, self.channels[x] // groups, kernel, kernel)
        return self.node(
            "Conv",
            [x, *self.parameters(shape, gain)],
            channels,
            kernel_shape=[kernel] * 2,
            strides=[stride] * 2,
            pads=[padding] * 4,
            dilations=[1, 1],
            group=groups,
        )

    def relu(self, x):
        return self.node("Relu", [x], self.channels[x])

    def relu6(self, x):
        return self.node("Clip", [x, self.once("zero", 0.0), self.once("six", 6.0)], self.channels[x])

    def add(self, x, y):
        return self.node("Add", [x, y], self.channels[x])

    def concat(self, *xs):
        return self.node("Concat", list(xs), sum(self.channels[x] for x in xs), axis=1)

    def max_pool(self, x, padding=0):
        window = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [padding] * 4}
        return self.node("MaxPool", [x], self.channels[x], **window)

    def average(self, x):
        return self.node("GlobalAveragePool", [x], self.channels[x])

    def flatten(self, x, output=None):
        return self.node("Flatten", [x], self.channels[x], output, axis=1)

    def dense(self, x, features, output=None):
        shape = (features, self.channels[x])
        return self.node("Gemm", [x, *self.parameters(shape, 1.0)], features, output, transB=1)

    def model(self, name):
        graph = helper.make_graph(
            self.nodes,
            name,
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(data.dtype), data.shape)
                for name, data in self.inputs.items()
            ],
            [helper.make_tensor_value_info(self.output, TensorProto.FLOAT, self.output_shape)],
            self.initializers,
        )
        model = helper.make_model(
            graph,
            producer_name="bench/networks.py",
            ir_version=IR_VERSION,
            opset_imports=[helper.make_opsetid("", OPSET)],
        )
        onnx.checker.check_model(model, full_check=True)
        return model


def mobilenetv2(net):
    """Sandler et al. 2018, arXiv:1801.04381, table 2, width 1.0."""

    def inverted_residual(x, channels, stride, expansion):
        inside, y = net.channels[x] * expansion, x
        if expansion != 1:
            y = net.relu6(net.conv(y, inside))
        y = net.relu6(net.conv(y, inside, kernel=3, stride=stride, groups=inside))
        y = net.conv(y, channels, gain=1.0)
        return net.add(x, y) if stride == 1 and net.channels[x] == channels else y

    x = net.relu6(net.conv(INPUT, 32, kernel=3, stride=2))
    stages = [
        # expansion, channels, blocks, stride of the first
        (1, 16, 1, 1),
        (6, 24, 2, 2),
        (6, 32, 3, 2),
        (6, 64, 4, 2),
        (6, 96, 3, 1),
        (6, 160, 3, 2),
        (6, 320, 1, 1),
    ]
    for expansion, channels, blocks, stride in stages:
        for block in range(blocks):
            x = inverted_residual(x, channels, stride if block == 0 else 1, expansion)
    x = net.relu6(net.conv(x, 1280))
    net.dense(net.flatten(net.average(x)), CLASSES, OUTPUT)


def resnet50(net):
    """He et al. 2015, arXiv:1512.03385, table 1; stride 2 in the 3x3 convolutions ("v1.5")."""

    def bottleneck(x, width, stride):
        y = net.relu(net.conv(x, width))
        y = net.relu(net.conv(y, width, kernel=3, stride=stride))
        # A smaller gain where branches meet, since sixteen sums would raise the scale by 2^8.
        y = net.conv(y, 4 * width, gain=0.25)
        if stride != 1 or net.channels[x] != 4 * width:
            x = net.conv(x, 4 * width, stride=stride, gain=1.0)
        return net.relu(net.add(x, y))

    x = net.relu(net.conv(INPUT, 64, kernel=7, stride=2))
    x = net.max_pool(x, padding=1)
    for width, blocks, stride in [(64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)]:
        for block in range(blocks):
            x = bottleneck(x, width, stride if block == 0 else 1)
    net.dense(net.flatten(net.average(x)), CLASSES, OUTPUT)


def squeezenet(net):
    """Iandola et al. 2016, arXiv:1602.07360; version 1.1 of the authors' release."""

    def fire(x, squeezed, expanded):
        x = net.relu(net.conv(x, squeezed))
        return net.concat(net.relu(net.conv(x, expanded)), net.relu(net.conv(x, expanded, kernel=3)))

    x = net.relu(net.conv(INPUT, 64, kernel=3, stride=2, padding=0))
    for fires in [(16, 64), (16, 64)], [(32, 128), (32, 128)], [(48, 192), (48, 192), (64, 256), (64, 256)]:
        x = net.max_pool(x)
        for squeezed, expanded in fires:
            x = fire(x, squeezed, expanded)
    x = net.relu(net.conv(x, CLASSES))
    net.flatten(net.average(x), OUTPUT)


def encoder(net):
    """Devlin et al. 2018, arXiv:1810.04805, in the width and depth of all-MiniLM-L6, as exporters of opset 13 write it:
    without the fused operators of later opsets.

    The vocabulary is smaller than the published one, since looking up its table takes no time.
    """
    layers, width, heads, inside, tokens, words = 6, 384, 12, 1536, 128, 8192
    # The last quarter is padding, which the mask hides.
    mask = np.arange(tokens)[None] < tokens * 3 // 4
    ids = np.random.default_rng(SEED).integers(1, words, (1, tokens))
    net.inputs = {"input_ids": np.where(mask, ids, 0).astype(np.int64), "attention_mask": mask.astype(np.int64)}
    net.output, net.output_shape = "hidden", [1, tokens, width]

    def random(name, shape, scale, mean=0.0):
        values = net.rng.standard_normal(shape, np.float32) * np.float32(scale) + np.float32(mean)
        return net.constant(f"{name}_{len(net.nodes)}", values)

    def linear(x, features, outputs):
        y = net.node("MatMul", [x, random("weight", (features, outputs), features**-0.5)])
        return net.node("Add", [random("bias", outputs, 0.01), y])

    def normalize(x, output=None):
        mean = net.node("ReduceMean", [x], axes=[-1], keepdims=1)
        apart = net.node("Sub", [x, mean])
        squares = net.node("Pow", [apart, net.once("two", 2.0)])
        variance = net.node("ReduceMean", [squares], axes=[-1], keepdims=1)
        deviation = net.node("Sqrt", [net.node("Add", [variance, net.once("epsilon", 1e-12)])])
        x = net.node("Mul", [net.node("Div", [apart, deviation]), random("gamma", width, 0.1, mean=1.0)])
        return net.node("Add", [x, random("beta", width, 0.01)], output=output)

    def split(x, order):
        shape = net.once("split", [1, tokens, heads, width // heads], np.int64)
        return net.node("Transpose", [net.node("Reshape", [x, shape])], perm=order)

    def attention(x, hidden):
        query = split(linear(x, width, width), [0, 2, 1, 3])
        key = split(linear(x, width, width), [0, 2, 3, 1])
        value = split(linear(x, width, width), [0, 2, 1, 3])
        scores = net.node("MatMul", [query, key])
        scores = net.node("Div", [scores, net.once("scale", np.sqrt(width / heads))])
        scores = net.node("Softmax", [net.node("Add", [scores, hidden])], axis=-1)
        x = net.node("Transpose", [net.node("MatMul", [scores, value])], perm=[0, 2, 1, 3])
        x = net.node("Reshape", [x, net.once("join", [1, tokens, width], np.int64)])
        return linear(x, width, width)

    def gelu(x):
        error = net.node("Erf", [net.node("Div", [x, net.once("root", np.sqrt(2.0))])])
        x = net.node("Mul", [x, net.node("Add", [error, net.once("one", 1.0)])])
        return net.node("Mul", [x, net.once("half", 0.5)])

    seen = net.node("Unsqueeze", ["attention_mask", net.once("axis_1", [1], np.int64)])
    seen = net.node("Unsqueeze", [seen, net.once("axis_2", [2], np.int64)])
    seen = net.node("Cast", [seen], to=TensorProto.FLOAT)
    hidden = net.node("Sub", [net.once("one", 1.0), seen])
    hidden = net.node("Mul", [hidden, net.once("lowest", np.finfo(np.float32).min)])
    x = net.node("Gather", [random("words", (words, width), 1.0), "input_ids"], axis=0)
    x = normalize(net.node("Add", [x, random("positions", (1, tokens, width), 1.0)]))
    for layer in range(layers):
        x = normalize(net.node("Add", [attention(x, hidden), x]))
        y = linear(gelu(linear(x, width, inside)), inside, width)
        x = normalize(net.node("Add", [y, x]), net.output if layer == layers - 1 else None)


def identity(net):
    """Returns its input, so that the measured time is overhead only."""
    net.node("Identity", [INPUT], net.channels[INPUT], OUTPUT)
    net.output_shape = INPUT_SHAPE


NETWORKS = {build.__name__: build for build in (mobilenetv2, resnet50, squeezenet, encoder, identity)}
SEED = 1

# The format, the datatype of activations, whether scales are per-channel, and whether weights have 7 bits. ONNX
# Runtime's documentation ("Quantize ONNX models") recommends QDQ with int8 weights and activations first, and says that
# int8 activations make QOperator slow on x86-64. Its quantizer's default is per-tensor scales.
QUANTIZED = {
    "mobilenetv2-qdq": (mobilenetv2, QuantFormat.QDQ, QuantType.QInt8, True, False),
    "mobilenetv2-qoperator": (mobilenetv2, QuantFormat.QOperator, QuantType.QUInt8, True, False),
    "mobilenetv2-qdq-tensor": (mobilenetv2, QuantFormat.QDQ, QuantType.QInt8, False, False),
    "mobilenetv2-qoperator-tensor": (mobilenetv2, QuantFormat.QOperator, QuantType.QUInt8, False, False),
    # The same page recommends 7-bit weights where products of bytes are added in 16 bits (VPMADDUBSW), as on x86-64
    # in WebAssembly.
    "mobilenetv2-qdq-7bit": (mobilenetv2, QuantFormat.QDQ, QuantType.QInt8, True, True),
    "mobilenetv2-qoperator-7bit": (mobilenetv2, QuantFormat.QOperator, QuantType.QUInt8, True, True),
}

# The size of a camera preview, which the service must resize.
PICTURE_SIZE = (640, 480)
# The mean and the standard deviation of ImageNet.
MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]

# All networks go into the snapshot, even resnet50, which is too large to do so by default: a benchmark should measure
# inference rather than reading the mount for every request.
CARD = """version = "1"
description = "{name} with random weights, for measurements"
placement = "snapshot"
{inputs}
[[output]]
name = "{output}"
datatype = "FP32"
shape = {output_shape}
"""
INPUT_CARD = """
[[input]]
name = "{name}"
datatype = "{datatype}"
shape = {shape}
"""
IMAGE_CARD = """
[image]
width = {width}
height = {height}
resize = "stretch"
filter = "bilinear"
channels = "rgb"
layout = "nchw"
scale = {scale}
mean = {mean}
std = {std}
"""


def reference_input():
    """x[i] = sin(i * 0.01), in f32 throughout."""
    index = np.arange(np.prod(INPUT_SHAPE), dtype=np.float32)
    return np.sin(index * np.float32(0.01)).reshape(INPUT_SHAPE)


def picture():
    """A JPEG with the features of photographs: smooth areas, edges and some grain."""
    width, height = PICTURE_SIZE
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    channels = [
        127 + 90 * np.sin(x / 71 + phase) * np.cos(y / 53 - phase) + 30 * ((x // 40 + y // 40) % 2)
        for phase in (0.0, 0.7, 1.9)
    ]
    grain = np.random.default_rng(SEED).normal(0, 4, (height, width, 1))
    pixels = np.clip(np.stack(channels, axis=2) + grain, 0, 255).astype(np.uint8)
    encoded = io.BytesIO()
    # Without chroma subsampling, which decoders upsample in different ways.
    Image.fromarray(pixels).save(encoded, "JPEG", quality=90, subsampling=0)
    return encoded.getvalue()


def prepared(encoded):
    _, _, height, width = INPUT_SHAPE
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, np.float32) / np.float32(255)
    pixels = (pixels - np.array(MEAN, np.float32)) / np.array(STD, np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def build(name):
    net = Network(SEED)
    architecture, *quantization = QUANTIZED.get(name, (NETWORKS.get(name),))
    architecture(net)
    model = net.model(name)
    return net, quantized(model, *quantization) if quantization else model


class Calibration(CalibrationDataReader):
    """Yields the reference input, the image and some noise."""

    def __init__(self):
        rng = np.random.default_rng(SEED)
        noise = [rng.standard_normal(INPUT_SHAPE, np.float32) for _ in range(4)]
        self.inputs = iter([reference_input(), prepared(picture()), *noise])

    def get_next(self):
        data = next(self.inputs, None)
        return None if data is None else {INPUT: data}


def quantized(model, quant_format, activations, per_channel, reduce_range):
    """Static quantization with symmetric int8 or 7-bit weights."""
    with tempfile.TemporaryDirectory() as folder:
        prepared_path, path = Path(folder, "prepared.onnx"), Path(folder, "quantized.onnx")
        # All shapes are known, so symbolic shape inference, which needs SymPy, is not needed.
        quant_pre_process(model, prepared_path, skip_symbolic_shape=True)
        quantize_static(
            prepared_path,
            path,
            Calibration(),
            quant_format=quant_format,
            activation_type=activations,
            weight_type=QuantType.QInt8,
            per_channel=per_channel,
            reduce_range=reduce_range,
        )
        model = onnx.load(path)
    onnx.checker.check_model(model)
    return model


def card(name, net):
    datatypes = {np.dtype(np.float32): "FP32", np.dtype(np.int64): "INT64"}
    inputs = [
        INPUT_CARD.format(name=input, datatype=datatypes[data.dtype], shape=list(data.shape))
        for input, data in net.inputs.items()
    ]
    text = CARD.format(name=name, inputs="".join(inputs), output=net.output, output_shape=net.output_shape)
    if INPUT in net.inputs:
        _, _, height, width = INPUT_SHAPE
        text += IMAGE_CARD.format(height=height, width=width, scale=1 / 255, mean=MEAN, std=STD)
    return text


def write(folder, name):
    net, model = build(name)
    encoded = model.SerializeToString(deterministic=True)
    session = onnxruntime.InferenceSession(encoded, providers=["CPUExecutionProvider"])

    def compute(inputs):
        (output,) = session.run([net.output], inputs)
        return output

    def raw(array):
        return array.astype(array.dtype.newbyteorder("<")).tobytes()

    output = compute(net.inputs)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(encoded)
    (folder / "model.toml").write_text(card(name, net))
    (folder / "input.bin").write_bytes(b"".join(raw(data) for data in net.inputs.values()))
    (folder / "output.bin").write_bytes(raw(output))
    if INPUT in net.inputs:
        encoded_picture = picture()
        (folder / "picture.jpg").write_bytes(encoded_picture)
        (folder / "picture-output.bin").write_bytes(raw(compute({INPUT: prepared(encoded_picture)})))
    print(f"{name}: {len(encoded) / 1e6:.1f} MB, {net.output} {output.min():.3f} to {output.max():.3f}")


def main():
    all_names = [*NETWORKS, *QUANTIZED]
    parser = argparse.ArgumentParser(description="Write a model repository of networks for measurements.")
    parser.add_argument("directory", type=Path, metavar="DIR")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(all_names)}; all by default")
    arguments = parser.parse_args()
    if unknown := sorted(set(arguments.names) - set(all_names)):
        parser.error(f"no network {', '.join(unknown)}; there are {', '.join(all_names)}")
    for name in arguments.names or all_names:
        write(arguments.directory / name, name)


if __name__ == "__main__":
    main()
