//! The side of the parent: starts children, two at once, and waits for their verdicts.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, PipeReader, Read as _, Write as _},
    num::NonZero,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{self, Command},
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use odeon_interpose::{die_with_parent, fix_addresses};

use super::{case::Case, child::arguments};
use crate::verdict::Verdict;

/// Children at once, in the whole test binary: more would only make each other miss their limits.
const CHILDREN_MAX: usize = 2;

/// What is kept of a child's output: its end.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// The longest verdict; the trace lines in it are bounded far below.
const VERDICT_BYTES_MAX: u64 = 16 << 20;

/// One finished run.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) verdict: Verdict,
    /// The end of what it printed.
    pub(super) output: String,
}

/// Free places for children.
static PLACES: (Mutex<usize>, Condvar) = (Mutex::new(CHILDREN_MAX), Condvar::new());

/// A place for one child, given back when dropped.
struct Place(());

impl Place {
    fn take() -> Self {
        let free = PLACES.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free =
            PLACES.1.wait_while(free, |free| *free == 0).unwrap_or_else(PoisonError::into_inner);
        *free -= 1;
        Self(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        *PLACES.0.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        PLACES.1.notify_one();
    }
}

/// Runs all cases; the results are in the order of the cases.
pub(super) fn run_all(test: &str, cases: &[Case], limit: Duration) -> Vec<Run> {
    let waiting = Mutex::new(cases.iter().copied().enumerate().collect::<VecDeque<_>>());
    let done = Mutex::new(Vec::with_capacity(cases.len()));
    let lane = || {
        while let Some((index, case)) = pop(&waiting) {
            let place = Place::take();
            let run = run_one(test, &case, limit);
            drop(place);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((index, run));
        }
    };
    thread::scope(|scope| {
        for _ in 0..CHILDREN_MAX.min(cases.len()) {
            scope.spawn(lane);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, run)| run).collect()
}

fn pop(waiting: &Mutex<VecDeque<(usize, Case)>>) -> Option<(usize, Case)> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

fn run_one(test: &str, case: &Case, limit: Duration) -> Run {
    let missing =
        |why: String| Run { verdict: Verdict::missing(case.seed, why), output: String::new() };
    match start(test, case) {
        Ok((child, line, output)) => finish(child, line, output, case, limit),
        Err(error) => missing(format!("this program could not be started again: {error}")),
    }
}

type Started = (process::Child, UnixStream, PipeReader);

fn start(test: &str, case: &Case) -> io::Result<Started> {
    let (mut line, theirs) = UnixStream::pair()?;
    let (output, printed) = io::pipe()?;
    line.write_all(&case.encode())?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments(test)).env_clear().stdin(OwnedFd::from(theirs));
    command.stdout(printed.try_clone()?).stderr(printed);
    die_with_parent(&mut command);
    if case.fixed_addresses {
        fix_addresses(&mut command);
    }
    // The command holds the child's ends of the lines; it is dropped here, so that only the child keeps them open.
    Ok((command.spawn()?, line, output))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the runner is outside every world and owns its threads"
)]
fn finish(
    mut child: process::Child,
    line: UnixStream,
    output: PipeReader,
    case: &Case,
    limit: Duration,
) -> Run {
    let printed =
        thread::Builder::new().name("output of a child".to_owned()).spawn(move || tail(output));
    let verdict = read_verdict(line, limit);
    if verdict.is_err() {
        // Not reaped yet, so it is still this child's number.
        let _ = child.kill();
    }
    let status = child.wait();
    let output = printed.ok().and_then(|thread| thread.join().ok()).unwrap_or_default();
    let ended = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    let verdict = match verdict {
        Ok(text) => Verdict::decode(&text).unwrap_or_else(|| {
            Verdict::missing(case.seed, format!("the run ended without a verdict: {ended}"))
        }),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Verdict::missing(
                case.seed,
                format!("the run took longer than {limit:?} of real time and was killed"),
            )
        }
        Err(error) => {
            Verdict::missing(case.seed, format!("the verdict could not be read: {error}"))
        }
    };
    Run { verdict, output }
}

/// Reads until the child closes the line. The verdict comes in one piece at the very end, so the time of the first
/// read is the time of the run.
fn read_verdict(line: UnixStream, limit: Duration) -> io::Result<String> {
    line.set_read_timeout(Some(limit))?;
    let mut text = String::new();
    line.take(VERDICT_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// Reads to the end and keeps the last bytes.
fn tail(mut output: PipeReader) -> String {
    let (mut kept, mut buffer) = (VecDeque::new(), [0_u8; 8192]);
    while let Some(length) = output.read(&mut buffer).ok().and_then(NonZero::new) {
        kept.extend(&buffer[..length.get()]);
        let surplus = kept.len().saturating_sub(OUTPUT_BYTES_MAX);
        kept.drain(..surplus);
    }
    String::from_utf8_lossy(kept.make_contiguous()).into_owned()
}
