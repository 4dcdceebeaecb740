//! What a recording says, as data: dots, arrows, and what was left out.
//!
//! What it is: the form in which a child hands its recording to its parent, as JSON. What it is NOT: a picture; that is
//! `page.rs`. Read `pairs.rs` for how two ends become an arrow.

use std::collections::BTreeMap;

use odeon_message::MessageId;
use serde::{Deserialize, Serialize};

use super::{
    NOBODY, Tape,
    pairs::Pairs,
    ring::{Fields, What},
};
use crate::trace::Turn;

/// One run, for a picture. Times are nanoseconds of virtual time, hosts are places in `hosts`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Recording {
    /// The names of the hosts.
    pub(crate) hosts: Vec<String>,
    /// What happened at one moment, in order.
    pub(crate) dots: Vec<Dot>,
    /// What went from one host to another, in the order of what is known of it first.
    pub(crate) arrows: Vec<Arrow>,
    /// What had no room.
    pub(crate) left_out: LeftOut,
    /// For each log line among the dots, the number of the last event of the trace before it.
    pub(crate) logs_after: Vec<u64>,
}

/// How many events had no room, the oldest of each sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LeftOut {
    pub(crate) story: usize,
    pub(crate) traffic: usize,
    pub(crate) datagrams: usize,
    /// Hosts without a lane.
    pub(crate) hosts: usize,
}

/// Something that happened at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Dot {
    pub(crate) kind: DotKind,
    pub(crate) at: u64,
    /// `None` for what the driver of the world does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) host: Option<u16>,
    /// The number of the actor on its node, for what is an actor's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) actor: Option<u64>,
    pub(crate) text: String,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum DotKind {
    /// A node started, ended or was held.
    Turn,
    Fault,
    Repaired,
    Phase,
    Note,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
    ActorStarted,
    ActorStopped,
    Handler,
    Timer,
    Disk,
    /// Somebody was told that nobody listens.
    Unreachable,
    /// Why the seed failed.
    Problem,
}

impl DotKind {
    /// The level of a log line, if it is one.
    pub(crate) const fn level(self) -> Option<&'static str> {
        match self {
            Self::Error => Some("ERROR"),
            Self::Warn => Some("WARN"),
            Self::Info => Some("INFO"),
            Self::Debug => Some("DEBUG"),
            Self::Trace => Some("TRACE"),
            _ => None,
        }
    }
}

/// Something that went from one host to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Arrow {
    /// `Datagram`, or the kind of the frame.
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<u16>,
    /// `None` where that was left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sent: Option<u64>,
    /// When it came to its end; `None` where nothing is known of that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ended: Option<u64>,
    /// Bytes of the payload.
    pub(crate) size: u32,
    /// The message, by its name where a handler of it was recorded, else by its id.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
    /// Why it did not arrive; empty where it did.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) lost: String,
}

/// Makes data of what was kept.
pub(super) fn tell(tape: &Tape) -> Recording {
    let hosts: Vec<_> = tape.hosts.iter().map(|entry| entry.text.as_str().to_owned()).collect();
    let names = names(tape);
    let story = tape.story.iter().map(|entry| (entry.fields, entry.text.as_str()));
    let traffic = tape.traffic.iter().map(|entry| (entry.fields, entry.text.as_str()));
    let datagrams = tape.datagrams.iter().map(|entry| (entry.fields, ""));
    let mut entries: Vec<_> = story.chain(traffic).chain(datagrams).collect();
    entries.sort_by_key(|(fields, _)| fields.order);
    let (mut dots, mut pairs) = (Vec::new(), Pairs::new(names));
    let mut logs_after = Vec::new();
    let (mut lanes, count) = (0, u16::try_from(hosts.len()).unwrap_or(NOBODY));
    for (fields, text) in entries {
        for host in [fields.host, fields.peer] {
            lanes = lanes.max(if host == NOBODY { 0 } else { usize::from(host) + 1 });
        }
        if fields.what == What::Log {
            logs_after.push(fields.order);
        }
        match dot_kind(&fields) {
            Some(kind) => dots.push(dot(kind, &fields, text, count)),
            None => pairs.take(&fields),
        }
        let held = [Turn::Paused as u8, Turn::Resumed as u8];
        if fields.what == What::Turn && !held.contains(&fields.kind) {
            pairs.life(fields.host);
        }
    }
    let left_out = LeftOut {
        story: tape.story.left_out(),
        traffic: tape.traffic.left_out(),
        datagrams: tape.datagrams.left_out(),
        hosts: lanes.saturating_sub(hosts.len()),
    };
    Recording { arrows: pairs.end(count), hosts, dots, left_out, logs_after }
}

/// The messages whose names are known.
fn names(tape: &Tape) -> BTreeMap<u64, String> {
    let handlers = tape.traffic.iter().filter(|entry| entry.fields.what == What::Handler);
    let names = handlers.map(|entry| entry.text.as_str());
    names.map(|name| (MessageId::of(name).0, name.to_owned())).collect()
}

fn dot_kind(fields: &Fields) -> Option<DotKind> {
    Some(match fields.what {
        What::Turn => DotKind::Turn,
        What::Fault => DotKind::Fault,
        What::Repaired => DotKind::Repaired,
        What::Phase => DotKind::Phase,
        What::Note => DotKind::Note,
        What::Log => match fields.kind {
            1 => DotKind::Error,
            2 => DotKind::Warn,
            3 => DotKind::Info,
            4 => DotKind::Debug,
            _ => DotKind::Trace,
        },
        What::ActorStarted => DotKind::ActorStarted,
        What::ActorStopped => DotKind::ActorStopped,
        What::Handler => DotKind::Handler,
        What::Timer => DotKind::Timer,
        What::Disk => DotKind::Disk,
        What::Unreachable => DotKind::Unreachable,
        What::FrameOut | What::FrameIn | What::Sent | What::Ended => return None,
    })
}

fn dot(kind: DotKind, fields: &Fields, text: &str, hosts: u16) -> Dot {
    let actor = match fields.what {
        What::ActorStarted | What::ActorStopped | What::Handler => Some(fields.number),
        _ => None,
    };
    let text = match fields.what {
        What::Disk => format!("{text}, {} bytes at {}", fields.size, fields.number),
        What::Unreachable => "told that nobody listens".to_owned(),
        _ => text.to_owned(),
    };
    Dot {
        kind,
        at: fields.at_ns,
        host: Some(fields.host).filter(|host| *host < hosts),
        actor,
        text,
    }
}
