//! Senders of one node that wait for one receiver of another: each tells it as often as it is let, and one tries without
//! waiting, again and again.

use std::time::Duration;

use odeon::{ActorRef, Node};
use tokio::task::JoinHandle;

use super::peer::Stuck;
use crate::remote::{Outcome, messages::Tick};

/// How long a sender waits at most: longer than any bench.
const WAIT: Duration = Duration::from_secs(7200);
/// Pause of the one that tries without waiting.
const PAUSE: Duration = Duration::from_millis(1);

/// A flood under way.
pub(super) struct Flood {
    senders: Vec<JoinHandle<()>>,
    to: ActorRef<Stuck>,
}

fn tick() -> Tick {
    Tick { words: [7; 8] }
}

impl Flood {
    /// Starts so many senders, and one that tries.
    pub(super) fn begin(to: &ActorRef<Stuck>, senders: u16) -> Self {
        let wait = || {
            let to = to.clone();
            spawn(async move { while to.tell(tick()).within(WAIT).await.is_ok() {} })
        };
        let mut senders: Vec<_> = (0..senders).map(|_| wait()).collect();
        let tries = to.clone();
        senders.push(spawn(async move {
            loop {
                let _ = tries.try_tell(tick());
                tokio::time::sleep(PAUSE).await;
            }
        }));
        Self { senders, to: to.clone() }
    }

    /// Waits until the receiver takes no more.
    ///
    /// # Errors
    /// When it still does after half a minute.
    pub(super) async fn full(&self, node: &Node) -> Outcome<()> {
        let is_full = async {
            loop {
                let metrics = node.network_metrics();
                let lanes = metrics.of("bench-b").map_or(&[][..], |peer| &peer.lanes[..]);
                let waiting: usize = lanes.iter().map(|lane| lane.waiting_senders).sum();
                if waiting + 1 >= self.senders.len() && self.to.try_tell(tick()).is_err() {
                    return;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        let within = tokio::time::timeout(Duration::from_secs(30), is_full).await;
        Ok(within.map_err(|_| "the receiver takes messages though it has stopped")?)
    }

    /// Ends it: whoever waits gives up.
    pub(super) async fn end(self) {
        for sender in self.senders {
            sender.abort();
            // That it was aborted is no news.
            let _ = sender.await;
        }
    }
}

fn spawn(sender: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a bench is a host program, whose tasks are its own"
    )]
    tokio::spawn(sender)
}
