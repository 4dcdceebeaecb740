//! Nodes of the real runtime in a world.
//!
//! What it is: the few lines that every cluster scenario would begin with: a certificate authority of the world, an
//! address, a node started inside its host's `LocalSet`. What it is NOT: a way around the node's own API; scenarios
//! hold the same [`Node`] that applications hold. Read `stage.rs` for how it is polled.

use std::{cell::RefCell, future::Future, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use odeon::{Ca, Client, Node, NodeBuilder, Profile, Validity};
use odeon_env::Env as _;

use super::{NotReached, World};
use crate::{env::SimEnv, outcome::Outcome};

/// The port at which [`World::start_node`] lets nodes listen, each on its own host.
pub const NODE_PORT: u16 = 7400;

/// The cluster of a world's nodes.
const CLUSTER: &str = "world";

/// How long certificates of a world are valid, from the first node on.
const VALIDITY: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// The node that runs on a host, while it does.
pub(super) type Slot = Rc<RefCell<Option<Node>>>;

impl World {
    /// Adds a host and starts a node of the runtime on it, in its own life and in each life after a restart.
    ///
    /// `setup` gets a builder that has the name, the host's address and port [`NODE_PORT`], a certificate of the
    /// world's own authority, the host's zone, and the environment; it adds seeds (`builder.seed("a:7400")`), actor types, or
    /// `alone()`. `main` runs on the node once it has started, which may be before it has joined anybody. The host's
    /// node exits when `main` fails or the runtime's node has ended.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn start_node<S, M, R>(&mut self, name: &str, setup: S, main: M)
    where
        S: Fn(NodeBuilder) -> NodeBuilder + 'static,
        M: Fn(Node) -> R + 'static,
        R: Future<Output: Outcome> + 'static,
    {
        let slot = Slot::default();
        self.slots.insert(name.to_owned(), Rc::clone(&slot));
        let (ca, setup, main) = (self.authority(), Rc::new(setup), Rc::new(main));
        let eyes = self.checks.eyes(self.history());
        self.node(name, move |env| {
            let (ca, setup, main, slot) =
                (Rc::clone(&ca), Rc::clone(&setup), Rc::clone(&main), Rc::clone(&slot));
            let eyes = eyes.clone();
            slot.take();
            async move {
                let node = setup(builder(env, &ca)?)
                    .start_here()
                    .await
                    .map_err(|error| error.to_string())?;
                slot.replace(Some(node.clone()));
                eyes.see(&node);
                main(node.clone()).await.outcome()?;
                node.ended().await;
                eyes.see_end(&node);
                Ok::<(), String>(())
            }
        });
    }

    /// As [`start_node`](Self::start_node), for the nodes of one cluster: the first founds it, alone, and is the seed of
    /// all others.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn start_member<S, M, R>(&mut self, name: &str, setup: S, main: M)
    where
        S: Fn(NodeBuilder) -> NodeBuilder + 'static,
        M: Fn(Node) -> R + 'static,
        R: Future<Output: Outcome> + 'static,
    {
        let founder = self.founder.get_or_insert_with(|| name.to_owned()).clone();
        let is_founder = founder == name;
        let setup = move |builder| {
            let builder = setup(builder);
            if is_founder {
                builder.alone()
            } else {
                builder.seed(format!("{founder}:{NODE_PORT}"))
            }
        };
        self.start_node(name, setup, main);
    }

    /// Adds a host of the role [`Client`](super::Role::Client) and starts a client on it, which is no member, in its own life
    /// and in each life after a restart; otherwise as [`start_node`](Self::start_node). The set-up adds seeds. Faults of a
    /// [`Swarm`](crate::Swarm) do not hit it.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn start_client<S, M, R>(&mut self, name: &str, setup: S, main: M)
    where
        S: Fn(NodeBuilder) -> NodeBuilder + 'static,
        M: Fn(Client) -> R + 'static,
        R: Future<Output: Outcome> + 'static,
    {
        let (ca, setup, main) = (self.authority(), Rc::new(setup), Rc::new(main));
        self.client(name, move |env| {
            let (ca, setup, main) = (Rc::clone(&ca), Rc::clone(&setup), Rc::clone(&main));
            async move {
                let client = setup(builder(env, &ca)?).start_client_here().await;
                let client = client.map_err(|error| error.to_string())?;
                main(client.clone()).await.outcome()?;
                client.ended().await;
                Ok::<(), String>(())
            }
        });
    }

    /// The runtime's node on this host; `None` while it is starting or down.
    #[must_use]
    pub fn runtime_node(&self, name: &str) -> Option<Node> {
        if !self.is_up(name) {
            return None;
        }
        self.slots.get(name).and_then(|slot| slot.borrow().clone())
    }

    /// Waits until the node is part of its cluster.
    ///
    /// # Errors
    /// When it is not within `max`.
    pub async fn joined(&self, name: &str, max: Duration) -> Result<Node, NotReached> {
        let give_up = self.now().saturating_add(max);
        self.run_until(|| self.runtime_node(name).is_some(), max).await?;
        let node = self.runtime_node(name).ok_or(NotReached(max))?;
        let joined = tokio::time::timeout(give_up.saturating_sub(self.now()), node.joined()).await;
        if joined == Ok(true) { Ok(node) } else { Err(NotReached(max)) }
    }

    /// Waits until each of these nodes sees all the others as members.
    ///
    /// # Errors
    /// When they do not within `max`.
    pub async fn all_joined(&self, names: &[&str], max: Duration) -> Result<(), NotReached> {
        let sees_all = |name: &&str| {
            // A node that has not started yet, or has ended, sees nobody, not even itself.
            let Some(node) = self.runtime_node(name) else { return false };
            let members = node.members_now();
            let sees =
                |other: &&str| other == name || members.iter().any(|member| member.name == **other);
            names.iter().all(sees)
        };
        self.run_until(|| names.iter().all(sees_all), max).await
    }

    /// The world's own authority, made when it is first needed.
    fn authority(&mut self) -> Rc<Ca> {
        let make = || Rc::new(Ca::in_memory(CLUSTER).expect("the name is valid"));
        Rc::clone(self.ca.get_or_insert_with(make))
    }
}

fn builder(env: Arc<SimEnv>, ca: &Ca) -> Result<NodeBuilder, String> {
    let validity = Validity::from(env.wall_clock(), VALIDITY);
    let identity = ca.issue(env.name(), validity).map_err(|error| error.to_string())?;
    let listen = SocketAddr::new(env.address(), NODE_PORT);
    let zone = env.zone().unwrap_or_default().to_owned();
    let profile = Profile { zone, ..Profile::default() };
    Ok(Node::builder(env.name()).listen(listen).identity(identity).profile(profile).env(env))
}
