#[path = "../parts/root.rs"]
mod root;

use odeon_macros::actor;

struct Account;

#[actor(id = "bank/Account", crate = crate::root)]
impl Account {}

fn main() {}
