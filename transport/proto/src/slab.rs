//! Receive slabs: stream bytes, copied once, aligned to 16, shared with the payloads cut from them.
//!
//! A slab is written only while nobody shares it. Once payloads of it are out, new bytes go to another slab, and the
//! partial frame at its end is copied over; a slab whose payloads are gone is used again. Slabs grow as bytes
//! arrive, never by what a peer claims. Data goes to `read.rs`.

use std::sync::Arc;

use odeon_message::Slab;

/// Slabs kept for later use: enough for a few batches in the hands of actors.
const SPARE_MAX: usize = 4;
/// Smallest slab: a page, so that a short message pins little.
const SLAB_BYTES_LEAST: usize = 4096;

#[derive(Debug)]
pub(crate) struct Slabs {
    slab: Arc<Slab>,
    /// First byte of `slab` that was not consumed.
    read: usize,
    spare: Vec<Arc<Slab>>,
    slab_bytes: usize,
}

impl Slabs {
    pub(crate) fn new(slab_bytes: usize) -> Self {
        Self { slab: Arc::new(Slab::new()), read: 0, spare: Vec::new(), slab_bytes }
    }

    /// The slab that holds the unread bytes, and where they start in it.
    pub(crate) fn current(&self) -> (&Arc<Slab>, usize) {
        (&self.slab, self.read)
    }

    pub(crate) fn unread(&self) -> &[u8] {
        &self.slab[self.read..]
    }

    pub(crate) fn consume(&mut self, bytes: usize) {
        self.read += bytes;
        debug_assert!(self.read <= self.slab.len(), "only whole frames are consumed");
    }

    /// Bytes of memory held, without slabs that only payloads hold.
    pub(crate) fn held_bytes(&self) -> usize {
        self.slab.capacity() + self.spare.iter().map(|slab| slab.capacity()).sum::<usize>()
    }

    /// Copies `bytes` behind the unread ones; `frame` is the length of the frame they belong to, as far as known.
    pub(crate) fn append(&mut self, bytes: &[u8], frame: usize) {
        let unread = self.unread().len();
        let oversized = self.slab.capacity() > self.slab_bytes;
        let back_to_small = oversized && unread + bytes.len() <= self.slab_bytes;
        match Arc::get_mut(&mut self.slab) {
            Some(slab) if !back_to_small => {
                if unread == 0 {
                    slab.clear();
                    self.read = 0;
                }
                if self.read > 0 && slab.len() + bytes.len() > slab.capacity() {
                    slab.copy_within(self.read.., 0);
                    slab.resize(unread, 0);
                    self.read = 0;
                }
                grow(slab, bytes.len(), frame.max(self.slab_bytes));
                slab.extend_from_slice(bytes);
            }
            _ => self.next_slab(bytes),
        }
    }

    /// Moves the unread bytes to a slab that nobody shares and appends `bytes`.
    fn next_slab(&mut self, bytes: &[u8]) {
        let need = self.unread().len() + bytes.len();
        let mut next = self.unshared(need);
        let slab = Arc::get_mut(&mut next).expect("it is new, or was just found unshared");
        slab.extend_from_slice(self.unread());
        slab.extend_from_slice(bytes);
        let old = std::mem::replace(&mut self.slab, next);
        self.read = 0;
        if old.capacity() <= self.slab_bytes {
            if self.spare.len() == SPARE_MAX {
                self.spare.remove(0);
            }
            self.spare.push(old);
        }
    }

    /// An empty slab with room for `need` bytes: a spare one whose payloads are gone, or a new one.
    fn unshared(&mut self, need: usize) -> Arc<Slab> {
        let free = self.spare.iter_mut().position(|spare| {
            spare.capacity() >= need
                && Arc::get_mut(spare).is_some_and(|slab| {
                    slab.clear();
                    true
                })
        });
        match free {
            Some(at) => self.spare.remove(at),
            None => Arc::new(Slab::with_capacity(need.max(SLAB_BYTES_LEAST))),
        }
    }
}

/// Makes room for `more` bytes, doubling up to `bound`, so that a frame of n bytes is moved at most log n times.
fn grow(slab: &mut Slab, more: usize, bound: usize) {
    let need = slab.len() + more;
    if need > slab.capacity() {
        let capacity = (slab.capacity() * 2).min(bound).max(need).max(SLAB_BYTES_LEAST);
        slab.reserve_exact(capacity - slab.len());
    }
}
