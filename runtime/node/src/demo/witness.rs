//! The witness: sees which asks the driver's node handed to QUIC, without asking the runtime what it thinks.
//!
//! What it is: an environment that is the real one, with an observer who looks through the bytes of every write for
//! the ids of asks, which are [marked](marked) so that nothing else in a frame looks like one. The verdict holds
//! "may have run" against it. What it is NOT: the ask table or the lane, whose word is what is being checked.

use std::{
    collections::BTreeSet,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use odeon::env::{BoxFuture, DatagramSocket, Env, MulticastGroup, Observed, Observer, RealEnv};

/// The upper half of every ask's id. As text it is not UTF-8, as an offset it points out of any message of the demo.
const MARK: u64 = 0xfffe_fdfc;

/// The id of the ask with this number.
pub(crate) const fn marked(number: u64) -> u64 {
    MARK << 32 | (number & 0xffff_ffff)
}

/// The asks that were seen on their way to QUIC.
#[derive(Clone, Debug, Default)]
pub(crate) struct Witness {
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    /// Asks on their way to QUIC.
    written: BTreeSet<u64>,
    /// Asks whose answers came back.
    answered: BTreeSet<u64>,
}

impl Witness {
    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this ask was handed to QUIC and no answer to it has come.
    pub(crate) fn flies(&self, ask: u64) -> bool {
        let seen = self.lock();
        seen.written.contains(&ask) && !seen.answered.contains(&ask)
    }

    /// All that were handed to QUIC.
    pub(crate) fn asks(&self) -> BTreeSet<u64> {
        self.lock().written.clone()
    }
}

/// The ids in bytes. Frames and archives begin at multiples of 16 bytes, so an id lies at a multiple of 8.
fn ids(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (words, _) = bytes.as_chunks::<8>();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    words.filter(|id| id >> 32 == MARK)
}

impl Observer for Witness {
    fn observe(&self, event: Observed<'_>) {
        match event {
            Observed::Written { bytes } => self.lock().written.extend(ids(bytes)),
            Observed::Frame { inbound: true, payload, .. } => {
                self.lock().answered.extend(ids(payload));
            }
            _ => {}
        }
    }
}

/// The real environment, watched by a witness.
#[derive(Debug)]
pub(crate) struct Watched(pub(crate) Witness);

impl Env for Watched {
    fn bind(&self, listen: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        RealEnv.bind(listen)
    }

    fn join_multicast(&self, group: &MulticastGroup) -> io::Result<Arc<dyn DatagramSocket>> {
        RealEnv.join_multicast(group)
    }

    fn resolve(&self, host: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        RealEnv.resolve(host)
    }

    fn wall_clock(&self) -> SystemTime {
        RealEnv.wall_clock()
    }

    fn entropy(&self, out: &mut [u8]) {
        RealEnv.entropy(out);
    }

    fn observer(&self) -> Option<Arc<dyn Observer>> {
        Some(Arc::new(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_finds_the_asks_in_a_write_and_nothing_else() {
        let witness = Witness::default();
        let mut bytes = b"sixteen bytes of a header, and then some words; ".to_vec();
        bytes.extend(marked(7).to_le_bytes());
        bytes.extend(u64::from(u32::MAX).to_le_bytes());
        bytes.extend((u64::MAX - 3).to_le_bytes());
        bytes.extend(marked(u64::from(u32::MAX)).to_le_bytes());
        bytes.extend(9_u64.to_le_bytes());
        witness.observe(Observed::Written { bytes: &bytes });
        let frame = |inbound, id| {
            let (peer, payload) = (([127, 0, 0, 1], 1).into(), &marked(id).to_le_bytes());
            witness.observe(Observed::Frame { inbound, peer, kind: 1, message: 0, payload });
        };
        frame(false, 8);
        assert_eq!(witness.asks(), BTreeSet::from([marked(7), marked(u64::from(u32::MAX))]));
        assert!(witness.flies(marked(7)) && !witness.flies(marked(8)));
        frame(true, 7);
        assert!(!witness.flies(marked(7)), "it was answered");
    }
}
