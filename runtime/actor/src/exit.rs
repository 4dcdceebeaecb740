//! Why an actor ended, or could not start.
//!
//! An [`ExitReason`] is what supervisors decide by and watchers are told; it crosses nodes as a byte and a text. A
//! [`StartError`] is what a spawn answers with. What it is NOT: the error of a handler, which is a reply and ends
//! nothing. Read `watch.rs` for who is told.

use std::{any::Any, error::Error, fmt, sync::Arc};

use odeon_message::AskError;

use crate::panics;

/// What kind of end it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
#[non_exhaustive]
pub enum ExitKind {
    /// It stopped by itself: OTP's `normal`.
    Stopped = 1,
    /// A handler panicked.
    Panicked = 2,
    /// It gave up with [`Context::fail`](crate::Context::fail), or a supervisor did.
    Failed = 3,
    /// `start` answered with an error or panicked.
    StartFailed = 4,
    /// It was ended without being asked: a shutdown ran out of time, or its thread ended.
    Killed = 5,
    /// Its node was lost; what became of it is not known.
    NodeLost = 6,
    /// There was no such actor: it had ended before it was watched.
    NoActor = 7,
    /// Nothing is known of an end: its node refused the watch, because a bound on watches was reached, and will not
    /// tell of one. Watch it again later.
    WatchRefused = 8,
    /// It was asked to stop by its parent, its supervisor or its system, or asked itself with
    /// [`Context::shutdown`](crate::Context::shutdown); or it is a supervisor that gave up or shut itself down. OTP's
    /// `shutdown`.
    Shutdown = 9,
    /// An actor that it was [linked](crate::Context::link) with ended, and not by stopping itself.
    Linked = 10,
}

impl ExitKind {
    /// Reads the byte that frames carry.
    #[must_use]
    pub const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Stopped,
            2 => Self::Panicked,
            3 => Self::Failed,
            4 => Self::StartFailed,
            5 => Self::Killed,
            6 => Self::NodeLost,
            7 => Self::NoActor,
            8 => Self::WatchRefused,
            9 => Self::Shutdown,
            10 => Self::Linked,
            _ => return None,
        })
    }
}

impl fmt::Display for ExitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stopped => "stopped",
            Self::Panicked => "panicked",
            Self::Failed => "failed",
            Self::StartFailed => "could not start",
            Self::Killed => "killed",
            Self::NodeLost => "node lost",
            Self::NoActor => "no such actor",
            Self::WatchRefused => "watch refused",
            Self::Shutdown => "shut down",
            Self::Linked => "ended with a linked actor",
        })
    }
}

/// Between the text of a panic and its place.
const AT: &str = ", at ";

/// At most so many bytes of a text, whole characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Why an actor ended. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ExitReason {
    kind: ExitKind,
    detail: Option<Arc<str>>,
}

impl ExitReason {
    /// Longest detail kept, in bytes; a longer one is cut at a character.
    pub const DETAIL_BYTES_MAX: usize = 512;

    /// A reason with a detail for people; an empty one is none.
    #[must_use]
    pub fn new(kind: ExitKind, detail: &str) -> Self {
        let detail = cut(detail, Self::DETAIL_BYTES_MAX);
        Self { kind, detail: (!detail.is_empty()).then(|| Arc::from(detail)) }
    }

    /// A reason without a detail.
    #[must_use]
    pub const fn bare(kind: ExitKind) -> Self {
        Self { kind, detail: None }
    }

    /// The end of an actor that stopped by itself.
    #[must_use]
    pub const fn stopped() -> Self {
        Self::bare(ExitKind::Stopped)
    }

    /// The end of an actor that was asked to stop.
    #[must_use]
    pub fn shutdown(why: &str) -> Self {
        Self::new(ExitKind::Shutdown, why)
    }

    /// What kind of end it was.
    #[must_use]
    pub const fn kind(&self) -> ExitKind {
        self.kind
    }

    /// For people; may be empty.
    #[must_use]
    pub fn detail(&self) -> &str {
        self.detail.as_deref().unwrap_or("")
    }

    /// Whether it was a normal end, [`Stopped`](ExitKind::Stopped) or [`Shutdown`](ExitKind::Shutdown), after which a
    /// transient child is not started again.
    #[must_use]
    pub const fn is_normal(&self) -> bool {
        matches!(self.kind, ExitKind::Stopped | ExitKind::Shutdown)
    }

    /// A panic that was just caught on this thread: its text, and where it happened.
    pub(crate) fn panicked(payload: &(dyn Any + Send)) -> Self {
        let text = panic_text(payload);
        let Some(place) = panics::place_of(text) else {
            return Self::new(ExitKind::Panicked, text);
        };
        let room = Self::DETAIL_BYTES_MAX.saturating_sub(AT.len() + place.len());
        let text = cut(text, room);
        Self::new(ExitKind::Panicked, &format!("{text}{AT}{place}"))
    }

    /// Where a panic happened that ended the actor or its start, as `file:line:column`; also in the detail, behind the
    /// panic's text.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        if !matches!(self.kind, ExitKind::Panicked | ExitKind::StartFailed) {
            return None;
        }
        let (_, place) = self.detail().rsplit_once(AT)?;
        let mut parts = place.rsplitn(3, ':');
        let number = |part: Option<&str>| part.is_some_and(|part| part.parse::<u32>().is_ok());
        (number(parts.next()) && number(parts.next())).then_some(place)
    }
}

impl fmt::Display for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail {
            Some(detail) => write!(f, "{}: {detail}", self.kind),
            None => self.kind.fmt(f),
        }
    }
}

impl fmt::Debug for ExitReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ExitReason({self})")
    }
}

/// What a panic said, where it said it in words.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&'static str>() {
        text
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text
    } else {
        "a panic without a text"
    }
}

/// Why an actor did not start.
///
/// Variants in order of blame: the actor, the caller, the node.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// `start` answered with an error.
    Refused(Box<dyn Error + Send + Sync>),
    /// `start` panicked, with this text and, if it is known, where.
    Panicked(Box<str>),
    /// The actor chose not to run, OTP's `ignore`: that is no failure, and its supervisor goes on without it.
    Ignored,
    /// The actor was stopped before `start` was done.
    Stopped,
    /// The name is taken, or the table of names is full.
    Name(Box<crate::NameTaken>),
    /// The system has no worker yet: start one first.
    NoWorker,
    /// The system has no worker on an endpoint's thread.
    NoEndpoint,
    /// The system has nobody to give it threads.
    NoThreads,
    /// The system has no runtime for actors that are tasks of one, or it has ended.
    NoRuntime,
    /// As many actors as may block do so.
    TooManyBlocking {
        /// The bound.
        max: u32,
    },
    /// The thread for an actor that blocks could not be started.
    Thread(std::io::Error),
    /// The system is stopping and takes no more actors.
    Stopping,
}

impl StartError {
    /// An error that an actor's `start` answers with: anything that can be an error, a text among them.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Refused(source.into())
    }

    pub(crate) fn reason(&self) -> ExitReason {
        match self {
            Self::Ignored => ExitReason::new(ExitKind::Stopped, "it chose not to run"),
            Self::Stopped => ExitReason::shutdown(""),
            other => ExitReason::new(ExitKind::StartFailed, &other.to_string()),
        }
    }
}

/// So that `start` may use `?` on what actors do first; for any other error there is [`StartError::new`].
macro_rules! refuses {
    ($($error:ty),+) => {$(
        impl From<$error> for StartError {
            fn from(source: $error) -> Self {
                Self::new(source)
            }
        }
    )+};
}

refuses!(
    Box<dyn Error + Send + Sync>,
    std::io::Error,
    crate::SourcesFull,
    crate::LinkError,
    crate::GroupError,
    crate::TaskError
);

impl From<crate::NameTaken> for StartError {
    fn from(taken: crate::NameTaken) -> Self {
        Self::Name(Box::new(taken))
    }
}

impl<E: Error + Send + Sync + 'static> From<AskError<E>> for StartError {
    fn from(error: AskError<E>) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(source) => write!(f, "the actor refused to start: {source}"),
            Self::Panicked(text) => write!(f, "the actor panicked while it started: {text}"),
            Self::Ignored => f.write_str("the actor chose not to run"),
            Self::Stopped => f.write_str("the actor was stopped before it had started"),
            Self::Name(taken) => taken.fmt(f),
            Self::NoWorker => {
                f.write_str("the system has no worker: call start_worker on an arbiter first")
            }
            Self::NoEndpoint => f.write_str(
                "the system has no worker on an endpoint's thread: call start_endpoint_worker there first",
            ),
            Self::NoThreads => f.write_str(
                "the system has no threads for actors that block: give it some with set_threads first",
            ),
            Self::NoRuntime => f.write_str(
                "the system has no living runtime for actors that are its tasks: give it one of several threads with \
                 NodeBuilder::stealing or ActorSystem::set_stealing, and keep it while the node runs",
            ),
            Self::TooManyBlocking { max } => write!(
                f,
                "{max} actors have threads of their own already: raise blocking_threads_max, or stop some"
            ),
            Self::Thread(source) => {
                write!(f, "no thread for an actor that blocks: {source}; raise the limit on threads")
            }
            Self::Stopping => f.write_str("the system is stopping and takes no more actors"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Refused(source) => Some(&**source),
            Self::Name(taken) => Some(&**taken),
            Self::Thread(source) => Some(source),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_detail_is_cut_at_a_character() {
        let reason = ExitReason::new(ExitKind::Failed, &"ä".repeat(300));
        assert_eq!(reason.detail().len(), 512);
        assert_eq!(ExitReason::new(ExitKind::Failed, &"€".repeat(300)).detail().len(), 510);
    }

    #[test]
    fn what_actors_do_first_needs_no_words() {
        fn start(file: &str) -> Result<(), StartError> {
            Err(crate::SourcesFull { sources_max: 3 }).or_else(|full| {
                let full = StartError::from(full).to_string();
                assert!(full.contains("the actor has 3 timers"), "{full}");
                std::fs::read(file).map(drop)
            })?;
            Ok(())
        }
        assert!(matches!(start("/none/such").unwrap_err(), StartError::Refused(_)));
        let boxed: Box<dyn Error + Send + Sync> = "why not".into();
        assert!(StartError::from(boxed).to_string().ends_with("why not"));
    }

    #[test]
    fn kinds_survive_the_wire() {
        for byte in 0..=255 {
            if let Some(kind) = ExitKind::from_byte(byte) {
                assert_eq!(kind as u8, byte);
            }
        }
    }
}
