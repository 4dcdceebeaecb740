#[path = "../parts/root.rs"]
mod root;

use odeon_macros::actor;

#[derive(Clone)]
struct Account;

#[actor(id = "bank/Account", crate = crate::root)]
impl Account {
    #[handler]
    async fn close(&mut self) {}
}

fn main() {}
