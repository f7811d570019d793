//! Memory whose values are anything.
//!
//! A result of some megabytes takes as long to be filled with zeros as some layers take to compute, and an instance that answers
//! one request does it for each of them.

/// Types of which any bytes are a value.
pub trait Plain: Copy + Default + sealed::Sealed {}

impl Plain for f32 {}
impl Plain for u8 {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for u8 {}
}

#[cfg(target_arch = "wasm32")]
unsafe extern "C" {
    /// In `codegen/memory.rs`. It may write to memory from there on as far as that was allocated.
    fn infer_as_found(start: *mut u8);
}

/// Give a vector as many elements as `count`, within its capacity; the values of new ones are anything.
///
/// # Panics
/// When its capacity is less.
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_there_stays() {
        let mut values = Vec::with_capacity(1000);
        values.extend([1.0, 2.0, 3.0]);
        resize_for_overwrite(&mut values, 1000);
        assert_eq!((values.len(), &values[..3]), (1000, &[1.0, 2.0, 3.0][..]));
        resize_for_overwrite(&mut values, 2);
        assert_eq!(values, [1.0, 2.0]);
    }

    #[test]
    #[should_panic(expected = "capacity")]
    fn it_does_not_grow() {
        let mut values: Vec<u8> = Vec::new();
        resize_for_overwrite(&mut values, 1);
    }
}
