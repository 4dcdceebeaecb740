//! What is sent, and the actor that takes it.

use odeon::{Actor, Context, Handler, StartError, actor, message};

/// 64 bytes, told.
#[message(id = "odeon-bench/Tick")]
#[derive(Clone)]
pub(crate) struct Tick {
    pub(crate) words: [u64; 8],
}

/// 64 bytes, asked and answered with as many.
#[message(id = "odeon-bench/Echo", reply = [u64; 8])]
pub(crate) struct Echo {
    pub(crate) words: [u64; 8],
}

/// How many ticks came, and the sum of their first words.
#[message(id = "odeon-bench/Received", reply = (u64, u64))]
pub(crate) struct Received;

/// Takes ticks.
#[derive(Clone, Default)]
pub(crate) struct Sink {
    ticks: u64,
    sum: u64,
}

#[actor(id = "odeon-bench/Sink", handles(Tick, Echo, Received))]
impl Actor for Sink {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Tick> for Sink {
    async fn handle(&mut self, tick: Tick, _: &mut Context<Self>) {
        self.ticks += 1;
        self.sum = self.sum.wrapping_add(tick.words[0]);
    }
}

impl Handler<Echo> for Sink {
    async fn handle(&mut self, echo: Echo, _: &mut Context<Self>) -> [u64; 8] {
        echo.words
    }
}

impl Handler<Received> for Sink {
    async fn handle(&mut self, _: Received, _: &mut Context<Self>) -> (u64, u64) {
        (std::mem::take(&mut self.ticks), std::mem::take(&mut self.sum))
    }
}
