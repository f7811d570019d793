//! Panics of libraries on damaged files become errors, without a backtrace.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread becomes an error.
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Let a library read a file.
///
/// # Errors
/// When the library panics: the panic's message in one line.
pub(crate) fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    // Panics of other threads, and later panics, use the previous hook.
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !IS_GUARDED.get() {
                before(info);
            }
        }));
    });
    IS_GUARDED.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    IS_GUARDED.set(false);
    result.map_err(|payload| {
        format!(
            "the reader panicked, probably because the file is damaged: {}",
            message(payload.as_ref())
        )
    })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = match (
        payload.downcast_ref::<&str>(),
        payload.downcast_ref::<String>(),
    ) {
        (Some(text), _) => text,
        (None, Some(text)) => text.as_str(),
        (None, None) => "no message",
    };
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_line() {
        assert_eq!(guarded(|| 7), Ok(7));
        let none: Option<u8> = None;
        type Read = fn(Option<u8>);
        let cases: [(Read, &str); 3] = [
            (|none| _ = none.expect("a number"), "a number"),
            (
                |_| panic!("index {} is\n  too large", 7),
                "index 7 is; too large",
            ),
            (|_| panic::panic_any(7_u8), "no message"),
        ];
        for (read, expected) in cases {
            assert_eq!(
                guarded(|| read(none)),
                Err(format!(
                    "the reader panicked, probably because the file is damaged: {expected}"
                ))
            );
        }
        assert!(!IS_GUARDED.get(), "later panics must use the previous hook");
    }
}
