//! A bank on three nodes under faults, as the book's chapter on simulation shows it.

use std::time::Duration;

use odeon::{Node, NodeBuilder, actor};
use odeon_sim::{LinkRule, World};

#[derive(Clone, Default)]
struct Account {
    cents: u64,
}

#[actor(id = "bank/Account")]
impl Account {
    #[handler("bank/Deposit")]
    async fn deposit(&mut self, cents: u64) -> u64 {
        self.cents += cents;
        self.cents
    }
}

const NODES: [&str; 3] = ["left", "right", "till"];
const SOON: Duration = Duration::from_secs(30);

/// What each node does when it has started.
async fn main_of_a_node(node: Node) {
    let account = node.spawn(Account::default()).await.expect("an account starts");
    node.register("account", &account).expect("the name is free");
}

#[odeon_sim::test(seeds = 0..10)]
async fn what_was_confirmed_is_there(world: &mut World) {
    world.set_default_link(LinkRule::rough()); // slow, and it loses, doubles and reorders packets
    for name in NODES {
        world.start_member(name, NodeBuilder::actor::<Account>, main_of_a_node);
    }
    world.all_joined(&NODES, SOON).await.expect("one cluster");

    let till = world.runtime_node("till").expect("it runs");
    let mut confirmed = 0;
    for round in 0..20 {
        if round == 10 {
            world.crash("right");
        }
        for bank in ["left", "right"] {
            let Ok(Some(account)) = till.on(bank).lookup::<Account>("account").await else {
                continue; // it is not a member any more
            };
            let deposited = account.deposit(1).await;
            if bank == "left" {
                confirmed += u64::from(deposited.is_ok());
            }
        }
    }

    let left = till.on("left").lookup::<Account>("account").await.expect("it is a member");
    let balance = left.expect("it has an account").deposit(0).await.expect("it answers");
    assert!(confirmed > 0 && balance >= confirmed, "{balance} of {confirmed}");
}
