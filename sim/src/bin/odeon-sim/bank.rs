//! The bank of the examples: whatever breaks, no cent is made or lost.
//!
//! A branch on each of three nodes keeps its journal on a disk that crashes and fails; clients on each node move money
//! between all accounts. Once all is healed and nothing is under way, the balances are those that the answers explain:
//! what was answered with yes has moved, what was refused or certainly not delivered has not.

use std::{cell::Cell, rc::Rc, time::Duration};

use odeon::{Node, NodeBuilder};
use odeon_sim::{
    FaultKind, LinkRule, Outline, Scenario, Stream, Swarm, World,
    check::{Call, Conservation, NoLeaks, Value},
};
use serde::{Deserialize, Serialize};

use app::{Audit, Branch, Opening, Order};

#[path = "../../../../examples/src/bin/bank/app.rs"]
mod app;

const NODES: [&str; 3] = ["a", "b", "c"];
const ACCOUNTS: u32 = 2;
const OPENING_CENTS: i64 = 100;
const TRANSFERS: u64 = 60;
const SAFETY: Duration = Duration::from_secs(30);

/// An attempt that is on its way for longer than this is in time for nothing.
const SETTLED: Duration = Duration::from_secs(6);

/// One step of the workload. Some go to an account that there is not.
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
}

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
            let from = (node(), draw.below(u64::from(ACCOUNTS)) as u32);
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
        let compensates = !self.keeps_what_did_not_arrive;
        for name in NODES {
            let main = move |node: Node| async move {
                let balances = vec![OPENING_CENTS; ACCOUNTS as usize];
                let opened = app::open(Opening { node, balances, compensates }).await;
                opened.map_err(|error| error.to_string())
            };
            world.start_member(name, NodeBuilder::actor::<Branch>, main);
        }
        let accounts =
            NODES.into_iter().flat_map(|node| (0..ACCOUNTS).map(move |it| name(node, it)));
        let opening = accounts.map(|account| (account, OPENING_CENTS));
        world.check_at_end(Conservation::new("bank", opening).never_negative());
        let joined = world.all_joined(&NODES, Duration::from_secs(30)).await;
        joined.map_err(|error| error.to_string())?;
        world.count();
        Ok(())
    }

    fn step(&mut self, world: &mut World, pay: Pay) -> impl Future<Output = ()> + 'static {
        let Pay { by, from, to, cents, number } = pay;
        let order = Order { number, from: from.1, branch: to.0.clone(), to: to.1, cents };
        let call = Call::transfer("bank", name(&from.0, from.1), name(&to.0, to.1), cents);
        let (history, paying) = (world.history().clone(), Rc::clone(&self.paying));
        let asked = world.runtime_node(&by).map(|node| {
            let of = history.invoke(format!("client {number}"), call);
            let transfer = async move { app::transfer(&node, &from.0, order).await };
            (of, world.start_on(&by, transfer))
        });
        paying.set(paying.get() + 1);
        async move {
            if let Some((of, asked)) = asked {
                match asked.await {
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
                Some(balances) => {
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
