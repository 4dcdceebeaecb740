//! The follower: hears from another node's registrar who has a name.
//!
//! One lives for each subscription to a remote name, made by `remote_node.rs`; it only passes on what it hears.

use odeon_actor::{Actor, Context, Handler, StartError};
use odeon_macros::actor;
use odeon_message::Address;
use tokio::sync::watch;

use crate::registrar::NameIs;

/// Hears the holders of one name.
pub(crate) struct Follower {
    holder: watch::Sender<Option<Address>>,
}

#[actor(id = "odeon/Follower", handles(NameIs))]
impl Actor for Follower {
    type Args = watch::Sender<Option<Address>>;

    async fn start(holder: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { holder })
    }
}

impl Handler<NameIs> for Follower {
    async fn handle(&mut self, name: NameIs, _: &mut Context<Self>) {
        set(&self.holder, name.holder);
    }
}

/// Notes a holder; readers wake only if it is another than before.
pub(crate) fn set(to: &watch::Sender<Option<Address>>, holder: Option<Address>) {
    to.send_if_modified(|known| {
        let changed = *known != holder;
        *known = holder;
        changed
    });
}
