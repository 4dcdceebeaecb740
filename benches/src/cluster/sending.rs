//! Sending as many messages as one actor can, in each of the ways that are compared.

use std::time::Duration;

use odeon::{Actor, ActorRef, ClusterGroup, Context, Handler, Node, StartError, Topic, message};
use tokio::time::Instant;

use super::peer::{MEMBERS, ONE, TOPIC};
use crate::remote::{
    Outcome,
    messages::{Received, Sink, Tick},
};

/// How messages are sent.
#[derive(Clone, Copy, Debug)]
pub(super) enum How {
    Tells,
    OneMember,
    Members,
    Topic,
}

/// Send so many ticks, and say how many a second arrived.
#[message(local, reply = f64, error = String)]
struct Send {
    how: How,
    messages: u64,
}

/// Sends ticks.
pub(super) struct Source {
    sink: ActorRef<Sink>,
    one: ClusterGroup<Sink>,
    members: ClusterGroup<Sink>,
    listener: ClusterGroup<Sink>,
    topic: Topic<Tick>,
}

impl Actor for Source {
    type Args = (Node, ActorRef<Sink>, u64);

    async fn start(
        (node, sink, members): Self::Args,
        _: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        let group = |name: &str| node.cluster().group::<Sink>(name).map_err(StartError::new);
        let topic = node.cluster().topic(TOPIC).map_err(StartError::new)?;
        let this = Self {
            sink,
            one: group(ONE)?,
            members: group(MEMBERS)?,
            listener: group(TOPIC)?,
            topic,
        };
        let mut changes = this.members.changes().map_err(StartError::new)?;
        while this.members.len() as u64 != members
            || this.listener.is_empty()
            || node.cluster().listening_nodes::<Tick>(TOPIC) == 0
        {
            tokio::select! {
                _ = changes.next() => {}
                () = tokio::time::sleep(Duration::from_millis(10)) => {}
            }
        }
        Ok(this)
    }
}

impl Source {
    async fn send(&self, how: How, messages: u64) -> Result<(), String> {
        for n in 0..messages {
            let tick = Tick { words: [n; 8] };
            match how {
                How::Tells => self.sink.tell(tick).await.map_err(|error| error.to_string())?,
                How::OneMember => told(self.one.broadcast(tick).await)?,
                How::Members => told(self.members.broadcast(tick).await)?,
                How::Topic => {
                    let published = self.topic.publish(tick).await;
                    if published.nodes != 1 {
                        return Err(format!("{published:?}"));
                    }
                }
            }
        }
        Ok(())
    }
}

fn told(broadcast: odeon::Broadcast) -> Result<(), String> {
    match broadcast.failed.first() {
        None => Ok(()),
        Some((who, failure)) => Err(format!("{who}: {failure}")),
    }
}

/// Waits until all these actors together have had so many ticks.
async fn arrived(sinks: &[ActorRef<Sink>], mut expected: u64) -> Result<(), String> {
    while expected > 0 {
        for sink in sinks {
            let (ticks, _) = sink.ask(Received).await.map_err(|error| error.to_string())?;
            expected = expected.checked_sub(ticks).ok_or("more arrived than were sent")?;
        }
    }
    Ok(())
}

impl Handler<Send> for Source {
    async fn handle(&mut self, send: Send, _: &mut Context<Self>) -> Result<f64, String> {
        let sinks = match send.how {
            How::Tells => vec![self.sink.clone()],
            How::OneMember => self.one.members(),
            How::Members => self.members.members(),
            How::Topic => self.listener.members(),
        };
        let expected = send.messages * sinks.len() as u64;
        let began = Instant::now();
        self.send(send.how, send.messages).await?;
        arrived(&sinks, expected).await?;
        Ok(expected as f64 / began.elapsed().as_secs_f64())
    }
}

/// One round; answers with messages a second.
pub(super) async fn measure(source: &ActorRef<Source>, how: How, messages: u64) -> Outcome<f64> {
    let rate = source.ask(Send { how, messages }).within(Duration::from_secs(60)).await;
    rate.map_err(|error| format!("{how:?}: {error:?}").into())
}
