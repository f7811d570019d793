//! Helpers of this crate's tests.

#![allow(dead_code, reason = "each test program uses a part")]

use std::path::PathBuf;

/// A file below `tests/`.
pub fn read(path: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests")
        .join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A file of f32 in little-endian order.
pub fn floats(path: &str) -> Vec<f32> {
    let bytes = read(path);
    let (values, rest) = bytes.as_chunks::<4>();
    assert!(rest.is_empty(), "{path} has {} bytes", bytes.len());
    values
        .iter()
        .map(|&value| f32::from_le_bytes(value))
        .collect()
}

/// Where two lists differ by more than a tolerance, or that their lengths do.
pub fn difference(got: &[f32], expected: &[f32], tolerance: f32) -> Option<String> {
    if got.len() != expected.len() {
        return Some(format!(
            "expected {} values, got {}",
            expected.len(),
            got.len()
        ));
    }
    let distance = |(left, right): (&f32, &f32)| {
        if left == right {
            0.0
        } else {
            (left - right).abs()
        }
    };
    let distances: Vec<f32> = got.iter().zip(expected).map(distance).collect();
    let is_far = |&&distance: &&f32| distance.is_nan() || distance > tolerance;
    let far = distances.iter().filter(is_far).count();
    let (index, largest) = distances
        .iter()
        .copied()
        .enumerate()
        .max_by(|left, right| left.1.total_cmp(&right.1))?;
    (far > 0).then(|| {
        format!(
            "{far} of {} values differ, by up to {largest} at {index}: expected {}, got {}",
            got.len(),
            expected[index],
            got[index]
        )
    })
}

/// Panics with all failures of a table.
pub fn report(failures: &[String]) {
    assert!(
        failures.is_empty(),
        "{} rows failed:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

/// A generator of pseudorandom numbers (splitmix64), the same on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number below a limit that is not zero.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}
