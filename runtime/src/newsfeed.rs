//! The queue between the transport's callbacks and the membership task; both live on one thread.
//!
//! What it is: news in the order in which they came, of which only those may be dropped that repeat themselves. What it
//! is NOT: what the membership makes of them (`membership.rs`). Filled by `inbound.rs` and the heart. Read
//! `newsfeed/refusals.rs` for dials that did not succeed, which do not queue.

mod refusals;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use odeon_message::Incarnation;
use odeon_transport::{Association, PeerId};
use tokio::{sync::Notify, time::Instant};

use crate::cluster_stats::ClusterCounts;
use refusals::Refusals;

pub(crate) use refusals::Refusal;

/// Most news that repeat themselves, gossip and unreachable addresses, that wait for the membership task; more are
/// dropped and counted. The task runs on the thread that fills the queue, so only a burst within one poll can reach it.
///
/// All others are never dropped and bounded by what they are about: one contact, one loss and one leave a peer, of which
/// there are `peers_max`, the latest of each; one life of this node, the greatest; one goodbye.
const NEWS_MAX: usize = 4096;

/// Something that the membership should know.
pub(crate) enum News {
    /// A handshake with this peer is done.
    Contact(Arc<Association>),
    /// A gossip datagram.
    Gossip { from: PeerId, bytes: Bytes },
    /// Nobody listens there.
    Unreachable(SocketAddr),
    /// The connection to that peer is gone.
    ConnectionLost(PeerId),
    /// That peer says that it is about to leave.
    Leaving(PeerId),
    /// A peer knows a later life of this node, or holds this one for dead.
    Outdated(Incarnation),
    /// A dial was refused or not answered; whether something must be changed by hand first.
    Refused { addr: SocketAddr, reason: String, lasting: bool },
    /// Say goodbye.
    Leave,
}

/// What news are about that replace earlier ones of their kind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum About {
    Contact(PeerId),
    Loss(PeerId),
    Leaving(PeerId),
    OwnLife,
    Goodbye,
}

impl News {
    /// What they are about; `None` for those that repeat themselves.
    fn about(&self) -> Option<About> {
        match self {
            Self::Contact(peer) => Some(About::Contact(peer.peer().id)),
            Self::ConnectionLost(peer) => Some(About::Loss(*peer)),
            Self::Leaving(peer) => Some(About::Leaving(*peer)),
            Self::Outdated(_) => Some(About::OwnLife),
            Self::Leave => Some(About::Goodbye),
            Self::Gossip { .. } | Self::Unreachable(_) | Self::Refused { .. } => None,
        }
    }
}

/// What waits, by arrival.
#[derive(Default)]
struct Waiting {
    arrivals: u64,
    news: BTreeMap<u64, News>,
    /// Where the latest of each kind that is not dropped stands.
    kept: BTreeMap<About, u64>,
}

impl Waiting {
    /// Appends news; `false` if they were dropped.
    fn push(&mut self, mut news: News) -> bool {
        let about = news.about();
        let repeating = self.news.len() - self.kept.len();
        if about.is_none() && repeating >= NEWS_MAX {
            return false;
        }
        self.arrivals += 1;
        if let Some(about) = about
            && let Some(earlier) = self.kept.insert(about, self.arrivals)
        {
            let earlier = self.news.remove(&earlier);
            if let (News::Outdated(known), Some(News::Outdated(before))) = (&mut news, earlier) {
                *known = before.max(*known);
            }
        }
        self.news.insert(self.arrivals, news);
        true
    }

    fn pop(&mut self) -> Option<News> {
        let (_, news) = self.news.pop_first()?;
        if let Some(about) = news.about() {
            self.kept.remove(&about);
        }
        Some(news)
    }
}

/// The queue.
#[derive(Default)]
pub(crate) struct Newsfeed {
    waiting: RefCell<Waiting>,
    counts: Arc<ClusterCounts>,
    arrived: Notify,
    refusals: RefCell<Refusals>,
    /// Peers that take nothing from this node any more; noted once it leaves, at most one a peer.
    gone_for: RefCell<Option<BTreeSet<PeerId>>>,
}

impl Newsfeed {
    /// A queue that says there what it drops.
    pub(crate) fn new(counts: &Arc<ClusterCounts>) -> Self {
        Self { counts: Arc::clone(counts), ..Self::default() }
    }

    pub(crate) fn push(&self, news: News) {
        let news = match news {
            News::Refused { addr, reason, lasting } => {
                tracing::debug!(%addr, %reason, "refused");
                let refusal = Refusal { addr, reason, lasting };
                self.refusals.borrow_mut().note(Instant::now(), refusal);
                return;
            }
            news => news,
        };
        if let News::Contact(peer) = &news {
            self.refusals.borrow_mut().answered(peer.addr());
        }
        if matches!(news, News::Leave) {
            self.gone_for.borrow_mut().get_or_insert_default();
        }
        if self.waiting.borrow_mut().push(news) {
            self.arrived.notify_one();
        } else {
            self.counts.gossip_dropped();
        }
    }

    /// The oldest news.
    pub(crate) fn pop(&self) -> Option<News> {
        self.waiting.borrow_mut().pop()
    }

    /// Completes once there are news; one task waits.
    pub(crate) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// Why the last dial did not succeed.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.refusals.borrow().last()
    }

    /// Whether an address is left alone now, because its node refuses this one: for the first of these pauses, doubled with
    /// each refusal up to the second.
    pub(crate) fn rests(&self, addr: SocketAddr, pause: (Duration, Duration)) -> bool {
        self.refusals.borrow().rests(Instant::now(), addr, pause)
    }

    /// That peer has closed the connection for good: where this node is leaving, it has heard so.
    pub(crate) fn let_go_by(&self, peer: PeerId) {
        if let Some(peers) = &mut *self.gone_for.borrow_mut() {
            peers.insert(peer);
        }
    }

    /// Whether that peer has heard that this node leaves.
    pub(crate) fn was_let_go_by(&self, peer: PeerId) -> bool {
        self.gone_for.borrow().as_ref().is_some_and(|peers| peers.contains(&peer))
    }
}

#[cfg(test)]
mod tests {
    use odeon_message::NodeId;

    use super::*;

    fn peer(number: u64) -> PeerId {
        PeerId { node: NodeId(number), incarnation: Incarnation(1) }
    }

    fn gossip() -> News {
        News::Gossip { from: peer(1), bytes: Bytes::new() }
    }

    fn take(news: &Newsfeed) -> Vec<News> {
        std::iter::from_fn(|| news.pop()).collect()
    }

    /// The bound was for all news, and a burst of gossip swallowed the loss of a connection, or the goodbye.
    #[test]
    fn a_burst_of_gossip_takes_no_other_news_away() {
        let news = Newsfeed::default();
        (0..NEWS_MAX + 10).for_each(|_| news.push(gossip()));
        news.push(News::Unreachable(SocketAddr::from(([10, 0, 0, 1], 1))));
        assert_eq!(news.counts.stats(0).gossip_dropped, 11);
        news.push(News::ConnectionLost(peer(1)));
        news.push(News::Outdated(Incarnation(5)));
        news.push(News::Leave);
        assert_eq!(news.counts.stats(0).gossip_dropped, 11);
        let taken = take(&news);
        assert_eq!(taken.len(), NEWS_MAX + 3);
        assert!(matches!(
            taken[NEWS_MAX..],
            [News::ConnectionLost(_), News::Outdated(_), News::Leave]
        ));
        news.push(gossip());
        assert_eq!(take(&news).len(), 1, "there is room again");
    }

    #[test]
    fn what_is_never_dropped_is_kept_once() {
        let news = Newsfeed::default();
        for _ in 0..100 {
            (0..10).for_each(|number| news.push(News::ConnectionLost(peer(number))));
            [3, 7, 5].into_iter().for_each(|life| news.push(News::Outdated(Incarnation(life))));
            news.push(News::Leave);
        }
        let taken = take(&news);
        assert_eq!(taken.len(), 12);
        assert!(matches!(taken[10..], [News::Outdated(Incarnation(7)), News::Leave]));
        assert!(news.waiting.borrow().kept.is_empty());
    }

    #[test]
    fn who_has_let_a_node_go_is_noted_once_it_leaves() {
        let news = Newsfeed::default();
        news.let_go_by(peer(1));
        assert!(!news.was_let_go_by(peer(1)), "it held this node for dead, which lives on");
        news.push(News::Leave);
        news.let_go_by(peer(2));
        assert!(news.was_let_go_by(peer(2)) && !news.was_let_go_by(peer(3)));
    }

    #[test]
    fn the_latest_of_a_kind_stands_in_its_own_place() {
        let news = Newsfeed::default();
        news.push(News::ConnectionLost(peer(1)));
        news.push(gossip());
        news.push(News::ConnectionLost(peer(2)));
        news.push(News::ConnectionLost(peer(1)));
        let taken = take(&news);
        assert!(matches!(
            taken[..],
            [
                News::Gossip { .. },
                News::ConnectionLost(PeerId { node: NodeId(2), .. }),
                News::ConnectionLost(PeerId { node: NodeId(1), .. })
            ]
        ));
    }
}
