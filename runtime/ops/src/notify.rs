//! What the program tells systemd, where that has started it (sd_notify(3)): `Type=notify` in its unit.
//!
//! Ready is what `/readyz` calls so: the node has joined and its actors are started. Where nobody listens nothing is said.

use sd_notify::NotifyState;

/// It waits for its cluster, or starts its actors.
pub(crate) fn waiting() {
    say(&[NotifyState::Status("joining")]);
}

/// It takes work now.
pub(crate) fn ready() {
    say(&[NotifyState::Ready, NotifyState::Status("up")]);
}

/// It leaves, and takes no new work.
pub(crate) fn leaving() {
    say(&[NotifyState::Stopping, NotifyState::Status("leaving")]);
}

fn say(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "whoever started this program cannot be told how it is");
    }
}
