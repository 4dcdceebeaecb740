//! What a system must be able to do to be measured between two programs: one interface, a file of `systems/` each.
//!
//! The workloads (`workload.rs`) are written once, against [`Client`]. The receiving program has one actor a peer, which
//! answers asks with what it was asked, and counts what it is told; a client that has told asks it for the count, and
//! compares. What it is NOT: a judge; how a system is driven, and why that is its best, stands at the top of its file.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    Outcome,
    remote::{papers::Papers, workload::Workload},
};

/// Bytes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    B64,
    B100,
    K1,
    M1,
}

impl Size {
    pub(crate) fn bytes(self) -> usize {
        match self {
            Self::B64 => 64,
            Self::B100 => 100,
            Self::K1 => 1 << 10,
            Self::M1 => 1 << 20,
        }
    }
}

/// What both programs of a sample know.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) papers: Papers,
    pub(crate) workload: Workload,
    pub(crate) peers: usize,
}

/// A system whose two sides are programs of Rust. All of a program runs on one CPU.
pub(crate) trait Remote {
    /// What serves, as long as it is there.
    type Server;
    /// What sends.
    type Client: Client;

    /// Starts the receiving side, with all its peers, and says where they are reached, in one line.
    async fn serve(setup: &Setup) -> Outcome<(Self::Server, String)>;

    /// Connects to all of them.
    async fn connect(setup: &Setup, to: &str) -> Outcome<Self::Client>;
}

/// The sending side.
pub(crate) trait Client {
    /// Asks the first peer, one ask after the other, and says how long each took.
    async fn ask(&mut self, asks: u64) -> Outcome<Vec<Duration>>;

    /// So many asks of each of 64 askers at once.
    async fn ask64(&mut self, each: u64) -> Outcome<()>;

    /// Tells each peer so often, all of them at the same time, and waits until all has been handled.
    async fn tell(&mut self, size: Size, tells: u64) -> Outcome<()>;
}

/// What a receiver counts: how many messages, and the sum of their numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) messages: u64,
    pub(crate) sum: u64,
}

impl Count {
    pub(crate) fn add(&mut self, number: u64) {
        self.messages += 1;
        self.sum = self.sum.wrapping_add(number);
    }

    /// The count so far, which begins anew.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    /// Compares with what was sent: the numbers from 0 on.
    ///
    /// # Errors
    /// When messages were lost or changed.
    pub(crate) fn check(self, tells: u64) -> Outcome<()> {
        let sent = Self { messages: tells, sum: tells * tells.saturating_sub(1) / 2 };
        if self == sent {
            return Ok(());
        }
        Err(format!(
            "{} of {tells} messages were handled, with the sum {}",
            self.messages, self.sum
        )
        .into())
    }
}

/// The number in front of a message's bytes; 0 in what is too short for one.
pub(crate) fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Measures asks, one after the other.
///
/// # Errors
/// That of the first ask that fails.
pub(crate) async fn timed(
    asks: u64,
    mut ask: impl AsyncFnMut(u64) -> Outcome<()>,
) -> Outcome<Vec<Duration>> {
    let mut spans = Vec::with_capacity(asks as usize);
    for number in 0..asks {
        let asked = Instant::now();
        ask(number).await?;
        spans.push(asked.elapsed());
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use super::{Count, number};

    #[test]
    fn a_count_is_compared_with_the_numbers_from_nought_on() {
        let mut count = Count::default();
        count.check(0).unwrap();
        for sent in [0, 1, 3, 2] {
            count.add(sent);
        }
        count.take().check(4).unwrap();
        count.add(7);
        let error = count.check(1).unwrap_err().to_string();
        assert_eq!(error, "1 of 1 messages were handled, with the sum 7");
    }

    #[test]
    fn a_number_stands_in_front() {
        assert_eq!(number(&[1, 2, 0, 0, 0, 0, 0, 0, 9]), 513);
        assert_eq!(number(&[1]), 0);
    }
}
