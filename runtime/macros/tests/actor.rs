//! What `#[actor]` writes into the impl it stands on.

#[path = "parts/root.rs"]
mod root;

use odeon_macros::actor;
use odeon_message::message;
use root::{Accepts, Actor, Context, Handler, StartError};

#[message(id = "bank/Deposit", crate = odeon_message)]
struct Deposit;

#[message(id = "bank/Close", crate = odeon_message)]
struct Close;

#[message(id = "bank/Hidden", crate = odeon_message)]
struct Hidden;

struct Account;

#[actor(handles(Deposit, self::Close,), id = "bank/Account", crate = crate::root)]
impl Actor for Account {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

macro_rules! handlers {
    ($($message:ty),*) => { $(
        impl Handler<$message> for Account {
            async fn handle(&mut self, _: $message, _: &mut Context<Self>) {}
        }
    )* };
}

handlers!(Deposit, Close, Hidden);

struct Alone;

#[actor(id = "bank/Alone", crate = crate::root)]
impl Actor for Alone {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

fn accepted<A: Actor>() -> Vec<&'static str> {
    let mut table = Accepts::<A>::new();
    A::accept(&mut table);
    table.names
}

#[test]
fn an_actor_accepts_what_is_listed_and_nothing_else() {
    assert_eq!(Account::ID, Some("bank/Account"));
    assert_eq!(accepted::<Account>(), ["bank/Deposit", "bank/Close"]);
}

#[test]
fn an_actor_without_a_list_accepts_nothing() {
    assert_eq!(Alone::ID, Some("bank/Alone"));
    assert!(accepted::<Alone>().is_empty());
}
