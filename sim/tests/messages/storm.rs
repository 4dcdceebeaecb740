//! Rare paths on top of crashes, cuts, pauses and slow nodes: what an ask says of itself stays true, and tells stay in
//! order. This is the contract of sends (`Certainty`), checked against what truly ran.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use odeon::{
    Actor, ActorRef, Certainty, Context, Handler, Node, NodeBuilder, StartError, actor, message,
};
use odeon_sim::{LinkRule, World};

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

#[message(id = "storm/Ask", reply = u64)]
struct Ask {
    id: u64,
}

#[message(id = "storm/Tell")]
struct Tell {
    /// Which sender: a new one for each reference that was looked up.
    from: u64,
    number: u64,
}

/// What truly happened, and what senders were told.
#[derive(Default)]
struct Truth {
    ran: BTreeMap<u64, u32>,
    told: BTreeMap<u64, Option<Certainty>>,
    last: BTreeMap<u64, u64>,
    senders: u64,
    asks: u64,
    late: Vec<String>,
}

type Shared = Arc<Mutex<Truth>>;

#[derive(Clone)]
struct Ledger(Shared);

#[actor(id = "storm/Ledger", handles(Ask, Tell))]
impl Actor for Ledger {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Ask> for Ledger {
    async fn handle(&mut self, ask: Ask, _: &mut Context<Self>) -> u64 {
        *self.0.lock().expect("nobody panics with it").ran.entry(ask.id).or_default() += 1;
        if ask.id.is_multiple_of(3) {
            tokio::time::sleep(MS * 5).await;
        }
        ask.id
    }
}

impl Handler<Tell> for Ledger {
    async fn handle(&mut self, tell: Tell, _: &mut Context<Self>) {
        let mut truth = self.0.lock().expect("nobody panics with it");
        let last = truth.last.insert(tell.from, tell.number).unwrap_or(0);
        if last >= tell.number {
            truth.late.push(format!("sender {}: {} after {last}", tell.from, tell.number));
        }
    }
}

/// Asks and tells one ledger until it is gone for good or the node ends, and finds it again.
async fn customer(node: Node, of: &'static str, truth: Shared) {
    loop {
        let found = node.on(of).lookup::<Ledger>("ledger").await;
        let Ok(Some(ledger)) = found else {
            tokio::time::sleep(MS * 50).await;
            continue;
        };
        let from = {
            let mut truth = truth.lock().expect("nobody panics with it");
            truth.senders += 1;
            truth.senders
        };
        for number in 1..=20 {
            trade(&ledger, from, number, &truth).await;
        }
    }
}

async fn trade(ledger: &ActorRef<Ledger>, from: u64, number: u64, truth: &Shared) {
    // A failed tell may leave a gap, never a turn back.
    let _ = ledger.tell(Tell { from, number }).await;
    let id = {
        let mut truth = truth.lock().expect("nobody panics with it");
        truth.asks += 1;
        truth.asks
    };
    let answer = ledger.ask(Ask { id }).within(MS * 200).await;
    let told = answer.as_ref().err().map(odeon::AskError::certainty);
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer == id));
    truth.lock().expect("nobody panics with it").told.insert(id, told);
}

async fn storm(world: &mut World) -> Shared {
    let truth = Shared::default();
    world.set_default_link(LinkRule::rough());
    for name in NAMES {
        let truth = Arc::clone(&truth);
        world.start_member(name, NodeBuilder::actor::<Ledger>, move |node: Node| {
            let truth = Arc::clone(&truth);
            async move {
                let ledger = node.spawn(Ledger(Arc::clone(&truth))).await.expect("it starts");
                node.register("ledger", &ledger).expect("the name is free");
                for of in NAMES {
                    let customer = customer(node.clone(), of, Arc::clone(&truth));
                    tokio::task::spawn_local(odeon::buggify::any_order(Box::pin(customer)));
                }
            }
        });
    }
    world.all_joined(&NAMES, 30 * SECOND).await.expect("they find each other");
    let random = world.random("storm");
    let span = || MS * random.below(800) as u32;
    for _ in 0..8 {
        let victim = NAMES[random.below(3) as usize];
        world.run_for(span()).await;
        match random.below(4) {
            0 => {
                world.crash(victim);
                world.run_for(span()).await;
                world.restart(victim);
            }
            1 => {
                let others = NAMES.into_iter().filter(|name| *name != victim).collect::<Vec<_>>();
                world.partition(&[victim], &others);
                world.run_for(span() * 3).await;
                world.heal();
            }
            2 => {
                world.pause(victim);
                world.run_for(span()).await;
                world.resume(victim);
            }
            _ => {
                world.slow(victim, 1 + random.below(40) as u32);
                world.jump_clock(victim, 1_000_000_000 - random.below(2_000_000_000) as i64);
                world.run_for(span()).await;
                world.slow(victim, 1);
            }
        }
    }
    world.heal();
    world.run_for(2 * SECOND).await;
    truth
}

fn check(truth: &Truth) {
    assert!(truth.late.is_empty(), "tells out of order: {:?}", truth.late);
    assert!(truth.told.len() > 100, "only {} asks came back", truth.told.len());
    for (id, told) in &truth.told {
        let ran = truth.ran.get(id).copied().unwrap_or(0);
        let is_true = match told {
            None | Some(Certainty::Ran) => ran == 1,
            Some(Certainty::NotDelivered) => ran == 0,
            Some(_) => ran <= 1,
        };
        assert!(is_true, "ask {id} was told {told:?} and ran {ran} times");
    }
}

#[odeon_sim::test(seeds = 0..4, buggify = 25)]
async fn sends_tell_the_truth_in_a_storm(world: &mut World) {
    let truth = storm(world).await;
    check(&truth.lock().expect("nobody panics with it"));
}
