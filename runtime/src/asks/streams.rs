//! Asks that are answered with a stream: they stay in the table until the stream has ended.
//!
//! What it is: the credit of each, what arrives of it, and how it ends. What it is NOT: where items wait for who reads them
//! (`odeon-actor`); nor the sending side (`streams.rs` of this crate).

use std::{sync::Arc, task::Waker};

use odeon_actor::RemoteAnswer;
use odeon_message::AskId;
use odeon_transport::{Association, PeerId};
use odeon_wire::{ItemsOverrun, ItemsWindow, StreamCredit};

use super::Asks;

/// What the table knows of one stream.
pub(super) struct Stream {
    pub(super) window: ItemsWindow,
    /// The reply has come: items may follow.
    pub(super) is_open: bool,
}

impl Stream {
    pub(super) fn new(window: StreamCredit) -> Self {
        Self { window: ItemsWindow::new(window), is_open: false }
    }
}

impl Asks {
    /// What a new stream is asked for with.
    pub(crate) fn stream_window(&self) -> StreamCredit {
        ItemsWindow::new(self.stream_window).granted()
    }

    /// How many streams from other nodes are open, or asked for.
    pub(crate) fn streams(&self) -> usize {
        self.table().streams
    }

    /// Whom an item that came from `peer` is for; nobody, if the stream has ended here.
    ///
    /// # Errors
    /// When it was not granted.
    pub(crate) fn item(
        &self,
        ask: AskId,
        peer: PeerId,
        frame_bytes: usize,
    ) -> Result<Option<Arc<dyn RemoteAnswer>>, ItemsOverrun> {
        let mut table = self.table();
        let pending = table.pending.get_mut(ask);
        let Some(pending) = pending.filter(|it| it.association.peer().id == peer) else {
            return Ok(None);
        };
        match &mut pending.stream {
            Some(Stream { window, is_open: true }) => window.arrive(frame_bytes)?,
            _ => return Err(ItemsOverrun { item: 1, granted: StreamCredit::default() }),
        }
        Ok(Some(Arc::clone(&pending.answer)))
    }

    /// Takes out a stream that `peer` has ended.
    pub(crate) fn stream_ended(&self, ask: AskId, peer: PeerId) -> Option<Arc<dyn RemoteAnswer>> {
        let mut table = self.table();
        let pending = table.pending.get(ask)?;
        if pending.association.peer().id != peer || !pending.is_open() {
            return None;
        }
        let (pending, next) = table.remove(ask)?;
        drop(table);
        next.into_iter().for_each(Waker::wake);
        Some(pending.answer)
    }

    /// An item was taken: what to grant now, and to whom, if it is time.
    pub(crate) fn took_item(
        &self,
        ask: AskId,
        frame_bytes: usize,
    ) -> Option<(Arc<Association>, StreamCredit)> {
        let mut table = self.table();
        let pending = table.pending.get_mut(ask)?;
        let total = pending.stream.as_mut()?.window.consume(frame_bytes)?;
        Some((Arc::clone(&pending.association), total))
    }
}
