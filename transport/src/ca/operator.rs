//! Certificates of operators: whoever steers nodes and is none.
//!
//! They name `<operator>.<cluster>.operator.odeon` and nothing else, and are good for clients alone, so that no node takes
//! one for a node's. Who reads them is `operator.rs`.

use rcgen::{
    Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};

use super::{Ca, CaError, Holder, PemPair, Validity, serial_number};
use crate::name::{operator_dns, operator_name};

impl Ca {
    /// A certificate and a fresh key for an operator, by which the admin interfaces of all nodes of the cluster let them
    /// in. It is revoked like a node's.
    ///
    /// # Errors
    /// When the name cannot be in a certificate; it is made like a node's.
    pub fn issue_operator_pem(
        &self,
        operator: &str,
        validity: Validity,
    ) -> Result<PemPair, CaError> {
        let name = operator_name(operator)?;
        let make = |cause| CaError::Make { subject: format!("operator {name}"), cause };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        let cert = self.certify_operator(operator, &key, validity)?;
        Ok(PemPair { cert: cert.pem(), key: key.serialize_pem() })
    }

    /// Another certificate, as PEM, for the key that an operator has already, as [`renew_pem`](Self::renew_pem) makes one
    /// for a node.
    ///
    /// # Errors
    /// When the text holds no certificate, or one of somebody else, or one whose key is of a kind unknown here.
    pub fn renew_operator_pem(
        &self,
        operator: &str,
        cert: &str,
        validity: Validity,
    ) -> Result<String, CaError> {
        let holder = Holder::Operator(operator.chars().take(80).collect());
        let public = self.public_key(cert, &holder)?;
        Ok(self.certify_operator(operator, &public, validity)?.pem())
    }

    /// A certificate of this operator for this key.
    fn certify_operator(
        &self,
        operator: &str,
        key: &impl PublicKeyData,
        validity: Validity,
    ) -> Result<Certificate, CaError> {
        let operator = operator_name(operator)?;
        let make = |cause| CaError::Make { subject: format!("operator {operator}"), cause };
        let names = vec![operator_dns(&self.cluster, &operator)];
        let mut params = CertificateParams::new(names).map_err(make)?;
        params.serial_number = Some(serial_number(key, validity));
        params.not_before = validity.not_before.into();
        params.not_after = validity.not_after.into();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("operator {operator}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.signed_by(key, &self.issuer).map_err(make)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::Serial;

    fn validity(hours: u64) -> Validity {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
        Validity::from(now, Duration::from_secs(hours * 3600))
    }

    #[test]
    fn an_operators_certificate_is_renewed_for_its_key() {
        let ca = Ca::in_memory("shop").unwrap();
        let old = ca.issue_operator_pem("alice", validity(1)).unwrap();
        let renewed = ca.renew_operator_pem("alice", &old.cert, validity(2)).unwrap();
        let operator = Some(Holder::Operator("alice".to_owned()));
        assert_eq!(ca.holder_of_pem(&renewed).unwrap(), operator);
        assert_ne!(Serial::of_pem(&renewed).unwrap(), Serial::of_pem(&old.cert).unwrap());
        let key = |cert: &str| ca.public_key(cert, operator.as_ref().unwrap()).unwrap();
        assert_eq!(key(&renewed).der_bytes(), key(&old.cert).der_bytes());
        let node = ca.issue_pem("alice", validity(1)).unwrap().cert;
        let error = ca.renew_operator_pem("alice", &node, validity(1)).unwrap_err().to_string();
        assert!(error.contains("no operator alice of cluster shop"), "{error}");
    }
}
