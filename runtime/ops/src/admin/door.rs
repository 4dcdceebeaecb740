//! Who the node is towards operators, and who is one.
//!
//! What it is: the node's papers as its files have them at this moment, for each new connection and for each request of an
//! old one. What it is NOT: a socket; read `admin/callers.rs` for those who have come.

use std::{cell::RefCell, sync::Arc};

use odeon::{AdminTls, IdentityError, Papers, PapersStamp, env::Env};

use crate::{config::PapersSection, failure::Failed};

/// Who the node is towards operators, from its files as they are now.
pub(crate) struct Door {
    papers: Papers,
    env: Arc<dyn Env>,
    now: RefCell<(PapersStamp, AdminTls)>,
    /// The files as they were when the log said that they cannot be used: not said again for each who comes.
    said: RefCell<Option<PapersStamp>>,
}

impl Door {
    /// The door of a node with these papers.
    pub(crate) fn new(papers: &PapersSection, env: Arc<dyn Env>) -> Result<Self, Failed> {
        let (Some(cert), Some(key), Some(ca)) = (&papers.cert, &papers.key, &papers.ca_cert) else {
            return Err(Failed::input(
                "admin.listen is of no use without papers: operators are known by the node's authority; give --cert, \
                 --key and --ca-cert, or leave --admin-listen out",
            ));
        };
        let all = Papers::new(cert, key, ca);
        let papers = match papers.crl.clone() {
            Some(list) => all.revoked(list),
            None => all,
        };
        let now = read(&papers, &env).map_err(Failed::input)?;
        Ok(Self { papers, env, now: RefCell::new(now), said: RefCell::default() })
    }

    /// What holds now.
    pub(super) fn tls(&self) -> AdminTls {
        let stamp = self.papers.stamp();
        let mut now = self.now.borrow_mut();
        if now.0 != stamp {
            match read(&self.papers, &self.env) {
                Ok(fresh) => *now = fresh,
                // Perhaps they are being written: the next connection looks again.
                Err(error) => {
                    if self.said.replace(Some(stamp.clone())) != Some(stamp) {
                        tracing::warn!(%error, "the admin port goes on with the papers that it had");
                    }
                }
            }
        }
        now.1.clone()
    }
}

fn read(papers: &Papers, env: &Arc<dyn Env>) -> Result<(PapersStamp, AdminTls), IdentityError> {
    let stamp = papers.stamp();
    Ok((stamp, AdminTls::new(&papers.read()?, env)?))
}
