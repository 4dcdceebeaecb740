//! What every system's actors do with a message: the same few instructions, so that only the way to them differs.

use std::sync::Arc;

use crate::gate::Gate;

/// The state of a counter: adds up what it is told, and passes the gate after every so many tells.
#[derive(Clone, Debug)]
pub(crate) struct Counting {
    sum: u64,
    left: u64,
    every: u64,
    gate: Arc<Gate>,
}

impl Counting {
    /// A counter that passes `gate` after each `every` tells; 0 is taken as 1.
    pub(crate) fn new(every: u64, gate: Arc<Gate>) -> Self {
        let every = every.max(1);
        Self { sum: 0, left: every, every, gate }
    }

    /// A counter that is only asked.
    pub(crate) fn asked(gate: &Arc<Gate>) -> Self {
        Self::new(u64::MAX, gate.clone())
    }

    pub(crate) fn add(&mut self, value: u64) {
        self.sum = self.sum.wrapping_add(value);
        self.left -= 1;
        if self.left == 0 {
            self.left = self.every;
            self.gate.pass();
        }
    }

    pub(crate) fn read(&self, value: u64) -> u64 {
        self.sum.wrapping_add(value)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::pin,
        task::{Context, Waker},
    };

    use super::Counting;
    use crate::gate::Gate;

    #[test]
    fn it_adds_up_and_passes_the_gate_after_every_so_many() {
        let gate = Gate::new();
        gate.expect(2);
        let mut counting = Counting::new(3, gate.clone());
        let mut opened = pin!(gate.opened());
        let mut cx = Context::from_waker(Waker::noop());
        for value in 1..=6 {
            assert!(opened.as_mut().poll(&mut cx).is_pending(), "{value}");
            counting.add(value);
        }
        assert!(opened.as_mut().poll(&mut cx).is_ready());
        assert_eq!(counting.read(100), 121);
    }
}
