//! The simulator's grip: it chooses among ready actors, sees what happens, and gets the same run for the same choices.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use odeon_env::{BoxFuture, DatagramSocket, Env, Observed, Observer};

use crate::{
    fixture::{Add, Tally, Worker, in_world, system_of},
    odeon::{SpawnOptions, SystemConfig},
};

/// An environment that chooses as its seed says, and writes down what happens.
#[derive(Debug)]
pub(crate) struct Seeded {
    state: Mutex<u64>,
    log: Arc<Log>,
}

impl Seeded {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed), log: Arc::default() }
    }
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<String>>);

impl Observer for Log {
    fn observe(&self, event: Observed<'_>) {
        let line = match event {
            Observed::ActorStarted { actor, .. } => format!("started {actor}"),
            Observed::HandlerStarted { actor, message } => format!("{actor} {message}"),
            Observed::ActorStopped { actor, reason } => format!("{actor} ended: {reason}"),
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(line);
    }
}

impl Env for Seeded {
    fn bind(&self, _: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn resolve(&self, _: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn wall_clock(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH
    }

    fn entropy(&self, out: &mut [u8]) {
        out.fill(0);
    }

    fn choose(&self, ready: usize) -> Option<usize> {
        let mut state = self.state.lock().unwrap();
        *state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some((*state >> 33) as usize % ready)
    }

    fn observer(&self) -> Option<Arc<dyn Observer>> {
        Some(self.log.clone())
    }
}

fn run(seed: u64) -> Vec<String> {
    let env = Arc::new(Seeded::new(seed));
    let log = env.log.clone();
    in_world(|| async {
        let system = system_of("seeded", env, SystemConfig::default());
        system.start_worker();
        system.start_worker();
        let mut workers = Vec::new();
        for _ in 0..8 {
            let tally = Tally::default();
            workers.push(system.spawn::<Worker>(tally, SpawnOptions::default()).await.unwrap());
        }
        for _ in 0..4 {
            for worker in &workers {
                worker.try_tell(Add(1)).unwrap();
            }
            tokio::task::yield_now().await;
        }
        system.stop(Duration::from_secs(1)).await;
    });
    std::mem::take(&mut *log.0.lock().unwrap())
}

#[test]
fn the_same_choices_give_the_same_run_and_others_another() {
    let first = run(1);
    assert_eq!(first.len(), 8 + 32 + 8);
    assert_eq!(first, run(1));
    let others = (2..12).map(run).collect::<Vec<_>>();
    assert!(others.iter().all(|other| other.len() == first.len()));
    assert!(others.iter().filter(|other| **other != first).count() >= 9, "choices matter");
}
