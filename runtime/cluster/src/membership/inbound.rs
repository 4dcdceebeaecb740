//! Packets as they arrive: checked, then given to SWIM.
//!
//! SWIM believes what it is told. Three things must not get that far: a packet that is not from whom it says, news
//! of a later life of this very node (SWIM would declare that life dead, and two lives would kill each other for
//! ever), and more members than the bound allows.

use std::time::Duration;

use foca::State;
use odeon_message::{Incarnation, NodeId};

use super::{MEMBERS_MAX, Membership};
use crate::{
    Member,
    packet::{self, PACKET_BYTES_MAX, Packet, Swim, Touch, TouchKind, Update},
};

/// Where a packet is from.
pub(super) enum Origin {
    /// From whom it says, and for this life of this node.
    Right,
    /// For a later life of this node, which has been noted.
    ToLaterLife,
    /// Not from whom it says, or not for this node.
    Forged,
}

impl Membership {
    pub(super) fn inbound(&mut self, now: Duration, from: NodeId, bytes: &[u8]) {
        let packet = (bytes.len() <= PACKET_BYTES_MAX).then(|| packet::read(bytes));
        let accepted = match packet {
            Some(Ok(Packet::Touch(touch))) => self.touched(from, touch),
            Some(Ok(Packet::Telling(telling))) => self.hear(now, from, telling),
            Some(Ok(Packet::Swim(swim))) => self.told(from, bytes, &swim),
            Some(Err(_)) | None => false,
        };
        if !accepted {
            self.stats.datagrams_refused += 1;
        }
    }

    /// Whether a packet that says so is from that node and for this life of this one. Who speaks is no longer doubted.
    pub(super) fn origin(
        &mut self,
        from: NodeId,
        (source, source_life): (NodeId, Incarnation),
        (destination, destination_life): (NodeId, Incarnation),
    ) -> Origin {
        if source != from || source == self.me.node || destination != self.me.node {
            return Origin::Forged;
        }
        if destination_life > self.me.incarnation {
            self.outdated(destination_life);
            return Origin::ToLaterLife;
        }
        self.doubts.clear(source, source_life);
        Origin::Right
    }

    fn touched(&mut self, from: NodeId, touch: Touch) -> bool {
        let (source, source_life) = touch.source;
        match self.origin(from, touch.source, touch.destination) {
            Origin::Forged => return false,
            Origin::ToLaterLife => return true,
            Origin::Right => {}
        }
        let known = self.up.get(&source).filter(|member| member.incarnation == source_life);
        if let (TouchKind::Probe, Some(member)) = (touch.kind, known) {
            Self::touch(&mut self.outbox, TouchKind::Answer, &self.me, member);
        }
        true
    }

    fn told(&mut self, from: NodeId, bytes: &[u8], packet: &Swim) -> bool {
        let Swim { source, destination, about, .. } = packet;
        if source.node != from || source.node == self.me.node || destination.node != self.me.node {
            return false;
        }
        if let Some(known) = self.later_life(destination, about) {
            self.outdated(known);
            return true;
        }
        if self.over_bound(source, about) {
            self.stats.datagrams_over_bound += 1;
            return true;
        }
        self.doubts.clear(source.node, source.incarnation);
        // SWIM looks for each member from the first on: where hundreds come at once, most of what it would look for is known.
        let news = packet.without(bytes, |update| self.is_known(update));
        let bytes = news.as_deref().unwrap_or(bytes);
        self.swim.handle_data(bytes, &mut self.outbox).is_ok()
    }

    /// Whether it says of a member that is up only that it came up, which changes nothing whatever else is known of it.
    fn is_known(&self, update: &Update) -> bool {
        update.state == State::Alive
            && update.round == 0
            && self.up.get(&update.member.node) == Some(&update.member)
    }

    /// The latest life of our own node that a packet knows, if it is later than ours.
    fn later_life(&self, destination: &Member, about: &[Update]) -> Option<Incarnation> {
        about
            .iter()
            .map(|update| &update.member)
            .chain([destination])
            .filter(|member| member.node == self.me.node)
            .map(|member| member.incarnation)
            .max()
            .filter(|known| *known > self.me.incarnation)
    }

    fn over_bound(&self, source: &Member, about: &[Update]) -> bool {
        let known = self.swim.iter_membership_state().len();
        if known + about.len() < MEMBERS_MAX {
            return false;
        }
        // Rare: near the bound only packets about nodes that are known already are let in.
        let is_known = |node| self.swim.iter_membership_state().any(|it| it.id().0.node == node);
        let members = about.iter().map(|update| &update.member).chain([source]);
        members.into_iter().any(|it| it.node != self.me.node && !is_known(it.node))
    }
}
