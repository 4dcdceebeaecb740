//! Children for the tests of supervisors: they write down their lives, and end and fail to start as they are told.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use odeon_message::message;
use tokio::{sync::oneshot, task::yield_now, time::sleep};

use crate::odeon::{
    Actor, ActorRef, ActorSystem, AnyRef, ChildSpec, ChildState, Context, ExitKind, ExitReason,
    Handler, SpawnOptions, StartError, Supervisor, SupervisorSpec, Terminated,
};

/// How a start goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begin {
    Well,
    Ignore,
    Refuse,
    Panic,
    Hang,
}

/// Lives of children: a small letter for a start, a capital for a `stopped`, `!` and the letter for a failed start.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<String>>);

impl Diary {
    fn write(&self, text: impl std::fmt::Display) {
        self.0.lock().unwrap().push_str(&text.to_string());
    }

    /// What was written since the last time.
    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// What a child starts from: its letter, its diary, and how its starts go; they go well when none is left.
#[derive(Clone)]
pub(crate) struct Birth {
    pub(crate) name: char,
    pub(crate) diary: Diary,
    pub(crate) starts: Arc<Mutex<VecDeque<Begin>>>,
}

impl Birth {
    pub(crate) fn new(name: char, diary: &Diary) -> Self {
        Self { name, diary: diary.clone(), starts: Arc::default() }
    }

    /// How the next starts go.
    pub(crate) fn begins(self, starts: impl IntoIterator<Item = Begin>) -> Self {
        self.starts.lock().unwrap().extend(starts);
        self
    }
}

pub(crate) struct Kid {
    birth: Birth,
    messages: u32,
}

impl Actor for Kid {
    type Args = Birth;

    async fn start(birth: Birth, _: &mut Context<Self>) -> Result<Self, StartError> {
        yield_now().await;
        let begin = birth.starts.lock().unwrap().pop_front().unwrap_or(Begin::Well);
        if begin != Begin::Well {
            birth.diary.write(format_args!("!{}", birth.name));
        }
        match begin {
            Begin::Well => {}
            Begin::Ignore => return Err(StartError::Ignored),
            Begin::Refuse => return Err(StartError::new("not now")),
            Begin::Panic => panic!("born to panic"),
            Begin::Hang => std::future::pending().await,
        }
        birth.diary.write(birth.name);
        Ok(Self { birth, messages: 0 })
    }

    async fn stopped(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        yield_now().await;
        self.birth.diary.write(self.birth.name.to_ascii_uppercase());
    }
}

/// How an actor ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum How {
    Normal,
    Shutdown,
    Fail,
    Panic,
    Kill,
}

pub(crate) const ABNORMAL: [How; 3] = [How::Fail, How::Panic, How::Kill];

#[message(local, crate = crate::odeon)]
pub(crate) struct End(pub(crate) How);

impl Handler<End> for Kid {
    async fn handle(&mut self, end: End, ctx: &mut Context<Self>) {
        match end.0 {
            How::Normal => ctx.stop(),
            How::Shutdown => ctx.shutdown("told to"),
            How::Fail => ctx.fail("told to"),
            How::Panic => panic!("told to"),
            How::Kill => {
                ctx.self_ref().kill();
                std::future::pending().await
            }
        }
    }
}

/// Answers with how many of these this life has had.
#[message(local, reply = u32, crate = crate::odeon)]
pub(crate) struct Ping;

impl Handler<Ping> for Kid {
    async fn handle(&mut self, _: Ping, _: &mut Context<Self>) -> u32 {
        self.messages += 1;
        self.messages
    }
}

/// Answers with the number of restarts and the last reason.
#[message(local, reply = (u32, bool, Option<ExitReason>), crate = crate::odeon)]
pub(crate) struct Lives;

impl Handler<Lives> for Kid {
    async fn handle(
        &mut self,
        _: Lives,
        ctx: &mut Context<Self>,
    ) -> (u32, bool, Option<ExitReason>) {
        (ctx.restarts(), ctx.is_restart(), ctx.last_exit())
    }
}

/// Answers with the thread that it runs on.
#[message(local, reply = std::thread::ThreadId, crate = crate::odeon)]
pub(crate) struct Thread;

impl Handler<Thread> for Kid {
    async fn handle(&mut self, _: Thread, _: &mut Context<Self>) -> std::thread::ThreadId {
        std::thread::current().id()
    }
}

/// Keeps the handler waiting.
#[message(local, crate = crate::odeon)]
pub(crate) struct Dally(pub(crate) Duration);

impl Handler<Dally> for Kid {
    async fn handle(&mut self, message: Dally, _: &mut Context<Self>) {
        sleep(message.0).await;
    }
}

pub(crate) fn kid(name: char, diary: &Diary) -> ChildSpec {
    child(&Birth::new(name, diary))
}

pub(crate) fn child(birth: &Birth) -> ChildSpec {
    ChildSpec::new::<Kid>(&birth.name.to_string(), birth.clone())
}

pub(crate) async fn supervise(system: &ActorSystem, spec: SupervisorSpec) -> ActorRef<Supervisor> {
    system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap()
}

pub(crate) async fn get(supervisor: &ActorRef<Supervisor>, id: &str) -> ActorRef<Kid> {
    supervisor.child::<Kid>(id).await.unwrap()
}

/// Ends an actor, and waits until what follows at once has happened.
pub(crate) async fn end(actor: &ActorRef<Kid>, how: How) {
    actor.tell(End(how)).await.unwrap();
    settle().await;
}

pub(crate) async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

/// The ids and states of all children.
pub(crate) async fn states(supervisor: &ActorRef<Supervisor>) -> Vec<(String, ChildState)> {
    let children = supervisor.which_children().await.unwrap();
    children.iter().map(|child| (child.id.as_deref().unwrap().to_owned(), child.state)).collect()
}

pub(crate) fn kid_of(any: &AnyRef) -> ActorRef<Kid> {
    any.downcast().unwrap()
}

/// Watches one actor and says how it ended.
struct Witness(Option<oneshot::Sender<ExitReason>>);

impl<A: Actor> Handler<See<A>> for Witness {
    async fn handle(&mut self, see: See<A>, ctx: &mut Context<Self>) {
        self.0 = Some(see.1);
        ctx.watch(&see.0);
    }
}

struct See<A: Actor>(ActorRef<A>, oneshot::Sender<ExitReason>);

impl<A: Actor> odeon_message::Message for See<A> {
    type Reply = ();
    type Error = std::convert::Infallible;
    type Output = ();
    const NAME: &'static str = "See";
    const CODEC: Option<odeon_message::Codec<Self>> = None;

    fn answer((): ()) -> Result<(), std::convert::Infallible> {
        Ok(())
    }
}

impl Actor for Witness {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(None))
    }

    async fn terminated(&mut self, terminated: Terminated, ctx: &mut Context<Self>) {
        self.0.take().unwrap().send(terminated.reason).unwrap();
        ctx.stop();
    }
}

/// Hears how an actor ends.
pub(crate) async fn witness<A: Actor>(
    system: &ActorSystem,
    actor: &ActorRef<A>,
) -> oneshot::Receiver<ExitReason> {
    let (sender, seen) = oneshot::channel();
    let witness = system.spawn::<Witness>((), SpawnOptions::default()).await.unwrap();
    witness.ask(See(actor.clone(), sender)).await.unwrap();
    seen
}

/// How an actor ended, whose end was witnessed.
pub(crate) async fn seen(witness: oneshot::Receiver<ExitReason>) -> ExitKind {
    witness.await.unwrap().kind()
}
