#[path = "../parts/root.rs"]
mod root;

use odeon_macros::actor;
use root::{Actor, Context, StartError};

struct Account;

#[actor]
impl Actor for Account {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

fn main() {}
