//! The program after a message has changed: nodes of the version before may still send it as it was.
//!
//! A message that changes keeps its id. The layout of before stays in the program as a message of that id; the new one
//! names it in `accepts(…)` and is made from it. So nodes are upgraded one by one: new ones understand old ones. What a
//! new one sends to an old one is refused there, before it is delivered, until that node is upgraded too.
//!
//! `version_after FOLDER` is the first node of a cluster, with `after.pem`, `after.key` and `ca.pem` of the folder. It
//! prints where it listens, and serves until its standard input ends.

#![expect(clippy::print_stdout, reason = "what it says is read by who started it")]

use std::{env::args, error::Error, path::Path};

use odeon::{Actor, Context, Handler, Identity, Node, NodeBuilder, StartError, actor, message};
use odeon_examples::{end_of_input, stop};

/// As it was: cents in 32 bits.
#[message(id = "bank/Deposit", reply = u64)]
struct DepositV1 {
    cents: u32,
}

/// Its reply is the balance.
#[message(id = "bank/Deposit", reply = u64, accepts(DepositV1))]
struct Deposit {
    cents: u64,
    purpose: String,
}

impl From<DepositV1> for Deposit {
    fn from(old: DepositV1) -> Self {
        Self { cents: old.cents.into(), purpose: "unknown".to_owned() }
    }
}

#[derive(Clone, Default)]
struct Account {
    cents: u64,
}

#[actor(id = "bank/Account", handles(Deposit))]
impl Actor for Account {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Deposit> for Account {
    async fn handle(&mut self, deposit: Deposit, _: &mut Context<Self>) -> u64 {
        println!("deposit of {} for {}", deposit.cents, deposit.purpose);
        self.cents += deposit.cents;
        self.cents
    }
}

#[odeon::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = args().nth(1).ok_or("one argument: the folder of the certificates")?;
    let file = |name| Path::new(&folder).join(name);
    let identity =
        Identity::from_pem_files(&file("after.pem"), &file("after.key"), &file("ca.pem"))?;
    let builder = Node::builder("after").identity(identity).alone();
    let node = NodeBuilder::actor::<Account>(builder).start().await?;
    node.register("account", &node.spawn(Account::default()).await?)?;
    println!("listening on {}", node.addr());

    let mut there = node.on("before").follow::<Account>("account").await?;
    let account = there.held().await.ok_or("the other node has no account")?;
    let deposit = Deposit { cents: 1 << 40, purpose: "a house".to_owned() };
    match account.ask(deposit).await {
        Ok(balance) => println!("balance {balance}"),
        Err(error) => println!("{:?}: {error}", error.certainty()),
    }
    end_of_input().await;
    stop(vec![node]).await;
    Ok(())
}
