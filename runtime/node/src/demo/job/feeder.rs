//! Feeds one counter: all words of its partition, in order, with many asks in flight.
//!
//! What it is: one task a partition. It finds a node, has a counter started there, and sends batches; each ask is
//! taken before the next is sent, so that they arrive in order. When the counter is lost it waits for every ask's
//! verdict, writes the labels down, and begins again with a new counter elsewhere. What it is NOT: the comparison
//! (`comparison.rs`).

use std::{collections::VecDeque, rc::Rc, time::Duration};

use odeon::{ActorRef, AskError, Certainty, Node, Reply};
use tokio::time::Instant;

use super::{
    board::{Board, Home},
    counter::{Count, Counted, Counter, StartCounter, USHER, Usher},
    words::{BATCH_WORDS_MAX, Words},
};

/// Asks in flight to one counter. More than the credit of one receiver, so that some wait for credit when their node
/// is killed.
pub(crate) const WINDOW: usize = 48;

/// How long an ask may take: longer than the detection of a lost node.
pub(crate) const ASK_WITHIN: Duration = Duration::from_secs(20);

/// Pause before another node is tried for a counter.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// An ask that was taken.
struct InFlight {
    ask: u64,
    words: usize,
    sent: Instant,
    reply: Reply<Counter, Count>,
}

/// How far a counter was fed.
struct Fed {
    /// Whether all was counted.
    well: bool,
    /// The first word that was not sent.
    until: usize,
}

/// One partition on its way to a counter.
pub(crate) struct Feeder {
    pub(crate) node: Node,
    pub(crate) words: Rc<Words>,
    pub(crate) board: Rc<Board>,
    pub(crate) partition: usize,
    /// Whether it goes on behind the words that were lost with a counter, where it should begin again: one that does is
    /// there to be found out.
    pub(crate) forgets: bool,
}

impl Feeder {
    /// Feeds the partition until one counter has counted all of it and the run is over; answers with that counter.
    pub(crate) async fn run(self) -> ActorRef<Counter> {
        let mut first = 0;
        loop {
            let (home, counter) = self.start_counter().await;
            self.board.placed(self.partition, &home);
            // A counter that has counted everything may still be lost with its node, and all it knows.
            let fed = self.feed(&counter, first).await;
            if fed.well && self.board.finished(self.partition, &home).await {
                return counter;
            }
            self.board.lost(self.partition);
            first = if self.forgets { fed.until } else { 0 };
        }
    }

    /// Has a counter started on the node that the board names, or on another if that one does not answer.
    async fn start_counter(&self) -> (Home, ActorRef<Counter>) {
        loop {
            let home = self.board.home(self.partition);
            match self.try_start(&home.node).await {
                Ok(counter) => return (home, counter),
                Err(why) => {
                    tracing::debug!(home = home.node, why, "no counter there");
                    tokio::time::sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    async fn try_start(&self, home: &str) -> Result<ActorRef<Counter>, String> {
        let usher =
            self.node.on(home).lookup::<Usher>(USHER).await.map_err(|error| error.to_string())?;
        let usher = usher.ok_or("no usher")?;
        let start = StartCounter { partition: self.partition as u32 };
        usher.ask(start).await.map_err(|error| error.to_string())
    }

    /// Sends everything from `first` on.
    async fn feed(&self, counter: &ActorRef<Counter>, first: usize) -> Fed {
        let mut in_flight = VecDeque::with_capacity(WINDOW);
        let mut next = first;
        let all = self.words.len(self.partition);
        let mut well = true;
        while well && (next < all || !in_flight.is_empty()) {
            if next < all && in_flight.len() < WINDOW {
                well = self.send(counter, next, &mut in_flight).await;
                next = all.min(next + BATCH_WORDS_MAX);
            } else if let Some(oldest) = in_flight.pop_front() {
                well = self.finish(oldest).await;
            }
        }
        for rest in in_flight {
            // The counter is lost: what remains only says with which label.
            well &= self.finish(rest).await;
        }
        Fed { well, until: next }
    }

    async fn send(
        &self,
        counter: &ActorRef<Counter>,
        first: usize,
        in_flight: &mut VecDeque<InFlight>,
    ) -> bool {
        let words = self.words.batch(self.partition, first);
        let (ask, count) = (self.board.next_ask(), words.len());
        let sent = Instant::now();
        self.board.sending(self.partition, ask);
        let taken = counter.ask(Count { ask, words }).within(ASK_WITHIN).sent().await;
        self.board.sent(self.partition, taken.is_ok().then_some(ask));
        match taken {
            Ok(reply) => {
                in_flight.push_back(InFlight { ask, words: count, sent, reply });
                true
            }
            Err(error) => self.failed(ask, &error),
        }
    }

    async fn finish(&self, in_flight: InFlight) -> bool {
        let InFlight { ask, words, sent, reply } = in_flight;
        let answer = reply.await;
        self.board.answered(self.partition, ask);
        match answer {
            Ok(Counted { .. }) => {
                self.board.counted(self.partition, ask, words, sent.elapsed());
                true
            }
            Err(error) => self.failed(ask, &error),
        }
    }

    /// Writes a failed ask's label down.
    fn failed<E>(&self, ask: u64, error: &AskError<E>) -> bool {
        let label: Certainty = error.certainty();
        tracing::debug!(ask, %label, "an ask failed");
        self.board.failed(ask, label);
        false
    }
}
