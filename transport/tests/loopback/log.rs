//! What a node hears of its transport, kept in the order in which it came.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    sync::Arc,
};

use bytes::Bytes;
use odeon_message::Credit;
use odeon_transport::{
    Association, Frame, FrameKind, LostReason, PeerId, RefusedReason, TransportEvents,
};
use tokio::sync::Notify;

/// A message: the slot of its receiver, and its payload.
pub(crate) type Heard = (u32, Vec<u8>);

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) ups: RefCell<Vec<PeerId>>,
    pub(crate) downs: RefCell<Vec<LostReason>>,
    pub(crate) refused: RefCell<Vec<RefusedReason>>,
    pub(crate) unreachable: RefCell<Vec<SocketAddr>>,
    pub(crate) messages: RefCell<Vec<Heard>>,
    pub(crate) datagrams: Cell<usize>,
    /// Messages handed on in the call that goes on, and most in one.
    pub(crate) together: Cell<(usize, usize)>,
    /// Credit is kept in place of being given back.
    pub(crate) hold: Cell<bool>,
    pub(crate) held: RefCell<Vec<Credit>>,
    pub(crate) changed: Notify,
}

impl Log {
    /// How many peers came up.
    pub(crate) fn ups(&self) -> usize {
        self.ups.borrow().len()
    }

    /// How many bytes all messages have, of which each long one has come whole.
    pub(crate) fn bytes(&self) -> usize {
        let messages = self.messages.borrow();
        let is_whole = |payload: &[u8]| payload.len() < 1000 || payload.last() == Some(&3);
        assert!(messages.iter().all(|(_, payload)| is_whole(payload)), "its last byte came");
        messages.iter().map(|(_, payload)| payload.len()).sum()
    }

    pub(crate) fn has(&self, payload: &[u8]) -> bool {
        self.messages.borrow().iter().any(|(_, it)| it == payload)
    }
}

impl TransportEvents for Log {
    fn up(&self, peer: &Arc<Association>) {
        self.ups.borrow_mut().push(peer.peer().id);
        self.changed.notify_one();
    }

    fn down(&self, _: &Arc<Association>, why: &LostReason) {
        self.downs.borrow_mut().push(why.clone());
        self.changed.notify_one();
    }

    fn frame(
        &self,
        _: &Arc<Association>,
        frame: Frame,
        flow: Option<Credit>,
    ) -> Result<(), odeon_wire::PayloadError> {
        if self.hold.get() {
            self.held.borrow_mut().extend(flow);
        }
        if frame.header.kind == FrameKind::Message {
            let (count, most) = self.together.get();
            self.together.set((count + 1, most));
            let heard = (frame.header.receiver.slot, frame.payload.bytes().to_vec());
            self.messages.borrow_mut().push(heard);
            self.changed.notify_one();
        }
        Ok(())
    }

    fn together(&self, hand_on: &mut dyn FnMut()) {
        self.together.set((0, self.together.get().1));
        hand_on();
        let (count, most) = self.together.get();
        self.together.set((0, most.max(count)));
    }

    fn datagram(&self, _: PeerId, _: Bytes) {
        self.datagrams.set(self.datagrams.get() + 1);
        self.changed.notify_one();
    }

    fn unreachable(&self, addr: SocketAddr) {
        self.unreachable.borrow_mut().push(addr);
        self.changed.notify_one();
    }

    fn refused(&self, _: SocketAddr, reason: &RefusedReason) {
        self.refused.borrow_mut().push(reason.clone());
        self.changed.notify_one();
    }
}
