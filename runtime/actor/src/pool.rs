//! Pools: members of one type that a pool starts, starts again, and sends to as one.
//!
//! A [`Pool`] is an actor: its members are its children and end with it, and it ends with its parent. Its members are a
//! [`Group`] that exists from the moment the pool is declared and outlives its restarts, so that senders reach a member
//! without a hop through the pool. An elastic one changes the number of its members with what they have to do. What it
//! is NOT: a queue; each member has its own mailbox. Read `pool/sizing.rs` for the number, `group.rs` for the sends.

mod sizing;

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use odeon_message::{Codec, Message};
use tokio::{
    sync::oneshot,
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};

use crate::{
    Actor, ActorRef, Context, ExitReason, Group, Handler, Placement, Restart, Shutdown,
    SpawnOptions, StartError, WeakRef,
    bonds::{News, Parent, Past},
    cell::{CellPtr, Signals},
    envelope::Envelope,
    spawn,
    watchers::Watcher,
};
use sizing::{Resize, Sizing};

/// How often an elastic pool looks at its members: a burst that fills a mailbox is met before its senders' deadlines.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long members may take to stop, unless the declaration says otherwise: as long as any child.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// How a pool is declared: its members, and how they are started again. Spawn it once, as a [`Pool`]: with
/// `node.spawn_with::<Pool<Resizer>>(pool)` where there is a node.
///
/// # Examples
/// ```no_run
/// # mod odeon { pub use odeon_actor::*; pub use odeon_message::*; }
/// use odeon::{Actor, ActorSystem, Context, Handler, Pool, SpawnOptions, StartError, Target, message};
///
/// # /*
/// #[message(local, reply = u64)]
/// # */
/// # #[message(local, reply = u64, crate = crate::odeon)]
/// struct Resize(u64);
/// # #[derive(Clone)]
/// # struct Resizer;
/// # impl Actor for Resizer {
/// #     type Args = ();
/// #     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> { Ok(Self) }
/// # }
/// # impl Handler<Resize> for Resizer {
/// #     async fn handle(&mut self, resize: Resize, _: &mut Context<Self>) -> u64 { resize.0 }
/// # }
///
/// # async fn example(system: ActorSystem) -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::<Resizer>::elastic(2, 16, ());
/// let resizers = pool.group().least_loaded();
/// system.spawn::<Pool<Resizer>>(pool, SpawnOptions::default()).await?;
/// resizers.ask(Resize(7)).await?;
/// # Ok(())
/// # }
/// # fn main() {}
/// ```
pub struct PoolSpec<A: Actor> {
    group: Group<A>,
    args: A::Args,
    options: SpawnOptions,
    restart: Restart,
    restarts_max: u32,
    period: Duration,
    shutdown: Duration,
    sizing: Sizing,
}

impl<A: Actor> PoolSpec<A> {
    /// Most members of a pool; a larger number is taken as this.
    pub const MEMBERS_MAX: u32 = 4096;

    fn new(min: u32, max: u32, args: A::Args) -> Self {
        let min = min.clamp(1, Self::MEMBERS_MAX);
        let max = max.clamp(min, Self::MEMBERS_MAX);
        Self {
            group: Group::new(max),
            args,
            options: SpawnOptions::default(),
            restart: Restart::Permanent,
            restarts_max: max,
            period: Duration::from_secs(5),
            shutdown: SHUTDOWN,
            sizing: Sizing::new(min as usize, max as usize),
        }
    }

    /// The members as a group, to send to: before the pool is spawned it is empty, while the pool restarts it may be.
    #[must_use]
    pub fn group(&self) -> Group<A> {
        self.group.clone()
    }

    /// How members are spawned: their mailboxes and where they run, by default one worker after the other. A name would
    /// be the first member's alone, so it is left out.
    #[must_use]
    pub fn options(mut self, options: SpawnOptions) -> Self {
        self.options = options;
        self
    }

    /// When a member that has ended is started again, in its place and with its mailbox. Default:
    /// [`Restart::Permanent`]. One that is not started again leaves the pool; an elastic pool replaces it when there are
    /// too few.
    #[must_use]
    pub fn restart(mut self, restart: Restart) -> Self {
        self.restart = restart;
        self
    }

    /// At most so many restarts of all members in any such period; one more and the pool fails. Default: as many as it
    /// may have members, in 5 s.
    #[must_use]
    pub fn intensity(mut self, restarts_max: u32, period: Duration) -> Self {
        self.restarts_max = restarts_max;
        self.period = period;
        self
    }

    /// How long members may take to stop when the pool does, all together, before they are ended where they stand.
    /// Default 5 s.
    #[must_use]
    pub fn shutdown(mut self, within: Duration) -> Self {
        self.shutdown = within;
        self
    }

    /// An elastic pool grows by half, at most ten times a second, while its members have more messages than this each.
    /// Default 8; 0 is taken as 1.
    #[must_use]
    pub fn grow_above(mut self, messages: u32) -> Self {
        self.sizing.grow_above = messages.max(1) as usize;
        self
    }

    /// An elastic pool shrinks by a quarter each time half of its members would have been enough for this long. Default
    /// 10 s.
    #[must_use]
    pub fn idle_for(mut self, idle_for: Duration) -> Self {
        self.sizing.idle_for = idle_for;
        self
    }
}

impl<A: Actor> Clone for PoolSpec<A> {
    fn clone(&self) -> Self {
        Self {
            group: self.group.clone(),
            args: self.args.clone(),
            options: self.options.clone(),
            ..*self
        }
    }
}

/// An actor that has members; see [`PoolSpec`].
pub struct Pool<A: Actor> {
    spec: PoolSpec<A>,
    members: Vec<Member<A>>,
    /// They are picked no more, and stop when they have nothing left to do. At most as many as members ever were.
    leaving: Vec<Member<A>>,
    /// The restarts of the last period, at most `restarts_max`.
    restarts: VecDeque<Instant>,
    /// Has it look at its members; ends with it.
    looks: JoinSet<()>,
}

struct Member<A: Actor> {
    actor: ActorRef<A>,
    cell: CellPtr,
    /// What its keys follow: who replaces it has them.
    seat: u64,
}

impl<A: Actor> Pool<A> {
    /// A pool that always has so many members, each started from `args`; at least 1.
    #[must_use]
    pub fn fixed(members: u32, args: A::Args) -> PoolSpec<A> {
        PoolSpec::new(members, members, args)
    }

    /// A pool that has between `min` and `max` members, each started from `args`, as there is to do; `min` is at least
    /// 1 and `max` at least `min`.
    #[must_use]
    pub fn elastic(min: u32, max: u32, args: A::Args) -> PoolSpec<A> {
        PoolSpec::new(min, max, args)
    }

    /// Starts one more member.
    async fn add(&mut self, ctx: &mut Context<Self>) -> Result<(), StartError> {
        let free = |seat: &u64| self.members.iter().all(|member| member.seat != *seat);
        let Some(seat) = (0..self.spec.sizing.max as u64).find(free) else { return Ok(()) };
        let options = self.spec.options.clone().unnamed();
        let parent = Parent {
            cell: ctx.own_cell(),
            report: Some(report::<A>),
            id: None,
            restarts: self.spec.restart != Restart::Temporary,
            past: Past::default(),
        };
        let own = ctx.own_cell().worker.clone();
        let placement = options.placement.unwrap_or(Placement::Spread);
        let worker = ctx.system().place(placement, Some(&own))?;
        let args = self.spec.args.clone();
        let actor = spawn::spawn::<A>(worker, args, options, Some(parent)).await?;
        let cell = actor.cell().ok_or(StartError::Stopped)?;
        // It may have ended meanwhile: then the news of that is on its way.
        let _ = self.spec.group.join_as(&actor, seat);
        self.members.push(Member { actor, cell, seat });
        Ok(())
    }

    /// Whether one more restart is within the intensity; then it counts.
    fn may_restart(&mut self, now: Instant) -> bool {
        let period = self.spec.period;
        while self.restarts.front().is_some_and(|at| now.duration_since(*at) > period) {
            self.restarts.pop_front();
        }
        let within = self.restarts.len() < self.spec.restarts_max as usize;
        if within {
            self.restarts.push_back(now);
        }
        within
    }

    /// Lets those go that have left the pool and have nothing to do.
    fn dismiss(&mut self) {
        self.leaving.retain(|member| {
            if member.actor.load() == 0 {
                member.cell.signal(Signals::STOP);
            }
            !member.cell.has_ended()
        });
    }
}

impl<A: Actor> Actor for Pool<A> {
    type Args = PoolSpec<A>;

    async fn start(spec: PoolSpec<A>, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        let (min, elastic) = (spec.sizing.min, spec.sizing.max > spec.sizing.min);
        let mut pool = Self {
            spec,
            members: Vec::new(),
            leaving: Vec::new(),
            restarts: VecDeque::new(),
            looks: JoinSet::new(),
        };
        for _ in 0..min {
            pool.add(ctx).await?;
        }
        if elastic {
            pool.looks.spawn_local(look_every(ctx.self_ref().downgrade()));
        }
        Ok(pool)
    }

    async fn stopped(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        let end = Instant::now().checked_add(self.spec.shutdown);
        let mut waiting = Vec::new();
        for Member { cell, .. } in self.members.drain(..).chain(self.leaving.drain(..)) {
            let (sender, ended) = oneshot::channel();
            if cell.add_watcher(Watcher::Once(sender)).is_ok() {
                cell.signal(Signals::STOP);
                waiting.push((cell, ended));
            }
        }
        for (cell, mut ended) in waiting {
            let in_time = match end {
                Some(end) => timeout_at(end, &mut ended).await.is_ok(),
                None => false,
            };
            if !in_time {
                cell.signal(Signals::STOP | Signals::KILL);
                if timeout(Shutdown::KILL_WITHIN, ended).await.is_err() {
                    tracing::error!(
                        member = cell.number,
                        "a member blocks its thread: left behind"
                    );
                }
            }
        }
    }
}

/// Has an elastic pool look at its members, until it is gone.
async fn look_every<A: Actor>(pool: WeakRef<Pool<A>>) {
    loop {
        sleep(LOOK_EVERY).await;
        let Some(pool) = pool.upgrade() else { return };
        // A pool that is starting members does not need to be told twice.
        let _ = pool.try_tell(Look);
    }
}

/// Look at the members.
struct Look;

/// What a pool hears of a member.
struct MemberNews {
    member: u64,
    news: News,
}

/// Makes the message that tells a pool of a member.
fn report<A: Actor>(member: u64, news: News) -> Envelope {
    Envelope::tell::<Pool<A>, _>(MemberNews { member, news })
}

impl Message for Look {
    type Reply = ();
    type Error = Infallible;
    type Output = ();
    const NAME: &'static str = "Look";
    const CODEC: Option<Codec<Self>> = None;

    fn answer((): ()) -> Result<(), Infallible> {
        Ok(())
    }
}

impl Message for MemberNews {
    type Reply = ();
    type Error = Infallible;
    type Output = ();
    const NAME: &'static str = "MemberNews";
    const CODEC: Option<Codec<Self>> = None;

    fn answer((): ()) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<A: Actor> Handler<Look> for Pool<A> {
    async fn handle(&mut self, _: Look, ctx: &mut Context<Self>) {
        self.dismiss();
        let load = self.members.iter().map(|member| member.actor.load()).sum();
        match self.spec.sizing.step(Instant::now(), self.members.len(), load) {
            Resize::Keep => {}
            Resize::Grow(by) => {
                tracing::debug!(members = self.members.len(), by, load, "the pool grows");
                for _ in 0..by {
                    if let Err(error) = self.add(ctx).await {
                        tracing::warn!(%error, "the pool could not grow");
                        return;
                    }
                }
            }
            Resize::Shrink(by) => {
                tracing::debug!(members = self.members.len(), by, load, "the pool shrinks");
                let stay = self.members.len().saturating_sub(by);
                for member in self.members.drain(stay..) {
                    self.spec.group.leave(&member.actor);
                    self.leaving.push(member);
                }
            }
        }
    }
}

impl<A: Actor> Handler<MemberNews> for Pool<A> {
    async fn handle(&mut self, message: MemberNews, ctx: &mut Context<Self>) {
        let MemberNews { member, news } = message;
        match news {
            News::Started => {}
            News::Down(reason) => self.judge(member, &reason, ctx),
            News::Gone(_) => {
                self.leaving.retain(|one| one.cell.number != member);
                self.members.retain(|one| one.cell.number != member);
            }
        }
    }
}

impl<A: Actor> Pool<A> {
    /// A life of a member is over, and it waits for the verdict.
    fn judge(&mut self, member: u64, reason: &ExitReason, ctx: &mut Context<Self>) {
        if let Some(one) = self.leaving.iter().find(|one| one.cell.number == member) {
            one.cell.signal(Signals::RELEASE);
            return;
        }
        let Some(at) = self.members.iter().position(|one| one.cell.number == member) else {
            return;
        };
        let again = match self.spec.restart {
            Restart::Permanent => true,
            Restart::Transient => !reason.is_normal(),
            Restart::Temporary => false,
        };
        if again && self.may_restart(Instant::now()) {
            tracing::warn!(member, %reason, "a member of a pool is started again");
            self.members[at].cell.signal(Signals::RESTART);
            return;
        }
        self.members.remove(at).cell.signal(Signals::RELEASE);
        if again {
            let (restarts, period) = (self.spec.restarts_max, self.spec.period);
            tracing::error!(member, %reason, "too many restarts: the pool gives up; see runbook: restart-storm");
            ctx.fail(&format!("a member ended ({reason}) after {restarts} restarts in {period:?}"));
        }
    }
}
