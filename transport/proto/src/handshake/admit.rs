//! Judging one hello.
//!
//! Two nodes may dial each other at once, a connection may be dead on one side only, a node may have restarted: all
//! of that must end with one association a pair. The rules are in `format.md`; this is their only home in code.

use odeon_message::Incarnation;

use super::refuse;
use crate::{Hello, LocalHello, NodeName, Refuse, RefuseReason};

/// What a node knows about a peer when a hello or a welcome of it arrives. The default is nothing.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Known {
    /// The connection to it.
    pub link: Link,
    /// The newest incarnation of it that membership or an earlier handshake has shown.
    pub newest: Option<Incarnation>,
    /// The newest incarnation of it that was declared dead; earlier ones are dead with it.
    pub quarantined: Option<Incarnation>,
    /// Nothing is held of it, and there is no room for another peer.
    pub is_full: bool,
    /// This node is going down, and takes nobody any more.
    pub is_stopping: bool,
}

/// The connection to a peer.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Link {
    /// There is none.
    #[default]
    None,
    /// A dial to it has begun and not ended.
    Dialling,
    /// There is an association.
    Associated {
        /// With this life of the peer.
        incarnation: Incarnation,
        /// The `dial` of the hello or welcome it came up with: later dials of the peer have greater numbers.
        dial: u64,
    },
}

/// The judgement on a hello.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// It becomes the association. A dial of our own to this peer that has not ended is given up.
    Welcome {
        /// The revision both will speak.
        revision: u16,
    },
    /// It becomes the association in place of the one there is.
    ReplaceOld {
        /// The revision both will speak.
        revision: u16,
    },
    /// Not this one, and why.
    Refuse(Refuse),
}

/// Judges the hello of a peer whose certificate carries the name `certified`.
///
/// In this order: same cluster; name, id and certificate agree; not our own name; a common revision; not an older
/// life than one that is known; not a quarantined life; a node that is not going down; then the connections of the pair:
/// * none: welcome, if there is room for another peer;
/// * we dial too: the connection dialled by the lower node id wins, unless a peer with the higher one comes again that was
///   refused for it: our dial has not reached it, and perhaps never does;
/// * associated with an older life: replace it;
/// * associated with the same life: replace it only if this dial began after that association came up, which the
///   dial numbers tell. A dial that began before has merely crossed it and is a duplicate.
#[must_use]
pub fn admit(hello: &Hello, local: &LocalHello, certified: &NodeName, known: Known) -> Admission {
    let revision = match vet(hello, local, certified, &known) {
        Ok(revision) => revision,
        Err(refuse) => return Admission::Refuse(refuse),
    };
    if known.is_stopping {
        let text = format!("{} takes nobody any more; others of the cluster may", local.name);
        return Admission::Refuse(refuse(RefuseReason::Stopping, text));
    }
    match known.link {
        Link::None if known.is_full => Admission::Refuse(refuse(
            RefuseReason::Busy,
            format!("{} has as many peers as its peers_max allows, all of them in use", local.name),
        )),
        Link::None => Admission::Welcome { revision },
        Link::Dialling if hello.node < local.node => Admission::Welcome { revision },
        Link::Dialling => Admission::Refuse(refuse(
            RefuseReason::Duplicate,
            format!("{} dials {} already and has the lower id", local.name, hello.name),
        )),
        Link::Associated { incarnation, dial }
            if hello.incarnation > incarnation || hello.dial > dial =>
        {
            Admission::ReplaceOld { revision }
        }
        Link::Associated { dial, .. } => Admission::Refuse(refuse(
            RefuseReason::Duplicate,
            format!("dial {} began before the association that has seen dial {dial}", hello.dial),
        )),
    }
}

/// What must hold of any peer, whoever dialled; the revision both speak.
pub(super) fn vet(
    hello: &Hello,
    local: &LocalHello,
    certified: &NodeName,
    known: &Known,
) -> Result<u16, Refuse> {
    if hello.cluster != local.cluster {
        let text = format!("this is cluster {}, the peer is of {}", local.cluster, hello.cluster);
        return Err(refuse(RefuseReason::Cluster, text));
    }
    if hello.name != *certified || hello.name.id() != hello.node {
        let text = format!(
            "the certificate says {certified} (id {}), the peer says {} (id {})",
            certified.id(),
            hello.name,
            hello.node
        );
        return Err(refuse(RefuseReason::Identity, text));
    }
    if hello.node == local.node {
        let text = format!("this node is {} already: every node needs its own name", local.name);
        return Err(refuse(RefuseReason::OwnName, text));
    }
    let Some(revision) = local.revisions.common(hello.revisions) else {
        let (ours, theirs) = (local.revisions, hello.revisions);
        let text = format!(
            "this node speaks {} to {}, the peer {} to {}: run the same version of Odeon on both",
            ours.min, ours.max, theirs.min, theirs.max
        );
        return Err(refuse(RefuseReason::Revision, text));
    };
    let associated = match known.link {
        Link::Associated { incarnation, .. } => Some(incarnation),
        Link::None | Link::Dialling => None,
    };
    if let Some(newest) = known.newest.max(associated)
        && hello.incarnation < newest
    {
        let text = format!("incarnation {} came, {newest} is known", hello.incarnation);
        return Err(Refuse { known: Some(newest), ..refuse(RefuseReason::StaleIncarnation, text) });
    }
    if let Some(dead) = known.quarantined
        && hello.incarnation <= dead
    {
        let text = format!(
            "incarnations up to {dead} have left or were declared dead; a later one is taken"
        );
        return Err(Refuse { known: Some(dead), ..refuse(RefuseReason::Quarantined, text) });
    }
    Ok(revision)
}
