//! The gates of recurrent cells, four units at a time.
//!
//! Each function computes one step of one sequence from the gates' sums, and updates the state in place.

use crate::functions::polynomial;
use crate::lanes::{LANES, Lanes};

/// The hyperbolic tangent as the quotient of two polynomials (Eigen's `ptanh`). It takes half as long as
/// `functions::tanh`; its error is up to seven units in the last place.
#[inline(always)]
fn tanh_of(x: Lanes) -> Lanes {
    // From here on the result is 1 to the last place.
    let x = x.clamp(Lanes::splat(-9.0), Lanes::splat(9.0));
    let square = x * x;
    let above = polynomial(
        square,
        [
            -2.760_768_5e-16,
            2.000_188e-13,
            -8.604_672e-11,
            5.122_297_3e-8,
            1.485_722_4e-5,
            6.372_619_5e-4,
            4.893_524_6e-3,
        ],
    );
    let below = polynomial(
        square,
        [1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_7e-3, 4.893_525e-3],
    );
    x * above / below
}

/// The sigmoid, `1 / (1 + e^-x)`, with an error of up to 3e-7.
#[inline(always)]
fn sigmoid_of(x: Lanes) -> Lanes {
    let half = Lanes::splat(0.5);
    tanh_of(x * half).mul_add(half, half)
}

/// Load the four values from `at` on, or as many as there are, followed by zeros.
#[inline(always)]
fn load(values: &[f32], at: usize) -> Lanes {
    let values = &values[at..];
    match values.first_chunk() {
        Some(four) => Lanes::load(four),
        None => {
            let mut four = [0.0; LANES];
            four[..values.len()].copy_from_slice(values);
            Lanes::load(&four)
        }
    }
}

/// Store the four values from `at` on, or as many as there is room for.
#[inline(always)]
fn store(lanes: Lanes, values: &mut [f32], at: usize) {
    let values = &mut values[at..];
    match values.first_chunk_mut() {
        Some(four) => lanes.store(four),
        None => {
            let count = values.len();
            values.copy_from_slice(&lanes.values()[..count]);
        }
    }
}

/// Compute an LSTM cell with the activations sigmoid, tanh and tanh. `gates` has the sums of the input, output, forget and
/// cell gates (ONNX's order), each `stride` long; `cell` and `hidden` have one value per unit.
///
/// # Panics
/// If the slices do not have these lengths.
pub fn lstm(gates: &[f32], stride: usize, cell: &mut [f32], hidden: &mut [f32]) {
    let size = hidden.len();
    assert!(
        cell.len() == size && size <= stride && gates.len() >= 4 * stride,
        "gates and state"
    );
    let gate = |at: usize| &gates[at * stride..][..stride];
    let (input, output, forget, new) = (gate(0), gate(1), gate(2), gate(3));
    for at in (0..size).step_by(LANES) {
        let kept = sigmoid_of(load(forget, at)) * load(cell, at);
        let value = sigmoid_of(load(input, at)).mul_add(tanh_of(load(new, at)), kept);
        store(value, cell, at);
        let seen = sigmoid_of(load(output, at)) * tanh_of(value);
        store(seen, hidden, at);
    }
}

/// Reset the state for a GRU cell's hidden gate: `result = sigmoid(reset) * hidden`.
///
/// # Panics
/// If the slices differ in length, but `reset` may be longer.
pub fn gru_reset(reset: &[f32], hidden: &[f32], result: &mut [f32]) {
    let size = hidden.len();
    assert!(
        result.len() == size && size <= reset.len(),
        "reset gate and state"
    );
    for at in (0..size).step_by(LANES) {
        store(sigmoid_of(load(reset, at)) * load(hidden, at), result, at);
    }
}

/// Compute a GRU cell with the activations sigmoid and tanh. `gates` has the sums of the update and reset gates (ONNX's
/// order), each `stride` long, and `candidate` that of the hidden gate. With `product`, the hidden gate's sum is
/// `candidate + sigmoid(reset) * product` (ONNX's `linear_before_reset`).
///
/// # Panics
/// If the slices do not have these lengths.
pub fn gru(
    gates: &[f32],
    stride: usize,
    candidate: &[f32],
    product: Option<&[f32]>,
    hidden: &mut [f32],
) {
    let size = hidden.len();
    assert!(
        size <= stride && gates.len() >= 2 * stride && candidate.len() >= size,
        "gates and state"
    );
    assert!(
        product.is_none_or(|product| product.len() >= size),
        "product"
    );
    let (update, reset) = (&gates[..stride], &gates[stride..2 * stride]);
    for at in (0..size).step_by(LANES) {
        let sum = match product {
            Some(product) => {
                sigmoid_of(load(reset, at)).mul_add(load(product, at), load(candidate, at))
            }
            None => load(candidate, at),
        };
        let (new, kept) = (tanh_of(sum), sigmoid_of(load(update, at)));
        store(kept.mul_add(load(hidden, at) - new, new), hidden, at);
    }
}

/// Compute an RNN cell: `hidden = tanh(gate)`.
///
/// # Panics
/// If the gate is shorter than the state.
pub fn rnn(gate: &[f32], hidden: &mut [f32]) {
    assert!(gate.len() >= hidden.len(), "gate and state");
    for at in (0..hidden.len()).step_by(LANES) {
        store(tanh_of(load(gate, at)), hidden, at);
    }
}
