#[path = "../parts/root.rs"]
mod root;

use odeon_macros::actor;
use odeon_message::message;
use root::{Actor, Context, StartError};

#[message(id = "bank/Deposit", crate = odeon_message)]
struct Deposit {
    cents: u64,
}

struct Account;

#[actor(id = "bank/Account", handles(Deposit), crate = crate::root)]
impl Actor for Account {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

fn main() {}
