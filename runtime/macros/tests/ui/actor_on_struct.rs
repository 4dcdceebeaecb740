#[path = "../parts/root.rs"]
mod root;

use odeon_macros::actor;

#[actor(id = "bank/Account", crate = crate::root)]
struct Account;

fn main() {}
