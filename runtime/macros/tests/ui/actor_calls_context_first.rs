#[path = "../parts/root.rs"]
mod root;

use odeon_macros::actor;

#[derive(Clone)]
struct Account;

#[actor(id = "bank/Account", crate = crate::root)]
impl Account {
    #[handler("bank/Close")]
    async fn close(&mut self, _: &mut root::Context<Self>, cents: u64) {
        let _ = cents;
    }
}

fn main() {}
