//! The side of the parent: starts children, two at once, and waits for their verdicts.

use std::{
    collections::VecDeque,
    io::{self, ErrorKind, PipeReader, Read as _, Write as _},
    num::NonZero,
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt as _},
    },
    process::{self, Command},
    sync::{Condvar, Mutex, PoisonError},
    thread,
    time::Duration,
};

use odeon_interpose::{die_with_parent, fix_addresses};

use super::{
    child::is_first_thread,
    heap::{settle_heap, settle_heap_of_test},
    order::Order,
};
use crate::{
    recording::Recording,
    verdict::{NO_VERDICT, Verdict},
};

/// Children at once, in the whole test binary: more would only make each other miss their limits.
const CHILDREN_MAX: usize = 2;

/// What is kept of a child's output: its end.
const OUTPUT_BYTES_MAX: usize = 64 << 10;

/// The longest verdict with its recording; what is in them is bounded far below.
const VERDICT_BYTES_MAX: u64 = 128 << 20;

/// One finished run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) verdict: Verdict,
    /// The end of what it printed.
    pub(crate) output: String,
    /// What was recorded, where the case asks for it and the run came to its end.
    pub(crate) recording: Option<Recording>,
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

/// How many children at once.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lanes {
    /// What the tests of one binary share.
    Shared,
    /// So many, for a program that does nothing else.
    Own(NonZero<usize>),
}

/// Runs all orders; the results are in their order.
pub(super) fn run_all(arguments: &[String], orders: Vec<Order>, limit: Duration) -> Vec<Run> {
    let mut done = Vec::with_capacity(orders.len());
    let mut waiting = orders.into_iter().enumerate();
    let end = |index, run| done.push((index, run));
    run_each(arguments, Lanes::Shared, limit, || waiting.next(), end);
    done.sort_by_key(|(index, _): &(usize, Run)| *index);
    done.into_iter().map(|(_, run)| run).collect()
}

/// Runs what `next` gives until it gives nothing more; `end` gets each run as it ends, with what came beside its order.
pub(crate) fn run_each<T: Send>(
    arguments: &[String],
    lanes: Lanes,
    limit: Duration,
    next: impl FnMut() -> Option<(T, Order)> + Send,
    end: impl FnMut(T, Run) + Send,
) {
    let (next, end) = (Mutex::new(next), Mutex::new(end));
    // A child comes by the same way as this program: on the first thread, or on the one of a test.
    let settle: Settle = if is_first_thread() { settle_heap } else { settle_heap_of_test };
    let take = || next.lock().unwrap_or_else(PoisonError::into_inner)();
    let lane = || {
        while let Some((tag, order)) = take() {
            let place = matches!(lanes, Lanes::Shared).then(Place::take);
            let run = run_one(arguments, settle, &order, limit);
            drop(place);
            end.lock().unwrap_or_else(PoisonError::into_inner)(tag, run);
        }
    };
    let count = match lanes {
        Lanes::Shared => CHILDREN_MAX,
        Lanes::Own(count) => count.get(),
    };
    thread::scope(|scope| {
        for _ in 0..count {
            scope.spawn(lane);
        }
    });
}

fn run_one(arguments: &[String], settle: Settle, order: &Order, limit: Duration) -> Run {
    let missing = |why: String| Run {
        verdict: Verdict::missing(order.case.seed, why),
        output: String::new(),
        recording: None,
    };
    match start(arguments, settle, order) {
        Ok((child, line, output)) => finish(child, line, output, order, limit),
        Err(error) => missing(format!("this program could not be started again: {error}")),
    }
}

/// Says how a child keeps its memory.
type Settle = fn(&mut Command);

type Started = (process::Child, UnixStream, PipeReader);

fn start(arguments: &[String], settle: Settle, order: &Order) -> io::Result<Started> {
    let (line, theirs) = UnixStream::pair()?;
    let (output, printed) = io::pipe()?;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(arguments).env_clear().stdin(OwnedFd::from(theirs));
    settle(&mut command);
    command.stdout(printed.try_clone()?).stderr(printed);
    // Ctrl-C is for the parent: a run that it broke off would look like one that failed.
    command.process_group(0);
    die_with_parent(&mut command);
    if order.case.fixed_addresses {
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
    mut line: UnixStream,
    output: PipeReader,
    order: &Order,
    limit: Duration,
) -> Run {
    let printed =
        thread::Builder::new().name("output of a child".to_owned()).spawn(move || tail(output));
    let verdict = send(&mut line, order, limit).and_then(|()| read_verdict(line, limit));
    if verdict.is_err() {
        // Not reaped yet, so it is still this child's number.
        let _ = child.kill();
    }
    let status = child.wait();
    let output = printed.ok().and_then(|thread| thread.join().ok()).unwrap_or_default();
    let ended = status.map_or_else(|error| error.to_string(), |status| status.to_string());
    let mut recording = None;
    let verdict = match verdict {
        Ok(text) => read(&text, &mut recording)
            .unwrap_or_else(|| Verdict::missing(order.case.seed, format!("{NO_VERDICT}: {ended}"))),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            Verdict::missing(
                order.case.seed,
                format!("the run took longer than {limit:?} of real time and was killed"),
            )
        }
        Err(error) => {
            Verdict::missing(order.case.seed, format!("the verdict could not be read: {error}"))
        }
    };
    Run { verdict, output, recording }
}

/// Reads a verdict, and the recording behind it.
fn read(text: &str, recording: &mut Option<Recording>) -> Option<Verdict> {
    let end = text.find("\nend\n")? + "\nend\n".len();
    let (verdict, recorded) = text.split_at(end);
    if !recorded.is_empty() {
        *recording = serde_json::from_str(recorded).ok();
    }
    Verdict::decode(verdict)
}

/// Writes the order. A child that ended before it had read it says so by its verdict, or by having none.
fn send(line: &mut UnixStream, order: &Order, limit: Duration) -> io::Result<()> {
    line.set_write_timeout(Some(limit))?;
    let sent =
        line.write_all(&order.head(limit)).and_then(|()| line.write_all(order.script.as_bytes()));
    sent.or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
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
