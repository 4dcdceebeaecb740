//! Lines of the log that a peer can cause, ever less often: they must not fill a disk, and what goes on for ever is said
//! again now and then only.

use std::{cell::RefCell, collections::VecDeque, time::Duration};

use tokio::time::Instant;

/// Least time between two lines of one sort.
const PAUSE_MIN: Duration = Duration::from_secs(1);

/// Longest time for which one text is held back; doubled up to it from [`PAUSE_MIN`], each time it was said.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// Texts that are remembered: the oldest is forgotten, and then said as if it were new.
const TEXTS_MAX: usize = 16;

#[derive(Debug)]
struct Said {
    text: String,
    again_at: Instant,
    pause: Duration,
}

#[derive(Debug, Default)]
struct State {
    last: Option<Instant>,
    said: VecDeque<Said>,
    held_back: u64,
}

/// Lets one line a second pass, each text ever less often, and counts the others.
#[derive(Debug, Default)]
pub(crate) struct LogGate(RefCell<State>);

impl LogGate {
    /// How many lines were held back since the last one, if one with this text may be written now.
    pub(crate) fn pass(&self, text: &str) -> Option<u64> {
        let now = Instant::now();
        let mut state = self.0.borrow_mut();
        let known = state.said.iter().position(|said| said.text == text);
        let too_early = state.last.is_some_and(|last| now < last + PAUSE_MIN);
        if too_early || known.is_some_and(|at| now < state.said[at].again_at) {
            state.held_back += 1;
            return None;
        }
        let pause = match known.and_then(|at| state.said.remove(at)) {
            // One that was not heard of for long begins anew.
            Some(said) if now < said.again_at + PAUSE_MAX => (said.pause * 2).min(PAUSE_MAX),
            _ => PAUSE_MIN,
        };
        if state.said.len() >= TEXTS_MAX {
            state.said.pop_front();
        }
        state.said.push_back(Said { text: text.to_owned(), again_at: now + pause, pause });
        state.last = Some(now);
        Some(std::mem::take(&mut state.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_line_a_second() {
        let gate = LogGate::default();
        assert_eq!(gate.pass("one"), Some(0));
        assert_eq!((gate.pass("two"), gate.pass("three")), (None, None));
        tokio::time::advance(PAUSE_MIN).await;
        assert_eq!(gate.pass("two"), Some(2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_is_said_ever_less_often_and_what_is_new_at_once() {
        let gate = LogGate::default();
        let mut lines = 0;
        for _ in 0..3600 {
            lines += u32::from(gate.pass("again").is_some());
            tokio::time::advance(PAUSE_MIN).await;
        }
        assert!((10..25).contains(&lines), "{lines} in an hour");
        assert!(gate.pass("new").is_some());
        tokio::time::advance(3 * PAUSE_MAX).await;
        assert!(gate.pass("again").is_some());
        tokio::time::advance(PAUSE_MIN).await;
        assert!(gate.pass("again").is_some(), "it begins anew");
        for number in 0..100 {
            tokio::time::advance(PAUSE_MIN).await;
            assert!(gate.pass(&number.to_string()).is_some());
        }
        assert!(gate.0.borrow().said.len() <= TEXTS_MAX);
    }
}
