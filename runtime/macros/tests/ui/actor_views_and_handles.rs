#[path = "../parts/root.rs"]
mod root;

use odeon_macros::actor;
use odeon_message::message;
use root::{Actor, Context, Handler, StartError, View, ViewHandler};

#[message(id = "bank/Deposit", crate = odeon_message)]
struct Deposit {
    cents: u64,
}

struct Account;

#[actor(id = "bank/Account", handles(Deposit), views(Deposit), crate = crate::root)]
impl Actor for Account {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

impl Handler<Deposit> for Account {
    async fn handle(&mut self, _: Deposit, _: &mut Context<Self>) {}
}

impl ViewHandler<Deposit> for Account {
    async fn view(&mut self, _: View<Deposit>, _: &mut Context<Self>) {}
}

fn main() {}
