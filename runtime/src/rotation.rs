//! Other papers for a node that runs: by order, or because its files have changed.
//!
//! What it is: two tasks on the endpoint's thread. What it is NOT: the change itself, which is the transport's
//! ([`Transport::rotate`]). Orders come from [`Node::rotate`](crate::Node::rotate).

use std::{rc::Rc, time::Duration};

use odeon_transport::{Identity, IdentityError, Papers, PapersStamp, Transport};
use tokio::sync::{mpsc, oneshot};

/// Pause between two looks at the files of a node: asking the system about four files costs microseconds. A change is
/// taken when it is seen for the second time, so within two pauses.
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Why a running node did not take another identity.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RotateError {
    /// It cannot be used; the node goes on with the one before.
    #[error(transparent)]
    Refused(#[from] IdentityError),
    /// The node has ended.
    #[error("the node has ended: start it anew, with the new identity")]
    Ended,
}

/// An order to take another identity.
pub(crate) struct Rotation {
    pub(crate) identity: Identity,
    pub(crate) answer: oneshot::Sender<Result<(), IdentityError>>,
}

/// Does what is ordered, for as long as the node lives.
pub(crate) async fn obey(mut orders: mpsc::Receiver<Rotation>, transport: Rc<Transport>) {
    while let Some(Rotation { identity, answer }) = orders.recv().await {
        // Whoever ordered it may not wait any more.
        let _ = answer.send(transport.rotate(identity));
    }
    std::future::pending().await
}

/// Looks at the files again and again, and takes what is new in them. `taken` is how they were when they were read.
pub(crate) async fn watch(papers: Papers, mut taken: PapersStamp, transport: Rc<Transport>) {
    let mut seen = taken.clone();
    loop {
        tokio::time::sleep(LOOK_PAUSE).await;
        let now = papers.stamp();
        // Files that are still being written, or replaced one after the other, are left until they rest.
        let rests = now == seen;
        seen = now;
        if !rests || seen == taken {
            continue;
        }
        taken = seen.clone();
        match papers.read().and_then(|identity| transport.rotate(identity)) {
            Ok(()) => tracing::info!("took the new papers from their files"),
            Err(error) => {
                tracing::error!(
                    %error,
                    "the new papers cannot be used: the node goes on with those before; see runbook: certificate-expiring"
                );
            }
        }
    }
}
