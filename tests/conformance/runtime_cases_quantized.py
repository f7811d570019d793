"""The cases of com.microsoft with quantized tensors that `runtime_cases.py` writes."""

import numpy as np

from runtime_cases_data import Weight, case, quantized, weight


def block_products(r):
    def bits(words, rows, columns, bits=4, block=16, zero_points=None, rest=(), dtype="float32", **options):
        blocks = -(-rows // block)
        size = block * bits // 8
        values = [r.floats(2, 3, rows, dtype=dtype), Weight(r.uint8(columns, blocks, size))]
        values.append(r.weights(columns, blocks, dtype=dtype, low=0.01, high=0.1))
        if zero_points == "packed":
            values.append(Weight(r.uint8(columns, -(-blocks * bits // 8))))
        elif zero_points == "floats":
            values.append(r.weights(columns, blocks, dtype=dtype, low=6, high=9))
        elif rest:
            values.append(None)
        options |= {"K": rows, "N": columns, "bits": bits, "block_size": block}
        return case("MatMulNBits", words, [*values, *rest], **options)

    yield bits("", 32, 8)
    yield bits("batch_zero_points", 32, 8, zero_points="packed", symbolic=True)
    yield bits("odd_blocks", 48, 5, zero_points="packed", accuracy_level=1)
    yield bits("partial_block", 40, 6, block=32)
    yield bits("float_zero_points", 32, 4, zero_points="floats")
    yield bits("bias", 32, 4, rest=[None, r.weights(4)])
    yield bits("g_idx", 32, 4, zero_points="packed", rest=[weight(r.integers(0, 2, 32), "int32")])
    yield bits("float16", 32, 4, dtype="float16")
    yield bits("8_bits", 32, 4, bits=8)
    yield bits("8_bits_zero_points", 32, 4, bits=8, zero_points="packed")
    yield bits("2_bits", 32, 4, bits=2)
    for name, kind in [("fp4", 0), ("nf4", 1)]:
        values = [r.floats(2, 3, 32), Weight(r.uint8(32 * 6 // 2)), r.weights(32 * 6 // 16, low=0.5, high=2)]
        options = {"K": 32, "N": 6, "block_size": 16, "quant_type": kind}
        yield case("MatMulBnb4", name, values, symbolic=kind == 1, **options)
    data, ids = Weight(r.uint8(6, 8)), r.integers(0, 6, 2, 3)
    scales, points = r.weights(6, 1, low=0.01, high=0.1), Weight(r.uint8(6, 1))
    options = {"bits": 4, "block_size": 16, "gather_axis": 0, "quantize_axis": 1}
    yield case("GatherBlockQuantized", "uint8", [data, ids, scales], symbolic=True, **options)
    yield case("GatherBlockQuantized", "zero_points", [data, ids, scales, points], **options)
    data = Weight(r.uint8(6, 16))
    yield case("GatherBlockQuantized", "8_bits", [data, ids.astype("int32"), scales], **(options | {"bits": 8}))


def integer_products(r):
    a, b, signed, bias = r.uint8(2, 3, 8), Weight(r.uint8(8, 5)), Weight(r.int8(8, 5)), r.weights(5)
    columns = r.weights(5, low=0.01, high=0.05)
    points = Weight(r.int8(5))
    scales = [weight(0.0317), weight(0.0123)]
    operator = "MatMulIntegerToFloat"
    yield case(operator, "batch", [a, b, *scales], symbolic=True)
    yield case(operator, "zero_points", [a, b, *scales, weight(113, "uint8"), weight(131, "uint8")])
    yield case(operator, "columns", [a, signed, scales[0], columns, weight(113, "uint8"), points])
    yield case(operator, "bias", [a, signed, *scales, None, None, bias])
    yield case(operator, "int8", [r.int8(3, 8), signed, *scales, weight(3, "int8"), weight(-2, "int8")])
    x, operator = r.floats(2, 3, 8), "DynamicQuantizeMatMul"
    yield case(operator, "batch", [x, b, weight(0.0123), weight(131, "uint8")], symbolic=True)
    yield case(operator, "int8", [x, signed, weight(0.0123)])
    yield case(operator, "columns", [x, signed, columns, points])
    yield case(operator, "bias", [x, signed, weight(0.0123), weight(-2, "int8"), bias])
    a = [r.uint8(3, 8), *quantized(0.0317, 113)]
    plain, columns = [b, *quantized(0.0123, 131)], [signed, columns, points]
    total = Weight(r.integers(-900, 900, 5, dtype="int32"))
    y = quantized(0.0523, 120)
    yield case("QGemm", "batch", [*a, *plain, total, *y], symbolic=True)
    yield case("QGemm", "columns", [*a, *columns, total, *quantized(0.1523, 120)])
    yield case("QGemm", "floats", [*a, *plain, total])
    yield case("QGemm", "no_bias", [*a, *plain, None, *y], alpha=0.75)
    transposed = [r.uint8(8, 3), *a[1:], Weight(r.int8(5, 8)), *quantized(0.0123, 2, "int8")]
    yield case("QGemm", "transposed", [*transposed, total, *y], transA=1, transB=1)
    narrow = [r.int8(3, 8), *quantized(0.0317, 3, "int8"), signed, *quantized(0.0123, 0, "int8")]
    yield case("QGemm", "int8", [*narrow, total, *quantized(0.0523, -5, "int8")])

    def lstm(words, directions=1, dtype="uint8", rest=(), outputs="Y,Y_h,Y_c", columns=False, **options):
        values = getattr(r, dtype)
        count = (directions, 16) if columns else (directions,)
        middle = 128 if dtype == "uint8" else 0
        both = [Weight(values(directions, 3, 16)), Weight(values(directions, 4, 16))]
        point = weight(np.full(count, middle), dtype)
        scales = [r.weights(*count, low=0.005, high=0.01), point, r.weights(*count, low=0.005, high=0.01), point]
        inputs = [r.floats(5, 2, 3), *both, *rest, *[None] * (5 - len(rest)), *scales]
        return case("DynamicQuantizeLSTM", words, inputs, outputs, hidden_size=4, **options)

    yield lstm("batch2")
    yield lstm("symbolic", symbolic=True)
    yield lstm("int8_bias", dtype="int8", rest=[r.weights(1, 32)], outputs="Y")
    yield lstm("columns", columns=True, dtype="int8", rest=[r.weights(1, 32)])
    yield lstm("reverse", direction="reverse", outputs=",Y_h")
    both = [r.weights(2, 32), weight([5, 3], "int32"), r.floats(2, 2, 4), r.floats(2, 2, 4)]
    yield lstm("bidirectional", directions=2, rest=both, direction="bidirectional")
    yield lstm("peepholes", rest=[r.weights(1, 32), None, None, None, r.weights(1, 12)])


def quantized_elementwise(r):
    for operator in ["QLinearAdd", "QLinearMul"]:
        a, b = [r.uint8(2, 3, 4), *quantized(0.0317, 113)], [r.uint8(2, 3, 4), *quantized(0.0211, 131)]
        y = quantized(0.0523 if operator == "QLinearAdd" else 0.0923, 120)
        yield case(operator, "batch", [*a, *b, *y], symbolic=True)
        yield case(operator, "weight", [*a, Weight(r.uint8(4)), *b[1:], *y])
        yield case(operator, "scalar", [*a, weight(77, "uint8"), *b[1:], *y])
        yield case(operator, "broadcast", [r.uint8(3, 1), *a[1:], r.uint8(2, 1, 4), *b[1:], *y])
        signed = [r.int8(2, 5), *quantized(0.0317, 3, "int8"), r.int8(2, 5), *quantized(0.0211, -4, "int8")]
        yield case(operator, "int8", [*signed, *quantized(0.0523, 5, "int8")])
    for operator, options in [("QLinearSigmoid", {}), ("QLinearLeakyRelu", {"alpha": 0.13})]:
        y = quantized(0.0039, 0) if operator == "QLinearSigmoid" else quantized(0.0419, 90)
        yield case(operator, "batch", [r.uint8(2, 3, 4), *quantized(0.0317, 113), *y], symbolic=True, **options)
        # ONNX Runtime reads past the inputs if the last, which is optional, is not there at all.
        yield case(operator, "no_zero_points", [r.uint8(3, 4), weight(0.0091), None, y[0], None], **options)
        signed = [r.int8(3, 7), *quantized(0.0317, 3, "int8"), *quantized(0.0239, -8, "int8")]
        yield case(operator, "int8", signed, **options)
    x, y = [r.uint8(2, 3, 8), *quantized(0.0317, 113)], quantized(0.00391, 0)
    yield case("QLinearSoftmax", "batch", [*x, *y], symbolic=True, axis=-1, opset=13)
    yield case("QLinearSoftmax", "axis1", [*x, *y], axis=1, opset=13)
    yield case("QLinearSoftmax", "opset12", [*x, *y], axis=1, opset=12)
    signed = [r.int8(3, 6), *quantized(0.0317, 3, "int8"), *quantized(0.00391, -128, "int8")]
    yield case("QLinearSoftmax", "int8", signed, axis=1, opset=13)
    condition, z = r.integers(0, 2, 2, 3, dtype="bool"), quantized(0.0523, 120)
    x, y = [r.uint8(2, 3), *quantized(0.0317, 113)], [r.uint8(2, 3), *quantized(0.0211, 131)]
    yield case("QLinearWhere", "batch", [condition, *x, *y, *z], symbolic=True)
    yield case("QLinearWhere", "scalar", [condition, *x, weight(9, "uint8"), *y[1:], *z])
    signed = [r.int8(3), *quantized(0.0317, 3, "int8"), r.int8(2, 1), *quantized(0.0211, -4, "int8")]
    yield case("QLinearWhere", "int8", [condition, *signed, *quantized(0.0523, 5, "int8")])
    y, third = quantized(0.0419, 117), [r.uint8(2, 1, 4), *quantized(0.0419, 117)]
    x, other = [r.uint8(2, 3, 4), *quantized(0.0317, 113)], [r.uint8(2, 2, 4), *quantized(0.0211, 131)]
    yield case("QLinearConcat", "three", [*y, *x, *other, *third], axis=1)
    yield case("QLinearConcat", "weight", [*y, *x, Weight(r.uint8(2, 3, 2)), *other[1:]], axis=-1)
    yield case("QLinearConcat", "batch", [*y, *x, *other], symbolic=True, axis=1)
    signed = [r.int8(2, 3), *quantized(0.0317, 3, "int8"), r.int8(1, 3), *quantized(0.0211, -4, "int8")]
    yield case("QLinearConcat", "int8", [*quantized(0.0419, 6, "int8"), *signed], axis=0)


def quantization(r):
    x = r.floats(2, 3, 4)
    yield case("QuantizeLinear", "batch", [x, *quantized(0.0317, 113)], symbolic=True)
    yield case("QuantizeLinear", "int8", [x, *quantized(0.0317, 5, "int8")])
    yield case("QuantizeLinear", "uint16", [x, *quantized(0.0000917, 30113, "uint16")])
    yield case("QuantizeLinear", "int16", [x, *quantized(0.0000917, -113, "int16")])
    yield case("QuantizeLinear", "axis1", [x, *quantized([0.0317, 0.0211, 0.0123], [113, 90, 130])], axis=1)
    yield case("QuantizeLinear", "no_zero_point", [np.abs(x), weight(0.0317)])
    x = r.uint8(2, 3, 4)
    yield case("DequantizeLinear", "batch", [x, *quantized(0.0317, 113)], symbolic=True)
    yield case("DequantizeLinear", "int8", [r.int8(2, 5), *quantized(0.0317, 5, "int8")])
    wide = r.integers(0, 65536, 2, 5, dtype="uint16")
    yield case("DequantizeLinear", "uint16", [wide, *quantized(0.0000917, 30113, "uint16")])
    yield case("DequantizeLinear", "int32", [r.integers(-9999, 9999, 2, 5, dtype="int32"), weight(0.000317)])
    yield case("DequantizeLinear", "axis1", [x, *quantized([0.0317, 0.0211, 0.0123], [113, 90, 130])], axis=1)
    yield case("DequantizeLinear", "weight", [Weight(r.uint8(3, 4)), r.floats(low=0.01, high=0.1)])


def quantized_convolutions(r):
    x, y = [r.uint8(2, 2, 6, 6), *quantized(0.0317, 113)], quantized(0.1523, 120)
    w = [Weight(r.uint8(4, 2, 3, 3)), *quantized(0.0123, 131)]
    columns = [Weight(r.int8(4, 2, 3, 3)), r.weights(4, low=0.01, high=0.03), weight([0] * 4, "int8")]
    total = Weight(r.integers(-900, 900, 4, dtype="int32"))
    last, flat = [r.uint8(2, 6, 6, 2), *x[1:]], [Weight(r.int8(2, 1, 3, 3)), *quantized(0.0123, 0, "int8")]
    yield case("QLinearConv", "batch", [*x, *w, *y, total], symbolic=True, pads=[1, 1, 1, 1])
    yield case("QLinearConv", "channels", [*x, *columns, *y, total], strides=[2, 2])
    yield case("QLinearConv", "channels_last", [*last, *columns, *y], channels_last=1, pads=[1, 1, 1, 1])
    yield case("QLinearConv", "depthwise", [*last, *flat, *y], channels_last=1, group=2)
    signed = [r.int8(1, 2, 6, 6), *quantized(0.0317, 3, "int8")]
    yield case("QLinearConv", "int8", [*signed, *columns, *quantized(0.1523, -5, "int8")], dilations=[2, 2])


def quantized_pools(r):
    x, y = [r.uint8(2, 3, 6, 6), *quantized(0.0317, 113)], quantized(0.0211, 105)
    last, signed = [r.uint8(2, 6, 6, 3), *x[1:]], [r.int8(1, 2, 5, 5), *quantized(0.0317, 3, "int8")]
    narrow = quantized(0.0211, -4, "int8")
    square = {"kernel_shape": [3, 3]}
    average, whole = "QLinearAveragePool", "QLinearGlobalAveragePool"
    yield case(average, "batch", [*x, *y], symbolic=True, **square)
    yield case(average, "pads", [*x, *y], pads=[1, 1, 1, 1], strides=[2, 2], **square)
    yield case(average, "count_include_pad", [*x, *y], pads=[1, 1, 1, 1], count_include_pad=1, **square)
    yield case(average, "channels_last", [*last, *y], channels_last=1, strides=[2, 2], **square)
    yield case(average, "ceil", [*x, *y], ceil_mode=1, strides=[2, 2], **square)
    yield case(average, "int8", [*signed, *narrow], kernel_shape=[2, 2])
    yield case(whole, "batch", [*x, *y], symbolic=True)
    yield case(whole, "channels_last", [*last, *y], channels_last=1)
    yield case(whole, "int8", [*signed, *narrow])
    yield case("NhwcMaxPool", "batch", [r.uint8(2, 6, 6, 3)], symbolic=True, kernel_shape=[2, 2], strides=[2, 2])
    yield case("NhwcMaxPool", "pads", [r.uint8(1, 5, 5, 2)], pads=[1, 1, 1, 1], strides=[2, 2], **square)
    yield case("NhwcMaxPool", "dilations", [r.uint8(1, 6, 6, 2)], dilations=[2, 2], kernel_shape=[2, 2])
    yield case("NhwcMaxPool", "int8", [r.int8(1, 5, 5, 2)], ceil_mode=1, strides=[2, 2], kernel_shape=[2, 2])


def quantized_attention(r):
    b, mask = r.weights(24), np.array([[1, 1, 1, 0], [1, 1, 1, 1]], dtype="int32")
    past, heads = r.floats(2, 2, 2, 3, 4), {"num_heads": 2}
    scales = [weight(0.0317), weight(0.0123)]
    points = [weight(113, "uint8"), weight(131, "uint8")]
    x, whole, signed = r.uint8(2, 4, 8), Weight(r.uint8(8, 24)), Weight(r.int8(8, 24))
    yield case("QAttention", "batch", [x, whole, b, *scales, None, *points], symbolic=True, **heads)
    yield case("QAttention", "int8", [x, signed, b, *scales, None, points[0], weight(-2, "int8")], **heads)
    yield case("QAttention", "mask", [x, whole, b, *scales, mask, *points], **heads)
    columns = [scales[0], r.weights(24, low=0.01, high=0.02), None, points[0], weight([0] * 24, "int8")]
    yield case("QAttention", "columns", [x, signed, b, *columns], unidirectional=1, **heads)
    inputs = [x, signed, b, *scales, None, points[0], weight(0, "int8"), past]
    yield case("QAttention", "past", inputs, outputs="Y,present", unidirectional=1, **heads)


def quantized_embeddings(r):
    ids, segments = r.integers(0, 20, 2, 5, dtype="int32"), r.integers(0, 2, 2, 5, dtype="int32")
    tables = [Weight(r.uint8(*shape)) for shape in [(20, 8), (6, 8), (2, 8), (8,), (8,)]]
    scales = [weight(scale) for scale in (0.0123, 0.0211, 0.0317, 0.0091, 0.0057)]
    points = [weight(point, "uint8") for point in (113, 131, 120, 30, 140)]
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype="int32")
    operator, outputs = "QEmbedLayerNormalization", "Y,mask_index"
    yield case(operator, "batch", [ids, segments, *tables, None, *scales, *points], outputs, symbolic=True)
    yield case(operator, "mask", [ids, segments, *tables, mask, *scales, *points], outputs, epsilon=1e-5)
    for part in (tables, scales, points):
        part[2] = None
    yield case(operator, "no_segments", [ids, None, *tables, None, *scales, *points], outputs)


FAMILIES = [block_products, integer_products, quantized_elementwise, quantization, quantized_convolutions]
FAMILIES += [quantized_pools, quantized_attention, quantized_embeddings]
