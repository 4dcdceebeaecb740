//! The layouts of all messages that nodes send each other by themselves, and of one that an application could have: they
//! are what `fingerprints.txt` says, or nodes of two releases refuse each other's messages.

use odeon::{Actor, Context, Handler, Node, StartError, actor, data, message};

#[data]
struct Memo {
    text: String,
    lines: Vec<(u32, Option<String>)>,
}

#[message(id = "golden/Withdraw", reply = u64)]
struct Withdraw {
    cents: u64,
}

/// As it was before.
mod before {
    #[odeon::message(id = "golden/Deposit", reply = u64)]
    pub(crate) struct Deposit {
        pub(crate) cents: u32,
    }
}

#[message(id = "golden/Deposit", reply = u64, accepts(before::Deposit))]
struct Deposit {
    cents: u64,
    memo: Memo,
}

impl From<before::Deposit> for Deposit {
    fn from(before: before::Deposit) -> Self {
        let memo = Memo { text: String::new(), lines: Vec::new() };
        Self { cents: before.cents.into(), memo }
    }
}

#[derive(Clone, Default)]
struct Account {
    cents: u64,
}

#[actor(id = "golden/Account", handles(Deposit, Withdraw))]
impl Actor for Account {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Deposit> for Account {
    async fn handle(&mut self, deposit: Deposit, _: &mut Context<Self>) -> u64 {
        self.cents += deposit.cents + deposit.memo.lines.len() as u64;
        self.cents
    }
}

impl Handler<Withdraw> for Account {
    async fn handle(&mut self, withdraw: Withdraw, _: &mut Context<Self>) -> u64 {
        self.cents -= withdraw.cents;
        self.cents
    }
}

#[tokio::test]
async fn layouts_are_those_of_the_golden_file() {
    let node = Node::builder("a").alone().actor::<Account>().start().await.expect("it starts");
    let line = |one: odeon::Accepted| {
        let former = if one.former { " former" } else { "" };
        format!("{} {}{former}\n", one.name, one.fingerprint)
    };
    let mut lines: Vec<String> = node.accepted().into_iter().map(line).collect();
    lines.sort_unstable();
    let (now, golden) = (lines.concat(), include_str!("fingerprints.txt"));
    assert!(
        now == golden,
        "layouts have changed, and nodes of the release before refuse what has: keep the former one with accepts(…), or \
         give the message another id; then the file is\n{now}"
    );
    node.stop(std::time::Duration::from_secs(2)).await;
}
