//! ractor_cluster at its best: plain TCP, without TLS, and messages that are bytes already.
//!
//! Its own listener does not tell its port; connections are accepted here, as it would, and handed to the node. The actor
//! on the other side is found in a process group. Its mailboxes are unbounded, and so is what waits for the socket: a
//! sender of tells pauses after each batch until half of it has been handled, or memory would measure itself.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, pg, rpc::CallResult};
use ractor_cluster::{
    BytesConvertable, NetworkStream, NodeServer, NodeServerMessage, RactorClusterMessage,
    client_connect,
};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    Outcome,
    remote::{
        papers::{SENDER, receiver},
        system::{Client, Count, Remote, Setup, Size, number, timed},
    },
};

const GROUP: &str = "sink";
const COOKIE: &str = "compare";

/// Bytes that wait between the sender and the other side at most.
const WAITING_BYTES_MAX: usize = 16 << 20;

/// How long the two nodes may take to know each other.
const FOUND_WITHIN: Duration = Duration::from_secs(10);

/// Bytes as they are: those that ractor converts itself are copied one by one.
pub(crate) struct Bytes(Vec<u8>);

impl BytesConvertable for Bytes {
    fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn from_bytes(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

#[derive(RactorClusterMessage)]
pub(crate) enum Command {
    Tell(Bytes),
    #[rpc]
    Ask(Bytes, RpcReplyPort<Bytes>),
    #[rpc]
    Received(RpcReplyPort<Bytes>),
}

pub(crate) struct Sink;

impl Actor for Sink {
    type Msg = Command;
    type State = Count;
    type Arguments = ();

    async fn pre_start(&self, _: ActorRef<Command>, (): ()) -> Result<Count, ActorProcessingErr> {
        Ok(Count::default())
    }

    async fn handle(
        &self,
        _: ActorRef<Command>,
        command: Command,
        count: &mut Count,
    ) -> Result<(), ActorProcessingErr> {
        match command {
            Command::Tell(bytes) => count.add(number(&bytes.0)),
            // The asker may have given up.
            Command::Ask(bytes, reply) => drop(reply.send(bytes)),
            Command::Received(reply) => {
                let count = count.take();
                let words = [count.messages, count.sum].map(u64::to_le_bytes);
                drop(reply.send(Bytes(words.as_flattened().to_vec())));
            }
        }
        Ok(())
    }
}

pub(crate) struct RactorCluster;

/// The sending node, and the actor of the other one.
pub(crate) struct Connected {
    to: ActorRef<Command>,
    _node: ActorRef<NodeServerMessage>,
}

async fn node(name: &str) -> Outcome<ActorRef<NodeServerMessage>> {
    let (name, host) = (name.to_owned(), "localhost".to_owned());
    let server = NodeServer::new(0, COOKIE.to_owned(), name, host, None, None)
        .with_listen_addr(IpAddr::V4(Ipv4Addr::LOCALHOST));
    Ok(Actor::spawn(None, server, ()).await?.0)
}

impl Remote for RactorCluster {
    type Server = JoinSet<Outcome<()>>;
    type Client = Connected;

    async fn serve(_: &Setup) -> Outcome<(Self::Server, String)> {
        let node = node(&receiver(0)).await?;
        let (sink, _) = Actor::spawn(None, Sink, ()).await?;
        pg::join(GROUP.to_owned(), vec![sink.get_cell()]);
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?.to_string();
        let mut serving = JoinSet::new();
        serving.spawn_local(async move {
            loop {
                let (stream, peer_addr) = listener.accept().await?;
                stream.set_nodelay(true)?;
                let local_addr = stream.local_addr()?;
                let stream = Box::new(NetworkStream::Raw { peer_addr, local_addr, stream });
                node.cast(NodeServerMessage::ConnectionOpened { stream, is_server: true })?;
            }
        });
        Ok((serving, address))
    }

    async fn connect(_: &Setup, to: &str) -> Outcome<Connected> {
        let node = node(SENDER).await?;
        client_connect(&node, to.parse::<SocketAddr>()?).await?;
        let found = async {
            loop {
                if let Some(cell) = pg::get_members(&GROUP.to_owned()).first() {
                    return ActorRef::<Command>::from(cell.clone());
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let to = tokio::time::timeout(FOUND_WITHIN, found).await?;
        Ok(Connected { to, _node: node })
    }
}

async fn ask(to: &ActorRef<Command>, bytes: Vec<u8>) -> Outcome<Vec<u8>> {
    match to.call(|reply| Command::Ask(Bytes(bytes), reply), None).await? {
        CallResult::Success(bytes) => Ok(bytes.0),
        CallResult::Timeout | CallResult::SenderError => Err("no answer came".into()),
    }
}

async fn ask_often(to: &ActorRef<Command>, asks: u64) -> Outcome<Vec<Duration>> {
    timed(asks, async |_| {
        let answer = ask(to, vec![7; Size::B64.bytes()]).await?;
        if answer.len() == Size::B64.bytes() { Ok(()) } else { Err("a short answer".into()) }
    })
    .await
}

impl Client for Connected {
    async fn ask(&mut self, asks: u64) -> Outcome<Vec<Duration>> {
        ask_often(&self.to, asks).await
    }

    async fn ask64(&mut self, each: u64) -> Outcome<()> {
        let mut asking = JoinSet::new();
        for _ in 0..64 {
            let to = self.to.clone();
            asking.spawn_local(async move { ask_often(&to, each).await.map(drop) });
        }
        while let Some(done) = asking.join_next().await {
            done??;
        }
        Ok(())
    }

    async fn tell(&mut self, size: Size, tells: u64) -> Outcome<()> {
        let made = vec![7; size.bytes()];
        // As many bytes as other systems let wait, and a round trip for each half of them.
        let in_half = (WAITING_BYTES_MAX / 2 / size.bytes()).max(1) as u64;
        let (mut told, mut under_way) = (0, JoinSet::new());
        while told < tells {
            let until = tells.min(told + in_half);
            for number in told..until {
                let mut bytes = made.clone();
                bytes[..8].copy_from_slice(&number.to_le_bytes());
                self.to.cast(Command::Tell(Bytes(bytes)))?;
            }
            told = until;
            let to = self.to.clone();
            under_way.spawn_local(async move { ask(&to, Vec::new()).await.map(drop) });
            tokio::task::yield_now().await;
            if under_way.len() == 2 {
                under_way.join_next().await.ok_or("nothing is under way")???;
            }
        }
        while let Some(done) = under_way.join_next().await {
            done??;
        }
        let received = self.to.call(Command::Received, None).await?;
        let CallResult::Success(words) = received else { return Err("no count came".into()) };
        let words = words.0;
        let sum = number(words.get(8..).unwrap_or_default());
        Count { messages: number(&words), sum }.check(tells)
    }
}
