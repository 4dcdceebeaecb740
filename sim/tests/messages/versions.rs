//! Nodes of two versions of one program in one cluster: the new one takes messages in the layout of the old one.

use std::time::Duration;

use odeon::{Actor, ActorRef, AskError, Certainty, Layouts, Node, NodeBuilder};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);

/// The version before: a deposit is whole cents.
mod old {
    use odeon::{Actor, Context, Handler, StartError, actor, message};

    #[message(id = "versions/Deposit", reply = u64)]
    pub(super) struct Deposit {
        pub(super) cents: u32,
    }

    #[derive(Clone, Default)]
    pub(super) struct Account {
        cents: u64,
    }

    #[actor(id = "versions/Account", handles(Deposit))]
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
}

/// The version after: larger deposits, with a note.
mod new {
    use odeon::{Actor, Context, Handler, StartError, actor, message};

    use super::old;

    #[message(id = "versions/Deposit", reply = u64, accepts(old::Deposit))]
    pub(super) struct Deposit {
        pub(super) cents: u64,
        pub(super) note: String,
    }

    impl From<old::Deposit> for Deposit {
        fn from(old: old::Deposit) -> Self {
            Self { cents: old.cents.into(), note: "an old teller's".to_owned() }
        }
    }

    #[message(id = "versions/Notes", reply = Vec<String>)]
    pub(super) struct Notes;

    #[derive(Clone, Default)]
    pub(super) struct Account {
        cents: u64,
        notes: Vec<String>,
    }

    #[actor(id = "versions/Account", handles(Deposit, Notes))]
    impl Actor for Account {
        type Args = Self;

        async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
            Ok(args)
        }
    }

    impl Handler<Deposit> for Account {
        async fn handle(&mut self, deposit: Deposit, ctx: &mut Context<Self>) -> u64 {
            let Deposit { cents, note } = deposit;
            self.cents += cents;
            self.notes.push(note);
            // Who answers later answers an old node too.
            let cents = self.cents;
            ctx.defer::<Deposit>(|later| later.reply(cents)).await
        }
    }

    impl Handler<Notes> for Account {
        async fn handle(&mut self, _: Notes, _: &mut Context<Self>) -> Vec<String> {
            self.notes.clone()
        }
    }
}

async fn serve<A: Actor<Args = A> + Default>(node: Node) {
    let account = node.spawn(A::default()).await.expect("it starts");
    node.register("account", &account).expect("the name is free");
}

/// A cluster of a new node and an old one.
async fn cluster(world: &mut World) -> [Node; 2] {
    world.start_member("new", NodeBuilder::actor::<new::Account>, serve::<new::Account>);
    world.start_member("old", NodeBuilder::actor::<old::Account>, serve::<old::Account>);
    world.all_joined(&["new", "old"], 10 * SECOND).await.expect("they find each other");
    ["new", "old"].map(|name| world.runtime_node(name).expect("it is up"))
}

async fn account<A: Actor>(from: &Node, at: &str) -> ActorRef<A> {
    let found = from.on(at).lookup::<A>("account").await.expect("it answers");
    found.expect("it is registered")
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_new_node_takes_what_an_old_one_sends(world: &mut World) {
    let [new, old] = cluster(world).await;
    let from_old = account::<old::Account>(&old, "new").await;
    from_old.tell(old::Deposit { cents: 3 }).await.expect("it is taken");
    assert_eq!(from_old.ask(old::Deposit { cents: 4 }).await.expect("it is answered"), 7);
    let here = account::<new::Account>(&new, "new").await;
    let deposit = || new::Deposit { cents: 1 << 40, note: "a new one's".to_owned() };
    assert_eq!(here.ask(deposit()).await.expect("it is answered"), (1 << 40) + 7);
    let notes = here.ask(new::Notes).await.expect("it is answered");
    assert_eq!(notes, ["an old teller's", "an old teller's", "a new one's"]);
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn an_old_node_is_not_sent_what_it_cannot_read(world: &mut World) {
    let [new, old] = cluster(world).await;
    let from_new = account::<new::Account>(&new, "old").await;
    let deposit = new::Deposit { cents: 1, note: String::new() };
    let error = from_new.ask(deposit).await.expect_err("it has another layout there");
    assert!(matches!(error, AskError::Incompatible(_)), "{error}");
    assert_eq!(error.certainty(), Certainty::NotDelivered);
    let text = error.to_string();
    assert!(text.contains("versions/Deposit") && text.contains("layout"), "{text}");
    // Both are what the nodes say of themselves.
    let present = |node: &Node| {
        let mut accepted = node.accepted().into_iter();
        let found = accepted.find(|one| one.name == "versions/Deposit" && !one.former);
        found.expect("it is declared").fingerprint
    };
    let layouts = Layouts { ours: present(&new), theirs: present(&old) };
    assert_ne!(layouts.ours, layouts.theirs);
    assert_eq!(error.layouts(), Some(layouts));
    let deposit = new::Deposit { cents: 1, note: String::new() };
    let told = from_new.tell(deposit).await.expect_err("it has another layout there");
    assert_eq!(told.failure.layouts.as_deref(), Some(&layouts));
    assert!(told.message.is_some(), "it comes back");
    let there = account::<old::Account>(&old, "old").await;
    assert_eq!(there.ask(old::Deposit { cents: 5 }).await.expect("it is answered"), 5);
}
