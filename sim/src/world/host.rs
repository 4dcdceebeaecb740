//! One host of the world: a name, an address, a body, and the life it currently leads.

use std::{net::IpAddr, rc::Rc, sync::Arc};

use odeon_interpose::{Seat, mix};
use tokio::task::JoinHandle;

use super::stage::{Performance, Stage};
use crate::{
    env::{Ground, SimEnv},
    outcome::LocalFuture,
    problem::report,
    trace::{Event, HostId, Turn},
};

/// What runs on a host: made anew for each life.
pub(super) type Body = Rc<dyn Fn(Arc<SimEnv>) -> LocalFuture<'static, Result<(), String>>>;

struct Life {
    stage: Rc<Stage>,
    task: JoinHandle<()>,
}

/// One host.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) id: HostId,
    pub(super) address: IpAddr,
    body: Body,
    lives: u64,
    skew_ns: i64,
    life: Option<Life>,
}

impl Host {
    pub(super) fn new(ground: &Ground, name: &str, id: HostId, body: Body) -> Self {
        ground.trace.name_host(name);
        let address = ground.net.add_host(name, id);
        Self { name: name.to_owned(), id, address, body, lives: 0, skew_ns: 0, life: None }
    }

    /// The stage of the current life, if the node is up.
    pub(super) fn stage(&self) -> Option<&Rc<Stage>> {
        self.life.as_ref().map(|life| &life.stage).filter(|stage| stage.is_up())
    }

    /// Begins a life.
    pub(super) fn start(&mut self, ground: &Ground, jitter: f64) {
        self.lives += 1;
        let seat = Arc::new(Seat::new(&self.name, mix(ground.seed ^ self.lives)));
        seat.set_skew_ns(self.skew_ns);
        let env =
            Arc::new(SimEnv::new(ground, self.id, self.address, Arc::clone(&seat), self.lives));
        ground.trace.record(ground.timeline.now(), Some(self.id), &Event::Turn(Turn::Started));
        let stage = Stage::new(ground, self.id, seat, Arc::clone(&env), jitter);
        let (body, name) = (Rc::clone(&self.body), self.name.clone());
        stage.run(async move {
            if let Err(error) = body(env).await {
                report(format!("node {name} failed: {error}"));
            }
        });
        let task = tokio::task::spawn_local(Performance(Rc::clone(&stage)));
        self.life = Some(Life { stage, task });
    }

    /// Ends the current life, if there is one.
    pub(super) fn end(&mut self, turn: Turn) {
        if let Some(life) = self.life.take() {
            life.stage.end(turn);
            life.task.abort();
        }
    }

    /// Sets the skew of this and all later lives.
    pub(super) fn set_skew_ns(&mut self, skew_ns: i64) {
        self.skew_ns = skew_ns;
        if let Some(stage) = self.stage() {
            stage.seat().set_skew_ns(skew_ns);
        }
    }
}
