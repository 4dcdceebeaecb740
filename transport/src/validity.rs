//! Until when a node's certificate is good, and its authority's.
//!
//! What it is: the two spans, read from the certificates of an identity. What it is NOT: a check; peers and `tls.rs` do that.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use x509_parser::{certificate::X509Certificate, parse_x509_certificate};

use crate::{Identity, Validity};

/// Between which times a node's certificate and its authority's are good.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CertificateValidity {
    /// The node's own; where its chain has several certificates, while all of them are good.
    pub node: Validity,
    /// The authority's that has issued it; of several of its name the one that is good for longest.
    pub authority: Validity,
}

impl Identity {
    /// Between which times its certificates are good; `None` if they cannot be read, or name an authority that is not
    /// among those given.
    #[must_use]
    pub fn certificate_validity(&self) -> Option<CertificateValidity> {
        let chain = parsed(self.chain())?;
        let authorities = parsed(self.authorities())?;
        let node = chain.iter().map(span).reduce(|one, other| Validity {
            not_before: one.not_before.max(other.not_before),
            not_after: one.not_after.min(other.not_after),
        })?;
        let issuer = chain.last()?.issuer();
        let issuers = authorities.iter().filter(|authority| authority.subject() == issuer);
        let authority = issuers.map(span).max_by_key(|span| span.not_after)?;
        Some(CertificateValidity { node, authority })
    }
}

fn parsed<'a>(certificates: &'a [CertificateDer<'_>]) -> Option<Vec<X509Certificate<'a>>> {
    let parse = |one: &'a CertificateDer<'_>| parse_x509_certificate(one).ok().map(|(_, it)| it);
    certificates.iter().map(parse).collect()
}

fn span(certificate: &X509Certificate<'_>) -> Validity {
    let time = |seconds: i64| {
        let since = Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
        SystemTime::UNIX_EPOCH + since
    };
    let validity = certificate.validity();
    Validity {
        not_before: time(validity.not_before.timestamp()),
        not_after: time(validity.not_after.timestamp()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Ca;

    fn from(second: u64, lasts: u64) -> Validity {
        Validity {
            not_before: SystemTime::UNIX_EPOCH + Duration::from_secs(second),
            not_after: SystemTime::UNIX_EPOCH + Duration::from_secs(second + lasts),
        }
    }

    #[test]
    fn a_certificate_says_how_long_it_and_its_authority_are_good() {
        let ca = Ca::new("shop", from(1_900_000_000, 1_000_000)).unwrap();
        let identity = ca.issue("a", from(1_900_000_100, 5_000)).unwrap();
        let validity = identity.certificate_validity().unwrap();
        assert_eq!(validity.node, from(1_900_000_100, 5_000));
        assert_eq!(validity.authority, from(1_900_000_000, 1_000_000));
    }
}
