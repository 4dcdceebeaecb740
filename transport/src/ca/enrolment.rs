//! What an authority does for fresh nodes: it signs their requests, and proves itself to them.

use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData,
};
use rustls::pki_types::{
    CertificateDer, CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer,
};

use super::{Ca, CaError, Validity, serial::sha256, serial_number};
use crate::name::{enrol_dns, node_name};

impl Ca {
    /// A certificate, as PEM, for whoever has made this signing request (PKCS#10 in DER, RFC 2986). Only its key counts:
    /// name and validity are the authority's to say.
    ///
    /// # Errors
    /// When the name cannot be in a certificate, or the request cannot be read, is not signed by its key, or is for
    /// another kind of key than P-256.
    pub fn sign_request_pem(
        &self,
        node: &str,
        csr: &[u8],
        validity: Validity,
    ) -> Result<String, CaError> {
        let refused = |cause: String| CaError::Request { cause };
        let csr = CertificateSigningRequestDer::from(csr);
        let parsed = CertificateSigningRequestParams::from_der(&csr)
            .map_err(|cause| refused(cause.to_string()))?;
        if PublicKeyData::algorithm(&parsed.public_key) != &PKCS_ECDSA_P256_SHA256 {
            return Err(refused("its key is not a P-256 key".to_owned()));
        }
        Ok(self.certify(node, &parsed.public_key, validity)?.pem())
    }

    /// Whether a node can have this name.
    ///
    /// # Errors
    /// When the name cannot be in a certificate.
    pub fn check_node(&self, node: &str) -> Result<(), CaError> {
        node_name(node).map(|_| ()).map_err(CaError::from)
    }

    /// SHA-256 of the authority's certificate.
    pub(crate) fn digest(&self) -> [u8; 32] {
        sha256(&self.cert)
    }

    /// What the endpoint proves itself with to fresh nodes: a key and a chain under a name that no node has.
    pub(crate) fn endpoint_papers(
        &self,
        validity: Validity,
    ) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), CaError> {
        let make = |cause| CaError::Make { subject: "the endpoint for joining".to_owned(), cause };
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        let mut params = CertificateParams::new(vec![enrol_dns(&self.cluster)]).map_err(make)?;
        params.serial_number = Some(serial_number(&key, validity));
        params.not_before = validity.not_before.into();
        params.not_after = validity.not_after.into();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "odeon endpoint for joining");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let cert = params.signed_by(&key, &self.issuer).map_err(make)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        Ok((vec![cert.into(), self.cert.clone()], key))
    }
}
