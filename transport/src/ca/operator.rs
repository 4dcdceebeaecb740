//! Certificates of operators: whoever steers nodes and is none.
//!
//! They name `<operator>.<cluster>.operator.odeon` and nothing else, and are good for clients alone, so that no node takes
//! one for a node's. Who reads them is `operator.rs`.

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};

use super::{Ca, CaError, PemPair, Validity, serial_number};
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
        let operator = operator_name(operator)?;
        let make = |cause| CaError::Make { subject: format!("operator {operator}"), cause };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        let names = vec![operator_dns(&self.cluster, &operator)];
        let mut params = CertificateParams::new(names).map_err(make)?;
        params.serial_number = Some(serial_number(&key, validity));
        params.not_before = validity.not_before.into();
        params.not_after = validity.not_after.into();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, format!("operator {operator}"));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &self.issuer).map_err(make)?;
        Ok(PemPair { cert: cert.pem(), key: key.serialize_pem() })
    }
}
