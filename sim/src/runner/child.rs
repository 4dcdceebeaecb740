//! The side of the child: finds its order, runs it on a fresh thread, writes the verdict, ends the program.

use std::{
    cell::{Cell, RefCell},
    ffi::OsString,
    fmt, fs,
    io::{self, Read as _, Write as _, stdin},
    os::{fd::AsFd as _, unix::net::UnixStream},
    process,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use odeon_interpose::{last_words, take_refusals};

use super::{
    act::Act,
    heap,
    order::{ORDER_BYTES, Order},
};
use crate::{
    patience,
    plan::TIME_MAX,
    problem::panic_text,
    recording,
    scenario::drive,
    script::{SCRIPT_BYTES_MAX, Script},
    verdict::Verdict,
    world::{World, WorldBuilder},
};

/// How often it is looked whether the program's first thread sleeps, and the pause in between.
const LOOKS_MAX: u32 = 20_000;
const LOOK_PAUSE: Duration = Duration::from_micros(100);

/// The stack of the simulation: eight times a thread's, because unoptimised futures are large. It is fixed, so that
/// addresses do not depend on limits of the shell.
const STACK_BYTES: usize = 16 << 20;

/// This program is a child, and this is its line to the parent.
pub(super) struct Child {
    order: Order,
    script_bytes: usize,
    /// The real time that checkers have, from the beginning of the program.
    checks_max: Duration,
    line: UnixStream,
}

/// Waits until the first thread of a test binary waits for this one, which is its test: it takes memory on the way there, from
/// the heap that the world is given later, and on a busy machine is late for it.
#[expect(clippy::disallowed_methods, reason = "there is no world yet, nor a runtime")]
fn await_first_thread() {
    if is_first_thread() {
        return;
    }
    let path = format!("/proc/self/task/{}/stat", process::id());
    for _ in 0..LOOKS_MAX {
        let mut text = [0; 256];
        let read = fs::File::open(&path).and_then(|mut file| file.read(&mut text));
        // The state follows the name, which is in parentheses.
        let mut words = text[..read.unwrap_or(0)].rsplit(|byte| *byte == b')');
        let sleeps = words.next().is_some_and(|rest| rest.starts_with(b" S"));
        if sleeps {
            return;
        }
        thread::sleep(LOOK_PAUSE);
    }
}

/// Whether this is the first thread of its program; no test of a test binary is on it.
pub(super) fn is_first_thread() -> bool {
    let this = fs::read_link("/proc/thread-self").unwrap_or_default();
    this.file_name().is_some_and(|name| *name == *process::id().to_string())
}

/// Whether a world's thread has come to its end. Nothing of it takes memory: two threads that do share one heap, and where
/// the world's things lie would depend on which was first.
#[derive(Default)]
struct End {
    has_ended: Mutex<bool>,
    changed: Condvar,
}

impl End {
    /// Waits until the other thread does nothing but wait; the end is when the result is dropped.
    fn begin(&self) -> Marks<'_> {
        drop(self.has_ended.lock());
        Marks(self)
    }

    /// Waits for the end, at most so long; whether it came.
    fn wait(&self, has_ended: MutexGuard<'_, bool>, max: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(has_ended, max, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// Marks the end when it is dropped, after a panic too.
struct Marks<'a>(&'a End);

impl Drop for Marks<'_> {
    fn drop(&mut self) {
        *self.0.has_ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.changed.notify_all();
    }
}

thread_local! {
    /// What is left to do if a node ends the program.
    static LAST: RefCell<Option<(u64, UnixStream)>> = const { RefCell::new(None) };
}

/// Runs the order; a node that ends the program is told of before it does.
fn run(act: &Act, order: &Order, line: io::Result<UnixStream>) -> Verdict {
    LAST.set(line.ok().map(|line| (order.case.seed, line)));
    last_words(Some(|| {
        if let Some((seed, mut line)) = LAST.take() {
            let refusals = take_refusals().into_iter().map(|refusal| refusal.to_string());
            let why = refusals.collect::<Vec<_>>().join("; ");
            let verdict = Verdict::missing(seed, why);
            // There is nobody left to hear that it failed.
            let _ = line.write_all(told(&verdict).as_bytes());
        }
    }));
    let verdict = act.run_here(order);
    LAST.take();
    verdict
}

/// What the parent is told: the verdict, and the recording where there is one.
fn told(verdict: &Verdict) -> String {
    let mut text = verdict.encode();
    if let Some(recording) = recording::take().and_then(|taken| serde_json::to_string(&taken).ok())
    {
        text.push_str(&recording);
        text.push('\n');
    }
    text
}

/// The arguments of a child that is a test binary, without the name of the program.
pub(super) fn test_arguments(test: &str) -> Vec<String> {
    ["--exact", test, "--nocapture", "--test-threads=1"].map(str::to_owned).to_vec()
}

impl Child {
    /// Whether this program was started by a parent with these arguments: its environment is the child's, its arguments are
    /// the child's, and its standard input is a socket with an order in it.
    pub(super) fn find(arguments: &[String]) -> Option<Self> {
        if !std::env::vars_os().all(|(name, _)| name == heap::VARIABLE) {
            return None;
        }
        await_first_thread();
        let expected = arguments.iter().map(OsString::from);
        if !std::env::args_os().skip(1).eq(expected) {
            return None;
        }
        let mut line = UnixStream::from(stdin().as_fd().try_clone_to_owned().ok()?);
        line.local_addr().ok()?;
        let mut bytes = [0; ORDER_BYTES];
        line.read_exact(&mut bytes).ok()?;
        let (order, script_bytes, limit) = Order::read_head(&bytes)?;
        Some(Self { order, script_bytes, checks_max: patience::checks_max(limit), line })
    }

    /// Runs the order and ends the program.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runner is outside every world and owns its threads"
    )]
    pub(super) fn run(mut self, act: &Act) -> ! {
        let verdict = match self.read_script() {
            Ok(()) => {
                let (act, order) = (act.clone(), self.order.clone());
                let line = self.line.try_clone();
                let thread =
                    thread::Builder::new().name("world".to_owned()).stack_size(STACK_BYTES);
                let end = Arc::new(End::default());
                let ended = Arc::clone(&end);
                let run = move || {
                    let _marks = end.begin();
                    run(&act, &order, line)
                };
                let has_ended = ended.has_ended.lock().unwrap_or_else(PoisonError::into_inner);
                let world = thread.spawn(run);
                // The world's own thread has no clock that shows real time.
                if world.is_ok() && !ended.wait(has_ended, self.checks_max) {
                    patience::end(self.checks_max);
                }
                match world.map(thread::JoinHandle::join) {
                    Ok(Ok(verdict)) => Ok(verdict),
                    Ok(Err(panic)) => {
                        Err(format!("the simulator panicked: {}", panic_text(&*panic)))
                    }
                    Err(error) => Err(format!("no thread to run on: {error}")),
                }
            }
            Err(error) => Err(error),
        };
        let verdict = verdict.unwrap_or_else(|why| Verdict::missing(self.order.case.seed, why));
        let told = self.line.write_all(told(&verdict).as_bytes());
        process::exit(if told.is_ok() { 0 } else { 1 })
    }

    /// Reads the script into room of a fixed size.
    fn read_script(&mut self) -> Result<(), String> {
        if self.script_bytes == 0 {
            return Ok(());
        }
        let mut bytes = vec![0; SCRIPT_BYTES_MAX];
        bytes.truncate(self.script_bytes);
        let read = self.line.read_exact(&mut bytes);
        read.map_err(|error| format!("the script did not arrive: {error}"))?;
        let text = String::from_utf8(bytes);
        self.order.script = text.map_err(|error| format!("the script is no text: {error}"))?;
        Ok(())
    }
}

impl Act {
    /// Runs one order in this program.
    fn run_here(&self, order: &Order) -> Verdict {
        let builder = WorldBuilder::new(order.case.seed)
            .switches(order.case.switches)
            .link(order.case.link)
            .schedule(order.case.schedule)
            .buggify(order.case.buggify_percent)
            .planted(order.case.planted)
            .lines_until(order.case.lines_until)
            .recorded(order.case.recorded)
            .log(order.case.log);
        match self {
            Self::Body(body) => builder.run(async |world: &mut World| body(world).await),
            Self::Cast(make) => {
                let injected = Cell::new(0);
                // Each phase has a limit of its own, a week at most.
                let builder = builder.virtual_time_max(TIME_MAX * 4);
                // All of it inside: what a scenario or a script draws when it is made must be the seed's, too.
                let mut verdict = builder.run(async |world: &mut World| {
                    let script = Script::from_text(&order.script);
                    let script = script.map_err(|error| Plain(error.to_string()))?;
                    drive(&mut *make(), &script, world, &injected).await.map_err(Plain)
                });
                verdict.faults = injected.get();
                verdict
            }
        }
    }
}

/// An error that is a text already, and stays as it is.
struct Plain(String);

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
