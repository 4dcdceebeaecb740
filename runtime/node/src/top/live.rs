//! The live picture: glances, keys, signals and the terminal's size, one after the other.
//!
//! What it is: the one loop of `odeon top`. A glance that takes its time holds up no key. What it is NOT: the picture; read
//! `picture.rs`.

use std::{io, pin::Pin, time::Duration};

use odeon_ops::operator::OperatorError;
use ratatui::crossterm::event::Event;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use super::{
    Glance, Watching,
    figures::Figures,
    keys::{Choice, Then},
    picture::Picture,
    screen::Screen,
    sheet::Sheet,
    typed::Typed,
};
use crate::{failure::Failed, steer::failed};

/// Signals that end it.
struct Ends {
    all: [Signal; 4],
}

impl Ends {
    fn listen() -> io::Result<Self> {
        let on = |kind| signal(kind);
        let (term, int) = (on(SignalKind::terminate())?, on(SignalKind::interrupt())?);
        let (hangup, quit) = (on(SignalKind::hangup())?, on(SignalKind::quit())?);
        Ok(Self { all: [term, int, hangup, quit] })
    }

    async fn next(&mut self) {
        let [term, int, hangup, quit] = &mut self.all;
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = hangup.recv() => {}
            _ = quit.recv() => {}
        }
    }
}

/// A glance that is under way.
type Looking<'a> = Pin<Box<dyn Future<Output = Result<Glance, OperatorError>> + 'a>>;

/// Shows the node until a key or a signal ends it.
pub(super) async fn run(watching: &Watching, every: Duration) -> Result<(), Failed> {
    // What is wrong from the beginning is said on the screen that stays.
    let first = watching.glance(0).await.map_err(failed)?;
    let mut ends = Ends::listen().map_err(Failed::run)?;
    let mut resized = signal(SignalKind::window_change()).map_err(Failed::run)?;
    let keys = Typed::listen().map_err(Failed::run)?;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.reset();
    let mut shown = Shown::new(watching, first)?;
    let mut looking: Option<Looking<'_>> = None;
    loop {
        shown.draw()?;
        tokio::select! {
            () = ends.next() => return Ok(()),
            _ = resized.recv() => {}
            pressed = keys.next() => {
                for key in pressed.map_err(Failed::run)? {
                    if shown.press(key) == Then::Quit {
                        return Ok(());
                    }
                }
            }
            _ = ticks.tick(), if looking.is_none() && !shown.choice.is_paused => {
                looking = Some(Box::pin(watching.glance(shown.figures.last_event())));
            }
            glance = async { looking.as_mut().expect("it is there").await }, if looking.is_some() => {
                looking = None;
                shown.take(glance);
            }
        }
    }
}

/// What is on the screen.
struct Shown<'a> {
    watching: &'a Watching,
    figures: Figures,
    choice: Choice,
    trouble: Option<String>,
    screen: Screen,
}

impl<'a> Shown<'a> {
    fn new(watching: &'a Watching, first: Glance) -> Result<Self, Failed> {
        let mut figures = Figures::default();
        figures.take(first);
        let screen = Screen::take().map_err(Failed::run)?;
        Ok(Self { watching, figures, choice: Choice::default(), trouble: None, screen })
    }

    fn sheet(&self) -> Sheet {
        let (by, greatest_first) = self.choice.sorted();
        Sheet::of(self.choice.sheet, &self.figures, by, greatest_first)
    }

    fn draw(&mut self) -> Result<(), Failed> {
        let sheet = self.sheet();
        self.choice.scrolled = self.choice.scrolled.min(sheet.rows.len().saturating_sub(1));
        let picture = Picture {
            figures: &self.figures,
            choice: &self.choice,
            sheet: &sheet,
            trouble: self.trouble.as_deref(),
            node: &self.watching.node,
        };
        self.screen.0.draw(|frame| picture.draw(frame)).map(drop).map_err(Failed::run)
    }

    fn press(&mut self, event: Event) -> Then {
        let Event::Key(key) = event else { return Then::GoOn };
        let sheet = self.sheet();
        self.choice.press(key, sheet.columns.len(), sheet.rows.len())
    }

    /// A glance has ended. One that failed is told, and what was seen before stays.
    fn take(&mut self, glance: Result<Glance, OperatorError>) {
        match glance {
            Ok(glance) => {
                self.trouble = None;
                self.figures.take(glance);
            }
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }
}
