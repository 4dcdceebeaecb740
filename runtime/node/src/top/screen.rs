//! The terminal while it is ours: raw, on its other screen, without a cursor; and as it was on each way out.
//!
//! What it is NOT: able to undo it when the program is killed by a signal that cannot be caught.

use std::{
    io::{self, Stdout, stdout},
    panic,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
};

use ratatui::{
    Terminal,
    backend::CrosstermBackend,
    crossterm::{
        cursor::{Hide, Show},
        execute,
        terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
    },
};

/// Whether the terminal is ours.
static OURS: AtomicBool = AtomicBool::new(false);

/// The terminal, until it is dropped.
pub(super) struct Screen(pub(super) Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    /// Takes it.
    pub(super) fn take() -> io::Result<Self> {
        // A panic says what it has to say on the screen where it is read.
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            restore();
            before(info);
        }));
        enable_raw_mode()?;
        OURS.store(true, SeqCst);
        let taken = execute!(stdout(), EnterAlternateScreen, Hide)
            .and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        taken.map(Self).inspect_err(|_| restore())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

/// Gives it back, once. Where that fails there is no terminal any more.
fn restore() {
    if OURS.swap(false, SeqCst) {
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}
