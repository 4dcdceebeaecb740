//! A node that greets: the whole program.
//!
//! What it shows: a few lines make a node of actors, with flags, signals, health and an admin port, and with values of its
//! own. What it is NOT: the actors; they are in `greeter.rs`.

mod greeter;

use std::process::ExitCode;

use greeter::{GREETER, Greeter, Words};
use odeon_ops::{AppSetting, Program};

fn main() -> ExitCode {
    let greeting = AppSetting::text("greeting", "What it says to everybody, before their name");
    let program = Program::new("greeter").version(env!("CARGO_PKG_VERSION"));
    let (program, words) = program.app::<Words>([greeting.default("hello").live()]);
    program.about("Greets whoever asks.").actor::<Greeter>().run(|node| async move {
        let greeter = Greeter { node: node.name().to_owned(), greeted: 0, words };
        let greeter = node.spawn(greeter).await?;
        node.register(GREETER, &greeter)?;
        // Found by whoever does not care which node greets.
        node.cluster().group(GREETER)?.join(&greeter)?;
        Ok(())
    })
}
