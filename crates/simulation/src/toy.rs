//! A step that is not slow, in place of RandomX: everything around it is the real thing.

use alloy_primitives::Keccak256;
use capacity::{
    Control, Digest,
    work::{STEP_BYTES, Step},
};

/// Programs of a unit.
pub(crate) struct Toy {
    seed: Digest,
    /// Whether it computes something else.
    wrong: bool,
    /// Steps until it asks its chain to stop.
    left: u64,
    control: Control,
}

impl Toy {
    /// Goes on as long as it is asked to.
    pub(crate) fn new(seed: Digest) -> Self {
        Self {
            seed,
            wrong: false,
            left: u64::MAX,
            control: Control::new(),
        }
    }

    /// Stops whoever runs under `control` after so many steps.
    pub(crate) fn limited(seed: Digest, wrong: bool, steps: u64, control: Control) -> Self {
        Self {
            wrong,
            left: steps,
            control,
            ..Self::new(seed)
        }
    }
}

impl Step for Toy {
    fn step(&mut self, input: &[u8; STEP_BYTES]) -> Digest {
        self.left -= 1;
        if self.left == 0 {
            self.control.stop();
        }
        let mut hasher = Keccak256::new();
        hasher.update(self.seed);
        hasher.update([u8::from(self.wrong)]);
        hasher.update(input);
        hasher.finalize().0
    }
}
