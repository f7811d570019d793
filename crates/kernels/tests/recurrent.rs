//! Compares the recurrent cells with the same cells in f64.

use infer_kernels::recurrent;

/// Not a multiple of four, so that the last units are computed in a vector that is not full.
const SIZE: usize = 7;
const STRIDE: usize = 8;

fn waves(count: usize, step: f64, scale: f64) -> Vec<f32> {
    let waves = (0..count).map(|at| ((at as f64 * step).sin() * scale) as f32);
    waves.collect()
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn assert_close(name: &str, actual: &[f32], expected: impl Iterator<Item = f64>) {
    for (at, (&actual, expected)) in actual.iter().zip(expected).enumerate() {
        assert!(
            (f64::from(actual) - expected).abs() <= 1e-6,
            "{name} {at}: actual {actual}, expected {expected}"
        );
    }
}

/// Gates from small to saturated.
const SCALES: [f64; 5] = [1e-3, 0.5, 3.0, 30.0, 1e6];

#[test]
fn cells_are_computed_as_in_f64() {
    for scale in SCALES {
        let gates = waves(4 * STRIDE, 0.7, scale);
        let (before, cells) = (waves(SIZE, 0.9, 1.0), waves(SIZE, 1.3, 1.0));
        let gate = |gate: usize, at: usize| f64::from(gates[gate * STRIDE + at]);
        let (old, old_cell) = (
            |at: usize| f64::from(before[at]),
            |at: usize| f64::from(cells[at]),
        );

        let (mut hidden, mut cell) = (before.clone(), cells.clone());
        recurrent::lstm(&gates, STRIDE, &mut cell, &mut hidden);
        let new_cell = |at: usize| {
            sigmoid(gate(2, at)) * old_cell(at) + sigmoid(gate(0, at)) * gate(3, at).tanh()
        };
        assert_close("cell", &cell, (0..SIZE).map(new_cell));
        let new = |at: usize| sigmoid(gate(1, at)) * new_cell(at).tanh();
        assert_close("LSTM", &hidden, (0..SIZE).map(new));

        let mut reset = vec![0.0; SIZE];
        recurrent::gru_reset(&gates[STRIDE..], &before, &mut reset);
        let expected = |at: usize| sigmoid(gate(1, at)) * old(at);
        assert_close("reset", &reset, (0..SIZE).map(expected));

        let mixed = |at: usize, sum: f64| {
            let update = sigmoid(gate(0, at));
            (1.0 - update) * sum.tanh() + update * old(at)
        };
        let (candidate, product) = (&gates[2 * STRIDE..3 * STRIDE], &gates[3 * STRIDE..]);
        let mut hidden = before.clone();
        recurrent::gru(&gates, STRIDE, candidate, None, &mut hidden);
        let new = |at: usize| mixed(at, gate(2, at));
        assert_close("GRU", &hidden, (0..SIZE).map(new));

        let mut hidden = before.clone();
        recurrent::gru(&gates, STRIDE, candidate, Some(product), &mut hidden);
        let new = |at: usize| mixed(at, gate(2, at) + sigmoid(gate(1, at)) * gate(3, at));
        assert_close("GRU, linear before reset", &hidden, (0..SIZE).map(new));

        let mut hidden = before.clone();
        recurrent::rnn(&gates, &mut hidden);
        assert_close("RNN", &hidden, (0..SIZE).map(|at| gate(0, at).tanh()));
    }
}

#[test]
fn nan_stays_nan_and_infinity_saturates() {
    let mut hidden = [0.0; 5];
    let gate = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 0.0, f32::NAN];
    recurrent::rnn(&gate, &mut hidden);
    assert!(hidden[0].is_nan() && hidden[4].is_nan(), "{hidden:?}");
    assert_close("limits", &hidden[1..4], [1.0, -1.0, 0.0].into_iter());
}

#[test]
#[should_panic(expected = "gates and state")]
fn a_stride_shorter_than_the_state_panics() {
    recurrent::lstm(&[0.0; 32], 4, &mut [0.0; 5], &mut [0.0; 5]);
}
