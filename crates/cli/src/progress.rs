//! Shows a build's steps on the terminal.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use infer_pack::Progress;

/// Shows steps on standard error if that is a terminal, else nothing.
pub struct Terminal {
    is_terminal: bool,
    /// A spinner below the step's line, for details.
    bar: RefCell<Option<ProgressBar>>,
}

impl Terminal {
    /// Detect whether standard error is a terminal.
    #[must_use]
    pub fn new() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
            bar: RefCell::new(None),
        }
    }

    fn clear(&self) {
        if let Some(bar) = self.bar.borrow_mut().take() {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Progress for Terminal {
    fn step(&self, number: usize, total: usize, text: &str) {
        self.clear();
        if self.is_terminal {
            eprintln!("{number}/{total} {text}");
        }
    }

    fn detail(&self, text: &str) {
        if !self.is_terminal {
            return;
        }
        let mut slot = self.bar.borrow_mut();
        let bar = slot.get_or_insert_with(|| {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("    {spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        bar.set_message(text.to_owned());
    }

    fn is_terminal(&self) -> bool {
        // Tools such as cargo draw their own progress; the spinner would overwrite it.
        self.clear();
        self.is_terminal
    }
}

/// A bar for bytes that are transferred, on standard error if that is a terminal.
pub struct Transfer {
    bar: ProgressBar,
}

impl Transfer {
    /// A bar that starts with `text`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        // indicatif draws nothing unless standard error is a terminal.
        let bar = ProgressBar::new(0);
        let template = "{msg} {bytes} of {total_bytes} {wide_bar} {eta}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(text.to_owned());
        Self { bar }
    }

    /// Show how many of all bytes are transferred.
    pub fn update(&mut self, done: u64, total: u64) {
        self.bar.set_length(total);
        self.bar.set_position(done);
    }

    /// Remove the bar.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Transfer {
    fn drop(&mut self) {
        self.end();
    }
}
