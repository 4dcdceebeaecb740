//! What makes a seed fail: panics, refusals, escapes, and what the scenario itself says.
//!
//! Panics are caught by a hook, because tokio swallows those of tasks and the actor engine catches those of
//! handlers on purpose. Everything is per thread. Read `world.rs` next.

use std::{
    any::Any,
    backtrace::Backtrace,
    cell::{Cell, RefCell},
    panic::{self, PanicHookInfo},
    path::Path,
    sync::Once,
    task::Waker,
};

use odeon_interpose::{REFUSALS_MAX, current, outside, take_refusals};

use crate::remedy::remedy;

/// Backtraces a run keeps; they are large.
const BACKTRACES_MAX: usize = 4;

/// Panics of different places and texts that one run expects; a scenario names a few.
const EXPECTED_MAX: usize = 64;

/// Who panics when no node does.
const SCENARIO: &str = "the scenario";

/// One reason why a seed fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What happened, and the remedy where there is one.
    pub text: String,
    /// More, such as a backtrace or a history; may be empty and is shown on replay only.
    pub detail: String,
}

impl Problem {
    /// A problem without details.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), detail: String::new() }
    }
}

struct Found {
    text: String,
    detail: String,
    backtrace: Option<Backtrace>,
}

thread_local! {
    static WATCHING: Cell<bool> = const { Cell::new(false) };
    static EXPECTED: RefCell<Vec<Expected>> = const { RefCell::new(Vec::new()) };
    static PANICS: Cell<u64> = const { Cell::new(0) };
    static FOUND: RefCell<Vec<Found>> = const { RefCell::new(Vec::new()) };
    static UNKNOWN: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static WAITING: RefCell<Option<Waker>> = const { RefCell::new(None) };
}

/// A panic that is part of the scenario.
#[derive(PartialEq)]
struct Expected {
    /// The last parts of the path of the file that it is in.
    file: String,
    /// What it says, or a part of it.
    said: String,
}

/// Watches this thread until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch(());

impl Watch {
    pub(crate) fn begin() -> Self {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| on_panic(info, &before)));
        });
        EXPECTED.take();
        PANICS.set(0);
        FOUND.take();
        UNKNOWN.take();
        WATCHING.set(true);
        Self(())
    }

    /// The problems so far, as text.
    pub(crate) fn take(&self) -> Vec<Problem> {
        let text = |found: Found| Problem {
            text: found.text,
            detail: found.backtrace.map_or(found.detail, |backtrace| backtrace.to_string()),
        };
        FOUND.take().into_iter().map(text).collect()
    }

    /// What is not known, because a check gave up.
    pub(crate) fn take_unknown(&self) -> Vec<String> {
        UNKNOWN.take()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHING.set(false);
        WAITING.take();
    }
}

fn on_panic(info: &PanicHookInfo<'_>, before: &(dyn Fn(&PanicHookInfo<'_>) + Send + Sync)) {
    if !WATCHING.try_with(Cell::get).unwrap_or(false) {
        before(info);
        return;
    }
    let node = current();
    // The hook prints and reads debug files, which a node must not.
    let _outside = outside();
    PANICS.set(PANICS.get() + 1);
    let said = panic_text(info.payload());
    let file = info.location().map_or("", |place| place.file());
    if node.is_some() && is_expected(file, &said) {
        return;
    }
    let place = info.location().map(|place| format!(" at {place}")).unwrap_or_default();
    let who = node.map_or_else(|| SCENARIO.to_owned(), |node| format!("node {}", node.name()));
    let mut text = format!("{who} panicked{place}: {said}");
    if let Some(remedy) = remedy(&said).filter(|_| who != SCENARIO) {
        text = format!("{}: {remedy}", text.trim_end_matches('.'));
    }
    let backtrace = Some(Backtrace::force_capture());
    found(Found { text, detail: String::new(), backtrace });
    before(info);
}

/// What a panic said.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "(no text)".to_owned())
}

/// From now on panics inside nodes are part of the scenario where they are in this file and say this.
pub(crate) fn expect_panics(file: &str, said: &str) {
    assert!(
        !file.is_empty(),
        "expected panics need a file: the last parts of its path, such as bank/app.rs"
    );
    assert!(!said.is_empty(), "expected panics need a text: what they say, or a part of it");
    let new = Expected { file: file.to_owned(), said: said.to_owned() };
    EXPECTED.with_borrow_mut(|expected| {
        if !expected.contains(&new) {
            assert!(
                expected.len() < EXPECTED_MAX,
                "a run expects {EXPECTED_MAX} kinds of panics at most"
            );
            expected.push(new);
        }
    });
}

fn is_expected(file: &str, said: &str) -> bool {
    // A panic while the list is in use is the scenario's own.
    let is_so = |expected: &Expected| {
        Path::new(file).ends_with(&expected.file) && said.contains(&expected.said)
    };
    EXPECTED
        .try_with(|list| list.try_borrow().is_ok_and(|list| list.iter().any(is_so)))
        .unwrap_or(false)
}

/// How many panics there were on this thread, the expected ones included.
pub(crate) fn panics() -> u64 {
    PANICS.get()
}

/// Adds a problem.
pub(crate) fn report(text: String) {
    report_in_full(text, String::new());
}

/// Adds a problem with what is shown on replay only.
pub(crate) fn report_in_full(text: String, detail: String) {
    found(Found { text, detail, backtrace: None });
}

/// Notes that a check gave up, up to as many as there may be problems. No failure: with more time it may find nothing.
pub(crate) fn note_unknown(text: String) {
    UNKNOWN.with_borrow_mut(|list| {
        if list.len() < REFUSALS_MAX {
            list.push(text);
        }
    });
}

/// Adds what the interposed symbols refused since it was last called.
pub(crate) fn report_refusals() {
    take_refusals().into_iter().for_each(|refusal| report(refusal.to_string()));
}

fn found(mut new: Found) {
    // A panic while the list is in use, or while the thread ends, has nowhere to go; the printed text remains.
    let _ = FOUND.try_with(|list| {
        let Ok(mut list) = list.try_borrow_mut() else { return };
        if list.len() >= BACKTRACES_MAX {
            new.backtrace = None;
        }
        if list.len() < REFUSALS_MAX {
            list.push(new);
        }
    });
    let waiting = WAITING
        .try_with(|waiting| waiting.try_borrow_mut().ok().and_then(|mut waiting| waiting.take()));
    if let Ok(Some(waker)) = waiting {
        waker.wake();
    }
}

/// Whether there is a problem; `waker` is woken when there is one.
pub(crate) fn any(waker: &Waker) -> bool {
    if FOUND.with_borrow(|found| !found.is_empty()) {
        return true;
    }
    WAITING.with_borrow_mut(|waiting| {
        if !waiting.as_ref().is_some_and(|known| known.will_wake(waker)) {
            *waiting = Some(waker.clone());
        }
    });
    false
}
