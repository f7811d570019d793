//! Defragmentation of free memory.
//!
//! Blocks freed before the snapshot leave holes between allocated ones. An instance's small blocks would go into the smallest holes, so
//! that it writes to pages all over the memory. A host that resets an instance's slot for the next one scans for written pages:
//! Wasmtime copies back up to 32 regions of them (`MAX_REGIONS` of its `PAGEMAP_SCAN`) and returns the rest to the system, so that the
//! next instance takes a page fault for each of these pages.

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::ptr;

/// Size of the smallest hole that stays, in bytes.
const LARGE: usize = 256 * 1024;
/// Size of the smallest block that fills a hole, in bytes.
const SMALL: usize = 16;

/// Fill small holes for good. `memory` returns the size of the linear memory.
pub(crate) fn fill(inner: &impl GlobalAlloc, memory: impl Fn() -> usize) {
    let layout = |size: usize| Layout::from_size_align(size, align_of::<*mut u8>());
    let block = |size: usize| -> Option<*mut *mut u8> {
        // SAFETY: no size here is zero.
        let block = black_box(unsafe { inner.alloc(layout(size).ok()?) });
        (!block.is_null()).then_some(block.cast())
    };
    // What is large is held until the small holes are full, in a chain through the blocks themselves.
    let mut held: *mut u8 = ptr::null_mut();
    let before = memory();
    while let Some(link) = block(LARGE) {
        // SAFETY: the block is aligned for a pointer, and larger.
        unsafe { link.write(held) };
        held = link.cast();
        if memory() > before {
            break;
        }
    }
    let mut size = LARGE / 2;
    while size >= SMALL {
        let before = memory();
        // The last one has come from the host, with some more, into which the smaller ones go.
        while block(size).is_some() && memory() == before {}
        size /= 2;
    }
    while !held.is_null() {
        let link: *mut *mut u8 = held.cast();
        // SAFETY: as written above; what is free is to be zero.
        held = unsafe { link.replace(ptr::null_mut()) };
        black_box(link);
        if let Ok(layout) = layout(LARGE) {
            // SAFETY: the block came from `inner` with this layout, and nothing refers to it.
            unsafe { inner.dealloc(link.cast(), layout) };
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeMap;

    use super::*;

    /// Free ranges of a memory that grows, of which the smallest that fits is taken, as dlmalloc does.
    struct BestFit {
        memory: Vec<u64>,
        free: RefCell<BTreeMap<usize, usize>>,
        size: RefCell<usize>,
    }

    const PAGE: usize = 64 * 1024;

    impl BestFit {
        /// So many bytes, of which these are free: where they begin and how many they are.
        fn new(size: usize, free: &[(usize, usize)]) -> Self {
            Self {
                memory: vec![0; (size + 8 * 1024 * 1024) / 8],
                free: RefCell::new(free.iter().copied().collect()),
                size: RefCell::new(size),
            }
        }

        fn release(&self, start: usize, bytes: usize) {
            let mut free = self.free.borrow_mut();
            let (mut start, mut end) = (start, start + bytes);
            if let Some((&before, &bytes)) = free.range(..start).next_back()
                && before + bytes == start
            {
                free.remove(&before);
                start = before;
            }
            if let Some(bytes) = free.remove(&end) {
                end += bytes;
            }
            free.insert(start, end - start);
        }
    }

    // SAFETY: no range is given out twice, and all are within the memory; it is used by one thread in one test.
    unsafe impl GlobalAlloc for BestFit {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let bytes = layout.size().next_multiple_of(8);
            let found = |free: &BTreeMap<usize, usize>| {
                let fit = free.iter().filter(|(_, size)| **size >= bytes);
                fit.min_by_key(|(_, size)| **size)
                    .map(|(start, size)| (*start, *size))
            };
            let mut place = found(&self.free.borrow());
            if place.is_none() {
                let more = bytes.next_multiple_of(PAGE);
                self.release(self.size.replace_with(|size| *size + more), more);
                place = found(&self.free.borrow());
            }
            let (start, size) = place.expect("it has grown");
            let mut free = self.free.borrow_mut();
            free.remove(&start);
            if size > bytes {
                free.insert(start + bytes, size - bytes);
            }
            // SAFETY: the range is within the memory.
            unsafe { self.memory.as_ptr().cast::<u8>().add(start).cast_mut() }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            let start = block.addr() - self.memory.as_ptr().addr();
            self.release(start, layout.size().next_multiple_of(8));
        }
    }

    #[test]
    fn small_holes_are_filled_and_large_ones_stay() {
        let size = 4 * 1024 * 1024;
        let (large, larger) = ((1024 * 1024, LARGE + 40), (2 * 1024 * 1024, 5 * LARGE));
        let small = (0..200).map(|at| (4096 * (at + 1), 16 + 8 * at));
        let mut holes: Vec<(usize, usize)> = small.collect();
        holes.extend([large, larger, (3584 * 1024, LARGE - 8)]);
        let allocator = BestFit::new(size, &holes);
        fill(&allocator, || *allocator.size.borrow());
        let left = allocator.free.borrow();
        let of_before: Vec<_> = left.range(..size).collect();
        let too_small = of_before.iter().filter(|(_, bytes)| **bytes >= SMALL);
        assert_eq!(too_small.count(), 2, "{left:?}");
        assert_eq!(left.get(&large.0), Some(&LARGE), "its end is filled");
        assert_eq!(left.get(&larger.0), Some(&larger.1), "it is in one piece");
        let grown = *allocator.size.borrow() - size;
        assert!(grown <= 2 * 1024 * 1024, "grown by {grown} bytes");
        let zeros = allocator.memory.iter().all(|&word| word == 0);
        assert!(zeros, "something was left in free memory");
    }
}
