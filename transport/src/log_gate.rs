//! At most one log line a second of each sort: what a peer can cause must not fill a disk.

use std::{cell::Cell, time::Duration};

use tokio::time::Instant;

/// Least time between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// Lets one line a second pass and counts the others.
#[derive(Debug, Default)]
pub(crate) struct LogGate {
    last: Cell<Option<Instant>>,
    held_back: Cell<u64>,
}

impl LogGate {
    /// How many lines were held back since the last one, if a line may be written now.
    pub(crate) fn pass(&self) -> Option<u64> {
        let now = Instant::now();
        if self.last.get().is_some_and(|last| now < last + PAUSE) {
            self.held_back.set(self.held_back.get() + 1);
            return None;
        }
        self.last.set(Some(now));
        Some(self.held_back.take())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_second() {
        let gate = LogGate::default();
        assert_eq!(gate.pass(), Some(0));
        assert_eq!((gate.pass(), gate.pass()), (None, None));
        tokio::time::advance(PAUSE).await;
        assert_eq!(gate.pass(), Some(2));
    }
}
