//! Two nodes in one program: a supervised actor on one, found by name, called, watched and survived from the other.
//!
//! Nodes in programs of their own differ in one thing: each reads its certificate, which `odeon ca issue` has made,
//! with `Identity::from_pem_files("a.pem", "a.key", "ca.pem")`.

use std::{error::Error, time::Duration};

use odeon::{
    Actor, ActorRef, AskError, Ca, ChildSpec, Context, ExitKind, Handler, Node, NodeBuilder,
    SpawnOptions, StartError, Supervisor, SupervisorSpec, Terminated, Validity, actor,
    env::{Env, RealEnv},
    message,
};
use tokio::sync::mpsc;

const DAY: Duration = Duration::from_secs(24 * 3600);
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Its reply is the balance.
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
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Deposit> for Account {
    async fn handle(&mut self, deposit: Deposit, _: &mut Context<Self>) -> u64 {
        assert!(deposit.cents > 0, "nothing to deposit");
        self.cents += deposit.cents;
        self.cents
    }
}

/// Watches an account, wherever it lives.
struct Auditor {
    report: mpsc::Sender<ExitKind>,
}

impl Actor for Auditor {
    type Args = (ActorRef<Account>, mpsc::Sender<ExitKind>);

    async fn start(
        (account, report): Self::Args,
        ctx: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        ctx.watch(&account);
        Ok(Self { report })
    }

    async fn terminated(&mut self, terminated: Terminated, _: &mut Context<Self>) {
        // Nobody listens any more when the program is about to end.
        let _ = self.report.send(terminated.reason.kind()).await;
    }
}

/// A node with a certificate of this authority, which other nodes may ask for accounts.
fn builder(ca: &Ca, name: &str) -> Result<NodeBuilder, Box<dyn Error>> {
    let identity = ca.issue(name, Validity::from(RealEnv.wall_clock(), DAY))?;
    Ok(Node::builder(name).identity(identity).actor::<Account>())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let ca = Ca::in_memory("shop")?;
    // The first node may be a cluster of its own; the other joins it at its address.
    let bank = builder(&ca, "bank")?.alone().start().await?;
    let till = builder(&ca, "till")?.seed(bank.addr().to_string()).start().await?;
    assert!(till.joined().await, "the till ended before it was part of the cluster");

    // An account on the bank, under a name, started again when it fails.
    let child = ChildSpec::new::<Account>("account", Account::default())
        .options(SpawnOptions::default().named("account"));
    let spec = SupervisorSpec::one_for_one().intensity(3, Duration::from_secs(10)).child(child);
    bank.spawn_with::<Supervisor>(spec).await?;

    // From the till it is found by its name, and used as if it were here.
    let found = till.on("bank").lookup::<Account>("account").await?;
    let account = found.ok_or("the bank has no account")?;
    assert_eq!(account.ask(Deposit { cents: 5 }).await?, 5);

    // Following the name outlives the account and its node.
    let mut name = till.on("bank").follow::<Account>("account").await?;
    assert_eq!(name.held().await.as_ref(), Some(&account));

    // A panic is answered at once. The supervisor starts the account anew, and the reference stays good.
    let failed = account.ask(Deposit { cents: 0 }).await;
    assert!(matches!(failed, Err(AskError::Panicked(_))), "{failed:?}");
    assert_eq!(account.ask(Deposit { cents: 7 }).await?, 7, "a new life starts from its args");

    // Whoever watches is told how it ended, also when its whole node is stopped.
    let (report, mut ends) = mpsc::channel(1);
    till.spawn_with::<Auditor>((account.clone(), report)).await?;
    assert_eq!(account.ask(Deposit { cents: 1 }).await?, 8);
    bank.stop(STOP_WITHIN).await;
    assert_eq!(ends.recv().await, Some(ExitKind::Shutdown));
    assert!(account.ask(Deposit { cents: 1 }).await.is_err());

    till.stop(STOP_WITHIN).await;
    Ok(())
}
