//! A build's steps on the terminal.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use infer_pack::Progress;

/// Draws steps on standard error if that is a terminal; says nothing otherwise.
pub struct Terminal {
    is_terminal: bool,
    /// Shows details within a step, below its line.
    bar: RefCell<Option<ProgressBar>>,
}

impl Terminal {
    /// Looks at what standard error is.
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
        // The tools draw for themselves; a spinner would write over them.
        self.clear();
        self.is_terminal
    }
}
