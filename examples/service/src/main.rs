//! A node that greets: the whole program.
//!
//! What it shows: one line makes a node of actors, with flags, signals, health and an admin port. What it is NOT: the
//! actors; they are in `greeter.rs`.

mod greeter;

use std::process::ExitCode;

use greeter::{GREETER, Greeter};
use odeon_ops::Program;

fn main() -> ExitCode {
    let program = Program::new("greeter").version(env!("CARGO_PKG_VERSION"));
    program.about("Greets whoever asks.").actor::<Greeter>().run(|node| async move {
        let greeter = Greeter { node: node.name().to_owned(), greeted: 0 };
        let greeter = node.spawn(greeter).await?;
        node.register(GREETER, &greeter)?;
        Ok(())
    })
}
