#[path = "../parts/root.rs"]
mod root;

use odeon_macros::actor;
use root::{Actor, Context, StartError};

struct Account;

#[actor(id = "bank/Account", crate = crate::root)]
impl Actor for Account {
    type Args = ();
    const ID: Option<&'static str> = Some("bank/Account");

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

fn main() {}
