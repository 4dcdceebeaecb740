//! `odeon node`: a node by hand, with the actors of the demo.
//!
//! What it is: a program of `odeon-ops` like anybody's. What it is NOT: anything beside that; flags, signals, health and
//! papers are there. Its actors are found by name, `demo/usher`, so that there is something to look at and to ask.

use std::{process::ExitCode, sync::Arc, time::Duration};

use odeon_ops::{Flags, Program};

use crate::demo::job::counter::{self, Counter, Desk, Usher};

/// Runs the node until it is told to leave.
pub(crate) fn run(flags: Flags) -> ExitCode {
    let program = Program::new("odeon").version(env!("CARGO_PKG_VERSION"));
    program.actor::<Usher>().actor::<Counter>().run_with(flags, |node| async move {
        // Nobody writes down what ran: that is for the demo itself.
        let desk = Desk { ran: Arc::new(|_| {}), takes: Duration::ZERO };
        counter::open(&node, desk).await?;
        Ok(())
    })
}
