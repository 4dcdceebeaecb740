//! kameo at its best: QUIC, which encrypts, and tells that are acknowledged, 64 of them under way.
//!
//! A tell that is not acknowledged is dropped without an error where more than a hundred are under way. Payloads are
//! byte strings, so that its codec copies them as a whole. Its limits of a message and of time are raised to what the workloads need.

use std::{convert::Infallible, time::Duration};

use kameo::{
    RemoteActor,
    actor::{Actor, ActorRef, RemoteActorRef, Spawn},
    mailbox::unbounded,
    message::{Context, Message},
    remote::{Behaviour, messaging},
    remote_message,
};
use libp2p::{Multiaddr, Swarm, SwarmBuilder, futures::StreamExt, swarm::SwarmEvent};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::{
    Outcome,
    remote::system::{Client, Count, Remote, Setup, Size, number, timed},
};

const NAME: &str = "sink";

/// How long the two programs may take to know each other.
const FOUND_WITHIN: Duration = Duration::from_secs(20);

/// Tells and asks under way.
const UNDER_WAY: u64 = 64;

#[derive(RemoteActor)]
pub(crate) struct Sink {
    count: Count,
}

impl Actor for Sink {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(args: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(args)
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Tell(#[serde(with = "serde_bytes")] Vec<u8>);

#[remote_message("compare-tell")]
impl Message<Tell> for Sink {
    type Reply = ();

    async fn handle(&mut self, tell: Tell, _: &mut Context<Self, ()>) {
        self.count.add(number(&tell.0));
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Ask(#[serde(with = "serde_bytes")] Vec<u8>);

#[derive(Serialize, Deserialize, kameo::Reply)]
pub(crate) struct Answer(#[serde(with = "serde_bytes")] Vec<u8>);

#[remote_message("compare-ask")]
impl Message<Ask> for Sink {
    type Reply = Answer;

    async fn handle(&mut self, ask: Ask, _: &mut Context<Self, Answer>) -> Answer {
        Answer(ask.0)
    }
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Received;

#[remote_message("compare-received")]
impl Message<Received> for Sink {
    type Reply = (u64, u64);

    async fn handle(&mut self, _: Received, _: &mut Context<Self, (u64, u64)>) -> (u64, u64) {
        let count = self.count.take();
        (count.messages, count.sum)
    }
}

pub(crate) struct Kameo;

/// The actor of the other program, and this program's swarm.
pub(crate) struct Connected {
    to: RemoteActorRef<Sink>,
    _running: JoinSet<()>,
}

fn swarm() -> Outcome<Swarm<Behaviour>> {
    let swarm = SwarmBuilder::with_new_identity().with_tokio().with_quic();
    let swarm = swarm.with_behaviour(|key| {
        let config = messaging::Config::default()
            .with_request_timeout(Duration::from_secs(30))
            .with_request_size_maximum(2 << 20);
        Behaviour::new(key.public().to_peer_id(), config)
    })?;
    let mut swarm = swarm.build();
    swarm.behaviour().try_init_global()?;
    swarm.listen_on("/ip4/127.0.0.1/udp/0/quic-v1".parse()?)?;
    Ok(swarm)
}

/// Drives a swarm, and tells its table of peers where those are that are connected, as discovery would.
async fn run(mut swarm: Swarm<Behaviour>) {
    loop {
        if let SwarmEvent::ConnectionEstablished { peer_id, endpoint, .. } =
            swarm.select_next_some().await
        {
            swarm.add_peer_address(peer_id, endpoint.get_remote_address().clone());
        }
    }
}

impl Remote for Kameo {
    type Server = JoinSet<()>;
    type Client = Connected;

    async fn serve(_: &Setup) -> Outcome<(Self::Server, String)> {
        let mut swarm = swarm()?;
        let address = loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                swarm.add_external_address(address.clone());
                break address.with_p2p(*swarm.local_peer_id()).map_err(|_| "another peer")?;
            }
        };
        let mut running = JoinSet::new();
        running.spawn_local(run(swarm));
        let sink = Sink::spawn_with_mailbox(Sink { count: Count::default() }, unbounded());
        running.spawn_local(async move {
            // Without a peer there is nobody to tell the name, which it calls an error.
            while sink.register(NAME).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Ok((running, address.to_string()))
    }

    async fn connect(_: &Setup, to: &str) -> Outcome<Connected> {
        let mut swarm = swarm()?;
        swarm.dial(to.parse::<Multiaddr>()?)?;
        let mut running = JoinSet::new();
        running.spawn_local(run(swarm));
        let found = async {
            loop {
                if let Ok(Some(sink)) = RemoteActorRef::<Sink>::lookup(NAME).await {
                    return sink;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let to =
            tokio::time::timeout(FOUND_WITHIN, found).await.map_err(|_| "no sink was found")?;
        Ok(Connected { to, _running: running })
    }
}

async fn ask_often(to: &RemoteActorRef<Sink>, asks: u64) -> Outcome<Vec<Duration>> {
    timed(asks, async |_| {
        let answer =
            to.ask(&Ask(vec![7; Size::B64.bytes()])).await.map_err(|error| error.to_string())?;
        if answer.0.len() == Size::B64.bytes() { Ok(()) } else { Err("a short answer".into()) }
    })
    .await
}

impl Client for Connected {
    async fn ask(&mut self, asks: u64) -> Outcome<Vec<Duration>> {
        ask_often(&self.to, asks).await
    }

    async fn ask64(&mut self, each: u64) -> Outcome<()> {
        let mut asking = JoinSet::new();
        for _ in 0..UNDER_WAY {
            let to = self.to.clone();
            asking.spawn_local(async move { ask_often(&to, each).await.map(drop) });
        }
        while let Some(done) = asking.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn tell(&mut self, size: Size, tells: u64) -> Outcome<()> {
        let mut telling = JoinSet::new();
        for first in 0..UNDER_WAY {
            let to = self.to.clone();
            telling.spawn_local(async move {
                let mut tell = Tell(vec![7; size.bytes()]);
                for number in (first..tells).step_by(UNDER_WAY as usize) {
                    tell.0[..8].copy_from_slice(&number.to_le_bytes());
                    to.tell(&tell).send_ack().await.map_err(|error| error.to_string())?;
                }
                Outcome::Ok(())
            });
        }
        while let Some(done) = telling.join_next().await {
            done??;
        }
        let (messages, sum) = self.to.ask(&Received).await.map_err(|error| error.to_string())?;
        Count { messages, sum }.check(tells)
    }
}
