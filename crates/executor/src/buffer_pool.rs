//! Memory for tensors that is used again as it is.
//!
//! An operator writes every element of what it puts out, so that memory need not be cleared for it; and
//! memory that was just read is in the caches, and known to the host, where memory never touched costs a page fault for each 4
//! KiB. So what a tensor leaves is kept for the next one.

use std::cell::RefCell;
use std::thread::LocalKey;

use infer_kernels::memory::{Plain, resize_for_overwrite};

use crate::error::Result;
use crate::tensor::{Data, Element, Tensor, with_room};

/// Buffers of each type that are kept.
const MOST: usize = 16;

type Buffers<T> = RefCell<Vec<Vec<T>>>;

thread_local! {
    static VALUES: Buffers<f32> = const { RefCell::new(Vec::new()) };
    static BYTES: Buffers<u8> = const { RefCell::new(Vec::new()) };
}

/// Elements whose memory is kept.
pub trait Kept: Element + Plain {
    #[doc(hidden)]
    const BUFFERS: &'static LocalKey<Buffers<Self>>;
}

impl Kept for f32 {
    const BUFFERS: &'static LocalKey<Buffers<Self>> = &VALUES;
}

impl Kept for u8 {
    const BUFFERS: &'static LocalKey<Buffers<Self>> = &BYTES;
}

/// A vector of that many elements, whose values are anything.
///
/// # Errors
/// `Memory` when there is no room.
pub fn scratch<T: Kept>(count: usize) -> Result<Vec<T>> {
    let found = T::BUFFERS.with_borrow_mut(|buffers| {
        let fits = |buffer: &Vec<T>| buffer.capacity() >= count;
        let candidates = buffers
            .iter()
            .enumerate()
            .filter(|(_, buffer)| fits(buffer));
        let best = candidates.min_by_key(|(_, buffer)| buffer.capacity())?.0;
        Some(buffers.swap_remove(best))
    });
    let mut buffer = match found {
        Some(buffer) => buffer,
        None => with_room(count)?,
    };
    resize_for_overwrite(&mut buffer, count);
    Ok(buffer)
}

/// Keep a tensor's memory for another.
pub fn give(tensor: Tensor) {
    match tensor.into_data() {
        Data::F32(buffer) => keep(buffer),
        Data::U8(buffer) => keep(buffer),
        _ => {}
    }
}

fn keep<T: Kept>(buffer: Vec<T>) {
    if buffer.is_empty() {
        return;
    }
    T::BUFFERS.with_borrow_mut(|buffers| {
        if buffers.len() < MOST {
            buffers.push(buffer);
            return;
        }
        // The smallest costs least to make again.
        let smallest = buffers.iter_mut().min_by_key(|kept| kept.capacity());
        if let Some(kept) = smallest
            && kept.capacity() < buffer.capacity()
        {
            *kept = buffer;
        }
    });
}

/// Give all kept memory back.
pub fn clear() {
    VALUES.take();
    BYTES.take();
}
