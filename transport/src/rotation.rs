//! Another identity for a node that runs.
//!
//! What it is: the change itself, [`Transport::rotate`], and what it means for connections that there are. New ones are
//! made with the new identity; those there are stay, unless their peer's certificate would not be accepted any more: it
//! was revoked, or its authority is trusted no longer. What it is NOT: watching files; that is the runtime's.
//!
//! A connection remembers which change its peer was accepted under, so one that was being made meanwhile is judged too.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use rustls::pki_types::CertificateDer;

use crate::{
    Identity, IdentityError, Transport,
    hub::Hub,
    tls::{Tls, Trust, unix_time},
};

/// The identity in use, and whom it trusts.
pub(crate) struct Standing {
    identity: RefCell<Identity>,
    trust: RefCell<Rc<Trust>>,
    changes: Cell<u64>,
}

impl Standing {
    pub(crate) fn new(identity: Identity, trust: Trust) -> Self {
        Self {
            identity: RefCell::new(identity),
            trust: RefCell::new(Rc::new(trust)),
            changes: Cell::new(0),
        }
    }

    /// How often the identity has changed.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Whether there is a list of revoked certificates.
    pub(crate) fn has_lists(&self) -> bool {
        self.trust.borrow().has_lists()
    }
}

impl Hub {
    /// Why the chain of a peer that was let in is not accepted any more.
    pub(crate) fn mistrusts(
        &self,
        chain: &[CertificateDer<'_>],
        dialled: bool,
    ) -> Option<rustls::Error> {
        let trust = Rc::clone(&self.standing.trust.borrow());
        trust.still(chain, dialled, unix_time(self.env.wall_clock())).err()
    }
}

impl Transport {
    /// The cluster that the node's certificate names.
    #[must_use]
    pub fn cluster(&self) -> String {
        self.hub.standing.identity.borrow().cluster().to_owned()
    }

    /// Takes another identity of the same node, without a restart: a renewed certificate, other authorities, or other
    /// lists of revoked certificates.
    ///
    /// Connections that there are stay, whoever began them, and their peers need not know. Those whose peer would not
    /// be accepted any more, because its certificate was revoked or its authority is trusted no longer, are closed at
    /// once; that a peer's certificate has run out meanwhile does not end its connection, but it makes no new one.
    ///
    /// # Errors
    /// When the new identity is another node's or peers would refuse it; then everything stays as it was. The
    /// certificate that is in use already is not refused for having run out or being revoked, so that its node heeds new
    /// lists all the same.
    pub fn rotate(&self, identity: Identity) -> Result<(), IdentityError> {
        let hub = &self.hub;
        let in_use = hub.standing.identity.borrow().clone();
        if in_use.names() != identity.names() {
            let say = |identity: &Identity| {
                format!("{} of cluster {}", identity.node_name(), identity.cluster())
            };
            return Err(IdentityError::OtherNode { node: say(&in_use), given: say(&identity) });
        }
        let tls = Tls::new(&identity, Some(&in_use), &hub.env, hub.shared.config.crypto)?;
        let standing = &hub.standing;
        *standing.trust.borrow_mut() = Rc::new(tls.trust.clone());
        standing.changes.set(standing.changes.get() + 1);
        if !hub.shared.is_closing() {
            hub.endpoint.rotate(&identity, tls, &hub.shared.config, &hub.env);
        }
        hub.shared.set_certificate_validity(identity.certificate_validity());
        *standing.identity.borrow_mut() = identity;
        hub.note("identity", &format_args!("change {}", standing.changes()));
        for association in hub.shared.all() {
            association.nudge();
        }
        Ok(())
    }
}

/// What a connection remembers of the certificate that its peer has shown.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) chain: Arc<[CertificateDer<'static>]>,
    /// Whether this side dialled.
    pub(crate) dialled: bool,
    /// The change of the identity that the peer was accepted under.
    pub(crate) accepted_under: u64,
}
