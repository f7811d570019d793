//! An allocator for snapshots, which zeroes freed memory before the snapshot.
//!
//! A snapshot contains the whole linear memory. Loading a model or a tokenizer frees several times its size (the file's
//! bytes, protobuf, weights before packing, tables that grew), and those bytes would stay in the artifact. Zero pages
//! cost nothing, so this allocator zeroes freed memory until [`ClearingAllocator::seal`] is called. After that, it only
//! adds the test of a flag to the inner allocator.

#[cfg(any(test, target_arch = "wasm32"))]
mod holes;

use std::alloc::{GlobalAlloc, Layout};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// An allocator that zeroes freed blocks until it is sealed.
#[derive(Debug)]
pub struct ClearingAllocator<A> {
    inner: A,
    sealed: AtomicBool,
    /// Bytes allocated and not freed. Sealing freezes the count.
    in_use: AtomicUsize,
    /// The largest `in_use` since [`ClearingAllocator::usage`] was called.
    most: AtomicUsize,
}

/// Bytes of memory in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Now.
    pub now: usize,
    /// The most at any time since the last call, which is at least `now`.
    pub most: usize,
}

impl<A> ClearingAllocator<A> {
    /// Wrap another allocator, unsealed.
    pub const fn new(inner: A) -> Self {
        Self {
            inner,
            sealed: AtomicBool::new(false),
            in_use: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
        }
    }

    /// The memory in use now, and the most since the last call. Sealing freezes both.
    pub fn usage(&self) -> Usage {
        let now = self.in_use.load(Ordering::Relaxed);
        let most = self.most.swap(now, Ordering::Relaxed);
        Usage {
            now,
            most: most.max(now),
        }
    }

    fn count(&self, block: *mut u8, layout: Layout) -> *mut u8 {
        if !block.is_null() && !self.sealed.load(Ordering::Relaxed) {
            let before = self.in_use.fetch_add(layout.size(), Ordering::Relaxed);
            self.most
                .fetch_max(before + layout.size(), Ordering::Relaxed);
        }
        block
    }
}

impl<A: GlobalAlloc> ClearingAllocator<A> {
    /// Stop zeroing, right before the snapshot. Returns the bytes in use, which the snapshot has to contain.
    ///
    /// In WebAssembly, this also fills small holes between allocated blocks permanently, so that the allocations of an
    /// instance are contiguous. It also leaves `spare_bytes` of linear memory free in one piece: an instance whose
    /// memory does not grow needs no system call to be created or reset. The spare bytes cost nothing in the artifact.
    /// If memory cannot grow by that much, the snapshot has no spare bytes.
    pub fn seal(&self, spare_bytes: usize) -> usize {
        self.sealed.store(true, Ordering::Relaxed);
        #[cfg(target_arch = "wasm32")]
        holes::fill(&self.inner, core::arch::wasm32::memory_size::<0>);
        if let Ok(layout) = Layout::array::<u8>(spare_bytes)
            && layout.size() > 0
        {
            // SAFETY: the layout's size is not zero.
            let block = unsafe { self.inner.alloc(layout) };
            if !block.is_null() {
                // SAFETY: `inner` has just allocated the block with this layout.
                unsafe { self.inner.dealloc(std::hint::black_box(block), layout) };
            }
        }
        self.in_use.load(Ordering::Relaxed)
    }
}

// SAFETY: every block comes from `inner` with the caller's layout and is returned to it with the same layout. In between,
// this allocator writes only within the block's bounds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for ClearingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `alloc`'s contract, which is `inner`'s.
        self.count(unsafe { self.inner.alloc(layout) }, layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        self.count(unsafe { self.inner.alloc_zeroed(layout) }, layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if !self.sealed.load(Ordering::Relaxed) {
            // SAFETY: the block has `layout.size()` bytes, and its owner no longer uses it.
            unsafe { block.write_bytes(0, layout.size()) };
            // The optimizer knows `free`, and removes stores right before it as dead.
            std::hint::black_box(block);
            self.in_use.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: the block came from `inner` with this layout.
        unsafe { self.inner.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if self.sealed.load(Ordering::Relaxed) {
            // SAFETY: the caller keeps `realloc`'s contract, which is `inner`'s.
            return unsafe { self.inner.realloc(block, layout, new_size) };
        }
        // The inner `realloc` may move the block without zeroing the old one.
        // SAFETY: the caller guarantees that `new_size`, rounded up to the alignment, is no larger
        // than `isize::MAX`, and that it is not zero.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        // SAFETY: `new_layout` has a size other than zero.
        let new_block = self.count(unsafe { self.inner.alloc(new_layout) }, new_layout);
        if !new_block.is_null() {
            let kept = layout.size().min(new_size);
            // SAFETY: both blocks have at least `kept` bytes, and they are different blocks.
            unsafe { new_block.copy_from_nonoverlapping(block, kept) };
            // SAFETY: the block came from this allocator with `layout`.
            unsafe { self.dealloc(block, layout) };
        }
        new_block
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::UnsafeCell;

    /// A bump allocator that never reuses memory, so that a test can read freed blocks.
    struct Arena {
        bytes: UnsafeCell<[u64; 64]>,
        used: UnsafeCell<usize>,
    }

    // SAFETY: used by one thread in one test.
    unsafe impl GlobalAlloc for Arena {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: nothing else holds a reference into the arena's cells.
            let used = unsafe { &mut *self.used.get() };
            let start = used.next_multiple_of(layout.align());
            *used = start + layout.size();
            assert!(*used <= 512, "the arena is too small for the test");
            // SAFETY: `start` is within the arena.
            unsafe { self.bytes.get().cast::<u8>().add(start) }
        }

        unsafe fn dealloc(&self, _block: *mut u8, _layout: Layout) {}
    }

    #[test]
    fn freed_memory_is_zero_until_sealed() {
        let allocator = ClearingAllocator::new(Arena {
            bytes: UnsafeCell::new([0; 64]),
            used: UnsafeCell::new(0),
        });
        let layout = Layout::from_size_align(16, 8).unwrap();
        // SAFETY: the blocks are used within their sizes, and the arena outlives them all, so reading a freed block is a
        // read of the arena.
        unsafe {
            let block = allocator.alloc(layout);
            block.write_bytes(7, 16);
            let grown = allocator.realloc(block, layout, 32);
            assert_eq!(
                std::slice::from_raw_parts(grown, 16),
                [7; 16],
                "the contents are copied"
            );
            assert_eq!(
                std::slice::from_raw_parts(block, 16),
                [0; 16],
                "the old block is cleared"
            );
            let layout = Layout::from_size_align(32, 8).unwrap();
            let shrunk = allocator.realloc(grown, layout, 8);
            assert_eq!(std::slice::from_raw_parts(shrunk, 8), [7; 8]);
            assert_eq!(std::slice::from_raw_parts(grown, 32), [0; 32]);

            assert_eq!(allocator.seal(0), 8, "only the shrunk block is in use");
            let layout = Layout::from_size_align(8, 8).unwrap();
            allocator.dealloc(shrunk, layout);
            assert_eq!(
                std::slice::from_raw_parts(shrunk, 8),
                [7; 8],
                "a sealed allocator does not zero"
            );
        }
    }

    #[test]
    fn the_most_memory_in_use_is_since_the_last_call() {
        let allocator = ClearingAllocator::new(Arena {
            bytes: UnsafeCell::new([0; 64]),
            used: UnsafeCell::new(0),
        });
        let layout = Layout::from_size_align(16, 8).unwrap();
        let usage = |now, most| Usage { now, most };
        // SAFETY: each block is freed once, with the layout that it was allocated with.
        unsafe {
            let first = allocator.alloc(layout);
            let second = allocator.alloc_zeroed(layout);
            allocator.dealloc(second, layout);
            assert_eq!(allocator.usage(), usage(16, 32));
            assert_eq!(allocator.usage(), usage(16, 16));
            let third = allocator.alloc(layout);
            allocator.seal(0);
            allocator.dealloc(first, layout);
            allocator.dealloc(third, layout);
            assert_eq!(
                allocator.usage(),
                usage(32, 32),
                "sealing freezes the count"
            );
        }
    }
}
