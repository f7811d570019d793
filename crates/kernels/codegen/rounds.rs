//! How often the body of a kernel's innermost loop is gone through.

use wasm_encoder::{BlockType, InstructionSink};

/// A kernel for any number of rounds, or for one: where guests are interrupted by epochs, sums are on the stack at a loop's
/// head, so that short sums are better without a loop.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// Any number of steps.
    Many,
    /// No more steps than the body has.
    One,
}

impl Rounds {
    pub(crate) const ALL: [Self; 2] = [Self::Many, Self::One];

    /// Steps in the body.
    pub(crate) fn steps(self, many: u32, one: usize) -> u32 {
        match self {
            Self::Many => many,
            Self::One => one as u32,
        }
    }

    /// Before the body.
    pub(crate) fn begin(self, code: &mut InstructionSink) {
        code.block(BlockType::Empty);
        if self == Self::Many {
            code.loop_(BlockType::Empty);
        }
    }

    /// In the body: leave it if what is on the stack is not zero.
    fn leave_if(self, code: &mut InstructionSink) {
        code.br_if(match self {
            Self::Many => 1,
            Self::One => 0,
        });
    }

    /// After a half of a step: leave the body if it was the last of its steps, of which `left` are left. After the first half that is
    /// never so: it is there so that the block ends, as a host's compiler computes all loads of a block first, and has no
    /// registers for so many.
    pub(crate) fn end_half(self, code: &mut InstructionSink, left: u32, is_last: bool) {
        code.local_get(left);
        if is_last {
            code.i32_const(-1).i32_add().local_tee(left);
        }
        code.i32_eqz();
        self.leave_if(code);
    }

    /// After the body: `next` moves the pointers on for another round.
    pub(crate) fn end(self, code: &mut InstructionSink, next: impl FnOnce(&mut InstructionSink)) {
        if self == Self::Many {
            next(code);
            code.br(0).end();
        }
        code.end();
    }

    /// A kernel's name.
    pub(crate) fn name(self, many: &'static str, one: &'static str) -> &'static str {
        match self {
            Self::Many => many,
            Self::One => one,
        }
    }
}
