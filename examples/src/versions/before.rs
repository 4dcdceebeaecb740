//! The program as it was before a message changed; `after.rs` beside it is the same program afterwards.
//!
//! `version_before FOLDER SEED` joins the cluster of the other one, with `before.pem`, `before.key` and `ca.pem` of the
//! folder, deposits there, and serves until its standard input ends. `tests/versions.rs` runs both.

#![expect(clippy::print_stdout, reason = "what it says is read by who started it")]

use std::{env::args, error::Error, path::Path};

use odeon::{Actor, Context, Handler, Identity, Node, NodeBuilder, StartError, actor, message};
use odeon_examples::{end_of_input, stop};

/// Its reply is the balance.
#[message(id = "bank/Deposit", reply = u64)]
struct Deposit {
    cents: u32,
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
        self.cents += u64::from(deposit.cents);
        self.cents
    }
}

#[odeon::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let (Some(folder), Some(seed)) = (args().nth(1), args().nth(2)) else {
        return Err("two arguments: the folder of the certificates, and a seed".into());
    };
    let file = |name| Path::new(&folder).join(name);
    let identity =
        Identity::from_pem_files(&file("before.pem"), &file("before.key"), &file("ca.pem"))?;
    let builder = Node::builder("before").identity(identity).seed(seed);
    let node = NodeBuilder::actor::<Account>(builder).start().await?;
    node.register("account", &node.spawn(Account::default()).await?)?;

    let mut there = node.on("after").follow::<Account>("account").await?;
    let account = there.held().await.ok_or("the other node has no account")?;
    println!("balance {}", account.ask(Deposit { cents: 3 }).await?);
    println!("balance {}", account.ask(Deposit { cents: 4 }).await?);
    end_of_input().await;
    stop(vec![node]).await;
    Ok(())
}
