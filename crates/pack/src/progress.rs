//! How a build tells what it is doing.

/// Hears of a build's steps. The command line draws them; tests pass [`Silent`].
pub trait Progress {
    /// Step `number` (from 1) of `total` begins.
    fn step(&self, number: usize, total: usize, text: &str);
    /// Something within the step, such as the model being loaded.
    fn detail(&self, text: &str);
    /// Whether tools that are called (cargo, apt-get) may draw on the terminal themselves. If not,
    /// their output is kept, and becomes part of the error when they fail.
    fn is_terminal(&self) -> bool;
}

/// No reports.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _number: usize, _total: usize, _text: &str) {}
    fn detail(&self, _text: &str) {}
    fn is_terminal(&self) -> bool {
        false
    }
}
