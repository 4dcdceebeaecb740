//! Whose a certificate is: a node's or an operator's.
//!
//! What it is NOT: a check of who has signed it; only its names are read.

use std::fmt;

use webpki::EndEntityCert;

use super::{Ca, CaError, pem_certificate};
use crate::{identity::certificate_names, name::read_operator};

/// Whose a certificate is, by the names that it carries.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Holder {
    /// The node of this name.
    Node(String),
    /// The operator of this name.
    Operator(String),
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node {name}"),
            Self::Operator(name) => write!(f, "operator {name}"),
        }
    }
}

impl Ca {
    /// Whose the first certificate of a PEM text is; `None` where it names nobody of this cluster. Who has signed it is not
    /// looked at.
    ///
    /// # Errors
    /// When the text holds no certificate.
    pub fn holder_of_pem(&self, cert: &str) -> Result<Option<Holder>, CaError> {
        let cert = pem_certificate(cert)?;
        if let Some((cluster, node)) = certificate_names(&cert) {
            return Ok((cluster == self.cluster).then(|| Holder::Node(node.to_string())));
        }
        let Ok(parsed) = EndEntityCert::try_from(&cert) else { return Ok(None) };
        let operator = read_operator(parsed.valid_dns_names());
        let operator = operator.filter(|(cluster, _)| *cluster == self.cluster);
        Ok(operator.map(|(_, name)| Holder::Operator(name.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::Validity;

    fn validity(hours: u64) -> Validity {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Validity::from(now, Duration::from_secs(hours * 3600))
    }

    #[test]
    fn a_certificate_is_a_nodes_an_operators_or_nobodys_of_this_cluster() {
        let validity = validity(1);
        let (shop, other) = (Ca::in_memory("shop").unwrap(), Ca::in_memory("other").unwrap());
        let node = shop.issue_pem("alice", validity).unwrap().cert;
        let operator = shop.issue_operator_pem("alice", validity).unwrap().cert;
        let of = |ca: &Ca, cert: &str| ca.holder_of_pem(cert).unwrap();
        assert_eq!(of(&shop, &node), Some(Holder::Node("alice".to_owned())));
        assert_eq!(of(&shop, &operator), Some(Holder::Operator("alice".to_owned())));
        assert_eq!([of(&other, &node), of(&other, &operator)], [None, None]);
        assert_eq!(of(&shop, &shop.to_pem().cert), None);
        let error = shop.holder_of_pem("no certificate").unwrap_err().to_string();
        assert!(error.contains("BEGIN CERTIFICATE"), "{error}");
    }
}
