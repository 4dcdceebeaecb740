//! Tells from an actor of one node to an actor of another, as many as one sender can send.

use odeon::{Actor, ActorRef, Context, Handler, Node, StartError, message};
use tokio::time::Instant;

use crate::remote::{
    Outcome,
    messages::{Received, Sink, Tick},
};

/// Send so many ticks, and say when all have arrived.
#[message(local, reply = f64, error = String)]
struct Send {
    tells: u64,
    to: ActorRef<Sink>,
}

/// Sends ticks.
#[derive(Clone)]
struct Source;

impl Actor for Source {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Send> for Source {
    async fn handle(&mut self, send: Send, _: &mut Context<Self>) -> Result<f64, String> {
        let began = Instant::now();
        for n in 0..send.tells {
            send.to.tell(Tick { words: [n; 8] }).await.map_err(|error| error.to_string())?;
        }
        // Travels behind the ticks: its answer means that all were handled.
        let (ticks, sum) = send.to.ask(Received).await.map_err(|error| error.to_string())?;
        let took = began.elapsed().as_secs_f64();
        if (ticks, sum) != (send.tells, send.tells * send.tells.saturating_sub(1) / 2) {
            return Err(format!("{ticks} of {} ticks arrived, with the sum {sum}", send.tells));
        }
        Ok(send.tells as f64 / took)
    }
}

/// One round; answers with tells a second.
pub(crate) async fn run(node: &Node, to: &ActorRef<Sink>, tells: u64) -> Outcome<f64> {
    let source = node.spawn(Source).await?;
    let send = Send { tells, to: to.clone() };
    let rate = source.ask(send).within(std::time::Duration::from_secs(60)).await;
    source.stop();
    rate.map_err(|error| format!("{error:?}").into())
}
