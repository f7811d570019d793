"""The cases of com.microsoft that `runtime_cases.py` writes, without those of quantized tensors."""

import numpy as np

from runtime_cases_data import Bfloat16, Weight, case, weight


def activations(r):
    for operator in ["Gelu", "QuickGelu", "FastGelu"]:
        yield case(operator, "2d", [r.floats(3, 8)])
        yield case(operator, "batch", [r.floats(2, 3, 5, low=-6, high=6)], symbolic=True)
    yield case("QuickGelu", "alpha", [r.floats(4, 5)], alpha=0.6)
    yield case("QuickGelu", "silu", [r.floats(2, 7)], alpha=1.0)
    yield case("FastGelu", "bias", [r.floats(2, 4, 6), r.weights(6)])
    yield case("BiasGelu", "2d", [r.floats(3, 8), r.weights(8)])
    yield case("BiasGelu", "batch", [r.floats(2, 3, 6), r.weights(6)], symbolic=True)
    yield case("ScaledSiLU", "", [r.floats(3, 7)])
    yield case("ScaledSiLU", "alpha", [r.floats(2, 3, 4, dtype="float16")], alpha=1.5)


def normalizations(r):
    def skip(shape, dtype="float32", count=1, broadcast=None):
        first = [r.floats(*shape, dtype=dtype), r.floats(*(broadcast or shape), dtype=dtype)]
        return first + [r.weights(shape[-1], dtype=dtype, high=1.5) for _ in range(count)]

    layer, simplified = "SkipLayerNormalization", "SkipSimplifiedLayerNormalization"
    for operator, count in [(layer, 2), (simplified, 1)]:
        yield case(operator, "batch", skip((2, 3, 8), count=count), symbolic=True, epsilon=1e-5)
        yield case(operator, "bias", skip((2, 3, 8), count=count + 1), epsilon=1e-6)
        yield case(operator, "sum", skip((2, 3, 8), count=count + 1), outputs="Y,,,sum")
        yield case(operator, "2d", skip((4, 8), count=count))
        yield case(operator, "float16", skip((2, 3, 8), "float16", count))
        yield case(operator, "broadcast", skip((2, 3, 8), count=count, broadcast=(1, 3, 8)))
        x, y, *rest = skip((2, 3, 8), count=count)
        narrow = [Weight(Bfloat16.of(each.array)) for each in rest]
        yield case(operator, "bfloat16", [Bfloat16.of(x), Bfloat16.of(y), *narrow])
    yield case(layer, "no_beta", skip((2, 3, 8)))
    operator = "SimplifiedLayerNormalization"
    yield case(operator, "", [r.floats(2, 3, 8), r.weights(8)], domain="", epsilon=1e-6)
    yield case(operator, "batch", [r.floats(3, 8), r.weights(8)], domain="", symbolic=True, axis=-1, stash_type=1)
    yield case(operator, "axis1", [r.floats(2, 3, 4), r.weights(3, 4)], domain="", axis=1)
    yield case(operator, "float16", [r.floats(2, 8, dtype="float16"), r.weights(8, dtype="float16")], domain="")
    embeddings = [r.weights(20, 8), r.weights(6, 8)]
    ids, segments = r.integers(0, 20, 2, 5, dtype="int32"), r.integers(0, 2, 2, 5, dtype="int32")
    mask = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype="int32")
    positions = r.integers(0, 6, 2, 5, dtype="int32")
    scale = [r.weights(8, low=0.5), r.weights(8)]
    inputs, operator = [ids, segments, *embeddings, r.weights(2, 8), *scale], "EmbedLayerNormalization"
    yield case(operator, "batch", inputs, outputs="Y,mask_index", symbolic=True)
    yield case(operator, "mask", [*inputs, mask], outputs="Y,mask_index", epsilon=1e-5, mask_index_type=1)
    yield case(operator, "no_segments", [ids, None, *embeddings, None, *scale], outputs="Y,mask_index")
    yield case(operator, "positions", [*inputs, None, positions], outputs="Y,mask_index,sum", mask_index_type=0)
    inputs = [r.floats(2, 3, 8), r.weights(4), r.floats(2, 3, 8)]
    yield case("GatedRMSNorm", "heads", inputs, activation="silu", epsilon=1e-6)
    yield case("GatedRMSNorm", "sigmoid", inputs, symbolic=True, activation="sigmoid")
    yield case("BranchwiseRMSNorm", "", [r.floats(2, 3, 8)], num_branches=2)


def products(r):
    a, b = r.floats(2, 3, 4), r.weights(2, 4, 5)
    yield case("FusedMatMul", "batch", [a, b], symbolic=True, alpha=0.5)
    yield case("FusedMatMul", "two_inputs", [a, b.array])
    yield case("FusedMatMul", "trans_a", [r.floats(2, 4, 3), b], transA=1)
    yield case("FusedMatMul", "trans_b", [a, r.weights(5, 4)], transB=1, alpha=2.0)
    yield case("FusedMatMul", "trans_batch", [r.floats(3, 2, 4), r.floats(4, 2, 5)], transBatchA=1, transBatchB=1)
    yield case("FusedMatMul", "float64", [r.floats(3, 4, dtype="float64"), r.weights(4, 2, dtype="float64")])
    yield case("TransposeMatMul", "batch", [r.floats(2, 3, 4), r.weights(2, 4, 5)], symbolic=True)
    yield case("TransposeMatMul", "both", [r.floats(4, 3), r.floats(5, 4)], transA=1, transB=1, alpha=0.25)
    inputs = [r.floats(3, 4), r.weights(4, 5), r.weights(5)]
    yield case("FusedGemm", "relu", inputs, symbolic=True, activation="Relu")
    yield case("FusedGemm", "leaky_relu", inputs, activation="LeakyRelu", activation_alpha=0.2, alpha=0.5, beta=2.0)
    yield case("FusedGemm", "no_bias", [r.floats(4, 3), r.weights(5, 4)], activation="Sigmoid", transA=1, transB=1)
    yield case("FusedGemm", "tanh", [*inputs[:2], r.weights(3, 1)], activation="Tanh")
    hard = {"activation": "HardSigmoid", "activation_alpha": 0.3, "activation_beta": 0.4}
    yield case("FusedGemm", "hard_sigmoid", inputs, **hard)
    yield case("CDist", "euclidean", [r.floats(4, 3), r.floats(5, 3)], metric="euclidean")
    yield case("CDist", "squared", [r.floats(4, 3), r.weights(2, 3)], symbolic=True, metric="sqeuclidean")
    yield case("CDist", "float64", [r.floats(3, 2, dtype="float64"), r.floats(3, 2, dtype="float64")])
    for dtype in ["float32", "float64"]:
        matrices = r.floats(2, 4, 4, dtype=dtype) + 4 * np.eye(4, dtype=dtype)
        yield case("Inverse", dtype, [matrices], symbolic=dtype == "float32")
    yield case("Inverse", "2d", [r.floats(3, 3) + 3 * np.eye(3, dtype="float32")])
    inputs = [r.integers(-900, 900, 3, 4, dtype="int16"), Weight(r.integers(-900, 900, 4, 2, dtype="int16"))]
    yield case("MatMulInteger16", "", inputs)
    yield case("MatMulInteger16", "batch", [r.integers(-9, 9, 2, 3, 4, dtype="int16"), inputs[1]], symbolic=True)


def convolutions(r):
    x, w, b = r.floats(2, 2, 6, 6), r.weights(4, 2, 3, 3), r.weights(4)
    yield case("FusedConv", "relu", [x, w, b], symbolic=True, activation="Relu", pads=[1, 1, 1, 1])
    yield case("FusedConv", "leaky_relu", [x, w], activation="LeakyRelu", activation_params=[0.2], strides=[2, 2])
    yield case("FusedConv", "clip", [x, w, b], activation="Clip", activation_params=[0.0, 1.5], dilations=[2, 2])
    yield case("FusedConv", "sum", [x, w, b, r.floats(2, 4, 4, 4)], activation="Relu")
    yield case("FusedConv", "group", [x, r.weights(2, 1, 3, 3)], activation="Tanh", group=2, auto_pad="SAME_UPPER")
    hard = {"activation": "HardSigmoid", "activation_params": [0.3, 0.4]}
    yield case("FusedConv", "1d", [r.floats(2, 3, 8), r.weights(4, 3, 3), b], **hard)
    x, w, pads = r.floats(1, 2, 4, 4), r.weights(2, 3, 3, 3), weight([1, 0, 1, 0], "int64")
    yield case("ConvTransposeWithDynamicPads", "", [x, w, pads], strides=[2, 2])
    yield case("ConvTransposeWithDynamicPads", "bias", [x, w, pads.array, r.weights(3)], symbolic=True)
    yield case("ConvTransposeWithDynamicPads", "output_padding", [x, w, pads], strides=[2, 2], output_padding=[1, 1])
    inputs = [r.floats(2, 3, 7), r.weights(3, 1, 3), r.weights(3), r.floats(2, 3, 2)]
    yield case("CausalConvWithState", "", inputs[:2], outputs="Y,state")
    yield case("CausalConvWithState", "silu", inputs, outputs="Y,state", symbolic=True, activation="silu")
    # Two sequences, of two and of three steps, one after the other.
    inputs = [r.floats(5, 3), r.weights(3, 1, 3), weight([0, 2, 5], "int32"), r.weights(3), r.floats(2, 3, 2)]
    yield case("VarlenCausalConvWithState", "", inputs, outputs="Y,state")
    yield case("VarlenCausalConvWithState", "silu", inputs, outputs="Y,state", activation="silu")
    inputs, square = [r.floats(1, 2, 6, 6), r.integers(0, 2, 1, 2, 6, 6, dtype="int32")], {"kernel_shape": [3, 3]}
    yield case("MaxpoolWithMask", "", inputs, kernel_shape=[2, 2], strides=[2, 2])
    yield case("MaxpoolWithMask", "pads", inputs, symbolic=True, pads=[1, 1, 1, 1], **square)


def attention(r):
    x, w, b = r.floats(2, 4, 8), r.weights(8, 24), r.weights(24)
    mask = np.array([[1, 1, 1, 0], [1, 1, 1, 1]], dtype="int32")
    cube = np.tril(np.ones((2, 4, 4), dtype="int32"))
    past = r.floats(2, 2, 2, 3, 4)
    extra = r.floats(1, 2, 4, 4)
    heads = {"num_heads": 2}
    yield case("Attention", "batch", [x, w, b], symbolic=True, **heads)
    yield case("Attention", "no_bias", [x, w], scale=0.3, **heads)
    yield case("Attention", "causal", [x, w, b], unidirectional=1, **heads)
    yield case("Attention", "lengths", [x, w, b, np.array([3, 4], dtype="int32")], **heads)
    yield case("Attention", "mask", [x, w, b, mask], mask_filter_value=-1000.0, **heads)
    yield case("Attention", "mask_3d", [x, w, b, cube], **heads)
    yield case("Attention", "past", [x, w, b, None, past], outputs="Y,present", unidirectional=1, **heads)
    yield case("Attention", "bias", [x, w, b, mask, None, extra], **heads)
    sizes = [r.weights(8, 20), r.weights(20)]
    yield case("Attention", "sizes", [x, *sizes], qkv_hidden_sizes=[8, 8, 4], **heads)


def separate_attention(r):
    operator, heads = "MultiHeadAttention", {"num_heads": 2}
    q, k, v, b = r.floats(2, 4, 8), r.floats(2, 5, 8), r.floats(2, 5, 6), r.weights(22)
    mask, past = np.array([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype="int32"), [r.floats(2, 2, 3, 4) for _ in range(2)]
    yield case(operator, "batch", [q, k, v], symbolic=True, **heads)
    yield case(operator, "bias", [q, k, v, b], scale=0.3, **heads)
    yield case(operator, "mask", [q, k, v, None, mask], mask_filter_value=-1000.0, **heads)
    yield case(operator, "attention_bias", [q, k, v, None, None, r.floats(1, 2, 4, 5)], **heads)
    yield case(operator, "causal", [q, q, q], unidirectional=1, **heads)
    yield case(operator, "cross", [q, r.floats(2, 2, 5, 4), r.floats(2, 2, 5, 4)], **heads)
    present = "Y,present_key,present_value"
    step = [r.floats(2, 1, 8) for _ in range(3)]
    yield case(operator, "past", [*step, None, None, None, *past], present, **heads)
    yield case(operator, "present", [q, k, r.floats(2, 5, 8)], present, **heads)
    # The buffers of the past have room for this step.
    inputs = [*step, None, None, *past, weight([2], "int32")]
    yield case("DecoderMaskedMultiHeadAttention", "", inputs, present, past_present_share_buffer=1, **heads)

    operator, heads = "GroupQueryAttention", {"num_heads": 4, "kv_num_heads": 2}

    def grouped(words, length=4, past=0, packed=False, rotary=False, rest=(), dtype="float32", outputs=present, **more):
        q, k, v = (r.floats(2, length, 16 * count, dtype=dtype) for count in (4, 2, 2))
        triple = [np.concatenate([q, k, v], -1), None, None] if packed else [q, k, v]
        before = [r.floats(2, 2, past, 16, dtype=dtype) for _ in range(2)] if past else [None, None]
        total = length + past
        lengths = [np.full(2, total - 1, dtype="int32"), weight(total, "int32")]
        angles = r.floats(16, 8, low=0, high=3)
        caches = [Weight(part.astype(dtype)) for part in (np.cos(angles), np.sin(angles))]
        caches = caches if rotary else [None, None]
        inputs = [*triple, *before, *lengths, *caches, *rest]
        return case(operator, words, inputs, outputs, **heads, **more, do_rotary=int(rotary))

    yield grouped("prompt")
    yield grouped("batch", symbolic=True, scale=0.3)
    yield grouped("packed", packed=True, outputs="Y")
    yield grouped("packed_rotary", packed=True, rotary=True)
    yield grouped("past_rotary", length=1, past=5, rotary=True)
    yield grouped("past_interleaved", length=1, past=5, rotary=True, rotary_interleaved=1)
    yield grouped("window", length=6, local_window_size=3)
    yield grouped("softcap", softcap=2.0)
    yield grouped("smooth", smooth_softmax=1)
    yield grouped("sink", rest=[None, None, r.weights(4)])
    yield grouped("attention_bias", rest=[None, r.floats(1, 1, 4, 4)])
    positions = np.tile(np.arange(2, 6), (2, 1))
    yield grouped("positions", rotary=True, rest=[positions])
    yield grouped("float16", dtype="float16", outputs="Y")

    ids, angles = np.tile(np.arange(3, 7), (2, 1)), r.floats(16, 4, low=0, high=3)
    caches = [Weight(np.cos(angles)), Weight(np.sin(angles))]
    half = [Weight(each.array[:, :2]) for each in caches]
    x, whole = r.floats(2, 3, 4, 8), r.floats(2, 4, 24)
    operator, part = "RotaryEmbedding", {"rotary_embedding_dim": 4, "num_heads": 3}
    yield case(operator, "batch", [whole, ids, *caches], symbolic=True)
    yield case(operator, "offset", [whole, np.array([2]), *caches])
    yield case(operator, "interleaved", [whole, ids, *caches], interleaved=1)
    yield case(operator, "heads", [x, ids, *caches])
    yield case(operator, "partial", [whole, ids, *half], **part)
    yield case(operator, "scale", [x, ids, *caches], scale=0.5)
    narrow = [Weight(each.array.astype("float16")) for each in caches]
    yield case(operator, "float16", [x.astype("float16"), ids, *narrow])
    streams = np.stack([ids, ids - 1, ids - 2])
    yield case("MRotaryEmbedding", "", [whole, streams, *half], symbolic=True, mrope_section=[1, 1, 0], **part)
    yield case("MRotaryEmbedding", "heads", [x, streams, *caches], mrope_section=[2, 1, 1])
    yield case("MRotaryEmbedding", "interleaved", [x, streams, *caches], mrope_section=[2, 1, 1], mrope_layout=1)


def tensors(r):
    x = r.floats(2, 3, 5)
    pads = weight([0, 1, 1, 0, 2, 1], "int64")
    yield case("Pad", "constant", [x, pads, weight(1.5)], symbolic=True)
    yield case("Pad", "pads_input", [x, pads.array], mode="constant")
    yield case("Pad", "reflect", [x, pads], mode="reflect")
    yield case("Pad", "edge", [x, pads], mode="edge")
    yield case("Pad", "negative", [x, weight([0, -1, 1, 0, 0, -2], "int64")])
    yield case("Trilu", "batch", [r.floats(2, 4, 5)], symbolic=True)
    yield case("Trilu", "lower", [r.integers(-9, 9, 4, 5), weight(-1, "int64")], upper=0)
    yield case("Trilu", "k_input", [r.floats(3, 4, dtype="float64"), np.array(1)], upper=1)
    for axis in [0, 1, -1]:
        yield case("ExpandDims", f"axis{axis}".replace("-", "_minus_"), [x, weight(axis, "int32")], symbolic=axis == 1)
    yield case("ExpandDims", "int64", [r.integers(-9, 9, 2, 3), weight(2, "int32")])
    yield case("GatherND", "rows", [x, weight([[0, 1], [1, 2]], "int64")])
    yield case("GatherND", "values", [x, r.integers(0, 2, 2, 2, 3)])
    yield case("GatherND", "int32", [r.integers(-9, 9, 3, 4), r.integers(0, 3, 2, 1, dtype="int32")], symbolic=True)
    for dtype in ["int32", "int64", "float32", "float64"]:
        yield case("Range", dtype, [np.array(value, dtype=dtype) for value in (1, 11, 3)])
    yield case("Range", "no_delta", [weight(2, "int64"), np.array(6)])
    yield case("Unique", "", [r.integers(-3, 4, 12).astype("float32")], outputs="Y,index,counts")
    yield case("Unique", "batch", [r.integers(0, 2, 6).astype("float32")], outputs="Y,index,counts", symbolic=True)
    yield case("UnfoldTensor", "", [r.floats(2, 8)], symbolic=True, dim=-1, size=3, step=2)
    yield case("UnfoldTensor", "axis1", [r.integers(-9, 9, 2, 5, 3)], dim=1, size=2)
    yield case("SampleOp", "", [x])
    yield case("SampleOp", "batch", [r.floats(3, 4)], symbolic=True)
    yield case("GatedAdd", "", [x, r.floats(2, 3, 5), r.floats(2, 3, 1)], symbolic=True)
    for dtype in ["int32", "int64", "float32", "float64"]:
        values = r.floats(2, 3, low=-99, high=99).astype(dtype)
        yield case("MurmurHash3", dtype, [values], symbolic=dtype == "int32", seed=7, positive=int(dtype != "int64"))
    yield case("MurmurHash3", "negative", [r.integers(-9, 9, 4, dtype="int32")], positive=0)
    ids, scores = np.array([[1, 2, 3, 1, 2], [4, 4, 4, 4, 4]]), r.floats(2, 6)
    yield case("NGramRepeatBlock", "", [ids, scores], ngram_size=3)
    yield case("NGramRepeatBlock", "batch", [ids, scores], symbolic=True, ngram_size=2)
    x, size = r.floats(2, 3, 8, 8), weight([3, 4], "int32")
    boxes = r.floats(3, 4, low=0, high=0.4) + np.array([0, 0, 0.5, 0.5], dtype="float32")
    rest = [boxes, np.array([0, 1, 1], dtype="int32"), size]
    yield case("CropAndResize", "bilinear", [x, *rest], symbolic=True)
    yield case("CropAndResize", "nearest", [x, *rest], mode="nearest")
    outside = [boxes * 1.7 - 0.3, *rest[1:]]
    yield case("CropAndResize", "extrapolation", [x, *outside], extrapolation_value=3.5, mode="bilinear")
    words = r.integers(0, 20, 2, 3, 6, dtype="int32")
    tables = [r.weights(5, 1, 3, 4), r.weights(5), r.weights(20, 4)]
    yield case("WordConvEmbedding", "", [words, *tables])
    sizes = {"embedding_size": 5, "conv_window_size": 3, "char_embedding_size": 4}
    yield case("WordConvEmbedding", "batch", [words, *tables], symbolic=True, **sizes)
    x, grid = r.floats(1, 2, 4, 4), r.floats(1, 3, 3, 2, low=-1.2, high=1.2)
    yield case("GridSample", "", [x, grid])
    yield case("GridSample", "nearest", [x, grid], mode="nearest", padding_mode="border", align_corners=1)
    yield case("GridSample", "bicubic", [x, grid], mode="bicubic", padding_mode="reflection")
    yield case("DynamicTimeWarping", "", [r.floats(4, 6)])


def streams(r):
    """Operators of models with several residual streams, with n-grams of tokens and with linear attention."""
    x, gates = r.floats(2, 3, 4, 8), r.floats(2, 3, 4)
    yield case("HyperConnectionPreMix", "", [x, gates], symbolic=True, reduction_scale=0.5)
    yield case("HyperConnectionPreMix", "flat", [r.floats(2, 3, 32), gates], num_branches=4)
    yield case("HyperConnectionPostMix", "", [x, r.floats(2, 3, 8), gates], symbolic=True)
    yield case("HyperConnectionPostMix", "matrix", [x, r.floats(2, 3, 8), gates, r.floats(2, 3, 4, 4)])
    inputs = [x, r.floats(2, 3, 4, 8), r.floats(2, 3, 8), r.weights(4, 8), r.weights(4, 8)]
    yield case("EngramGate", "", inputs, symbolic=True)
    yield case("EngramGate", "normalized", [*inputs, r.weights(4, 8)], "Y,normalized", epsilon=1e-6)
    ids, rest = r.integers(0, 50, 2, 5), [weight([7, 11, 13], "int64"), weight([17, 19, 23, 29], "int64")]
    sizes = {"max_ngram_size": 3, "n_head_per_ngram": 2}
    yield case("NGramHashMapping", "", [ids, *rest], "Y,present", symbolic=True, pad_id=2, **sizes)
    past = [r.integers(0, 50, 2, 2), weight([0, 17, 36, 59], "int64")]
    yield case("NGramHashMapping", "past", [ids, *rest, *past], "Y,present", pad_id=2, **sizes)
    operator, lengths, states = "VarlenNGramHashMapping", weight([0, 2, 5], "int32"), "Y,present"
    yield case(operator, "", [r.integers(0, 50, 5), *rest, lengths], states, pad_id=2, **sizes)
    source, current = np.array([5, 6, 7, 8, 9, 10]), np.array([4, 5, 6])
    options = {"min_ngram_size": 1, "max_ngram_size": 3}
    yield case("BifurcationDetector", "", [source, current, np.array(0)], "Y,index", **options)
    predicted = [np.array(1), np.array([6, 7, 8, 3, 9, 10])]
    yield case("BifurcationDetector", "predicted", [source, current, *predicted], "Y,index", **options)
    q, k, v = r.floats(2, 4, 16), r.floats(2, 4, 8, low=-0.5, high=0.5), r.floats(2, 4, 12)
    decay, beta = r.floats(2, 4, 2, low=-1, high=0), r.floats(2, 4, 2, low=0, high=1)
    heads = {"q_num_heads": 4, "kv_num_heads": 2}
    state = r.floats(2, 2, 4, 6)
    for rule, inputs in [("linear", []), ("gated", [state, decay]), ("delta", [state, None, beta])]:
        yield case("LinearAttention", rule, [q, k, v, *inputs], "Y,state", update_rule=rule, **heads)
    yield case("LinearAttention", "gated_delta", [q, k, v, None, decay, beta], "Y,state", symbolic=True, **heads)
    operator, lengths = "GatedDeltaNet", np.array([0, 2, 5], dtype="int32")
    q, k, v = r.floats(5, 2, 8), r.floats(5, 2, 8, low=-0.5, high=0.5), r.floats(5, 4, 6)
    inputs = [lengths, r.floats(5, 4, low=-1, high=0), r.floats(5, 4, low=0, high=1), r.floats(2, 4, 6, 8)]
    yield case(operator, "", [q, k, v, *inputs], "Y,state")
    options = {"gate_activation": "softplus", "beta_activation": "sigmoid", "qk_l2_norm": 1}
    yield case(operator, "activations", [q, k, v, *inputs, r.weights(4), r.weights(4)], "Y,state", **options)
    inputs = [r.floats(2, 4, 3), r.weights(3), r.weights(3, low=-2, high=-0.5)]
    yield case("LinearAttentionGate", "", inputs, "decay", symbolic=True)
    yield case("LinearAttentionGate", "beta", [*inputs, r.floats(2, 4, 3)], "decay,beta")


def experts(r):
    x, router = r.floats(5, 8), r.floats(5, 4)
    first, second, biases = r.weights(4, 16, 8), r.weights(4, 8, 16), [r.weights(4, 16), r.weights(4, 8)]
    for kind in ["relu", "gelu", "silu", "identity"]:
        inputs = [x, router, first, biases[0], second, biases[1]]
        yield case("MoE", kind, inputs, symbolic=kind == "silu", k=2, activation_type=kind)
    options = {"k": 2, "activation_type": "swiglu", "swiglu_fusion": 1, "normalize_routing_weights": 1}
    inputs = [x, router, r.weights(4, 32, 8), r.weights(4, 32), second, biases[1]]
    yield case("MoE", "swiglu", inputs, activation_alpha=1.702, activation_beta=1.0, **options)
    options = {"n_group": 4, "topk_group": 2, "group_topk": 2, "top_k": 3}
    yield case("MoEGroupRouter", "", [r.floats(5, 8), r.weights(8)], symbolic=True, **options)


FAMILIES = [activations, normalizations, products, convolutions, attention, separate_attention, tensors, streams]
FAMILIES += [experts]
