//! Hides a secret wherever a guest can write, and seeks it wherever a guest can read.

use core::arch::wasm32::{memory_grow, memory_size};
use std::sync::atomic::{AtomicU64, Ordering};

/// A secret as it travels: combined with [`MASK`], so that who seeks it never has it in its own memory.
#[derive(Clone, Copy)]
pub struct Masked(u64);

const MASK: u64 = 0x5bd1_e995_a076_1d64;

const PAGE: usize = 64 * 1024;

/// What is hidden in fresh pages, in what the allocator gives, and in globals.
const PAGES: usize = 64;
const WORDS: usize = 128 * 1024;
static GLOBALS: [AtomicU64; 512] = [const { AtomicU64::new(0) }; 512];

/// `/<action>?<16 hexadecimal digits>`
pub fn asked(path: &str) -> Option<(&str, Masked)> {
    let (action, digits) = path.strip_prefix('/')?.split_once('?')?;
    Some((action, Masked(u64::from_str_radix(digits, 16).ok()?)))
}

/// In globals, in the allocator's memory, in memory of its own, and on the stack.
pub fn hide(Masked(masked): Masked) {
    let secret = masked ^ MASK;
    for global in &GLOBALS {
        global.store(secret, Ordering::SeqCst);
    }
    std::mem::forget(std::hint::black_box(vec![secret; WORDS]));
    // Freed, and still there for who comes next.
    drop(std::hint::black_box(vec![secret; WORDS]));
    let first = memory_grow::<0>(PAGES);
    assert_ne!(first, usize::MAX, "there is memory");
    for word in 0..PAGES * PAGE / 8 {
        // SAFETY: these pages were added just now and are nobody else's; the address is a multiple of 8.
        unsafe { std::ptr::write_volatile((first * PAGE + word * 8) as *mut u64, secret) };
    }
    std::hint::black_box([secret; 1024]);
}

/// How often it is in memory: in what there is, and in as much as the host gives.
pub fn seek(Masked(masked): Masked) -> usize {
    // More than was ever hidden in fresh pages; where there is no more, what there is must do.
    for _ in 0..4 {
        memory_grow::<0>(PAGES);
    }
    // Not the first: it has no address that Rust has a pointer to.
    (1..memory_size::<0>() * PAGE / 8)
        .filter(|word| {
            // SAFETY: the address is a multiple of 8 and inside of the memory, all of which may be read; a
            // volatile reading takes it as it is, whoever else has it.
            let value = unsafe { std::ptr::read_volatile((word * 8) as *const u64) };
            value ^ MASK == masked
        })
        .count()
}
