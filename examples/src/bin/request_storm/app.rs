//! Requests at a fixed rate against servers of which some are slow, and what keeps a storm from growing.
//!
//! Each server takes a few waiting requests and refuses more at once, so that what waits is never old. The front sends a
//! request to one server behind a circuit breaker, and to the next one only where it is certain that none has run it: a
//! refusal, an open circuit, a node that is gone. What may have run is reported, not repeated. Retries at one server are
//! paid from the node's budget.
//!
//! What it is NOT: a promise that each request is answered: under a storm some are refused, and fast.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use odeon::{
    Actor, ActorRef, AskError, BreakerConfig, Certainty, ChildSpec, CircuitBreaker, Context,
    Handler, Node, Overflow, RetryPolicy, SpawnOptions, StartError, Supervisor, SupervisorSpec,
    Target, actor, message,
};

/// The name of each node's server.
const SERVER: &str = "server";

/// Requests that wait at one server.
pub(crate) const WAITING: u32 = 8;

/// How long a request may take at one server.
const PATIENCE: Duration = Duration::from_millis(500);

/// The answer is the number.
#[message(id = "storm/Request", reply = u64)]
#[derive(Clone)]
struct Request {
    number: u64,
}

/// Is told of each request that begins to run, and of the time that it has left.
pub(crate) type Begun = Arc<dyn Fn(u64, Option<Duration>) + Send + Sync>;

/// Works on one request after the other.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) takes: Duration,
    pub(crate) begun: Begun,
}

#[actor(id = "storm/Server", handles(Request))]
impl Actor for Server {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Request> for Server {
    async fn handle(&mut self, request: Request, ctx: &mut Context<Self>) -> u64 {
        (self.begun)(request.number, ctx.remaining());
        tokio::time::sleep(self.takes).await;
        request.number
    }
}

/// Opens the server of a node.
pub(crate) async fn open(node: &Node, server: Server) -> Result<(), StartError> {
    let options = SpawnOptions::default().named(SERVER).mailbox(WAITING).overflow(Overflow::Reject);
    let tree = SupervisorSpec::one_for_one()
        .child(ChildSpec::new::<Server>(SERVER, server).options(options));
    node.spawn_with::<Supervisor>(tree).await.map(drop)
}

type Line = CircuitBreaker<ActorRef<Server>>;

/// Where requests come in, on one node.
pub(crate) struct Front {
    node: Node,
    servers: Vec<String>,
    lines: Mutex<BTreeMap<String, Line>>,
    /// Whether it sends what may have run to the next server: one that does is there to be found out.
    is_rash: bool,
}

impl Front {
    pub(crate) fn new(node: Node, servers: &[&str], is_rash: bool) -> Self {
        let servers = servers.iter().map(|it| (*it).to_owned()).collect();
        Self { node, servers, lines: Mutex::default(), is_rash }
    }

    /// Has a request answered by one of the servers.
    ///
    /// # Errors
    /// What is known of a request that was not answered.
    pub(crate) async fn serve(&self, number: u64) -> Result<u64, Certainty> {
        let policy = RetryPolicy::attempts(2);
        let first = number as usize % self.servers.len();
        let (after, before) = self.servers.split_at(first);
        for server in before.iter().chain(after) {
            let Some(line) = self.line(server).await else { continue };
            match line.ask(Request { number }).retry(policy).within(PATIENCE).await {
                Ok(answer) => return Ok(answer),
                Err(error) => {
                    if matches!(error, AskError::Stopped(_) | AskError::Unreachable(_)) {
                        // Its node may come back, with a server of another life.
                        self.lines().remove(server);
                    }
                    let certainty = error.certainty();
                    if certainty != Certainty::NotDelivered && !self.is_rash {
                        return Err(certainty);
                    }
                }
            }
        }
        Err(Certainty::NotDelivered)
    }

    async fn line(&self, server: &str) -> Option<Line> {
        let known = self.lines().get(server).cloned();
        if known.is_some() {
            return known;
        }
        let node = self.node.on(server);
        let looked_up = tokio::time::timeout(PATIENCE / 2, node.lookup(SERVER)).await;
        let found = looked_up.ok()?.ok()??;
        let config = BreakerConfig { open_for: Duration::from_secs(1), ..BreakerConfig::default() };
        let line = CircuitBreaker::new(found, config).expect("these are within their bounds");
        // Another request may have been quicker, and its circuit has seen more.
        Some(self.lines().entry(server.to_owned()).or_insert(line).clone())
    }

    fn lines(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
