//! The recording of one run: who did what and when, for a picture of it.
//!
//! What it is: three rings of fixed size, one for each sort of event, so that traffic never pushes out what was broken or
//! logged, nor datagrams the frames. What it is NOT: the trace, which is always kept and has the hash; a recording is
//! made on demand and must not change that hash. The hash follows how memory is laid out, so nothing here allocates
//! while the run lasts: the rings are statics, and there is one recording at a time in a program. What was kept becomes
//! a [`Recording`] when the run is over. Read `recording/told.rs` next.

mod filter;
mod log;
mod pairs;
mod ring;
mod told;

use std::{
    fmt,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError, TryLockError},
    time::Duration,
};

use odeon_env::Observed;

pub use filter::{LogFilter, LogFilterError};
pub(crate) use log::listen;
pub(crate) use told::{Arrow, Dot, DotKind, LeftOut, Recording};

use crate::{
    net::host_at,
    trace::{DiskEvent, Event, HostId, Payload},
};
use ring::{Fields, Ring, What};

/// Events that a recording keeps of nodes that start and end, faults, phases, notes and log lines. The oldest go first.
pub const RECORDED_STORY_MAX: usize = 16_384;

/// Events that a recording keeps of frames, actors, handlers, timers and disks. The oldest go first.
pub const RECORDED_TRAFFIC_MAX: usize = 65_536;

/// Events that a recording keeps of datagrams; each has two, its beginning and its end. The oldest go first.
pub const RECORDED_DATAGRAMS_MAX: usize = 65_536;

/// Hosts whose names a recording knows; what further ones do is kept without a lane.
pub const RECORDED_HOSTS_MAX: usize = 256;

/// Bytes of a text of the story; more are cut.
const STORY_TEXT_BYTES_MAX: usize = 208;

/// Bytes of a text of the traffic; more are cut.
const TRAFFIC_TEXT_BYTES_MAX: usize = 56;

/// Nobody's host.
const NOBODY: u16 = u16::MAX;

/// What is kept. All of it is zero until it is used, so that it takes no room in the program.
struct Tape {
    hosts: Ring<RECORDED_HOSTS_MAX, STORY_TEXT_BYTES_MAX>,
    story: Ring<RECORDED_STORY_MAX, STORY_TEXT_BYTES_MAX>,
    traffic: Ring<RECORDED_TRAFFIC_MAX, TRAFFIC_TEXT_BYTES_MAX>,
    datagrams: Ring<RECORDED_DATAGRAMS_MAX, 0>,
    /// The number of the last event of the trace.
    order: u64,
    on: bool,
}

static TAPE: Mutex<Tape> = Mutex::new(Tape {
    hosts: Ring::EMPTY,
    story: Ring::EMPTY,
    traffic: Ring::EMPTY,
    datagrams: Ring::EMPTY,
    order: 0,
    on: false,
});

fn tape() -> MutexGuard<'static, Tape> {
    TAPE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// From now on the events of one trace are kept.
pub(crate) fn begin() {
    let mut tape = tape();
    tape.on = true;
    tape.hosts.clear();
    tape.story.clear();
    tape.traffic.clear();
    tape.datagrams.clear();
}

/// Gives a host its name; those that come after the last that has room have none.
pub(crate) fn name_host(host: HostId, name: &str) {
    if usize::from(host.0) < RECORDED_HOSTS_MAX {
        let fields = Fields { host: host.0, ..Fields::EMPTY };
        tape().hosts.push(fields, format_args!("{name}"));
    }
}

/// Keeps an event; `order` is its number in the trace.
pub(crate) fn keep(order: u64, at_ns: u64, host: Option<HostId>, event: &Event<'_>) {
    let mut tape = tape();
    tape.order = order;
    let host = host.map_or(NOBODY, |host| host.0);
    tape.keep(Fields { order, at_ns, host, ..Fields::EMPTY }, event);
}

/// Keeps a log line of a node, or of the driver; `level` goes from 1 for an error to 5 for what is
/// least important.
fn keep_log(at: Duration, host: Option<HostId>, level: u8, text: &str) {
    let mut tape = tape();
    if tape.on {
        let (order, host) = (tape.order, host.map_or(NOBODY, |host| host.0));
        let at_ns = at.as_nanos() as u64;
        let fields = Fields { order, at_ns, host, what: What::Log, kind: level, ..Fields::EMPTY };
        tape.story.push(fields, format_args!("{text}"));
    }
}

/// What was kept; nothing more is. `None` where nothing is recorded, or where the run was ended in the middle of an
/// event.
#[cfg(target_os = "linux")]
pub(crate) fn take() -> Option<Recording> {
    let mut tape = match TAPE.try_lock() {
        Ok(tape) => tape,
        Err(TryLockError::Poisoned(tape)) => tape.into_inner(),
        Err(TryLockError::WouldBlock) => return None,
    };
    std::mem::take(&mut tape.on).then(|| told::tell(&tape))
}

impl Tape {
    fn keep(&mut self, fields: Fields, event: &Event<'_>) {
        match *event {
            Event::Sent { from, to, payload } => {
                let fields = Fields { what: What::Sent, ..fields.between(from.ip(), to.ip()) };
                self.datagrams.push(fields.with(payload), format_args!(""));
            }
            Event::Ended { from, to, payload, fate } => {
                // Of a group, the host says who received it.
                let number = u64::from(fields.host);
                let fields = Fields {
                    what: What::Ended,
                    kind: fate as u8,
                    number,
                    ..fields.between(from.ip(), to.ip())
                };
                self.datagrams.push(fields.with(payload), format_args!(""));
            }
            Event::Unreachable { to, about } => {
                let fields = fields.between(to.ip(), about.ip());
                self.datagrams.push(Fields { what: What::Unreachable, ..fields }, format_args!(""));
            }
            Event::Polled => {}
            Event::Turn(turn) => {
                let fields = Fields { what: What::Turn, kind: turn as u8, ..fields };
                self.story.push(fields, format_args!("{}", turn.name()));
            }
            Event::Disk(event) => self.keep_disk(fields, &event),
            Event::Observed(observed) => self.keep_observed(fields, observed),
            Event::Note { name, detail } => {
                let what = match (fields.host, name) {
                    (NOBODY, "fault") => What::Fault,
                    (NOBODY, "repaired") => What::Repaired,
                    (NOBODY, "phase") => What::Phase,
                    _ => return self.note(fields, name, detail),
                };
                self.story.push(Fields { what, ..fields }, format_args!("{detail}"));
            }
        }
    }

    fn note(&mut self, fields: Fields, name: &str, detail: &str) {
        let space = if detail.is_empty() { "" } else { " " };
        let fields = Fields { what: What::Note, ..fields };
        self.story.push(fields, format_args!("{name}{space}{detail}"));
    }

    fn keep_disk(&mut self, fields: Fields, event: &DiskEvent<'_>) {
        let DiskEvent { operation, file, fate, .. } = event;
        let size = event.bytes.len() as u32;
        let fields = Fields { what: What::Disk, number: event.offset, size, ..fields };
        self.traffic.push(fields, format_args!("{operation} {file}, {}", fate.name()));
    }

    fn keep_observed(&mut self, fields: Fields, observed: Observed<'_>) {
        let mut keep = |what, number, text: fmt::Arguments<'_>| {
            self.traffic.push(Fields { what, number, ..fields }, text);
        };
        match observed {
            Observed::ActorStarted { actor, kind } => {
                keep(What::ActorStarted, actor, format_args!("{kind}"));
            }
            Observed::HandlerStarted { actor, message } => {
                keep(What::Handler, actor, format_args!("{message}"));
            }
            Observed::ActorStopped { actor, reason } => {
                keep(What::ActorStopped, actor, format_args!("{reason}"));
            }
            Observed::TimerFired { timer } => keep(What::Timer, 0, format_args!("{timer}")),
            Observed::Frame { inbound, peer, kind, message, payload } => {
                let what = if inbound { What::FrameIn } else { What::FrameOut };
                let peer = host_at(peer.ip()).map_or(NOBODY, |host| host.0);
                let fields = Fields { what, kind, peer, number: message, ..fields };
                self.traffic.push(fields.with(Payload::of(payload)), format_args!(""));
            }
            Observed::Note { name, detail } => self.note(fields, name, detail),
            // Written frames are there one by one; what is not known here is in the trace.
            _ => {}
        }
    }
}

impl Fields {
    fn between(self, from: IpAddr, to: IpAddr) -> Self {
        let number = |ip| host_at(ip).map_or(NOBODY, |host| host.0);
        Self { host: number(from), peer: number(to), ..self }
    }

    fn with(self, payload: Payload<'_>) -> Self {
        let size = u32::try_from(payload.bytes.len()).unwrap_or(u32::MAX);
        Self { size, hash: payload.hash, ..self }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::trace::{Payload, Trace, Turn};

    /// The only test that records: there is one recording at a time in a program.
    #[test]
    fn traffic_pushes_out_traffic_and_never_the_story() {
        let (trace, at) = (Trace::new(), Duration::from_millis(1));
        trace.record_whole();
        let _listening = listen(&trace, LogFilter::INFO);
        trace.name_host("a");
        trace.name_host("b");
        let address = |id: u16| format!("10.0.0.{}:7400", id + 1).parse().expect("an address");
        let [a, b] = [address(0), address(1)];
        trace.record(at, Some(HostId(0)), &Event::Turn(Turn::Started));
        tracing::info!(number = 7, "a line");
        tracing::debug!("no line");
        for number in 0..RECORDED_TRAFFIC_MAX as u64 + 3 {
            let bytes = &number.to_le_bytes();
            trace.record(
                at,
                Some(HostId(0)),
                &Event::Sent { from: a, to: b, payload: Payload::of(bytes) },
            );
            let frame =
                Observed::Frame { inbound: false, peer: b, kind: 4, message: 1, payload: bytes };
            trace.record(at, Some(HostId(0)), &Event::Observed(frame));
        }
        let recording = take().expect("it was on");
        assert_eq!(recording.hosts, ["a", "b"]);
        let texts: Vec<_> = recording.dots.iter().map(|dot| dot.text.as_str()).collect();
        assert_eq!(texts, ["node started", "a line number=7 [odeon_sim::recording::tests]"]);
        let left_out = LeftOut { story: 0, traffic: 3, datagrams: 3, hosts: 0 };
        assert_eq!(recording.left_out, left_out);
        assert_eq!(recording.arrows.len(), RECORDED_TRAFFIC_MAX + RECORDED_DATAGRAMS_MAX);
        assert!(recording.arrows.iter().all(|arrow| (arrow.from, arrow.to) == (Some(0), Some(1))));
        assert_eq!(take(), None, "it is over");
        let text = serde_json::to_string(&recording).expect("it is data");
        assert_eq!(serde_json::from_str::<Recording>(&text).expect("it is read"), recording);
    }
}
