//! One host of the world: a name, an address, a body, and the life it currently leads.

use std::{cell::Cell, net::IpAddr, rc::Rc, sync::Arc};

use super::{roles::Role, stage::Stage, turns::Turns};
use crate::{
    disk::SimDisk,
    env::{Ground, SimEnv},
    outcome::LocalFuture,
    problem::report,
    trace::{Event, HostId, Turn},
};
use odeon_check::What;
use odeon_interpose::{Seat, Stream, WallClock};

/// What runs on a host: made anew for each life.
pub(super) type Body = Rc<dyn Fn(Arc<SimEnv>) -> LocalFuture<'static, Result<(), String>>>;

/// One host.
pub(super) struct Host {
    pub(super) name: String,
    pub(super) id: HostId,
    pub(super) address: IpAddr,
    pub(super) disk: SimDisk,
    pub(super) role: Role,
    pub(super) zone: Option<String>,
    body: Body,
    lives: u64,
    pub(super) clock: Arc<WallClock>,
    /// How many times slower than others; see `World::slow`.
    pub(super) slowness: Rc<Cell<u32>>,
    life: Option<Rc<Stage>>,
}

impl Host {
    pub(super) fn new(ground: &Ground, name: &str, id: HostId, body: Body) -> Self {
        ground.trace.name_host(name);
        let address = ground.net.add_host(name, id);
        let disk = SimDisk::new(ground.seed, name, id, ground.timeline, ground.trace.clone());
        Self {
            name: name.to_owned(),
            id,
            address,
            disk,
            role: Role::Node,
            zone: None,
            body,
            lives: 0,
            clock: Arc::default(),
            slowness: Rc::new(Cell::new(1)),
            life: None,
        }
    }

    /// The stage of the current life, if the node is up.
    pub(super) fn stage(&self) -> Option<&Rc<Stage>> {
        self.life.as_ref().filter(|stage| stage.is_up())
    }

    /// Begins a life.
    pub(super) fn start(&mut self, ground: &Ground, turns: &Turns) {
        self.lives += 1;
        // By name, so that no two of seed, host and life share one: neither two lives, nor one each of two seeds.
        let stream = format!("bytes of life {} of {}", self.lives, self.name);
        let entropy = Stream::named(ground.seed, &stream).next_word();
        let seat = Arc::new(Seat::with_clock(&self.name, entropy, Arc::clone(&self.clock)));
        let (seated, disk) = (Arc::clone(&seat), &self.disk);
        let env = SimEnv::new(ground, self.id, self.address, disk, seated, self.lives);
        let env = Arc::new(env.in_zone(self.zone.clone()));
        ground.trace.record(ground.timeline.now(), Some(self.id), &Event::Turn(Turn::Started));
        ground.history.record(What::Up { node: self.name.as_str().into() });
        let slowness = Rc::clone(&self.slowness);
        let stage = Stage::new(ground, self.id, seat, Arc::clone(&env), slowness, self.lives);
        let (body, name) = (Rc::clone(&self.body), self.name.clone());
        stage.run(async move {
            if let Err(error) = body(env).await {
                report(format!("node {name} failed: {error}"));
            }
        });
        turns.add(Rc::clone(&stage));
        self.life = Some(stage);
    }

    /// Ends the current life, if there is one.
    pub(super) fn end(&mut self, turn: Turn) {
        if let Some(stage) = self.life.take() {
            stage.end(turn);
        }
    }
}
