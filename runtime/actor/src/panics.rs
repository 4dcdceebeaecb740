//! Where a panic happened: noted by a panic hook, for actors' turns alone.
//!
//! The payload that a caught panic leaves does not say where it came from; only the hook is told. Ours notes text and
//! place on the thread that panics, if that thread is polling a worker, and calls the hook that was there before, so
//! that whatever is printed is printed as ever. What it is NOT: where panics are caught; that is `life.rs`.

use std::{
    cell::RefCell,
    panic::{PanicHookInfo, set_hook, take_hook},
    sync::Once,
};

use crate::{exit::panic_text, worker};

/// Longest place that is kept, in bytes: paths in programs are shorter.
const PLACE_BYTES_MAX: usize = 256;

struct Seen {
    text: Box<str>,
    place: Box<str>,
}

thread_local! {
    /// The last panic of this thread in an actor's turn.
    static LAST: RefCell<Option<Seen>> = const { RefCell::new(None) };
}

/// Puts the hook in, once in a program.
pub(crate) fn note_places() {
    static ONCE: Once = Once::new();
    // The hooks cannot be touched by a thread that panics; the next system does it.
    if !std::thread::panicking() {
        ONCE.call_once(|| {
            let before = take_hook();
            set_hook(Box::new(move |info| {
                note(info);
                before(info);
            }));
        });
    }
}

fn note(info: &PanicHookInfo<'_>) {
    if !worker::is_polling() {
        return;
    }
    let Some(at) = info.location() else { return };
    let seen = Seen { text: panic_text(info.payload()).into(), place: at.to_string().into() };
    // Whatever goes wrong here must not panic.
    let _ = LAST.try_with(|last| last.try_borrow_mut().map(|mut last| *last = Some(seen)));
}

/// Where the panic with this text happened that was just caught on this thread: `file:line:column`. `None` if it is
/// not known, as for a payload that was thrown on after it had been caught elsewhere.
pub(crate) fn place_of(text: &str) -> Option<Box<str>> {
    let seen = LAST.try_with(|last| last.try_borrow_mut().ok()?.take()).ok()??;
    (*seen.text == *text && seen.place.len() <= PLACE_BYTES_MAX).then_some(seen.place)
}
