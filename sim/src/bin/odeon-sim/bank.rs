//! The bank of the examples: whatever breaks, no cent is made or lost.
//!
//! A branch on each of three nodes keeps its journal on a disk that crashes and fails; clients on each node move money
//! between all accounts, and from cards, which a provider outside charges: now and then it does and says so too late. Once all is healed and nothing is under way, the balances are those that the answers explain:
//! what was answered with yes has moved, what was refused or certainly not delivered has not.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    io::{self, IoSliceMut},
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon::{
    Certainty, Node, NodeBuilder,
    env::{
        DatagramSocket, Env as _,
        udp::{RecvMeta, Transmit},
    },
};
use odeon_sim::{
    FaultKind, LinkRule, Outline, Scenario, SimEnv, Stream, Swarm, World,
    check::{Call, Conservation, NoLeaks, Value},
};
use serde::{Deserialize, Serialize};

use app::{Audit, Branch, CARD, Opening, Order};

#[path = "../../../../examples/src/bin/bank/app.rs"]
mod app;

const NODES: [&str; 3] = ["a", "b", "c"];
const ACCOUNTS: u32 = 2;
const OPENING_CENTS: i64 = 100;
const TRANSFERS: u64 = 60;
const SAFETY: Duration = Duration::from_secs(30);

/// The provider outside, its port, and all the money that is on cards.
const CARDS: &str = "cards";
const CARDS_PORT: u16 = 9_000;
const CARDS_CENTS: i64 = 10_000;

/// How long a branch waits for the provider until it asks again, and how long that one may keep its answer to itself.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);
const LATE_MS: u64 = 5_000;

/// An attempt that is on its way for longer than this is in time for nothing.
const SETTLED: Duration = Duration::from_secs(6);

/// One step of the workload. Some come from a card, some go to an account that there is not.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pay {
    by: String,
    from: (String, u32),
    to: (String, u32),
    cents: i64,
    number: u64,
}

/// The scenario.
#[derive(Debug, Default)]
pub(crate) struct Bank {
    /// The planted bug: money that did not arrive is not given back.
    pub(crate) keeps_what_did_not_arrive: bool,
    paying: Rc<Cell<u64>>,
    charged: Charged,
}

/// What was charged, by the numbers of transfers.
type Charged = Rc<RefCell<BTreeMap<u64, i64>>>;

impl Scenario for Bank {
    const NAME: &'static str = "bank";
    const ABOUT: &'static str = "transfers between branches with journals make and lose no money";
    type Step = Pay;

    fn outline(&self) -> Outline {
        let swarm = Swarm::all().with(FaultKind::DiskErrors);
        Outline::new(NODES).safety(SAFETY).liveness(Duration::from_secs(180)).faults(swarm)
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, Pay)> {
        let node = || NODES[draw.below(3) as usize].to_owned();
        let pay = |number| {
            let at = Duration::from_millis(draw.below(SAFETY.as_millis() as u64));
            let from = match draw.below(5) {
                0 => (CARDS.to_owned(), 0),
                _ => (node(), draw.below(u64::from(ACCOUNTS)) as u32),
            };
            let to = (node(), draw.below(u64::from(ACCOUNTS) + 1) as u32);
            (at, Pay { by: node(), from, to, cents: 1 + draw.below(60) as i64, number })
        };
        (0..TRANSFERS).map(pay).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        // A branch whose journal fails panics, and starts anew.
        world.expect_panics("bank/app.rs", "a branch lives as long as its journal");
        world.check_leaks();
        world.check_at_end(NoLeaks::new());
        world.set_default_link(LinkRule::rough());
        let (compensates, charged) = (!self.keeps_what_did_not_arrive, Rc::clone(&self.charged));
        world.service(CARDS, move |env| charge_cards(env, Rc::clone(&charged)));
        for name in NODES {
            let main = move |node: Node| async move {
                let balances = vec![OPENING_CENTS; ACCOUNTS as usize];
                let charge: app::Charge =
                    Arc::new(|node, number, cents| Box::pin(charge(node, number, cents)));
                let opened = app::open(Opening { node, balances, compensates, charge }).await;
                opened.map_err(|error| error.to_string())
            };
            world.start_member(name, NodeBuilder::actor::<Branch>, main);
        }
        let accounts =
            NODES.into_iter().flat_map(|node| (0..ACCOUNTS).map(move |it| name(node, it)));
        let opening = accounts.map(|account| (account, OPENING_CENTS));
        let opening = opening.chain([(name(CARDS, 0), CARDS_CENTS)]);
        world.check_at_end(Conservation::new("bank", opening).never_negative());
        let joined = world.all_joined(&NODES, Duration::from_secs(30)).await;
        joined.map_err(|error| error.to_string())?;
        world.count();
        Ok(())
    }

    fn step(&mut self, world: &mut World, pay: Pay) -> impl Future<Output = ()> + 'static {
        let Pay { by, from, to, cents, number } = pay;
        let is_card = from.0 == CARDS;
        let (asked, account) = if is_card { (&to.0, CARD) } else { (&from.0, from.1) };
        let (asked, branch) = (asked.clone(), to.0.clone());
        let order = Order { number, from: account, branch, to: to.1, cents };
        let call = Call::transfer("bank", name(&from.0, from.1), name(&to.0, to.1), cents);
        let (history, paying) = (world.history().clone(), Rc::clone(&self.paying));
        let underway = world.runtime_node(&by).map(|node| {
            let of = history.invoke(format!("client {number}"), call);
            let transfer = async move { app::transfer(&node, &asked, order).await };
            (of, world.start_on(&by, transfer))
        });
        paying.set(paying.get() + 1);
        async move {
            if let Some((of, transfer)) = underway {
                match transfer.await {
                    Ok(Ok(has_arrived)) => history.done(of, has_arrived),
                    Ok(Err(certainty)) => history.refused(of, certainty, "no answer"),
                    Err(down) => history.unknown(of, down.to_string()),
                }
            }
            paying.set(paying.get() - 1);
        }
    }

    async fn recover(&mut self, world: &mut World) -> Result<(), String> {
        let read = world.history().clone();
        while self.paying.get() > 0 {
            world.run_for(Duration::from_millis(100)).await;
        }
        // The time is bounded by the phase.
        loop {
            world.run_for(SETTLED).await;
            let of = read.invoke("auditor", Call::balances("bank"));
            match balances(world).await {
                Some(mut balances) => {
                    let charged = self.charged.borrow().values().sum::<i64>();
                    balances.push((name(CARDS, 0), CARDS_CENTS - charged));
                    read.done(of, Value::table(balances));
                    world.count();
                    return Ok(());
                }
                None => read.failed(of, "a transfer is under way"),
            }
        }
    }
}

/// All balances, if nothing is under way.
async fn balances(world: &World) -> Option<Vec<(String, i64)>> {
    let asker = world.runtime_node(NODES[0])?;
    let mut balances = Vec::new();
    for branch in NODES {
        let found = app::find(&asker, branch).await?;
        let books = found.ask(Audit).await.ok()?;
        if books.underway > 0 {
            return None;
        }
        let named =
            (0..).zip(books.balances).map(|(account, cents)| (name(branch, account), cents));
        balances.extend(named);
    }
    Some(balances)
}

fn name(node: &str, account: u32) -> String {
    format!("{node}/{account}")
}

/// The provider: charges once for each number, and in one case of four answers too late, or not at all.
async fn charge_cards(env: Arc<SimEnv>, charged: Charged) -> io::Result<()> {
    let socket = env.bind(SocketAddr::new(env.address(), CARDS_PORT))?;
    loop {
        let (asker, [number, cents]) = receive(&*socket).await?;
        charged.borrow_mut().entry(number).or_insert(cents as i64);
        let mut draw = [0; 2];
        env.entropy(&mut draw);
        let [lateness, odds] = draw.map(u64::from);
        let late = if odds < 64 { LATE_MS * lateness / 255 } else { 0 };
        let socket = Arc::clone(&socket);
        tokio::task::spawn_local(async move {
            tokio::time::sleep(Duration::from_millis(late)).await;
            // A network without room for it loses it.
            let _ = send(&*socket, asker, [number, cents]);
        });
    }
}

/// Has a card charged; whoever has no answer does not know.
async fn charge(node: Node, number: u64, cents: i64) -> Result<bool, Certainty> {
    let env = node.env();
    let found = env.resolve(&format!("{CARDS}:{CARDS_PORT}")).await;
    let provider = found.ok().and_then(|found| found.first().copied());
    let socket = env.bind(SocketAddr::from(([0, 0, 0, 0], 0))).ok();
    let (Some(provider), Some(socket)) = (provider, socket) else {
        return Err(Certainty::NotDelivered);
    };
    let asked = async {
        send(&*socket, provider, [number, cents as u64])?;
        while receive(&*socket).await?.1[0] != number {}
        Ok::<_, io::Error>(true)
    };
    let answered = tokio::time::timeout(ANSWER_WITHIN, asked).await;
    answered.ok().and_then(Result::ok).ok_or(Certainty::MayHaveRun)
}

/// Two numbers in a datagram, and who sent it. What the network has changed is none.
async fn receive(socket: &dyn DatagramSocket) -> io::Result<(SocketAddr, [u64; 2])> {
    loop {
        let (mut bytes, mut metas) = ([[0; 8]; 3], [RecvMeta::default()]);
        let mut room = [IoSliceMut::new(bytes.as_flattened_mut())];
        std::future::poll_fn(|cx| socket.poll_recv(cx, &mut room, &mut metas)).await?;
        let [one, other, sum] = bytes.map(u64::from_le_bytes);
        if metas[0].len == bytes.as_flattened().len() && sum == check_sum([one, other]) {
            return Ok((metas[0].addr, [one, other]));
        }
    }
}

fn send(socket: &dyn DatagramSocket, to: SocketAddr, [one, other]: [u64; 2]) -> io::Result<()> {
    let bytes = [one, other, check_sum([one, other])].map(u64::to_le_bytes);
    let (destination, contents) = (to, bytes.as_flattened());
    let all = Transmit { destination, contents, ecn: None, segment_size: None, src_ip: None };
    socket.try_send(&all)
}

fn check_sum([one, other]: [u64; 2]) -> u64 {
    !(one.rotate_left(17) ^ other)
}
