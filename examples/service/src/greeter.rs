//! The actor of this node, and what it takes.

use odeon::{Actor, Context, Handler, StartError, actor, message};
use odeon_ops::App;

/// The name under which each node's greeter is found.
pub(crate) const GREETER: &str = "greeter";

/// Asks for a greeting. `Clone`, so that an ask can be retried.
#[derive(Clone)]
#[message(id = "greeter/Greet", idempotent, reply = String)]
pub(crate) struct Greet {
    pub(crate) name: String,
}

/// What it greets with: the values under `[app]`. The rows in `main.rs` say what each of them is.
#[derive(serde::Deserialize)]
pub(crate) struct Words {
    pub(crate) greeting: String,
}

/// Greets, and counts.
#[derive(Clone)]
pub(crate) struct Greeter {
    pub(crate) node: String,
    pub(crate) greeted: u64,
    pub(crate) words: App<Words>,
}

#[actor(id = "greeter/Greeter", handles(Greet))]
impl Actor for Greeter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Greet> for Greeter {
    async fn handle(&mut self, greet: Greet, _: &mut Context<Self>) -> String {
        self.greeted += 1;
        let words = self.words.now();
        format!("{}, {}, from {}", words.greeting, greet.name, self.node)
    }
}
