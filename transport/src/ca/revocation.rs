//! Lists of revoked certificates, which an authority signs (RFC 5280, 5).
//!
//! Which certificates are revoked is remembered elsewhere, for `odeon ca` in the authority's folder; here the list is
//! made. Who reads it is `identity.rs`, who heeds it `tls.rs`.

use std::time::{Duration, SystemTime};

use rcgen::{
    CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber,
};

use super::{Ca, CaError, Serial};

/// A certificate that shall not be accepted any more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Revoked {
    /// Its number.
    pub serial: Serial,
    /// When it was revoked.
    pub at: SystemTime,
}

/// When a list says that the next one comes: ten years. Nodes do not look at it, because lists come by hand, and one
/// that is late must not stop a cluster.
const NEXT_LIST: Duration = Duration::from_secs(3650 * 86_400);

impl Ca {
    /// The list of all certificates that are revoked at `now`, signed, as PEM. `number` grows from list to list
    /// (RFC 5280, 5.2.3).
    ///
    /// A list takes the place of the one before: it names every revoked certificate that has not expired. It may be
    /// empty; a node with a list refuses certificates of authorities whose list it has not.
    ///
    /// # Errors
    /// When it cannot be signed.
    ///
    /// # Examples
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// # use odeon_transport as odeon;
    /// use odeon::{Ca, Revoked, Serial, Validity};
    ///
    /// let (ca, now) = (Ca::in_memory("shop")?, SystemTime::now());
    /// let validity = Validity::from(now, Duration::from_secs(3600));
    /// let stolen = Serial::of_pem(&ca.issue_pem("b", validity)?.cert)?;
    /// let list = ca.revocation_list_pem(1, now, &[Revoked { serial: stolen, at: now }])?;
    /// let a = ca.issue("a", validity)?.with_revoked_pem(&list)?; // for `Node::rotate`, or `NodeBuilder::identity`
    /// # let _ = a;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn revocation_list_pem(
        &self,
        number: u64,
        now: SystemTime,
        revoked: &[Revoked],
    ) -> Result<String, CaError> {
        let make = |cause| CaError::Make { subject: "the revocation list".to_owned(), cause };
        let revoked_certs = revoked.iter().map(|revoked| RevokedCertParams {
            serial_number: SerialNumber::from_slice(revoked.serial.bytes()),
            revocation_time: revoked.at.into(),
            reason_code: Some(RevocationReason::Unspecified),
            invalidity_date: None,
        });
        let params = CertificateRevocationListParams {
            this_update: now.into(),
            next_update: (now + NEXT_LIST).into(),
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked_certs.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).and_then(|list| list.pem()).map_err(make)
    }
}
