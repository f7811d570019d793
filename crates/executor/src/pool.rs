//! Memory for FP32 tensors that is used again as it is.
//!
//! An operator writes every element of what it puts out, so that memory need not be cleared for it; and
//! memory that was just read is in the caches, and known to the host, where memory never touched costs a page fault for each 4
//! KiB. So what a tensor leaves is kept for the next one.

use std::cell::RefCell;

use crate::error::Result;
use crate::tensor::{Data, Tensor, filled};

/// Buffers that are kept.
const MOST: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A vector of that many elements, whose values are anything.
///
/// # Errors
/// `Memory` when there is no room.
pub fn scratch(count: usize) -> Result<Vec<f32>> {
    let found = BUFFERS.with_borrow_mut(|buffers| {
        let fits = |buffer: &Vec<f32>| buffer.capacity() >= count;
        let candidates = buffers
            .iter()
            .enumerate()
            .filter(|(_, buffer)| fits(buffer));
        let best = candidates.min_by_key(|(_, buffer)| buffer.capacity())?.0;
        Some(buffers.swap_remove(best))
    });
    match found {
        Some(mut buffer) => {
            buffer.resize(count, 0.0);
            Ok(buffer)
        }
        None => filled(count, 0.0),
    }
}

/// Keep a tensor's memory for another.
pub fn give(tensor: Tensor) {
    if let Data::F32(buffer) = tensor.into_data()
        && !buffer.is_empty()
    {
        BUFFERS.with_borrow_mut(|buffers| {
            if buffers.len() == MOST {
                // The smallest costs least to make again.
                let smallest = buffers
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, kept)| kept.capacity());
                if let Some((at, kept)) = smallest
                    && kept.capacity() < buffer.capacity()
                {
                    buffers[at] = buffer;
                }
            } else {
                buffers.push(buffer);
            }
        });
    }
}

/// Give all kept memory back.
pub fn clear() {
    BUFFERS.with_borrow_mut(|buffers| *buffers = Vec::new());
}
