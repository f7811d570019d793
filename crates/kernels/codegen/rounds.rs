//! The two forms of a kernel's innermost part: a loop, or an unrolled body.

use wasm_encoder::{BlockType, InstructionSink};

/// The number of rounds of a kernel's body: any number, or one. Short sums are faster without a loop, because sums are
/// on the stack at the head of a loop if the host interrupts guests by epochs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// Any number of steps.
    Many,
    /// Only as many steps as the body has.
    One,
}

impl Rounds {
    pub(crate) const ALL: [Self; 2] = [Self::Many, Self::One];

    /// The number of steps in the body.
    pub(crate) fn steps(self, many: u32, one: usize) -> u32 {
        match self {
            Self::Many => many,
            Self::One => one as u32,
        }
    }

    /// Begin the body.
    pub(crate) fn begin(self, code: &mut InstructionSink) {
        code.block(BlockType::Empty);
        if self == Self::Many {
            code.loop_(BlockType::Empty);
        }
    }

    /// Leave the body if the value on the stack is not zero.
    fn leave_if(self, code: &mut InstructionSink) {
        code.br_if(match self {
            Self::Many => 1,
            Self::One => 0,
        });
    }

    /// End half of a step: after the second half, leave the body if no steps are left in the local `left`. After the
    /// first half, the branch is never taken and only ends the block: the host's compiler computes all loads of a block
    /// first, and lacks the registers for those of a whole step.
    pub(crate) fn end_half(self, code: &mut InstructionSink, left: u32, is_last: bool) {
        code.local_get(left);
        if is_last {
            code.i32_const(-1).i32_add().local_tee(left);
        }
        code.i32_eqz();
        self.leave_if(code);
    }

    /// End the body. `next` advances the pointers for another round.
    pub(crate) fn end(self, code: &mut InstructionSink, next: impl FnOnce(&mut InstructionSink)) {
        if self == Self::Many {
            next(code);
            code.br(0).end();
        }
        code.end();
    }

    /// Select the name of the kernel's form.
    pub(crate) fn name(self, many: &'static str, one: &'static str) -> &'static str {
        match self {
            Self::Many => many,
            Self::One => one,
        }
    }
}
