//! The side of the child: finds its case, runs it on a fresh thread, writes the verdict, ends the program.

use std::{
    cell::RefCell,
    ffi::OsString,
    io::{self, Read as _, Write as _, stdin},
    os::{fd::AsFd as _, unix::net::UnixStream},
    process, thread,
};

use odeon_interpose::{last_words, take_refusals};

use super::{
    case::{CASE_BYTES, Case},
    scenario::{Body, run_here},
};
use crate::{problem::panic_text, verdict::Verdict};

/// The stack of the simulation: eight times a thread's, because unoptimised futures are large. It is fixed, so that
/// addresses do not depend on limits of the shell.
const STACK_BYTES: usize = 16 << 20;

/// This program is a child, and this is its line to the parent.
pub(super) struct Child {
    case: Case,
    line: UnixStream,
}

thread_local! {
    /// What is left to do if a node ends the program.
    static LAST: RefCell<Option<(u64, UnixStream)>> = const { RefCell::new(None) };
}

/// Runs the case; a node that ends the program is told of before it does.
fn run(case: &Case, body: Body, line: io::Result<UnixStream>) -> Verdict {
    LAST.set(line.ok().map(|line| (case.seed, line)));
    last_words(Some(|| {
        if let Some((seed, mut line)) = LAST.take() {
            let refusals = take_refusals().into_iter().map(|refusal| refusal.to_string());
            let verdict = Verdict::missing(seed, refusals.collect::<Vec<_>>().join("; "));
            // There is nobody left to hear that it failed.
            let _ = line.write_all(verdict.encode().as_bytes());
        }
    }));
    let verdict = run_here(case, body);
    LAST.take();
    verdict
}

/// The arguments of a child, without the name of the program.
pub(super) fn arguments(test: &str) -> [String; 4] {
    ["--exact", test, "--nocapture", "--test-threads=1"].map(str::to_owned)
}

impl Child {
    /// Whether this program was started by a parent to run this test: its environment is empty, its arguments are
    /// the child's, and its standard input is a socket with a case in it.
    pub(super) fn find(test: &str) -> Option<Self> {
        let expected = arguments(test).map(OsString::from);
        if std::env::vars_os().next().is_some() || !std::env::args_os().skip(1).eq(expected) {
            return None;
        }
        let mut line = UnixStream::from(stdin().as_fd().try_clone_to_owned().ok()?);
        line.local_addr().ok()?;
        let mut bytes = [0; CASE_BYTES];
        line.read_exact(&mut bytes).ok()?;
        Some(Self { case: Case::decode(&bytes)?, line })
    }

    /// Runs the case and ends the program.
    #[expect(
        clippy::disallowed_methods,
        reason = "the runner is outside every world and owns its threads"
    )]
    pub(super) fn run(mut self, body: Body) -> ! {
        let (case, line) = (self.case, self.line.try_clone());
        let thread = thread::Builder::new().name("world".to_owned()).stack_size(STACK_BYTES);
        let verdict =
            match thread.spawn(move || run(&case, body, line)).map(thread::JoinHandle::join) {
                Ok(Ok(verdict)) => verdict,
                Ok(Err(panic)) => Verdict::missing(
                    case.seed,
                    format!("the simulator panicked: {}", panic_text(&*panic)),
                ),
                Err(error) => Verdict::missing(case.seed, format!("no thread to run on: {error}")),
            };
        let told = self.line.write_all(verdict.encode().as_bytes());
        process::exit(if told.is_ok() { 0 } else { 1 })
    }
}
