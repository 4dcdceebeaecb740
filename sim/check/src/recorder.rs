//! Writes a history while things happen, from as many places as there are.
//!
//! What it is: a handle to one growing list behind a lock, which actors, clients and drivers hold clones of. What it is
//! NOT: a clock; whoever makes one gives it the time. Read `history.rs` next.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use odeon_message::Certainty;

use crate::{
    call::Call,
    event::{Event, Letter, Seq, What},
    history::History,
    text::{Party, Text},
    value::Value,
};

/// How much a recorder keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Events. Default: 2^20, hours of what a few clients do.
    pub events_max: usize,
    /// Bytes, about. Default: 256 MiB, a fraction of what a machine that runs tests has.
    pub bytes_max: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { events_max: 1 << 20, bytes_max: 256 << 20 }
    }
}

/// Records events; clones write into the same history, from any thread.
///
/// When there is no room for one more event, it and all later ones are counted and not kept, so that what is kept is a
/// whole beginning. No checker is content with such a history ([`History::check`]).
///
/// ```
/// use std::time::Duration;
///
/// use odeon_check::{Call, Linearizability, Recorder};
///
/// let recorder = Recorder::new(|| Duration::ZERO); // a real clock, or the simulator's
/// let write = recorder.invoke("c1", Call::write("r", 1));
/// let read = recorder.invoke("c2", Call::read("r"));
/// recorder.done(read, 1);
/// recorder.unknown(write, "the deadline passed");
/// recorder.history().check(&Linearizability::of_registers()).unwrap();
/// ```
#[derive(Clone)]
pub struct Recorder(Arc<Shared>);

struct Shared {
    clock: Box<dyn Fn() -> Duration + Send + Sync>,
    room: Room,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    history: Vec<Event>,
    bytes: usize,
    next: u64,
    missed: u64,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let log = self.lock();
        write!(f, "Recorder({} events, {} missed)", log.history.len(), log.missed)
    }
}

impl Recorder {
    /// A recorder with the default room; `clock` gives the time since the beginning.
    pub fn new(clock: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self::with_room(clock, Room::default())
    }

    /// A recorder with this room.
    pub fn with_room(clock: impl Fn() -> Duration + Send + Sync + 'static, room: Room) -> Self {
        let log = Mutex::default();
        Self(Arc::new(Shared { clock: Box::new(clock), room, log }))
    }

    /// Records an event now.
    pub fn record(&self, what: What) -> Seq {
        // Before the lock: the clock is somebody else's code.
        let at = (self.0.clock)();
        self.record_at(at, what)
    }

    /// Records an event of this time.
    pub fn record_at(&self, at: Duration, what: What) -> Seq {
        let bytes = what.bytes();
        let mut log = self.lock();
        let seq = Seq(log.next);
        log.next += 1;
        let room = self.0.room;
        let fits = log.history.len() < room.events_max && log.bytes + bytes <= room.bytes_max;
        if fits && log.missed == 0 {
            log.bytes += bytes;
            log.history.push(Event { seq, at, what });
        } else {
            log.missed += 1;
        }
        seq
    }

    /// Records the call of an operation; call it before. The number is for the end of the operation; one that gets none
    /// counts as unknown.
    pub fn invoke(&self, client: impl Into<Party>, call: Call) -> Seq {
        self.record(What::Invoke { client: client.into(), call })
    }

    /// The operation was answered.
    pub fn done(&self, of: Seq, answer: impl Into<Value>) {
        self.record(What::Done { of, answer: answer.into() });
    }

    /// The operation had no effect and will have none.
    pub fn failed(&self, of: Seq, why: impl Into<Text>) {
        self.record(What::Failed { of, why: why.into() });
    }

    /// The operation may have had its effect, or may have it later.
    pub fn unknown(&self, of: Seq, why: impl Into<Text>) {
        self.record(What::Unknown { of, why: why.into() });
    }

    /// The operation was a send that failed with this certainty: not delivered is [`failed`](Self::failed), all else is
    /// [`unknown`](Self::unknown), because what ran in part may have had its effect.
    pub fn refused(&self, of: Seq, certainty: Certainty, why: impl Into<Text>) {
        match certainty {
            Certainty::NotDelivered => self.failed(of, why),
            Certainty::MayHaveRun | Certainty::Ran => self.unknown(of, why),
        }
    }

    /// A message is sent that expects an answer; call it before.
    pub fn ask(&self, letter: &Letter) {
        self.record(What::Sent { letter: letter.clone(), ask: true });
    }

    /// A message is sent that expects none; call it before.
    pub fn tell(&self, letter: &Letter) {
        self.record(What::Sent { letter: letter.clone(), ask: false });
    }

    /// A handler begins to run with a message; call it first of all in the handler.
    pub fn began(&self, letter: &Letter) {
        self.record(What::Began { letter: letter.clone() });
    }

    /// An ask was answered; `echo` is the number that the handler gave back.
    pub fn answered(&self, letter: &Letter, echo: impl Into<Option<u64>>) {
        self.record(What::Answered { letter: letter.clone(), echo: echo.into() });
    }

    /// A tell was taken.
    pub fn taken(&self, letter: &Letter) {
        self.record(What::Taken { letter: letter.clone() });
    }

    /// A send failed.
    pub fn send_failed(&self, letter: &Letter, certainty: Certainty, why: impl Into<Text>) {
        self.record(What::Refused { letter: letter.clone(), certainty, why: why.into() });
    }

    /// The history so far, [observed until](History::until) now.
    #[must_use]
    pub fn history(&self) -> History {
        let now = (self.0.clock)();
        let log = self.lock();
        let history = History::new(log.history.clone(), log.missed);
        history.expect("numbers rise under the lock").observed_until(now)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
