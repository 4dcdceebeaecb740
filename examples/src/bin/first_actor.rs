//! A first actor: an account that takes deposits and answers with its balance.
//!
//! What it shows: a message, an actor, its handler, a node, `tell` and `ask`. What it does NOT need: a second node. The
//! same reference would reach the account from another machine.

use std::{error::Error, time::Duration};

use odeon::{Actor, Context, Handler, Node, StartError, actor, message};

#[message(id = "bank/Deposit", reply = u64)]
struct Deposit {
    cents: u64,
}

#[derive(Clone, Default)]
struct Account {
    cents: u64,
}

#[actor(id = "bank/Account", handles(Deposit))]
impl Actor for Account {
    type Args = Self; // kept by the supervisor: a restart starts from it

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Deposit> for Account {
    async fn handle(&mut self, deposit: Deposit, _: &mut Context<Self>) -> u64 {
        self.cents += deposit.cents;
        self.cents
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = Node::builder("a").alone().actor::<Account>().start().await?;
    let account = node.spawn(Account::default()).await?;

    account.tell(Deposit { cents: 5 }).await?;
    let balance = account.ask(Deposit { cents: 1 }).await?;
    assert_eq!(balance, 6);

    node.stop(Duration::from_secs(5)).await;
    Ok(())
}
