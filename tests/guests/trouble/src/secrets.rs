//! Hides a secret wherever a guest can write, and searches for it wherever a guest can read.

use core::arch::wasm32::{memory_grow, memory_size};
use std::sync::atomic::{AtomicU64, Ordering};

/// A secret combined with [`MASK`], so that a guest that searches for it never has it in its own memory.
#[derive(Clone, Copy)]
pub struct Masked(u64);

const MASK: u64 = 0x5bd1_e995_a076_1d64;

const PAGE: usize = 64 * 1024;

/// The number of copies in fresh pages, in allocated memory and in globals.
const PAGES: usize = 64;
const WORDS: usize = 128 * 1024;
static GLOBALS: [AtomicU64; 512] = [const { AtomicU64::new(0) }; 512];

/// Parse `/<action>?<16 hexadecimal digits>`.
pub fn parse(path: &str) -> Option<(&str, Masked)> {
    let (action, digits) = path.strip_prefix('/')?.split_once('?')?;
    Some((action, Masked(u64::from_str_radix(digits, 16).ok()?)))
}

/// Hide the secret in globals, in allocated memory, in fresh pages and on the stack.
pub fn hide(Masked(masked): Masked) {
    let secret = masked ^ MASK;
    for global in &GLOBALS {
        global.store(secret, Ordering::SeqCst);
    }
    std::mem::forget(std::hint::black_box(vec![secret; WORDS]));
    // Freed memory keeps its contents.
    drop(std::hint::black_box(vec![secret; WORDS]));
    let first = memory_grow::<0>(PAGES);
    assert_ne!(first, usize::MAX, "there is memory");
    for word in 0..PAGES * PAGE / 8 {
        // SAFETY: these pages were just added, so nothing else uses them; the address is a multiple of 8.
        unsafe { std::ptr::write_volatile((first * PAGE + word * 8) as *mut u64, secret) };
    }
    std::hint::black_box([secret; 1024]);
}

/// Count the copies of the secret in the memory, after growing it if the host allows that.
pub fn seek(Masked(masked): Masked) -> usize {
    // More pages than a guest hides secrets in, if the host grants them.
    for _ in 0..4 {
        memory_grow::<0>(PAGES);
    }
    // Skip address 0, which is a null pointer in Rust.
    (1..memory_size::<0>() * PAGE / 8)
        .filter(|word| {
            // SAFETY: the address is a multiple of 8 and within the memory, all of which is readable; a volatile read
            // takes the bytes as they are, whatever else uses them.
            let value = unsafe { std::ptr::read_volatile((word * 8) as *const u64) };
            value ^ MASK == masked
        })
        .count()
}
