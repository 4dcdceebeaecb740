#[path = "../parts/root.rs"]
mod root;

use odeon_macros::actor;

#[derive(Clone)]
struct Account;

#[actor(crate = crate::root)]
impl Account {
    #[handler("bank/Close")]
    async fn close(&mut self) {}
}

fn main() {}
