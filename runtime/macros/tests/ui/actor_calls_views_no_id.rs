#[path = "../parts/root.rs"]
mod root;

use odeon_macros::actor;

#[derive(Clone)]
struct Account;

#[actor(views(Deposit), crate = crate::root)]
impl Account {
    #[handler(local)]
    fn peek(&mut self) {}
}

fn main() {}
