//! Buffers whose contents are unspecified, for results that are written completely.
//!
//! Filling a result of some megabytes with zeros takes as long as computing some layers, and an instance that answers one
//! request does it for each of them.
//!
//! An operator must write every element of such a buffer. With debug assertions, as in `cargo test`, the buffer is filled with
//! [poison](Plain::POISON), so that a test sees each element that an operator leaves out. Release builds, the components among
//! them, fill nothing.

/// Types of which any bytes are a value.
pub trait Plain: Copy + Default + sealed::Sealed {
    /// The elements of a new buffer in builds with debug assertions: a value that no operator computes by accident.
    const POISON: Self;
}

impl Plain for f32 {
    /// A signaling NaN, which spreads through whatever is computed with it.
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
    /// In `codegen/memory.rs`. It may write to the allocation that begins at `start`.
    fn infer_as_found(start: *mut u8);
}

/// Set a vector's length within its capacity. The caller overwrites all elements: what they hold, old ones too, is
/// unspecified.
///
/// # Panics
/// When the capacity is less than `count`.
pub fn resize_for_overwrite<T: Plain>(values: &mut Vec<T>, count: usize) {
    assert!(count <= values.capacity(), "capacity");
    #[cfg(target_arch = "wasm32")]
    // SAFETY: there is room for `count` elements. Any bytes are values of their type, and bytes they are: the function, into
    // which the compiler does not see, may have written them. That it leaves what it finds is no less: in WebAssembly
    // all memory is bytes.
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
    fn tests_see_poison_in_new_and_in_reused_buffers() {
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
    fn it_does_not_grow() {
        let mut values: Vec<u8> = Vec::new();
        resize_for_overwrite(&mut values, 1);
    }
}
