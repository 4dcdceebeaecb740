//! An actor that puts the duty to answer where its messages say.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use odeon_message::message;
use tokio::{task::yield_now, time::sleep};

use crate::{
    net::Net,
    odeon::{
        Actor, ActorRef, ActorSystem, ChildSpec, Context, Handler, Responder, SpawnOptions,
        StartError, Supervisor, SupervisorSpec, actor,
    },
};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) const ANSWER: u8 = 0;
pub(crate) const DEFER: u8 = 1;
pub(crate) const FORWARD: u8 = 2;
/// Waits until the asker gives up.
pub(crate) const WATCH: u8 = 3;
pub(crate) const SLEEP: u8 = 4;
pub(crate) const DEFER_AND_GO_ON: u8 = 5;
pub(crate) const DEFER_ANOTHER: u8 = 6;
pub(crate) const SLEEP_AND_PANIC: u8 = 7;
pub(crate) const SLEEP_AND_ERR: u8 = 8;
pub(crate) const SLEEP_AND_FAIL: u8 = 9;

/// What the desk did.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    pub(crate) fn add(&self, word: impl Into<String>) {
        self.0.lock().unwrap().push(word.into());
    }
}

pub(crate) struct Desk {
    pub(crate) log: Log,
    pub(crate) held: Vec<Responder<Job>>,
    pub(crate) next: Option<ActorRef<Desk>>,
    /// Whether jobs are stashed.
    pub(crate) closed: bool,
}

/// Answered with its number, or with an error for 0.
#[message(id = "test/Job", reply = u64, error = String, crate = crate::odeon)]
pub(crate) struct Job {
    pub(crate) how: u8,
    pub(crate) n: u64,
}

type Deed = Box<dyn FnOnce(&mut Desk, &mut Context<Desk>) + Send>;

#[message(local, crate = crate::odeon)]
pub(crate) struct Do(Deed);

impl Do {
    pub(crate) fn new(deed: impl FnOnce(&mut Desk) + Send + 'static) -> Self {
        Self(Box::new(|desk, _| deed(desk)))
    }

    pub(crate) fn with(deed: impl FnOnce(&mut Desk, &mut Context<Desk>) + Send + 'static) -> Self {
        Self(Box::new(deed))
    }
}

#[message(local, crate = crate::odeon)]
pub(crate) struct Panic;

#[actor(id = "test/Desk", handles(Job), crate = crate::odeon)]
impl Actor for Desk {
    type Args = Log;

    async fn start(log: Log, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { log, held: Vec::new(), next: None, closed: false })
    }
}

impl Handler<Job> for Desk {
    async fn handle(&mut self, job: Job, ctx: &mut Context<Self>) -> Result<u64, String> {
        if self.closed {
            return ctx.stash(job).await;
        }
        let n = job.n;
        self.log.add(n.to_string());
        match job.how {
            DEFER => ctx.defer(|responder| self.held.push(responder)).await,
            FORWARD => {
                let next = self.next.clone().unwrap();
                ctx.forward(&next, Job { how: ANSWER, n }).await
            }
            WATCH => {
                ctx.cancelled().await;
                assert!(ctx.is_cancelled());
                self.log.add(format!("{n} given up"));
                Ok(n)
            }
            SLEEP | SLEEP_AND_PANIC | SLEEP_AND_ERR | SLEEP_AND_FAIL => {
                sleep(SECOND).await;
                match job.how {
                    SLEEP_AND_PANIC => panic!("told to"),
                    SLEEP_AND_ERR => return Err("told to".into()),
                    SLEEP_AND_FAIL => ctx.fail("told to"),
                    _ => {}
                }
                Ok(n)
            }
            DEFER_AND_GO_ON => {
                tokio::select! {
                    biased;
                    answer = ctx.defer(|responder| self.held.push(responder)) => return answer,
                    () = std::future::ready(()) => {}
                }
                // Nobody waits for this handler's answer.
                assert!(!ctx.is_cancelled());
                assert_eq!(ctx.remaining(), None);
                Ok(1000)
            }
            DEFER_ANOTHER => {
                ctx.defer::<Do>(drop).await;
                Ok(n)
            }
            _ if n == 0 => Err("nothing".to_owned()),
            _ => Ok(n),
        }
    }
}

impl Handler<Do> for Desk {
    async fn handle(&mut self, message: Do, ctx: &mut Context<Self>) {
        (message.0)(self, ctx);
    }
}

impl Handler<Panic> for Desk {
    async fn handle(&mut self, _: Panic, _: &mut Context<Self>) {
        panic!("told to");
    }
}

pub(crate) async fn desk(system: &ActorSystem) -> (ActorRef<Desk>, Log) {
    let log = Log::default();
    let desk = system.spawn::<Desk>(log.clone(), SpawnOptions::default()).await.unwrap();
    (desk, log)
}

/// A desk that starts again when it fails.
pub(crate) async fn supervised(system: &ActorSystem) -> (ActorRef<Desk>, Log) {
    let log = Log::default();
    let spec = SupervisorSpec::one_for_one().child(ChildSpec::new::<Desk>("d", log.clone()));
    let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
    (supervisor.child("d").await.unwrap(), log)
}

pub(crate) async fn make(
    desk: &ActorRef<Desk>,
    deed: impl FnOnce(&mut Desk, &mut Context<Desk>) + Send + 'static,
) {
    desk.ask(Do(Box::new(deed))).await.unwrap();
}

/// Whom the desk forwards to.
pub(crate) async fn point(desk: &ActorRef<Desk>, next: &ActorRef<Desk>) {
    let next = next.clone();
    make(desk, move |desk, _| desk.next = Some(next)).await;
}

/// An ask of a desk that goes on by itself, and its answer.
pub(crate) fn asking(
    desk: &ActorRef<Desk>,
    how: u8,
    n: u64,
) -> tokio::task::JoinHandle<Result<u64, odeon_message::AskError<String>>> {
    let desk = desk.clone();
    tokio::task::spawn_local(async move { desk.ask(Job { how, n }).within(60 * SECOND).await })
}

/// A node with a desk, and another one's reference to it.
pub(crate) struct Far {
    pub(crate) net: Arc<Net>,
    pub(crate) here: ActorSystem,
    pub(crate) there: ActorSystem,
    pub(crate) desk: ActorRef<Desk>,
    pub(crate) far: ActorRef<Desk>,
    pub(crate) log: Log,
}

pub(crate) async fn far() -> Far {
    let net = Net::new(16);
    let (here, there) = (net.join("here"), net.join("there"));
    here.declare::<Desk>().unwrap();
    there.declare::<Desk>().unwrap();
    let (desk, log) = desk(&there).await;
    let far = ActorRef::from_address(&here, desk.address().unwrap());
    Far { net, here, there, desk, far, log }
}

impl Far {
    pub(crate) async fn end(self) {
        let Self { net, here, there, desk, far, .. } = self;
        drop((desk, far));
        net.clear();
        for system in [here, there] {
            system.stop(60 * SECOND).await;
            yield_now().await;
            assert_eq!((system.stats().live_actors, system.stats().cells), (0, 0));
        }
        assert!(net.state.lock().unwrap().watching.is_empty());
    }
}

pub(crate) async fn settle() {
    for _ in 0..20 {
        yield_now().await;
    }
}
