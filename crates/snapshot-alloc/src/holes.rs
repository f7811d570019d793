//! Defragmentation of free memory.
//!
//! Blocks freed before the snapshot leave holes between allocated blocks. An instance's small blocks would go into the
//! smallest holes, so it would write to pages all over the memory. A host that resets an instance's slot for the next
//! instance scans for written pages: Wasmtime copies back up to 32 regions of them (`MAX_REGIONS` of its
//! `PAGEMAP_SCAN`) and returns the rest to the system, so the next instance takes a page fault for each of these pages.

use std::alloc::{GlobalAlloc, Layout};
use std::hint::black_box;
use std::ptr;

/// Size of the smallest hole that is not filled, in bytes.
const LARGE: usize = 256 * 1024;
/// Size of the smallest block that fills a hole, in bytes.
const SMALL: usize = 16;

/// Fill small holes with blocks that are never freed. `memory` returns the size of the linear memory.
pub(crate) fn fill(inner: &impl GlobalAlloc, memory: impl Fn() -> usize) {
    let layout = |size: usize| Layout::from_size_align(size, align_of::<*mut u8>());
    let block = |size: usize| -> Option<*mut *mut u8> {
        // SAFETY: the size is never zero.
        let block = black_box(unsafe { inner.alloc(layout(size).ok()?) });
        (!block.is_null()).then_some(block.cast())
    };
    // Hold the large holes until the small ones are full. The held blocks form a linked list.
    let mut held: *mut u8 = ptr::null_mut();
    let before = memory();
    while let Some(link) = block(LARGE) {
        // SAFETY: the block is aligned for a pointer and large enough for it.
        unsafe { link.write(held) };
        held = link.cast();
        if memory() > before {
            break;
        }
    }
    let mut size = LARGE / 2;
    while size >= SMALL {
        let before = memory();
        // The last block grew the memory. The rest of that growth takes the last blocks of the smaller sizes.
        while block(size).is_some() && memory() == before {}
        size /= 2;
    }
    while !held.is_null() {
        let link: *mut *mut u8 = held.cast();
        // SAFETY: `link` points to a pointer that was written above. Writing null keeps free memory zero.
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

    /// A best-fit allocator over a memory that grows: like dlmalloc, it takes the smallest free range that fits.
    struct BestFit {
        memory: Vec<u64>,
        free: RefCell<BTreeMap<usize, usize>>,
        size: RefCell<usize>,
    }

    const PAGE: usize = 64 * 1024;

    impl BestFit {
        /// A memory of `size` bytes. `free` has the start and the length of each free range.
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

    // SAFETY: no range is allocated twice, all ranges are within the memory, and only one thread of one test uses it.
    unsafe impl GlobalAlloc for BestFit {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            let bytes = layout.size().next_multiple_of(8);
            let found = |free: &BTreeMap<usize, usize>| {
                let fit = free.iter().filter(|(_, size)| **size >= bytes);
                fit.min_by_key(|(_, size)| **size)
                    .map(|(start, size)| (*start, *size))
            };
            let mut range = found(&self.free.borrow());
            if range.is_none() {
                let more = bytes.next_multiple_of(PAGE);
                self.release(self.size.replace_with(|size| *size + more), more);
                range = found(&self.free.borrow());
            }
            let (start, size) = range.expect("the memory has grown enough");
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
        let remaining = left.range(..size).filter(|(_, bytes)| **bytes >= SMALL);
        assert_eq!(remaining.count(), 2, "{left:?}");
        assert_eq!(left.get(&large.0), Some(&LARGE), "only its end is filled");
        assert_eq!(left.get(&larger.0), Some(&larger.1), "it stays whole");
        let grown = *allocator.size.borrow() - size;
        assert!(grown <= 2 * 1024 * 1024, "grown by {grown} bytes");
        let zeros = allocator.memory.iter().all(|&word| word == 0);
        assert!(zeros, "free memory is not zero");
    }
}
