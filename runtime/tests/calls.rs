//! `#[actor]` on an actor's own impl: calls on references and groups, on this node and from another.

use std::time::Duration;

use odeon::{
    ActorRef, AskError, Ca, Context, ExitReason, Group, Node, StartError, Validity, actor, data,
    env::{Env, RealEnv},
};
use tokio::sync::mpsc;

/// Not enough money.
#[data]
#[derive(PartialEq, Eq, Debug)]
pub struct Refused {
    /// How much there is.
    pub cents: u64,
}

/// Keeps an amount of money.
#[derive(Clone, Default)]
pub struct Account {
    cents: u64,
}

#[actor(id = "calls/Account")]
impl Account {
    /// Adds to the balance.
    #[handler("calls/Deposit")]
    pub async fn deposit(&mut self, cents: u64) -> u64 {
        self.cents += cents;
        self.cents
    }

    /// Takes from the balance.
    #[handler("calls/Withdraw", message = Withdraw)]
    pub async fn withdraw(&mut self, cents: u64) -> Result<u64, Refused> {
        self.cents = self.cents.checked_sub(cents).ok_or(Refused { cents: self.cents })?;
        Ok(self.cents)
    }

    /// Who it is, on its own node.
    #[handler(local)]
    pub fn me(&mut self, ctx: &mut Context<Self>) -> ActorRef<Account> {
        ctx.self_ref()
    }

    /// Gives everything to another account.
    #[handler("calls/Empty")]
    pub async fn empty_into(&mut self, to: ActorRef<Account>) -> Result<u64, String> {
        let all = std::mem::take(&mut self.cents);
        to.deposit(all).await.map_err(|error| error.to_string())
    }
}

/// Starts from something else, and says when it ends.
struct Diary {
    name: String,
    pages: mpsc::Sender<String>,
}

#[actor]
impl Diary {
    #[start]
    async fn open(name: String, pages: mpsc::Sender<String>) -> Result<Self, StartError> {
        if name.is_empty() {
            return Err(StartError::new("a diary has a name"));
        }
        Ok(Self { name, pages })
    }

    #[handler(local)]
    async fn write(&mut self, page: String) {
        self.pages.send(format!("{}: {page}", self.name)).await.expect("the test reads");
    }

    #[stopped]
    async fn close(&mut self, reason: &ExitReason) {
        self.pages.send(format!("{} {reason}", self.name)).await.expect("the test reads");
    }
}

#[odeon::test]
async fn methods_are_called_on_references_and_groups(node: Node) {
    let account = node.spawn(Account::default()).await.expect("it starts");
    assert_eq!(account.deposit(5).await.expect("it answers"), 5);
    let withdrawn = account.withdraw(6).within(Duration::from_secs(1)).await;
    assert_eq!(withdrawn, Err(AskError::Handler(Refused { cents: 5 })));
    assert_eq!(account.me().await.expect("it answers"), account);
    account.tell(Withdraw { cents: 2 }).await.expect("there is room");
    let group: Group<Account> = node.system().group("accounts").expect("there is room");
    group.join(&account).expect("it lives");
    assert_eq!(group.round_robin().deposit(1).await.expect("it answers"), 4);
}

#[odeon::test]
async fn what_an_actor_starts_from_is_what_its_start_takes(node: Node) {
    let (sender, mut pages) = mpsc::channel(4);
    let diary = node.spawn_with::<Diary>(("mine".to_owned(), sender.clone())).await;
    let diary = diary.expect("it starts");
    diary.write("dear".to_owned()).await.expect("it answers");
    assert_eq!(pages.recv().await.as_deref(), Some("mine: dear"));
    diary.stop();
    assert_eq!(pages.recv().await.as_deref(), Some("mine stopped"));
    let refused = node.spawn_with::<Diary>((String::new(), sender)).await;
    assert!(refused.expect_err("it has no name").to_string().contains("has a name"));
}

#[odeon::main]
async fn between_nodes() {
    let ca = Ca::in_memory("calls").expect("the name is good");
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(24 * 3600));
    let builder = |name: &str| {
        let identity = ca.issue(name, validity).expect("the name is good");
        Node::builder(name).identity(identity).actor::<Account>()
    };
    let a = builder("a").alone().start().await.expect("a starts");
    let b = builder("b").seed(a.addr().to_string()).start().await.expect("b starts");
    assert!(b.joined().await);
    let here = b.spawn(Account { cents: 7 }).await.expect("it starts");
    let there = a.spawn(Account::default()).await.expect("it starts");
    a.register("bank", &there).expect("the name is free");
    let bank = b.on("a").lookup::<Account>("bank").await.expect("a answers").expect("it is there");
    assert_eq!(here.empty_into(bank.clone()).await.expect("it answers"), 7);
    assert_eq!(bank.withdraw(8).await, Err(AskError::Handler(Refused { cents: 7 })));
    assert!(bank.me().await.is_err(), "a local message does not travel");
    a.stop(Duration::from_secs(5)).await;
    b.stop(Duration::from_secs(5)).await;
}

#[test]
fn methods_are_called_on_actors_of_other_nodes() {
    between_nodes();
}
