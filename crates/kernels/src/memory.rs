//! Buffers with unspecified contents, for results that are written completely.
//!
//! Filling a result of a few megabytes with zeros takes as long as computing some layers, and an instance would do it
//! for every layer of every request.
//!
//! An operator must write every element of such a buffer. Builds with debug assertions, such as `cargo test`, fill the
//! buffer with [poison](Plain::POISON), so that a test sees each element that an operator leaves out. Release builds,
//! which include the components, fill nothing.

/// Types for which any bytes are a valid value.
pub trait Plain: Copy + Default + sealed::Sealed {
    /// The initial value of all elements in builds with debug assertions, which no operator computes by accident.
    const POISON: Self;
}

impl Plain for f32 {
    /// A signaling NaN, which propagates through arithmetic.
    const POISON: Self = Self::from_bits(0x7fa5_a5a5);
}

impl Plain for u8 {
    const POISON: Self = 0xa5;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for u8 {}
}

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// In `codegen/memory.rs`. The compiler must assume that it writes to the allocation at `start`.
    fn infer_as_found(start: *mut u8);
}

/// Set a vector's length within its capacity. The caller must overwrite all elements, because their values are
/// unspecified, even those of old elements.
///
/// # Panics
/// If the capacity is less than `count`.
pub fn resize_for_overwrite<T: Plain>(values: &mut Vec<T>, count: usize) {
    assert!(count <= values.capacity(), "capacity");
    #[cfg(target_arch = "wasm32")]
    // SAFETY: the capacity is at least `count`, and any bytes are a valid value of the type. The elements count as
    // initialized, because the compiler cannot see into the function and must assume that it wrote them. In fact it
    // writes nothing, which is sound in WebAssembly, where all memory has defined contents.
    unsafe {
        infer_as_found(values.as_mut_ptr().cast());
        values.set_len(count);
    }
    #[cfg(not(target_arch = "wasm32"))]
    values.resize(count, T::default());
    if cfg!(debug_assertions) {
        values.fill(T::POISON);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_and_reused_buffers_contain_poison() {
        let mut values = Vec::with_capacity(1000);
        values.extend([1.0, 2.0, 3.0]);
        for count in [1000, 2, 500] {
            resize_for_overwrite(&mut values, count);
            assert_eq!(values.len(), count);
            assert!(values.iter().all(|value| value.is_nan()), "{count} values");
        }
        let mut bytes = vec![1; 10];
        resize_for_overwrite(&mut bytes, 10);
        assert_eq!(bytes, [u8::POISON; 10]);
    }

    #[test]
    #[should_panic(expected = "capacity")]
    fn a_count_beyond_the_capacity_panics() {
        let mut values: Vec<u8> = Vec::new();
        resize_for_overwrite(&mut values, 1);
    }
}
