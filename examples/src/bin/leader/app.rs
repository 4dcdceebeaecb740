//! Who leads: several candidates, one name, and leases that an office gives out.
//!
//! Names belong to nodes, and so no name of one node is alone in a cluster. What is alone is an actor of one node: the
//! *office*. It gives the lease of the name to one candidate at a time, each with a greater number than all before, its
//! *fence*. It journals each fence to its disk before it gives it out, and after a crash it waits for as long as a lease
//! lasts (C. Gray and D. Cheriton, *Leases*, SOSP 1989).
//!
//! What it promises:
//! * At no time do two candidates believe that they lead, as long as their monotonic clocks go equally fast: a candidate
//!   counts its lease from before it asked, the office from after.
//! * A candidate that was held may act although its lease has run out, because between its look at the clock and its act
//!   it can be stopped. So whatever it acts upon looks at the fence, and refuses one that is smaller than one it has seen
//!   (M. Kleppmann, *How to do distributed locking*, 2016): here, the *ledger*.
//! * While the office's node is down nobody begins to lead; it is the one that must come back. A consensus is what would
//!   do without.

use std::{io, sync::Arc, time::Duration};

use odeon::{
    Actor, ActorRef, ChildSpec, Context, Handler, MissedTicks, Node, RemoteNode, SpawnOptions,
    StartError, Supervisor, SupervisorSpec, actor, data, message,
};
use tokio::time::Instant;

// Whoever takes this file in has the log of the example `append_log` beside it.
use crate::append_log::AppendLog;

/// How long a lease lasts.
pub(crate) const LEASE: Duration = Duration::from_secs(2);

/// How often a candidate asks for it, or for more of it.
const EVERY: Duration = Duration::from_millis(500);

/// Asks for the lease; the answer is the fence, or 0 where somebody else has it.
#[message(id = "leader/Claim", reply = u64)]
struct Claim {
    candidate: String,
    /// Which life of the candidate: a new one has no lease of an old one.
    life: u64,
}

/// Gives the lease to one candidate at a time.
pub(crate) struct Office {
    log: AppendLog,
    fence: u64,
    holder: Option<(String, u64)>,
    until: Instant,
}

#[actor(id = "leader/Office", handles(Claim))]
impl Actor for Office {
    type Args = Node;

    async fn start(node: Node, _: &mut Context<Self>) -> Result<Self, StartError> {
        let failed = |error: io::Error| StartError::new(error.to_string());
        let disk = node.env().disk().map_err(failed)?;
        let (log, records) = AppendLog::open(&*disk).await.map_err(failed)?;
        let last = records.last().map(|it| it.as_slice().try_into().map(u64::from_le_bytes));
        let fence = last.transpose().map_err(|_| StartError::new("a strange journal"))?;
        // Somebody may hold a lease that it gave in an earlier life.
        let until = if fence.is_some() { Instant::now() + LEASE } else { Instant::now() };
        Ok(Self { log, fence: fence.unwrap_or(0), holder: None, until })
    }
}

impl Handler<Claim> for Office {
    async fn handle(&mut self, claim: Claim, _: &mut Context<Self>) -> u64 {
        let claimant = Some((claim.candidate, claim.life));
        let is_free = Instant::now() > self.until;
        if self.holder == claimant && !is_free {
            self.until = Instant::now() + LEASE;
            return self.fence;
        }
        if !is_free {
            return 0;
        }
        // A journal that fails ends this life: the fence may be in it or not, and the next life reads which.
        let fence = self.fence + 1;
        self.log.write(&fence.to_le_bytes()).await.expect("an office lives as long as its journal");
        self.log.commit().await.expect("an office lives as long as its journal");
        (self.fence, self.holder) = (fence, claimant);
        self.until = Instant::now() + LEASE;
        fence
    }
}

/// What only a leader does; the answer is whether it was done.
#[message(id = "leader/Act", reply = bool)]
struct Act {
    candidate: String,
    fence: u64,
}

/// Is told who acted, with which fence.
pub(crate) type Book = Arc<dyn Fn(&str, u64) + Send + Sync>;

/// Asks for the last entry of the ledger.
#[message(id = "leader/WhoActed", idempotent, reply = Entry)]
#[derive(Clone)]
struct WhoActed;

/// Who acted, with which fence; nobody, with 0, where a ledger has no entry.
#[data]
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) candidate: String,
    pub(crate) fence: u64,
}

/// How a ledger is kept; a bad one is there to be found out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Keeping {
    /// It takes entries with smaller fences too.
    pub(crate) takes_old_fences: bool,
    /// It tells the entry before the last.
    pub(crate) tells_old_news: bool,
}

/// Takes entries of leaders into a book; what guards it is the fence.
#[derive(Clone)]
pub(crate) struct Ledger {
    book: Book,
    keeping: Keeping,
    /// Its fence is the greatest that was seen.
    last: Entry,
    before: Entry,
}

impl Ledger {
    /// One without entries.
    pub(crate) fn new(book: Book, keeping: Keeping) -> Self {
        Self { book, keeping, last: Entry::default(), before: Entry::default() }
    }
}

#[actor(id = "leader/Ledger", handles(Act, WhoActed))]
impl Actor for Ledger {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Act> for Ledger {
    async fn handle(&mut self, act: Act, _: &mut Context<Self>) -> bool {
        let Act { candidate, fence } = act;
        let has_passed = self.last.fence <= fence || self.keeping.takes_old_fences;
        if has_passed {
            (self.book)(&candidate, fence);
            self.before = std::mem::replace(&mut self.last, Entry { candidate, fence });
        }
        has_passed
    }
}

impl Handler<WhoActed> for Ledger {
    async fn handle(&mut self, _: WhoActed, _: &mut Context<Self>) -> Entry {
        if self.keeping.tells_old_news { self.before.clone() } else { self.last.clone() }
    }
}

/// Reads the last entry of the ledger there; nothing where it does not answer. Whoever asks need be no member.
pub(crate) async fn who_acted(office: &RemoteNode) -> Option<Entry> {
    let ledger = office.lookup::<Ledger>("ledger");
    let ledger = tokio::time::timeout(EVERY, ledger).await.ok()?.ok()??;
    ledger.ask(WhoActed).within(EVERY).await.ok()
}

/// Is told who leads, with which fence, since now and until then.
pub(crate) type Told = Arc<dyn Fn(&str, u64, Instant) + Send + Sync>;

/// What a candidate starts from.
#[derive(Clone)]
pub(crate) struct Candidacy {
    pub(crate) node: Node,
    /// The node of the office and of the ledger.
    pub(crate) office: String,
    pub(crate) leads: Told,
    /// Whether it goes on for so long after its lease has run out: one that does is there to be found out.
    pub(crate) overstays: Duration,
}

/// Wants the name, and acts while it has it.
pub(crate) struct Candidate {
    candidacy: Candidacy,
    office: Option<ActorRef<Office>>,
    ledger: Option<ActorRef<Ledger>>,
    /// Its last fence, and until when it leads with it.
    tenure: Option<(u64, Instant)>,
}

#[message(local)]
struct Tick;

impl Actor for Candidate {
    type Args = Candidacy;

    async fn start(candidacy: Self::Args, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        let ticks = ctx.every("tick", EVERY, MissedTicks::Skip, || Tick);
        ticks.map_err(|error| StartError::new(error.to_string()))?;
        Ok(Self { candidacy, office: None, ledger: None, tenure: None })
    }
}

impl Handler<Tick> for Candidate {
    async fn handle(&mut self, _: Tick, _: &mut Context<Self>) {
        let Candidacy { node, office, leads, overstays } = &self.candidacy;
        let (candidate, life) = (node.name().to_owned(), node.incarnation().0);
        let asked_at = Instant::now();
        if let Some(found) = find(node, office, "office", &mut self.office).await {
            let claim = Claim { candidate: candidate.clone(), life };
            let until = asked_at + LEASE + *overstays;
            match found.ask(claim).within(EVERY).await {
                Ok(fence) if fence > 0 && Instant::now() < until => {
                    leads(&candidate, fence, until);
                    self.tenure = Some((fence, until));
                }
                Ok(_) => {}
                Err(_) => self.office = None,
            }
        }
        // It leads for as long as its lease lasts, whatever became of the claim for more.
        let Some((fence, until)) = self.tenure else { return };
        let Some(ledger) = find(node, office, "ledger", &mut self.ledger).await else { return };
        if Instant::now() < until
            && ledger.ask(Act { candidate, fence }).within(EVERY).await.is_err()
        {
            self.ledger = None;
        }
    }
}

/// An actor of a node, looked up once for as long as it answers.
async fn find<A: Actor>(
    node: &Node,
    on: &str,
    name: &str,
    known: &mut Option<ActorRef<A>>,
) -> Option<ActorRef<A>> {
    if known.is_none() {
        *known = node.on(on).lookup(name).await.ok().flatten();
    }
    known.clone()
}

/// Opens the office and the ledger on a node; each starts again when it fails.
pub(crate) async fn open(node: &Node, ledger: Ledger) -> Result<(), StartError> {
    let named = |name: &str| SpawnOptions::default().named(name);
    let office = ChildSpec::new::<Office>("office", node.clone()).options(named("office"));
    let ledger = ChildSpec::new::<Ledger>("ledger", ledger).options(named("ledger"));
    let tree = SupervisorSpec::one_for_one().child(office).child(ledger);
    node.spawn_with::<Supervisor>(tree).await.map(drop)
}

/// Stands as a candidate, and again whenever it fails.
pub(crate) async fn stand(candidacy: Candidacy) -> Result<(), StartError> {
    let node = candidacy.node.clone();
    let options = SpawnOptions::default().named("candidate");
    let candidate = ChildSpec::new::<Candidate>("candidate", candidacy).options(options);
    let tree = SupervisorSpec::one_for_one().intensity(1_000, Duration::from_secs(1));
    node.spawn_with::<Supervisor>(tree.child(candidate)).await.map(drop)
}
