//! A bank: accounts on several nodes, and transfers between them in two steps, of which each can fail alone.
//!
//! Each node has a branch, which journals to the node's disk whatever it does, before it answers. A transfer takes the
//! money at one branch and books it at another. What a branch has taken stays its duty, also after a crash, until the
//! other one has answered: asking twice books once, so it asks again. Only where it is certain that nothing was booked and
//! nothing will be, it gives the money back (a saga: H. Garcia-Molina and K. Salem, SIGMOD 1987). Money also comes from
//! cards, which somebody outside charges: that one may charge and answer too late, so it is asked again in the same way.
//!
//! What it is NOT: isolated. While a transfer is under way its money is on no account.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use odeon::{
    Actor, ActorRef, Backoff, Certainty, ChildSpec, Context, Handler, Node, Responder, RetryPolicy,
    SpawnOptions, StartError, Supervisor, SupervisorSpec, actor, data, message,
};

// Whoever takes this file in has the log of the example `append_log` beside it.
use crate::append_log::AppendLog;

/// The name of each node's branch.
pub(crate) const BRANCH: &str = "branch";

/// The account that an order comes from where it is a card's money for an account of the branch that is asked.
pub(crate) const CARD: u32 = u32::MAX;

/// Transfers that one branch has under way; beyond that it refuses further ones.
const UNDERWAY: usize = 256;

/// How often a branch is opened until its node gives up, over about half a minute.
const START_ATTEMPTS: u32 = 300;

/// A transfer: its number, which no other has, and from which account of its branch to which one of another.
#[data]
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) number: u64,
    pub(crate) from: u32,
    pub(crate) branch: String,
    pub(crate) to: u32,
    pub(crate) cents: i64,
}

/// Asks the branch that has the money for a transfer. The answer is whether the money has arrived.
#[message(id = "bank/Transfer", idempotent, reply = bool)]
#[derive(Clone)]
pub(crate) struct Transfer(Order);

/// The second step, from branch to branch; the answer is whether it was booked.
#[message(id = "bank/Credit", idempotent, reply = bool)]
#[derive(Clone)]
struct Credit(Order);

/// All accounts of a branch, and how many transfers it has under way.
#[message(id = "bank/Audit", reply = Books)]
pub(crate) struct Audit;

#[data]
#[derive(Debug, PartialEq)]
pub(crate) struct Books {
    pub(crate) balances: Vec<i64>,
    pub(crate) underway: u64,
}

/// What became of a credit, as the branch that sent it knows.
#[message(local)]
struct Credited {
    order: Order,
    /// Whether an earlier attempt may have been booked.
    is_doubtful: bool,
    answer: Result<bool, Certainty>,
}

/// Charges a card, outside the bank: asked twice for one number it charges once. The answer is whether it was charged.
pub(crate) type Charge = Arc<dyn Fn(Node, u64, i64) -> Charging + Send + Sync>;
pub(crate) type Charging = Pin<Box<dyn Future<Output = Result<bool, Certainty>> + Send>>;

/// What a branch starts from, in each of its lives.
#[derive(Clone)]
pub(crate) struct Opening {
    pub(crate) node: Node,
    /// The accounts of a branch without a journal.
    pub(crate) balances: Vec<i64>,
    /// Whether money that did not arrive is given back: a bank for which it is not is there to be found out.
    pub(crate) compensates: bool,
    pub(crate) charge: Charge,
}

/// A line of the journal, and where a transfer stands.
#[derive(Clone, Copy, PartialEq)]
enum Entry {
    Taken,
    Refused,
    Arrived,
    Returned,
    Booked,
}

const ENTRIES: [(Entry, &str); 5] = [
    (Entry::Taken, "taken"),
    (Entry::Refused, "refused"),
    (Entry::Arrived, "arrived"),
    (Entry::Returned, "returned"),
    (Entry::Booked, "booked"),
];

pub(crate) struct Branch {
    opening: Opening,
    log: AppendLog,
    balances: Vec<i64>,
    /// What became of transfers that this branch was asked for.
    orders: BTreeMap<u64, (Entry, Order)>,
    /// What other branches have sent.
    booked: BTreeSet<u64>,
    /// Who waits for the end of a transfer.
    waiting: BTreeMap<u64, Vec<Responder<Transfer>>>,
}

#[actor(id = "bank/Branch", handles(Transfer, Credit, Audit))]
impl Actor for Branch {
    type Args = Opening;

    async fn start(opening: Opening, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        let failed = |error: io::Error| StartError::new(error.to_string());
        let disk = opening.node.env().disk().map_err(failed)?;
        let (log, records) = AppendLog::open(&*disk).await.map_err(failed)?;
        let mut branch = Self {
            balances: opening.balances.clone(),
            opening,
            log,
            orders: BTreeMap::new(),
            booked: BTreeSet::new(),
            waiting: BTreeMap::new(),
        };
        for record in records {
            let (entry, order) =
                read(&record).ok_or_else(|| StartError::new("a strange journal"))?;
            branch.apply(entry, &order);
        }
        // Nobody knows any more how far they had come.
        branch.underway().for_each(|order| branch.credit(order.clone(), true, ctx));
        Ok(branch)
    }
}

impl Branch {
    /// Whether there is the money, and the account where it goes if that is known here.
    fn is_covered(&self, order: &Order) -> bool {
        let is_there = match order.from {
            CARD => self.balances.len() > order.to as usize,
            from => self.balances.get(from as usize).is_some_and(|cents| *cents >= order.cents),
        };
        order.cents > 0 && is_there
    }

    fn underway(&self) -> impl Iterator<Item = &Order> {
        let taken = |(entry, _): &&(Entry, Order)| *entry == Entry::Taken;
        self.orders.values().filter(taken).map(|(_, order)| order)
    }

    /// Journals a line, and then does what it says. What the journal did not take may be in it or not, so that this life
    /// must not go on: the next one reads which.
    async fn book(&mut self, entry: Entry, order: &Order) {
        let (_, name) = ENTRIES[entry as usize];
        let Order { number, from, branch, to, cents } = order;
        let line = format!("{name} {number} {from} {branch} {to} {cents}");
        self.log.write(line.as_bytes()).await.expect("a branch lives as long as its journal");
        self.log.commit().await.expect("a branch lives as long as its journal");
        self.apply(entry, order);
    }

    fn apply(&mut self, entry: Entry, order: &Order) {
        match entry {
            // What is on a card is on no account of the bank.
            Entry::Taken | Entry::Returned if order.from == CARD => {}
            Entry::Arrived if order.from == CARD => self.balances[order.to as usize] += order.cents,
            Entry::Taken => self.balances[order.from as usize] -= order.cents,
            Entry::Returned if self.opening.compensates => {
                self.balances[order.from as usize] += order.cents;
            }
            Entry::Booked => {
                self.balances[order.to as usize] += order.cents;
                self.booked.insert(order.number);
                return;
            }
            Entry::Refused | Entry::Arrived | Entry::Returned => {}
        }
        self.orders.insert(order.number, (entry, order.clone()));
    }

    /// Asks the other branch, or whoever charges cards, beside what this one does meanwhile.
    fn credit(&self, order: Order, is_doubtful: bool, ctx: &mut Context<Self>) {
        let (node, name) = (self.opening.node.clone(), order.number.to_string());
        let charge = Arc::clone(&self.opening.charge);
        let asked = async move {
            let answer = match order.from {
                CARD => charge(node, order.number, order.cents).await,
                _ => ask(&node, &order.branch, Credit(order.clone())).await,
            };
            (order, answer)
        };
        let credited = move |(order, answer)| Credited { order, is_doubtful, answer };
        ctx.pipe(name.as_str(), asked, credited).expect("there are fewer transfers than sources");
    }
}

impl Handler<Transfer> for Branch {
    async fn handle(&mut self, Transfer(order): Transfer, ctx: &mut Context<Self>) -> bool {
        match self.orders.get(&order.number) {
            Some((Entry::Taken, _)) => {}
            Some((entry, _)) => return *entry == Entry::Arrived,
            None => {
                if !self.is_covered(&order) || self.underway().count() >= UNDERWAY {
                    // It must stay so, should this be asked again.
                    self.book(Entry::Refused, &order).await;
                    return false;
                }
                self.book(Entry::Taken, &order).await;
                self.credit(order.clone(), false, ctx);
            }
        }
        ctx.defer(|asker| self.waiting.entry(order.number).or_default().push(asker)).await
    }
}

impl Handler<Credit> for Branch {
    async fn handle(&mut self, Credit(order): Credit, _: &mut Context<Self>) -> bool {
        let is_open = self.balances.len() > order.to as usize;
        if is_open && !self.booked.contains(&order.number) {
            self.book(Entry::Booked, &order).await;
        }
        is_open
    }
}

impl Handler<Credited> for Branch {
    async fn handle(&mut self, credited: Credited, ctx: &mut Context<Self>) {
        let Credited { order, is_doubtful, answer } = credited;
        let end = match answer {
            Ok(true) => Entry::Arrived,
            Ok(false) => Entry::Returned,
            Err(Certainty::NotDelivered) if !is_doubtful => Entry::Returned,
            Err(_) => return self.credit(order, true, ctx),
        };
        self.book(end, &order).await;
        let waiting = self.waiting.remove(&order.number).unwrap_or_default();
        waiting.into_iter().for_each(|asker| asker.reply(end == Entry::Arrived));
    }
}

impl Handler<Audit> for Branch {
    async fn handle(&mut self, _: Audit, _: &mut Context<Self>) -> Books {
        Books { balances: self.balances.clone(), underway: self.underway().count() as u64 }
    }
}

/// Asks a branch; what failed without harm, or may come twice, is sent again.
async fn ask<M>(node: &Node, branch: &str, message: M) -> Result<bool, Certainty>
where
    M: odeon::Message<Reply = bool> + Clone,
    Branch: Handler<M>,
{
    let policy = RetryPolicy::attempts(4).attempt_within(Duration::from_secs(1));
    let branch = find(node, branch).await.ok_or(Certainty::NotDelivered);
    match branch {
        Ok(branch) => branch
            .ask(message)
            .retry(policy)
            .within(Duration::from_secs(4))
            .await
            .map_err(|error| error.certainty()),
        Err(certainty) => {
            tokio::time::sleep(Duration::from_millis(100)).await;
            Err(certainty)
        }
    }
}

/// The branch of a node, as far as it can be found.
pub(crate) async fn find(node: &Node, branch: &str) -> Option<ActorRef<Branch>> {
    node.on(branch).lookup(BRANCH).await.ok().flatten()
}

/// Moves money, from this branch.
///
/// # Errors
/// What is known of a transfer that was not answered.
pub(crate) async fn transfer(node: &Node, branch: &str, order: Order) -> Result<bool, Certainty> {
    ask(node, branch, Transfer(order)).await
}

/// Opens the branch of a node, and again whenever it fails.
///
/// # Errors
/// When the disk does not let it start for longer than disks have hiccups.
pub(crate) async fn open(opening: Opening) -> Result<(), StartError> {
    let pause = Duration::from_millis(100);
    let node = opening.node.clone();
    let branch = ChildSpec::new::<Branch>(BRANCH, opening)
        .backoff(Backoff::exponential(pause, Duration::from_secs(1)))
        .options(SpawnOptions::default().named(BRANCH));
    let tree = SupervisorSpec::one_for_one().intensity(1_000, Duration::from_secs(1)).child(branch);
    // A first start that fails is nobody's restart.
    for _ in 1..START_ATTEMPTS {
        if node.spawn_with::<Supervisor>(tree.clone()).await.is_ok() {
            return Ok(());
        }
        tokio::time::sleep(pause).await;
    }
    node.spawn_with::<Supervisor>(tree).await.map(drop)
}

fn read(record: &[u8]) -> Option<(Entry, Order)> {
    let words = std::str::from_utf8(record).ok()?.split(' ').collect::<Vec<_>>();
    let [name, number, from, branch, to, cents] = words.try_into().ok()?;
    let (entry, _) = ENTRIES.into_iter().find(|(_, it)| *it == name)?;
    let (number, from, to) = (number.parse().ok()?, from.parse().ok()?, to.parse().ok()?);
    Some((entry, Order { number, from, branch: branch.to_owned(), to, cents: cents.parse().ok()? }))
}
