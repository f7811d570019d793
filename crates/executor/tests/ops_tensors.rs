//! The operators on tensors: against what ONNX Runtime computes (`references/tensors.py` writes that), and on what they
//! cannot compute.

mod support;

use infer_executor::Tensor;
use support::Value::{self, Floats, Int};
use support::refusals::{self, Case, none, zeros};
use support::{ints, references, run, text};

#[test]
fn nodes_compute_what_onnx_runtime_does() {
    references::check(include_str!("references/tensors.json"));
}

fn wholes(values: &[i64]) -> Option<Tensor> {
    Some(Tensor::vector(values.to_vec()))
}

fn one(value: i64) -> Option<Tensor> {
    Some(Tensor::scalar(value))
}

fn narrow(values: &[i32]) -> Option<Tensor> {
    Some(Tensor::vector(values.to_vec()))
}

#[test]
fn powers_of_integers_are_exact() {
    // By way of FP64, as ONNX Runtime computes them, the first would end in 256.
    let actual = run("Pow", 15, &[], 1, &[wholes(&[3, 2]), wholes(&[39, 64])]);
    assert_eq!(
        actual,
        Ok(vec![Tensor::vector(vec![4_052_555_153_018_976_267i64, 0])])
    );
}

fn check(cases: Vec<Case>) {
    refusals::check("", &[true], cases);
}

#[test]
#[rustfmt::skip]
fn arithmetic_says_what_it_cannot_compute() {
    check(vec![
        ("Add", 14, vec![], vec![zeros(&[2]), zeros(&[3])], Some("the shapes [[2], [3]] cannot be broadcast to each other")),
        ("Add", 14, vec![], vec![zeros(&[2]), narrow(&[1])], Some("expected a tensor of FP32, got INT32")),
        ("Add", 14, vec![], vec![zeros(&[2]), None], Some("input 1 is missing")),
        ("Add", 6, vec![("axis", Int(0))], vec![zeros(&[2]), zeros(&[2])], Some("the attribute `axis`, which broadcasting had before version 7, is not supported; convert the model to version 7 or later")),
        ("Add", 14, vec![], vec![none(&[0, usize::MAX, 9]), zeros(&[1])], None),
        ("Div", 14, vec![], vec![narrow(&[1, 2]), narrow(&[1, 0])], Some("the divisor of an integer division (INT32) has a zero")),
        ("Div", 14, vec![], vec![narrow(&[i32::MIN]), narrow(&[-1])], None),
        ("Mod", 13, vec![], vec![narrow(&[1]), narrow(&[0])], Some("the divisor of an integer division (INT32) has a zero")),
        ("Mod", 13, vec![], vec![narrow(&[i32::MIN]), narrow(&[-1])], None),
        ("Mod", 13, vec![], vec![zeros(&[1]), zeros(&[1])], Some("the attribute `fmod` is 0, expected 1 for FP32")),
        ("Pow", 15, vec![], vec![narrow(&[0]), narrow(&[-1])], None),
        ("Pow", 15, vec![], vec![narrow(&[3]), wholes(&[i64::MAX])], None),
        ("Abs", 13, vec![], vec![narrow(&[i32::MIN])], None),
        ("Neg", 13, vec![], vec![narrow(&[i32::MIN])], None),
        ("And", 7, vec![], vec![zeros(&[1]), zeros(&[1])], Some("expected a tensor of BOOL, got FP32")),
        ("Sqrt", 13, vec![], vec![narrow(&[4])], Some("expected FP32, FP64, FP16 or BF16, got INT32")),
        ("BitwiseNot", 18, vec![], vec![zeros(&[1])], Some("expected an integer's datatype, got FP32")),
        ("BitShift", 11, vec![("direction", text("UP"))], vec![], Some("the attribute `direction` is `UP`, expected `LEFT` or `RIGHT`")),
        ("BitShift", 28, vec![("direction", text("LEFT"))], vec![wholes(&[1]), wholes(&[64])], None),
        ("BitShift", 28, vec![("direction", text("RIGHT"))], vec![wholes(&[-1]), wholes(&[i64::MIN])], None),
        ("Clip", 13, vec![], vec![zeros(&[2]), zeros(&[2])], Some("a bound has 2 values, expected 1")),
        ("PRelu", 16, vec![], vec![zeros(&[2]), zeros(&[3, 2])], Some("the slope cannot be broadcast to the input's shape [2]")),
        ("Gelu", 20, vec![("approximate", text("sin"))], vec![], Some("the attribute `approximate` is `sin`, expected `none` or `tanh`")),
        ("Dropout", 13, vec![], vec![zeros(&[2]), None, Some(Tensor::scalar(true))], Some("training (dropping values) is not supported, expected `training_mode` to be false")),
        ("Where", 16, vec![], vec![zeros(&[1]), zeros(&[1]), zeros(&[1])], Some("expected a tensor of BOOL, got FP32")),
        ("Cast", 13, vec![("to", Int(8))], vec![], Some("tensors of STRING are not supported")),
        ("Cast", 19, vec![("to", Int(17))], vec![], Some("tensors of FLOAT8E4M3FN are not supported")),
        ("Cast", 5, vec![("to", Int(1))], vec![], Some("operator `Cast` is not supported in version 5 of the operator set `ai.onnx`, expected version 6 or later")),
        ("Cast", 13, vec![("to", Int(99))], vec![], Some("the datatype 99 is unknown")),
        ("Cast", 13, vec![], vec![], Some("the attribute `to` is missing")),
        ("BitCast", 26, vec![("to", Int(7))], vec![zeros(&[1])], Some("the bits of FP32 cannot be reinterpreted as INT64, which has another size")),
        ("Sum", 13, vec![], vec![], Some("input 0 is missing")),
        ("MatMul", 13, vec![], vec![zeros(&[2, 3]), zeros(&[2, 3])], Some("matrices of shape [2, 3] and [2, 3] cannot be multiplied")),
        ("MatMul", 13, vec![], vec![zeros(&[]), zeros(&[1])], Some("matrices of shape [] and [1] cannot be multiplied")),
        ("MatMul", 13, vec![], vec![none(&[1 << 20, 0]), none(&[0, 1 << 20])], Some("a tensor of shape [1048576, 1048576] does not fit into memory")),
        ("Gemm", 13, vec![], vec![zeros(&[2]), zeros(&[2, 2])], Some("expected two matrices, got tensors of shape [2] and [2, 2]")),
        ("Gemm", 13, vec![], vec![zeros(&[2, 2]), zeros(&[2, 2]), zeros(&[3, 2, 2])], Some("input 2 cannot be broadcast to the product's shape [2, 2]")),
        ("MatMulInteger", 10, vec![], vec![zeros(&[1, 1]), zeros(&[1, 1])], Some("expected INT8 or UINT8, got FP32")),
        ("Det", 22, vec![], vec![zeros(&[2, 3])], Some("expected square matrices, got 2 rows and 3 columns")),
        ("Det", 22, vec![], vec![none(&[0, 1 << 40, 1 << 40])], None),
        ("Einsum", 12, vec![("equation", text("ij->k"))], vec![zeros(&[1, 1])], Some("the equation's output has a label that no input has, or repeats one")),
        ("Einsum", 12, vec![("equation", text("i->ii"))], vec![zeros(&[1])], Some("the equation's output has a label that no input has, or repeats one")),
        ("Einsum", 12, vec![("equation", text("i,j"))], vec![zeros(&[1])], Some("the equation has 2 inputs, got 1")),
        ("Einsum", 12, vec![("equation", text("i"))], vec![zeros(&[1, 1])], Some("input 0 has the shape [1, 1], which does not match its term in the equation")),
        ("Einsum", 12, vec![("equation", text("ii"))], vec![zeros(&[2, 3])], Some("axes of [2, 3] have the same label but different sizes")),
        ("Einsum", 12, vec![("equation", text("i,i"))], vec![zeros(&[2]), zeros(&[3])], Some("a label has the size 2 in one input and 3 in another")),
        ("Einsum", 12, vec![("equation", text("é"))], vec![zeros(&[1])], Some("the equation is `é`, expected letters, commas, at most one `->`, and at most one `...` per term")),
        ("Einsum", 12, vec![("equation", text("......"))], vec![zeros(&[1])], Some("the equation is `......`, expected letters, commas, at most one `->`, and at most one `...` per term")),
    ]);
}

#[test]
#[rustfmt::skip]
fn shapes_and_indices_say_what_does_not_go_together() {
    let (low, high) = (i64::MIN, i64::MAX);
    check(vec![
        ("Reshape", 14, vec![], vec![zeros(&[6]), wholes(&[-1, -1])], Some("[6] cannot be reshaped to [-1, -1]: -1 is repeated")),
        ("Reshape", 14, vec![], vec![zeros(&[6]), wholes(&[4, -1])], Some("[6] cannot be reshaped to [4, -1]: no size for -1 gives the same number of elements")),
        ("Reshape", 14, vec![], vec![zeros(&[6]), wholes(&[6, 0])], Some("[6] cannot be reshaped to [6, 0]: a 0 copies a size that the input does not have")),
        ("Reshape", 14, vec![], vec![zeros(&[6]), wholes(&[low])], Some("[6] cannot be reshaped to [-9223372036854775808]: expected sizes of -1, 0 or more")),
        ("Reshape", 14, vec![], vec![zeros(&[6]), wholes(&[high, 3])], Some("a tensor of shape [9223372036854775807, 3] does not fit into memory")),
        ("Reshape", 14, vec![("allowzero", Int(1))], vec![none(&[0]), wholes(&[0, -1])], Some("[0] cannot be reshaped to [0, -1]: it has both 0 and -1 with `allowzero`")),
        ("Reshape", 14, vec![], vec![zeros(&[1]), zeros(&[1])], Some("expected integers (INT64 or INT32), got FP32")),
        ("Flatten", 13, vec![("axis", Int(2))], vec![zeros(&[1])], Some("there is no axis 2 in 1 dimensions")),
        ("Squeeze", 13, vec![], vec![zeros(&[2]), wholes(&[0])], Some("axis 0 of [2] cannot be squeezed, expected the size 1")),
        ("Unsqueeze", 13, vec![], vec![zeros(&[2]), wholes(&[0, 0])], Some("an axis is repeated in [0, 0]")),
        ("Unsqueeze", 13, vec![], vec![zeros(&[2])], Some("the axes are missing")),
        ("Shape", 15, vec![("start", Int(low)), ("end", Int(low))], vec![zeros(&[2])], None),
        ("Transpose", 13, vec![("perm", ints(&[0, 0]))], vec![zeros(&[2, 2])], Some("the attribute `perm` is [0, 0], expected each of 2 axes once")),
        ("Transpose", 13, vec![], vec![none(&[0, 1 << 40, 1 << 40])], None),
        ("Expand", 13, vec![], vec![zeros(&[1]), wholes(&[high])], Some("a tensor of shape [9223372036854775807] does not fit into memory")),
        ("Expand", 13, vec![], vec![zeros(&[1]), wholes(&[-1])], Some("expected sizes of 0 or more, got [-1]")),
        ("Tile", 13, vec![], vec![zeros(&[2]), wholes(&[high])], Some("a tensor of shape [9223372036854775807, 2] does not fit into memory")),
        ("Tile", 13, vec![], vec![zeros(&[2]), wholes(&[1, 1])], Some("expected one number of repeats for each of 1 axes, got 2")),
        ("Concat", 13, vec![("axis", Int(0))], vec![zeros(&[1, 2]), zeros(&[1, 3])], Some("[1, 2] and [1, 3] cannot be concatenated along axis 0")),
        ("Concat", 13, vec![("axis", Int(1))], vec![none(&[1 << 29, 0]), none(&[1 << 29, 0])], None),
        ("Concat", 13, vec![], vec![zeros(&[1])], Some("the attribute `axis` is missing")),
        ("Split", 13, vec![], vec![zeros(&[3]), wholes(&[high, high])], Some("a size of 3 cannot be split into [9223372036854775807, 9223372036854775807] for 1 outputs")),
        ("Split", 18, vec![("num_outputs", Int(0))], vec![zeros(&[3])], Some("the attribute `num_outputs` is 0, expected 1 or more")),
        ("Split", 18, vec![("num_outputs", Int(high))], vec![zeros(&[3])], None),
        ("Slice", 13, vec![], vec![zeros(&[3]), wholes(&[0]), wholes(&[3]), wholes(&[0]), wholes(&[0])], Some("the step of a slice is 0")),
        ("Slice", 13, vec![], vec![zeros(&[3]), wholes(&[high]), wholes(&[low]), wholes(&[0]), wholes(&[low])], None),
        ("Slice", 13, vec![], vec![none(&[0, 1 << 40, 1 << 40]), wholes(&[5]), wholes(&[9]), wholes(&[1])], None),
        ("Slice", 13, vec![], vec![zeros(&[3]), wholes(&[0]), wholes(&[1]), wholes(&[1])], Some("there is no axis 1 in 1 dimensions")),
        ("Pad", 13, vec![], vec![zeros(&[3]), wholes(&[high, 1])], Some("a tensor of shape [9223372036854775811] does not fit into memory")),
        ("Pad", 13, vec![], vec![zeros(&[3]), wholes(&[low, high])], None),
        ("Pad", 13, vec![], vec![zeros(&[3]), wholes(&[high, low + 5])], None),
        ("Pad", 13, vec![], vec![zeros(&[3]), wholes(&[-4, 0])], Some("a size of 3 cannot be padded by -4 and 0")),
        ("Pad", 13, vec![], vec![zeros(&[3]), wholes(&[1])], Some("expected 2 sizes of padding, two for each of 1 axes, got 1")),
        ("Pad", 13, vec![("mode", text("edge"))], vec![none(&[0]), wholes(&[1, 1])], Some("an axis without elements cannot be padded with this mode")),
        ("Pad", 13, vec![("mode", text("reflect"))], vec![zeros(&[3]), wholes(&[-1, 0])], Some("negative padding is not supported with this mode, expected the mode `constant`")),
        ("Pad", 18, vec![("mode", text("wrap"))], vec![], Some("the attribute `mode` is `wrap`, expected `constant`, `edge`, `reflect`, or since version 19 `wrap`")),
        ("CenterCropPad", 18, vec![], vec![zeros(&[3]), wholes(&[high])], Some("a tensor of shape [9223372036854775807] does not fit into memory")),
        ("ReverseSequence", 10, vec![], vec![zeros(&[2, 1]), wholes(&[3])], Some("expected 1 lengths of at most 2, got [3]")),
        ("DepthToSpace", 13, vec![("blocksize", Int(0))], vec![], Some("the attribute `blocksize` is 0, expected 1 to 16384")),
        ("DepthToSpace", 13, vec![("blocksize", Int(2))], vec![zeros(&[1, 3, 1, 1])], Some("3 channels cannot be split into blocks of 2 by 2")),
        ("SpaceToDepth", 13, vec![("blocksize", Int(2))], vec![zeros(&[1, 1, 3, 2])], Some("an image of 3 by 2 cannot be split into blocks of 2")),
        ("Gather", 13, vec![], vec![zeros(&[3]), wholes(&[3])], Some("the index 3 is outside an axis of size 3")),
        ("Gather", 13, vec![], vec![zeros(&[3]), wholes(&[low])], Some("the index -9223372036854775808 is outside an axis of size 3")),
        ("Gather", 13, vec![], vec![zeros(&[]), wholes(&[0])], Some("there is no axis 0 in 0 dimensions")),
        ("GatherElements", 13, vec![], vec![zeros(&[2, 2]), wholes(&[0])], Some("indices of shape [1] do not match the shape [2, 2] along axis 0")),
        ("GatherND", 13, vec![("batch_dims", Int(-1))], vec![], Some("the attribute `batch_dims` is negative, expected 0 or more")),
        ("GatherND", 13, vec![("batch_dims", Int(high))], vec![zeros(&[2]), wholes(&[0])], Some("indices of shape [1] do not match the shape [2] with `batch_dims` 9223372036854775807")),
        ("GatherND", 13, vec![], vec![zeros(&[2]), wholes(&[0, 0])], Some("indices of shape [2] do not match the shape [2] with `batch_dims` 0")),
        ("ScatterElements", 18, vec![("reduction", text("xor"))], vec![], Some("the attribute `reduction` is `xor`, expected `none`, `add`, `mul`, `max` or `min`")),
        ("ScatterElements", 18, vec![], vec![zeros(&[2]), wholes(&[2]), zeros(&[1])], Some("the index 2 is outside an axis of size 2")),
        ("ScatterElements", 18, vec![], vec![zeros(&[2]), wholes(&[0]), zeros(&[2])], Some("the updates have the shape [2], expected that of the indices, [1]")),
        ("ScatterND", 18, vec![], vec![zeros(&[2]), wholes(&[0]), zeros(&[1])], Some("indices of shape [1] and updates of shape [1] do not match the shape [2]")),
        ("ScatterND", 18, vec![], vec![zeros(&[2]), one(0), zeros(&[])], Some("indices of shape [] and updates of shape [] do not match the shape [2]")),
        ("TensorScatter", 24, vec![("axis", Int(1))], vec![zeros(&[1, 2, 1]), zeros(&[1, 2, 1]), wholes(&[high])], Some("2 elements from position 9223372036854775807 on do not fit into a cache of length 2")),
        ("OneHot", 11, vec![], vec![wholes(&[0]), one(high), zeros(&[2])], Some("a tensor of shape [1, 9223372036854775807] does not fit into memory")),
        ("OneHot", 11, vec![], vec![wholes(&[0]), one(-1), zeros(&[2])], Some("the depth is not one number, or negative")),
        ("OneHot", 11, vec![], vec![wholes(&[0]), one(2), zeros(&[3])], Some("expected two values (off and on), got 3")),
        ("Compress", 11, vec![], vec![zeros(&[1]), Some(Tensor::vector(vec![true, true]))], Some("the index 1 is outside an axis of size 1")),
    ]);
}

#[test]
#[rustfmt::skip]
fn what_is_made_and_what_is_found_says_what_it_cannot_be() {
    let (low, high) = (i64::MIN, i64::MAX);
    check(vec![
        ("Constant", 13, vec![("value_string", text("a"))], vec![], Some("the attribute `value_string` is not supported")),
        ("Constant", 13, vec![], vec![], Some("the attribute `value` is missing")),
        ("ConstantOfShape", 9, vec![], vec![wholes(&[high])], Some("a tensor of shape [9223372036854775807] does not fit into memory")),
        ("ConstantOfShape", 9, vec![], vec![wholes(&[0, high, high])], None),
        ("EyeLike", 9, vec![("k", Int(high))], vec![zeros(&[2, 2])], None),
        ("EyeLike", 9, vec![], vec![zeros(&[2])], Some("expected a matrix, got the shape [2]")),
        ("Range", 11, vec![], vec![one(0), one(1), one(0)], Some("the step of the range is 0 or NaN")),
        ("Range", 11, vec![], vec![one(low), one(high), one(1)], Some("a tensor of shape [18446744073709551615] does not fit into memory")),
        ("Range", 11, vec![], vec![zeros(&[]), Some(Tensor::scalar(f32::NAN)), Some(Tensor::scalar(1f32))], Some("the range has more values than a tensor can have")),
        ("Range", 11, vec![], vec![one(0), wholes(&[1, 2]), one(1)], Some("input 1 has 2 values, expected 1")),
        ("Trilu", 14, vec![], vec![zeros(&[2, 2]), one(high)], None),
        ("Trilu", 14, vec![("upper", Int(0))], vec![zeros(&[2, 2]), one(low)], None),
        ("Trilu", 14, vec![], vec![zeros(&[2])], Some("expected at least two axes, got the shape [2]")),
        ("ReduceSum", 13, vec![], vec![zeros(&[2]), wholes(&[0, -1])], Some("an axis is repeated in [0, -1]")),
        ("ReduceSum", 13, vec![], vec![zeros(&[2]), wholes(&[1])], Some("there is no axis 1 in 1 dimensions")),
        ("ReduceSum", 13, vec![], vec![Some(Tensor::vector(vec![1u8]))], Some("expected floats, or integers of at least 32 bits, got UINT8")),
        ("ReduceSum", 13, vec![], vec![Some(Tensor::vector(vec![true]))], Some("expected a number's datatype, got BOOL")),
        ("ReduceMean", 18, vec![], vec![Some(Tensor::vector(Vec::<i32>::new()))], None),
        ("ArgMax", 13, vec![], vec![none(&[0, 2])], Some("axis 0 has no elements, expected at least 1")),
        ("ArgMax", 13, vec![], vec![zeros(&[])], Some("there is no axis 0 in 0 dimensions")),
        ("TopK", 11, vec![], vec![zeros(&[2]), wholes(&[3])], Some("the number of elements is [3], expected one number from 0 to 2")),
        ("TopK", 11, vec![], vec![zeros(&[2]), wholes(&[-1])], Some("the number of elements is [-1], expected one number from 0 to 2")),
        ("TopK", 11, vec![], vec![none(&[1 << 40, 0]), wholes(&[0])], None),
        ("TopK", 11, vec![], vec![Some(Tensor::vector(vec![f32::NAN, 1.0, f32::NAN, f32::NEG_INFINITY])), wholes(&[4])], None),
        ("Unique", 11, vec![("axis", Int(0))], vec![none(&[1 << 29, 0])], Some("slices of shape [0] have no elements, expected at least 1")),
        ("Unique", 11, vec![], vec![none(&[1 << 29, 0])], None),
        ("NonZero", 13, vec![], vec![zeros(&[])], None),
        ("CumSum", 14, vec![], vec![zeros(&[2]), wholes(&[0, 0])], Some("the axis has 2 values, expected 1")),
        ("CumSum", 14, vec![], vec![Some(Tensor::vector(vec![i64::MAX, 1])), one(0)], None),
        ("Softmax", 13, vec![], vec![zeros(&[])], Some("there is no axis -1 in 0 dimensions")),
        ("Softmax", 13, vec![], vec![none(&[1 << 29, 0])], None),
        ("Hardmax", 11, vec![("axis", Int(3))], vec![zeros(&[2])], Some("there is no axis 3 in 1 dimensions")),
        ("NegativeLogLikelihoodLoss", 13, vec![], vec![zeros(&[1, 2]), wholes(&[2])], Some("the label 2 is outside 2 classes")),
        ("NegativeLogLikelihoodLoss", 13, vec![], vec![zeros(&[2, 2]), wholes(&[0])], Some("labels of shape [1] do not match scores of shape [2, 2], whose second axis is the classes")),
        ("NegativeLogLikelihoodLoss", 13, vec![], vec![zeros(&[1, 2]), wholes(&[0]), zeros(&[3])], Some("expected one weight for each of 2 classes")),
        ("SoftmaxCrossEntropyLoss", 13, vec![], vec![none(&[1, 0]), wholes(&[0])], Some("the label 0 is outside 0 classes")),
        ("Nonsense", 13, vec![], vec![], Some("operator `Nonsense` of `ai.onnx` version 13 is not supported by the WebAssembly engine; a native backend may run it")),
    ]);
}

#[test]
#[rustfmt::skip]
fn moved_places_and_runs_of_numbers_say_what_they_cannot_compute() {
    let image = || zeros(&[1, 2, 3, 3]);
    let grams = |changed: (&'static str, Value)| {
        let mut all = vec![
            ("mode", text("TF")), ("min_gram_length", Int(1)), ("max_gram_length", Int(2)), ("max_skip_count", Int(0)),
            ("ngram_counts", ints(&[0, 1])), ("ngram_indexes", ints(&[0, 1])), ("pool_int64s", ints(&[5, 5, 6])),
        ];
        all.retain(|(name, _)| *name != changed.0);
        all.push(changed);
        all
    };
    let unchanged = || grams(("mode", text("TF")));
    check(vec![
        ("AffineGrid", 20, vec![], vec![zeros(&[1, 2, 3]), wholes(&[1, 1, 2, 2])], None),
        ("AffineGrid", 20, vec![("align_corners", Int(1))], vec![zeros(&[1, 2, 3]), wholes(&[1, 1, 1, 1])], None),
        ("AffineGrid", 20, vec![], vec![zeros(&[0, 2, 3]), wholes(&[0, 1, 0, 2])], None),
        ("AffineGrid", 20, vec![], vec![zeros(&[1, 2, 2]), wholes(&[1, 1, 2, 2])], Some("`theta` has the shape [1, 2, 2], expected [1, 2, 3]")),
        ("AffineGrid", 20, vec![], vec![zeros(&[1, 2, 3]), wholes(&[1, 1, 2])], Some("the size is [1, 1, 2], expected four or five numbers, none negative")),
        ("AffineGrid", 20, vec![], vec![zeros(&[1, 2, 3]), wholes(&[1, 1, -2, 2])], Some("the size is [1, 1, -2, 2], expected four or five numbers, none negative")),
        ("AffineGrid", 20, vec![], vec![zeros(&[1, 2, 3]), wholes(&[1, 1, i64::MAX, i64::MAX])], Some("a tensor of shape [1, 9223372036854775807, 9223372036854775807, 2] does not fit into memory")),
        ("AffineGrid", 20, vec![], vec![Some(Tensor::of(&[1, 2, 3], vec![0i64; 6]).unwrap()), wholes(&[1, 1, 2, 2])], Some("expected real numbers (FP32, FP64, FP16 or BF16), got INT64")),
        ("DeformConv", 19, vec![], vec![image(), zeros(&[1, 2, 2, 2]), zeros(&[1, 8, 2, 2])], None),
        ("DeformConv", 19, vec![], vec![image(), zeros(&[1, 2, 2, 2]), zeros(&[1, 8, 2, 3])], Some("the offsets have the shape [1, 8, 2, 3], expected [1, 8, 2, 2]")),
        ("DeformConv", 19, vec![], vec![image(), zeros(&[1, 1, 2, 2]), zeros(&[1, 8, 2, 2])], Some("weights of shape [1, 1, 2, 2] in 1 groups and 1 offset groups do not match an input of shape [1, 2, 3, 3]")),
        ("DeformConv", 19, vec![], vec![image(), zeros(&[1, 2, 4, 2]), zeros(&[1, 8, 2, 2])], Some("weights of shape [1, 2, 4, 2] in 1 groups and 1 offset groups do not match an input of shape [1, 2, 3, 3]")),
        ("DeformConv", 19, vec![("offset_group", Int(3))], vec![image(), zeros(&[1, 2, 2, 2]), zeros(&[1, 8, 2, 2])], Some("weights of shape [1, 2, 2, 2] in 1 groups and 3 offset groups do not match an input of shape [1, 2, 3, 3]")),
        ("DeformConv", 19, vec![("group", Int(0))], vec![image(), zeros(&[1, 2, 2, 2]), zeros(&[1, 8, 2, 2])], Some("the attribute `group` is 0, expected at least 1")),
        ("DeformConv", 19, vec![("strides", ints(&[0, 1]))], vec![image(), zeros(&[1, 2, 2, 2]), zeros(&[1, 8, 2, 2])], Some("the attribute `strides` is [0, 1], which is not supported, expected two positive numbers")),
        ("DeformConv", 19, vec![("pads", ints(&[0, 1]))], vec![image(), zeros(&[1, 2, 2, 2]), zeros(&[1, 8, 2, 2])], Some("the attribute `pads` is [0, 1], which is not supported, expected four numbers")),
        ("DeformConv", 19, vec![], vec![image(), zeros(&[1, 2, 2, 2]), zeros(&[1, 8, 2, 2]), zeros(&[2])], Some("the bias has the shape [2], expected [1]")),
        ("DeformConv", 19, vec![], vec![image(), zeros(&[1, 2, 2, 2]), zeros(&[1, 8, 2, 2]), None, zeros(&[1])], Some("the mask has the shape [1], expected [1, 4, 2, 2]")),
        ("DeformConv", 19, vec![], vec![zeros(&[1, 2, 3]), zeros(&[1, 2, 2]), zeros(&[1, 4, 2])], Some("an input of shape [1, 2, 3] with weights of shape [1, 2, 2] is not supported, expected two spatial axes")),
        ("TfIdfVectorizer", 9, unchanged(), vec![wholes(&[5, 6])], None),
        ("TfIdfVectorizer", 9, unchanged(), vec![none(&[0])], Some("expected integers (INT64 or INT32), got FP32")),
        ("TfIdfVectorizer", 9, unchanged(), vec![Some(Tensor::of(&[1, 1, 1], vec![5i64]).unwrap())], Some("expected a vector or a matrix, got the shape [1, 1, 1]")),
        ("TfIdfVectorizer", 9, unchanged(), vec![Some(Tensor::of(&[2, 0], Vec::<i64>::new()).unwrap())], None),
        ("TfIdfVectorizer", 9, grams(("mode", text("TFDIF"))), vec![wholes(&[5])], Some("the attribute `mode` is `TFDIF`, expected TF, IDF or TFIDF")),
        ("TfIdfVectorizer", 9, grams(("min_gram_length", Int(3))), vec![wholes(&[5])], Some("the attribute `min_gram_length` is 3, which is more than `max_gram_length`, 2")),
        ("TfIdfVectorizer", 9, grams(("max_skip_count", Int(-1))), vec![wholes(&[5])], Some("the attribute `max_skip_count` is -1, expected at least 0")),
        ("TfIdfVectorizer", 9, grams(("max_skip_count", Int(i64::MAX))), vec![wholes(&[5, 5])], None),
        ("TfIdfVectorizer", 9, grams(("ngram_counts", ints(&[0, 9]))), vec![wholes(&[5])], Some("the attribute `ngram_counts` is [0, 9], expected ascending positions in a pool of 3")),
        ("TfIdfVectorizer", 9, grams(("ngram_counts", ints(&[2, 1]))), vec![wholes(&[5])], Some("the attribute `ngram_counts` is [2, 1], expected ascending positions in a pool of 3")),
        ("TfIdfVectorizer", 9, grams(("ngram_indexes", ints(&[0]))), vec![wholes(&[5])], Some("the attribute `ngram_indexes` has 1 columns, expected one for each n-gram")),
        ("TfIdfVectorizer", 9, grams(("ngram_indexes", ints(&[]))), vec![wholes(&[5])], Some("the attribute `ngram_indexes` is missing")),
        ("TfIdfVectorizer", 9, grams(("weights", Floats(vec![1.0]))), vec![wholes(&[5])], Some("the attribute `weights` has 1 numbers, expected 2, one for each n-gram")),
    ]);
}

#[test]
#[rustfmt::skip]
fn spectra_and_random_numbers_say_what_they_cannot_compute() {
    let mel = |bands, length, low: f32, high: f32| vec![one(bands), one(length), one(8000), Some(Tensor::scalar(low)), Some(Tensor::scalar(high))];
    check(vec![
        ("HannWindow", 17, vec![], vec![one(0)], None),
        ("HannWindow", 17, vec![("periodic", Int(0))], vec![one(1)], None),
        ("HannWindow", 17, vec![], vec![one(-1)], Some("`size` is -1, expected 0 or more")),
        ("HannWindow", 17, vec![], vec![one(i64::MAX)], Some("a tensor of shape [9223372036854775807] does not fit into memory")),
        ("HannWindow", 17, vec![], vec![wholes(&[1, 2])], Some("`size` has 2 values, expected 1")),
        ("HannWindow", 17, vec![("output_datatype", Int(8))], vec![one(1)], Some("tensors of STRING are not supported")),
        ("MelWeightMatrix", 17, vec![], mel(4, 32, 100.0, 3900.0), None),
        ("MelWeightMatrix", 17, vec![], mel(4, 32, 100.0, 39000.0), Some("a filter's edge of 4935.6011214421505 Hz is outside the 17 bins of the spectrum")),
        ("MelWeightMatrix", 17, vec![], mel(4, 32, f32::NAN, 3900.0), Some("a filter's edge of NaN Hz is outside the 17 bins of the spectrum")),
        ("MelWeightMatrix", 17, vec![], mel(i64::MAX, i64::MAX, 1.0, 2.0), Some("a tensor of shape [4611686018427387904, 9223372036854775807] does not fit into memory")),
        ("MelWeightMatrix", 17, vec![], vec![one(1), one(2), one(3)], Some("input 3 is missing")),
        ("DFT", 17, vec![("axis", Int(0))], vec![zeros(&[3, 2])], None),
        ("DFT", 17, vec![("axis", Int(1))], vec![zeros(&[3, 2])], Some("the axis is the last one, which has the parts of complex numbers")),
        ("DFT", 17, vec![], vec![zeros(&[3, 3, 3])], Some("the signal has the shape [3, 3, 3], expected a last axis of 1 (real) or 2 (complex)")),
        ("DFT", 17, vec![], vec![zeros(&[])], Some("the signal has the shape [], expected a last axis of 1 (real) or 2 (complex)")),
        ("DFT", 17, vec![("axis", Int(9))], vec![zeros(&[3, 3, 1])], Some("there is no axis 9 in 3 dimensions")),
        ("DFT", 17, vec![("inverse", Int(1)), ("onesided", Int(1))], vec![zeros(&[1, 1, 2])], None),
        ("DFT", 17, vec![("inverse", Int(1)), ("onesided", Int(1))], vec![zeros(&[1, 3, 2]), one(i64::MAX)], Some("a tensor of shape [1, 9223372036854775807, 1] does not fit into memory")),
        ("DFT", 17, vec![], vec![zeros(&[1, 3, 1]), one(-1)], Some("`dft_length` is -1, expected 0 or more")),
        ("DFT", 17, vec![], vec![zeros(&[1, 3, 1]), one(0)], None),
        ("DFT", 17, vec![], vec![zeros(&[1, 3, 1]), one(i64::MAX)], Some("a tensor of shape [1, 9223372036854775807, 2] does not fit into memory")),
        ("DFT", 17, vec![], vec![zeros(&[1, 3, 1]), one(4099)], Some("a transform of the length 4099 is not supported, since it has a prime factor above 4096")),
        ("DFT", 17, vec![], vec![none(&[1, 0, 1]), one(3)], None),
        ("DFT", 20, vec![], vec![zeros(&[1, 3, 1]), None, wholes(&[0, 1])], Some("the axis has 2 values, expected 1")),
        ("DFT", 17, vec![], vec![Some(Tensor::of(&[1, 3, 1], vec![1i32; 3]).unwrap())], Some("expected real numbers (FP32, FP64, FP16 or BF16), got INT32")),
        ("STFT", 17, vec![], vec![zeros(&[1, 9, 1]), one(2), zeros(&[4])], None),
        ("STFT", 17, vec![], vec![zeros(&[1, 9, 1]), one(0), zeros(&[4])], Some("frames of the length 4, 0 apart, do not fit a signal of the length 9")),
        ("STFT", 17, vec![], vec![zeros(&[1, 9, 1]), one(2), zeros(&[10])], Some("frames of the length 10, 2 apart, do not fit a signal of the length 9")),
        ("STFT", 17, vec![], vec![zeros(&[1, 9, 1]), one(2), zeros(&[4]), one(5)], Some("the window has 4 values, expected the frames' 5")),
        ("STFT", 17, vec![], vec![zeros(&[1, 9, 1]), one(2)], Some("inputs 2 (`window`) and 3 (`frame_length`) are missing, expected at least one of them")),
        ("STFT", 17, vec![], vec![zeros(&[9]), one(2)], Some("the signal has the shape [9], expected [batch, length, 1 or 2]")),
        ("RandomNormal", 1, vec![("shape", ints(&[3]))], vec![], None),
        ("RandomNormal", 1, vec![], vec![], Some("the attribute `shape` is missing")),
        ("RandomNormal", 1, vec![("shape", ints(&[-1]))], vec![], Some("the attribute `shape` is [-1], expected no negative numbers")),
        ("RandomUniform", 1, vec![("shape", ints(&[i64::MAX, i64::MAX]))], vec![], Some("a tensor of shape [9223372036854775807, 9223372036854775807] does not fit into memory")),
        ("RandomUniform", 1, vec![("shape", ints(&[1])), ("dtype", Int(7))], vec![], Some("the attribute `dtype` is INT64, expected FP32, FP64, FP16 or BF16")),
        ("RandomUniformLike", 1, vec![], vec![wholes(&[1])], Some("expected FP32, FP64, FP16 or BF16, or the attribute `dtype`, got INT64")),
        ("RandomUniformLike", 1, vec![("dtype", Int(1))], vec![wholes(&[1])], None),
        ("RandomNormalLike", 1, vec![], vec![], Some("input 0 is missing")),
        ("Bernoulli", 15, vec![], vec![wholes(&[1])], Some("expected real numbers (FP32, FP64, FP16 or BF16), got INT64")),
        ("Multinomial", 7, vec![("sample_size", Int(3))], vec![zeros(&[2, 4])], None),
        ("Multinomial", 7, vec![("sample_size", Int(0))], vec![zeros(&[2, 4])], Some("the attribute `sample_size` is 0, expected at least 1")),
        ("Multinomial", 7, vec![("sample_size", Int(i64::MAX))], vec![zeros(&[2, 4])], Some("a tensor of shape [2, 9223372036854775807] does not fit into memory")),
        ("Multinomial", 7, vec![], vec![zeros(&[2, 0])], Some("there are no classes to draw from")),
        ("Multinomial", 7, vec![], vec![zeros(&[2])], Some("expected [batch, classes], got the shape [2]")),
        ("Multinomial", 7, vec![("dtype", Int(1))], vec![zeros(&[1, 1])], Some("the attribute `dtype` is FP32, expected INT32 or INT64")),
    ]);
}

#[test]
#[rustfmt::skip]
fn regions_and_gates_say_what_they_cannot_compute() {
    let regions = |corner: f32| Some(Tensor::of(&[1, 4], vec![0.0, 0.0, corner, 1.0]).unwrap());
    let inputs = |corner: f32, image: i64| vec![zeros(&[1, 2, 3, 3]), regions(corner), wholes(&[image])];
    check(vec![
        ("RoiAlign", 16, vec![], inputs(2.0, 0), None),
        ("RoiAlign", 16, vec![], vec![none(&[1, 0, 3, 3]), regions(2.0), wholes(&[0])], None),
        ("RoiAlign", 16, vec![], inputs(1e9, 0), Some("a region from -0.5 to 1000000000 needs more than 4096 samples in a cell")),
        ("RoiAlign", 16, vec![], inputs(f32::NAN, 0), Some("a region from -0.5 to NaN needs more than 4096 samples in a cell")),
        ("RoiAlign", 16, vec![], inputs(2.0, 1), Some("a region is in an image that is not among the 1")),
        ("RoiAlign", 16, vec![], inputs(2.0, -1), Some("a region is in an image that is not among the 1")),
        ("RoiAlign", 16, vec![], vec![zeros(&[2, 3, 3]), regions(1.0), wholes(&[0])], Some("expected images with 4 axes, regions [count, 4] and their images [count], got the shapes [2, 3, 3], [1, 4] and [1]")),
        ("RoiAlign", 16, vec![], vec![zeros(&[1, 2, 3, 3]), regions(1.0), wholes(&[0, 0])], Some("there are 1 regions, but 2 numbers of images")),
        ("RoiAlign", 16, vec![("mode", text("mean"))], vec![], Some("the attribute `mode` is `mean`, expected avg or max")),
        ("RoiAlign", 16, vec![("coordinate_transformation_mode", text("asymmetric"))], vec![], Some("the attribute `coordinate_transformation_mode` is `asymmetric`, expected half_pixel or output_half_pixel")),
        ("RoiAlign", 16, vec![("output_height", Int(0))], vec![], Some("the attribute `output_height` is 0, expected at least 1")),
        ("RoiAlign", 16, vec![("output_height", Int(i64::MAX))], inputs(2.0, 0), Some("a tensor of shape [1, 2, 9223372036854775807, 1] does not fit into memory")),
        ("SwiGLU", 28, vec![], vec![zeros(&[2, 3]), zeros(&[2, 3])], None),
        ("SwiGLU", 28, vec![], vec![zeros(&[2, 3]), zeros(&[3])], Some("the gate has the shape [2, 3], and the values have [3]")),
        ("SwiGLU", 28, vec![], vec![zeros(&[2, 3])], Some("input 1 is missing")),
        ("SwiGLU", 28, vec![], vec![wholes(&[1]), wholes(&[1])], Some("expected real numbers (FP32, FP64, FP16 or BF16), got INT64")),
    ]);
}

#[test]
fn a_gate_is_a_swish_times_the_values() {
    let values = |values: [f32; 3]| Some(Tensor::vector(values.to_vec()));
    let inputs = [values([0.0, 1.0, -2.0]), values([5.0, 2.0, 3.0])];
    let output = run("SwiGLU", 28, &[], 1, &inputs).unwrap().remove(0);
    // x * 1 / (1 + exp(-x)) of 0, 1 and -2, times the values.
    let expected = [0.0, 1.462_117_2, -0.715_217_6];
    for (actual, expected) in output.elements::<f32>().unwrap().iter().zip(expected) {
        assert!(
            (actual - expected).abs() < 1e-6,
            "{actual}, expected {expected}"
        );
    }
}

#[test]
fn random_numbers_have_their_distribution_and_their_seed() {
    let numbers = |op_type: &str, attributes: Vec<(&str, Value)>, inputs: &[Option<Tensor>]| {
        let output = run(op_type, 15, &attributes, 1, inputs).unwrap().remove(0);
        output.into_elements::<f32>().unwrap()
    };
    let moments = |values: &[f32]| {
        let count = values.len() as f64;
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
        let square = |&value: &f32| (f64::from(value) - mean).powi(2);
        let variance = values.iter().map(square).sum::<f64>() / count;
        (mean, variance.sqrt())
    };
    let size = || ("shape", ints(&[100, 200]));
    let seed = |seed: f32| ("seed", Value::Float(seed));
    let scaled = |seed: (&'static str, Value)| {
        let attributes =
            [("mean", 3.0), ("scale", 2.0)].map(|(name, value)| (name, Value::Float(value)));
        attributes.into_iter().chain([size(), seed]).collect()
    };
    let chance = Tensor::of(&[20_000], vec![0.25f32; 20_000]).unwrap();
    let cases = [
        (numbers("RandomNormal", scaled(seed(1.0)), &[]), 3.0, 2.0),
        (
            numbers("RandomUniform", vec![size(), seed(1.0)], &[]),
            0.5,
            (1.0f64 / 12.0).sqrt(),
        ),
        (
            numbers("Bernoulli", vec![seed(1.0)], &[Some(chance)]),
            0.25,
            0.1875f64.sqrt(),
        ),
    ];
    for (values, mean, deviation) in cases {
        let actual = moments(&values);
        let is_close = (actual.0 - mean).abs() < 0.05 && (actual.1 - deviation).abs() < 0.05;
        assert!(
            is_close,
            "actual {actual:?}, expected {mean} and {deviation}"
        );
    }
    let first = numbers("RandomNormal", scaled(seed(1.0)), &[]);
    assert_eq!(first, numbers("RandomNormal", scaled(seed(1.0)), &[]));
    assert_ne!(first, numbers("RandomNormal", scaled(seed(2.0)), &[]));
    let without = || numbers("RandomUniform", vec![size()], &[]);
    assert_ne!(without(), without());
    // Of three classes, the second is as good as certain.
    let logits = Some(Tensor::of(&[1, 3], vec![-50f32, 50.0, -50.0]).unwrap());
    let drawn = run("Multinomial", 7, &[("sample_size", Int(4))], 1, &[logits]);
    assert_eq!(drawn, Ok(vec![Tensor::of(&[1, 4], vec![1i32; 4]).unwrap()]));
}
