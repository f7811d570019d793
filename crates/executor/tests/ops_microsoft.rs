//! The operators of `com.microsoft`: against what ONNX Runtime computes (`references/microsoft.py` writes that), and on what
//! they cannot compute.

mod support;

use infer_executor::Tensor;
use support::Value::{self, Float, Int};
use support::refusals::{self, none, zeros};
use support::{ints, references, text};

#[test]
fn nodes_compute_what_onnx_runtime_does() {
    references::check(include_str!("references/microsoft.json"));
}

/// An operator, its attributes, its inputs, and its error; none when it computes.
type Row = (
    &'static str,
    Vec<(&'static str, Value)>,
    Vec<Option<Tensor>>,
    Option<&'static str>,
);

fn check(rows: Vec<Row>) {
    let case = |(op_type, attributes, inputs, error)| (op_type, 1, attributes, inputs, error);
    refusals::check("com.microsoft", &[true], rows.into_iter().map(case));
}

fn bytes(shape: &[usize]) -> Option<Tensor> {
    Some(Tensor::of(shape, vec![0u8; shape.iter().product()]).unwrap())
}

fn one() -> Option<Tensor> {
    Some(Tensor::scalar(1f32))
}

fn zero() -> Option<Tensor> {
    Some(Tensor::scalar(0u8))
}

fn longs(shape: &[usize], values: &[i64]) -> Option<Tensor> {
    Some(Tensor::of(shape, values.to_vec()).unwrap())
}

fn mask(shape: &[usize]) -> Option<Tensor> {
    Some(Tensor::of(shape, vec![-7i32; shape.iter().product()]).unwrap())
}

#[test]
#[rustfmt::skip]
fn quantized_operators_say_what_they_cannot_compute() {
    let quantized = |shape: &[usize]| vec![bytes(shape), one(), zero(), one(), zero()];
    let bits = |bits: i64| vec![("K", Int(32)), ("N", Int(2)), ("bits", Int(bits)), ("block_size", Int(16))];
    let packed = || vec![zeros(&[3, 32]), bytes(&[2, 2, 8]), zeros(&[4])];
    check(vec![
        ("QLinearSigmoid", vec![], quantized(&[2]), None),
        ("QLinearSigmoid", vec![], vec![zeros(&[2]), one(), zero(), one(), zero()], Some("expected a quantized tensor (integers of 8, 16 or 32 bits), got FP32")),
        ("QLinearSigmoid", vec![], vec![bytes(&[2]), zeros(&[2]), zero(), one(), zero()], Some("input 1 has 2 values, expected 1")),
        ("QLinearSigmoid", vec![], vec![bytes(&[2]), None, zero(), one(), zero()], Some("input 1 is missing")),
        ("QLinearSigmoid", vec![], vec![mask(&[2]), one(), zero(), one(), zero()], Some("quantizing to INT32 is not supported, expected integers of 8 or 16 bits")),
        ("QLinearSigmoid", vec![], vec![], Some("input 0 is missing")),
        ("QLinearSoftmax", vec![], quantized(&[2]), Some("the attribute `opset` is missing")),
        ("QLinearSoftmax", vec![("opset", Int(13)), ("axis", Int(4))], quantized(&[2]), Some("there is no axis 4 in 1 dimensions")),
        ("QLinearSoftmax", vec![("opset", Int(i64::MIN))], quantized(&[2]), Some("the attribute `opset` is -9223372036854775808, expected at least 1")),
        ("QLinearSoftmax", vec![("opset", Int(13))], quantized(&[0, 3]), None),
        ("QLinearSoftmax", vec![("opset", Int(13))], vec![zeros(&[2]), one(), zero(), one(), zero()], Some("expected a quantized tensor (integers of 8, 16 or 32 bits), got FP32")),
        ("QLinearAveragePool", vec![("channels_last", Int(1)), ("kernel_shape", ints(&[2]))], quantized(&[1, 2, 1]), None),
        ("QLinearAveragePool", vec![("channels_last", Int(1)), ("kernel_shape", ints(&[2]))], quantized(&[1, 2]), Some("expected an image, [N, spatial axes, C], got the shape [1, 2]")),
        ("QLinearGlobalAveragePool", vec![("channels_last", Int(1))], quantized(&[1, 0, 2]), Some("a channel has no values to average")),
        ("QLinearConv", vec![("channels_last", Int(1))], vec![bytes(&[1, 2]), one(), zero(), bytes(&[1, 1, 1]), one(), zero(), one(), zero()], Some("expected an image, [N, spatial axes, C], got the shape [1, 2]")),
        ("QLinearAveragePool", vec![], quantized(&[1, 1, 2]), Some("the attribute `kernel_shape` is missing")),
        ("QLinearAveragePool", vec![("kernel_shape", ints(&[3]))], quantized(&[1, 1, 2]), Some("a window that spans 3 values does not fit into 2 values with a padding of 0 and 0")),
        ("QLinearConcat", vec![("axis", Int(0))], vec![one(), zero()], Some("there are 2 inputs, expected 2, and 3 for each tensor")),
        ("QLinearConcat", vec![("axis", Int(0))], vec![one(), zero(), bytes(&[1]), one()], Some("there are 4 inputs, expected 2, and 3 for each tensor")),
        ("QLinearConcat", vec![("axis", Int(2))], vec![one(), zero(), bytes(&[1]), one(), zero()], Some("there is no axis 2 in 1 dimensions")),
        ("QLinearWhere", vec![], vec![zero(), bytes(&[1]), one(), zero(), bytes(&[1]), one(), zero(), one(), zero()], Some("expected a tensor of BOOL, got UINT8")),
        ("MatMulIntegerToFloat", vec![], vec![bytes(&[2, 3]), bytes(&[2, 3]), one(), one()], Some("matrices of shapes [2, 3] and [2, 3] cannot be multiplied")),
        ("MatMulIntegerToFloat", vec![], vec![bytes(&[2, 3]), bytes(&[3, 2]), one(), zeros(&[3])], Some("input 3 has 3 values, expected 1 or 2")),
        ("MatMulIntegerToFloat", vec![], vec![bytes(&[2, 3]), bytes(&[3, 2]), one(), one(), None, None, zeros(&[3])], Some("the bias has the shape [3], expected [2]")),
        ("MatMulIntegerToFloat", vec![], vec![bytes(&[3]), bytes(&[3]), one(), one()], None),
        ("DynamicQuantizeMatMul", vec![], vec![bytes(&[2, 3]), bytes(&[3, 2]), one()], Some("input 0: expected a tensor of FP32, got UINT8")),
        ("DynamicQuantizeMatMul", vec![], vec![zeros(&[2, 3]), bytes(&[3, 2])], Some("input 2 is missing")),
        ("MatMulNBits", bits(4), packed(), None),
        ("MatMulNBits", bits(8), packed(), Some("input 1 has the shape [2, 2, 8], expected 64 elements")),
        ("MatMulNBits", bits(2), packed(), Some("the attribute `bits` is 2, which is not supported, expected 4 or 8")),
        ("MatMulNBits", vec![("K", Int(32)), ("N", Int(2)), ("block_size", Int(24))], packed(), Some("the attribute `block_size` is 24, expected a power of two of at least 16")),
        ("MatMulNBits", vec![("K", Int(32)), ("N", Int(2)), ("block_size", Int(i64::MAX))], packed(), Some("the attribute `block_size` is 9223372036854775807, expected a power of two of at least 16")),
        ("MatMulNBits", vec![("K", Int(32)), ("N", Int(2)), ("block_size", Int(1 << 62))], packed(), Some("input 1 has the shape [2, 2, 8], expected 4611686018427387904 elements")),
        ("MatMulNBits", vec![("K", Int(32)), ("N", Int(i64::MAX)), ("block_size", Int(1 << 62))], packed(), Some("a matrix of 9223372036854775807 by 32 is too large")),
        ("MatMulNBits", vec![("K", Int(0)), ("N", Int(2)), ("block_size", Int(16))], packed(), Some("the attribute `K` is 0, expected at least 1")),
        ("MatMulNBits", vec![("N", Int(2)), ("block_size", Int(16))], packed(), Some("the attribute `K` is missing")),
        ("MatMulNBits", bits(4), vec![zeros(&[3, 31]), bytes(&[2, 2, 8]), zeros(&[4])], Some("input 0 has the shape [3, 31], expected [..., 32]")),
        ("MatMulNBits", bits(4), vec![zeros(&[]), bytes(&[2, 2, 8]), zeros(&[4])], Some("input 0 has the shape [], expected [..., 32]")),
        ("MatMulNBits", bits(4), vec![none(&[0, usize::MAX, 32]), bytes(&[2, 2, 8]), zeros(&[4])], None),
        ("MatMulNBits", bits(4), vec![zeros(&[3, 32]), bytes(&[2, 2, 8]), zeros(&[3])], Some("input 2 (the scales) has the shape [3], expected 4 elements")),
        ("MatMulNBits", bits(4), vec![zeros(&[3, 32]), bytes(&[2, 2, 8]), zeros(&[4]), bytes(&[4])], Some("input 3 (the zero points) has the shape [4], expected 2 elements")),
        ("MatMulNBits", bits(4), vec![zeros(&[3, 32]), bytes(&[2, 2, 8]), zeros(&[4]), zeros(&[2])], Some("input 3 (the zero points) has the shape [2], expected 4 elements")),
        ("MatMulNBits", bits(4), vec![zeros(&[3, 32]), bytes(&[2, 2, 8]), zeros(&[4]), None, mask(&[32])], Some("input 4 (`g_idx`) is not supported, expected blocks of consecutive rows")),
        ("MatMulNBits", bits(4), vec![zeros(&[3, 32]), bytes(&[2, 2, 8]), zeros(&[4]), None, None, zeros(&[3])], Some("input 5 (the bias) has the shape [3], expected 2 elements")),
        ("MatMulNBits", bits(4), vec![zeros(&[3, 32]), zeros(&[2, 2, 8]), zeros(&[4])], Some("expected a tensor of UINT8, got FP32")),
    ]);
}

#[test]
#[rustfmt::skip]
fn fused_operators_say_what_they_cannot_compute() {
    let heads = |count: i64| vec![("num_heads", Int(count))];
    let qkv = || vec![zeros(&[2, 3, 8]), zeros(&[2, 5, 8]), zeros(&[2, 5, 8])];
    let with = |more: &[Option<Tensor>]| [&qkv()[..], more].concat();
    let turned = |positions: Option<Tensor>| vec![zeros(&[2, 3, 8]), positions, zeros(&[5, 2]), zeros(&[5, 2])];
    check(vec![
        ("BiasGelu", vec![], vec![zeros(&[2, 3]), zeros(&[2])], Some("the bias has the shape [2], expected the last size of [2, 3]")),
        ("FastGelu", vec![], vec![zeros(&[2, 3]), zeros(&[2, 3])], Some("the bias has the shape [2, 3], expected the last size of [2, 3]")),
        ("Gelu", vec![], vec![mask(&[1])], Some("expected FP32, FP64, FP16 or BF16, got INT32")),
        ("QuickGelu", vec![], vec![none(&[0, usize::MAX])], None),
        ("FusedMatMul", vec![("transBatchA", Int(1))], vec![zeros(&[2, 3, 4]), zeros(&[2, 4, 5])], Some("the shapes [[3], [2]] cannot be broadcast to each other")),
        ("FusedMatMul", vec![("transBatchA", Int(1))], vec![zeros(&[]), zeros(&[])], Some("matrices of shape [] and [] cannot be multiplied")),
        ("TransposeMatMul", vec![("transA", Int(1))], vec![zeros(&[2, 3]), zeros(&[3, 2])], Some("matrices of shape [3, 2] and [3, 2] cannot be multiplied")),
        ("ExpandDims", vec![], vec![zeros(&[2]), mask(&[])], Some("there is no axis -7 in 2 dimensions")),
        ("Range", vec![], vec![one(), zeros(&[2])], Some("input 1 has 2 values, expected 1")),
        ("Unique", vec![], vec![none(&[0])], None),
        ("FusedMatMul", vec![("transA", Int(1))], vec![zeros(&[2, 3]), zeros(&[3, 2])], Some("matrices of shape [3, 2] and [3, 2] cannot be multiplied")),
        ("FusedMatMul", vec![("transA", Int(1))], vec![zeros(&[3]), zeros(&[3, 2])], None),
        ("FusedMatMul", vec![], vec![zeros(&[3])], Some("input 1 is missing")),
        ("FusedGemm", vec![("activation", text("Mish"))], vec![], Some("the attribute `activation` is `Mish`, which is not supported, expected Relu, Sigmoid, Tanh, LeakyRelu, Elu, HardSigmoid, Clip, Softplus, Softsign or ThresholdedRelu")),
        ("FusedGemm", vec![("activation", text("Relu"))], vec![zeros(&[2, 2]), zeros(&[3, 2])], Some("matrices of shape [2, 2] and [3, 2] cannot be multiplied")),
        ("FusedConv", vec![("activation", text("Relu"))], vec![zeros(&[1, 1, 3]), zeros(&[1, 1, 2]), None, zeros(&[1, 1, 3])], Some("input 3 has the shape [1, 1, 3], expected the output's, [1, 1, 2]")),
        ("FusedConv", vec![("activation", text("Relu")), ("strides", ints(&[0]))], vec![zeros(&[1, 1, 3]), zeros(&[1, 1, 2])], Some("the attribute `strides` has a 0, expected 1 to 536870912")),
        ("NhwcMaxPool", vec![("kernel_shape", ints(&[2]))], vec![bytes(&[2, 2])], Some("expected an image, [N, spatial axes, C], got the shape [2, 2]")),
        ("NhwcMaxPool", vec![], vec![bytes(&[1, 2, 2])], Some("the attribute `kernel_shape` is missing")),
        ("Pad", vec![], vec![zeros(&[2]), longs(&[1], &[1])], Some("expected 2 sizes of padding, two for each of 1 axes, got 1")),
        ("RotaryEmbedding", vec![("scale", Float(2.0))], turned(longs(&[], &[0])), None),
        ("RotaryEmbedding", vec![("is_packed_batching", Int(1))], turned(longs(&[], &[0])), Some("the attribute `is_packed_batching` is not supported, expected its default")),
        ("RotaryEmbedding", vec![("num_heads", Int(-1))], turned(longs(&[], &[0])), Some("the attribute `num_heads` is negative, expected 0 or more")),
        ("RotaryEmbedding", vec![("num_heads", Int(3))], turned(longs(&[], &[0])), Some("an input of shape [2, 3, 8] and cosines of shape [5, 2] cannot be split into heads")),
        ("RotaryEmbedding", vec![("num_heads", Int(9))], turned(longs(&[], &[0])), Some("an input of shape [2, 3, 8] and cosines of shape [5, 2] cannot be split into heads")),
        ("RotaryEmbedding", vec![], turned(longs(&[], &[0])), None),
        ("RotaryEmbedding", vec![], turned(longs(&[1], &[3])), Some("the position 5 is outside 5 rows")),
        ("RotaryEmbedding", vec![], turned(longs(&[1], &[i64::MAX])), Some("the position 9223372036854775807 is outside 5 rows")),
        ("RotaryEmbedding", vec![], turned(longs(&[2], &[0, 0])), Some("there are 2 positions, expected 1 or 6")),
        ("RotaryEmbedding", vec![], turned(None), Some("input 1 is missing")),
        ("RotaryEmbedding", vec![], vec![zeros(&[8]), longs(&[], &[0]), zeros(&[5, 2]), zeros(&[5, 2])], Some("expected [batch, length, heads * size] or [batch, heads, length, size], got the shape [8]")),
        ("RotaryEmbedding", vec![], vec![none(&[1 << 40, 0, 8]), longs(&[], &[0]), zeros(&[5, 2]), zeros(&[5, 2])], None),
        ("MultiHeadAttention", heads(2), qkv(), None),
        ("MultiHeadAttention", heads(3), qkv(), Some("the shape [2, 3, 8] cannot be split into 3 heads")),
        ("MultiHeadAttention", heads(0), qkv(), Some("the attribute `num_heads` is 0, expected at least 1")),
        ("MultiHeadAttention", vec![], qkv(), Some("the attribute `num_heads` is missing")),
        ("MultiHeadAttention", heads(2), vec![zeros(&[2, 3, 2, 3, 4])], Some("input 0 has the shape [2, 3, 2, 3, 4], which is not supported, expected [batch, length, heads * size]")),
        ("MultiHeadAttention", heads(2), with(&[zeros(&[23])]), Some("the shape [23] has too few columns, expected 24")),
        ("MultiHeadAttention", heads(1), vec![none(&[0, 3, usize::MAX]), none(&[0, 5, usize::MAX]), none(&[0, 5, usize::MAX]), zeros(&[24])], Some("the shape [24] has too few columns, expected 18446744073709551615")),
        ("MultiHeadAttention", heads(1), vec![none(&[0, 3, usize::MAX]), none(&[0, 5, usize::MAX]), none(&[0, 5, usize::MAX]), none(&[0, usize::MAX])], Some("the shapes [[0, 3, 18446744073709551615], [0, 18446744073709551615]] cannot be broadcast to each other")),
        ("MultiHeadAttention", heads(2), with(&[None, mask(&[3, 5])]), Some("a mask of shape [3, 5] is not supported, expected [2, 5], [2, 3, 5] or [2]")),
        ("MultiHeadAttention", heads(2), with(&[None, mask(&[2])]), None),
        ("MultiHeadAttention", heads(2), with(&[None, zeros(&[2, 5])]), Some("expected a tensor of INT32, got FP32")),
        ("MultiHeadAttention", heads(2), with(&[None, None, zeros(&[3, 2, 3, 5])]), Some("the mask has the shape [3, 2, 3, 5], which cannot be broadcast to [2, 2, 3, 5]")),
        ("MultiHeadAttention", heads(2), with(&[None, None, None, zeros(&[2, 2, 4, 4])]), Some("expected either both of `past_key` and `past_value` or `nonpad_kv_seqlen`")),
        ("MultiHeadAttention", heads(2), with(&[None, None, None, zeros(&[2, 2, 4, 5]), zeros(&[2, 2, 4, 5])]), Some("the cache has the shape [2, 2, 4, 5], expected 2 heads of 4 in a batch of 2")),
        ("MultiHeadAttention", heads(2), with(&[None, None, None, None, None, None, mask(&[1])]), Some("input 9 is not supported, expected it to be omitted")),
        ("Attention", heads(2), vec![zeros(&[2, 3, 6]), zeros(&[6, 24]), zeros(&[24])], None),
        ("Attention", heads(1), vec![none(&[0, usize::MAX, 0]), none(&[0, 24]), zeros(&[24])], Some("a tensor of shape [8, 18446744073709551615] does not fit into memory")),
        ("Attention", heads(2), vec![zeros(&[2, 3, 6]), zeros(&[6, 23]), zeros(&[23])], Some("the weights have 23 columns, expected a multiple of 3")),
        ("Attention", heads(2), vec![zeros(&[3, 6]), zeros(&[6, 24]), zeros(&[24])], Some("an input of shape [3, 6] and weights of shape [6, 24] are not [batch, length, hidden] and [hidden, 3 * size]")),
        ("Attention", heads(2), vec![zeros(&[2, 3, 6]), zeros(&[6, 24]), zeros(&[2, 24])], Some("the bias has the shape [2, 24], expected [24]")),
        ("Attention", heads(2), vec![zeros(&[2, 3, 6]), zeros(&[6, 24]), zeros(&[24]), mask(&[2, 3, 4])], Some("a mask of shape [2, 3, 4] is not supported, expected [2, 3], [2, 3, 3] or [2]")),
        ("Attention", heads(2), vec![zeros(&[2, 3, 6]), zeros(&[6, 24]), zeros(&[24]), None, zeros(&[1])], Some("input 4 (`past`) is not supported, expected it to be omitted")),
        ("Attention", vec![("num_heads", Int(2)), ("do_rotary", Int(1))], vec![zeros(&[2, 3, 6]), zeros(&[6, 24])], Some("the attribute `do_rotary` is not supported")),
        ("Attention", vec![("num_heads", Int(2)), ("qkv_hidden_sizes", ints(&[8, 8, 8]))], vec![zeros(&[2, 3, 6]), zeros(&[6, 24])], Some("the attribute `qkv_hidden_sizes` is not supported")),
    ]);
}

#[test]
#[rustfmt::skip]
fn other_operators_say_what_they_cannot_compute() {
    let ids = |value: i32| Some(Tensor::of(&[2, 3], vec![value; 6]).unwrap());
    let embed = |value: i32, more: &[Option<Tensor>]| {
        [&[ids(value), None, zeros(&[4, 8]), zeros(&[3, 8]), None, zeros(&[8]), zeros(&[8])][..], more].concat()
    };
    let size = |size: i64| vec![("ngram_size", Int(size))];
    let deconvolved = |pads: &[i64]| vec![zeros(&[1, 1, 3]), zeros(&[1, 1, 2]), longs(&[pads.len()], pads)];
    check(vec![
        ("CDist", vec![("metric", text("cosine"))], vec![], Some("the attribute `metric` is `cosine`, expected `euclidean` or `sqeuclidean`")),
        ("CDist", vec![], vec![zeros(&[2, 3]), zeros(&[2, 4])], Some("inputs of shapes [2, 3] and [2, 4] are not rows of the same length, [M, K] and [N, K]")),
        ("CDist", vec![], vec![zeros(&[3]), zeros(&[2, 3])], Some("inputs of shapes [3] and [2, 3] are not rows of the same length, [M, K] and [N, K]")),
        ("CDist", vec![], vec![none(&[2, 0]), none(&[0, 0])], None),
        ("CDist", vec![], vec![bytes(&[2, 3]), bytes(&[2, 3])], Some("expected real numbers (FP32, FP64, FP16 or BF16), got UINT8")),
        ("Inverse", vec![], vec![zeros(&[2, 2])], None),
        ("Inverse", vec![], vec![none(&[0, usize::MAX, usize::MAX])], None),
        ("Inverse", vec![], vec![zeros(&[2, 3])], Some("expected square matrices, [..., N, N], got the shape [2, 3]")),
        ("Inverse", vec![], vec![zeros(&[])], Some("expected square matrices, [..., N, N], got the shape []")),
        ("EmbedLayerNormalization", vec![], embed(3, &[]), None),
        ("EmbedLayerNormalization", vec![], embed(-1, &[]), Some("the id -1 is negative")),
        ("EmbedLayerNormalization", vec![], embed(3, &[ids(1), mask(&[2, 3])]), Some("the id -7 is negative")),
        ("EmbedLayerNormalization", vec![], embed(3, &[mask(&[3])]), Some("the values of the mask have the shape [3], expected [2, 3]")),
        ("EmbedLayerNormalization", vec![], embed(3, &[None, mask(&[2])]), Some("the positions have the shape [2], expected [2, 3]")),
        ("EmbedLayerNormalization", vec![], vec![mask(&[2])], Some("the ids have the shape [2], expected [batch, length]")),
        ("EmbedLayerNormalization", vec![], vec![ids(0), None, zeros(&[4])], Some("an embedding has the shape [4], expected [ids, 4]")),
        ("EmbedLayerNormalization", vec![], vec![ids(0), None, zeros(&[4, 8]), zeros(&[3, 7])], Some("an embedding has the shape [3, 7], expected [ids, 8]")),
        ("NGramRepeatBlock", size(0), vec![], Some("the attribute `ngram_size` is 0, expected at least 1")),
        ("NGramRepeatBlock", size(i64::MAX), vec![longs(&[1, 2], &[0, 9]), zeros(&[1, 3])], None),
        ("NGramRepeatBlock", size(1), vec![longs(&[1, 2], &[0, -9]), zeros(&[1, 3])], Some("the token -9 is negative")),
        ("NGramRepeatBlock", size(1), vec![longs(&[2], &[0, 9]), zeros(&[1, 3])], Some("tokens of shape [2] and scores of shape [1, 3] are not [batch, length] and [batch, vocabulary]")),
        ("NGramRepeatBlock", size(1), vec![longs(&[1, 2], &[0, 9]), zeros(&[2, 3])], Some("tokens of shape [1, 2] and scores of shape [2, 3] are not [batch, length] and [batch, vocabulary]")),
        ("ConvTransposeWithDynamicPads", vec![], deconvolved(&[1, 0]), None),
        ("ConvTransposeWithDynamicPads", vec![], deconvolved(&[-1, 0]), Some("a padding is -1, expected 0 to 536870912")),
        ("ConvTransposeWithDynamicPads", vec![], deconvolved(&[4, 4]), Some("a padding of 4 and 4 leaves none of 4 values")),
        ("ConvTransposeWithDynamicPads", vec![], deconvolved(&[0]), Some("the attribute `pads` has 1 numbers, expected 2 for 1 spatial axes")),
    ]);
}
