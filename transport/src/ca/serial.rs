//! The number of a certificate, by which it is revoked.
//!
//! A number that an authority gives is made of the key and the validity, so that one key with two certificates has two
//! numbers and no table is needed to keep them apart. Read `ca/revocation.rs` next.

use std::{fmt, str::FromStr, time::SystemTime};

use rustls::{
    crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256,
    pki_types::{CertificateDer, pem::PemObject},
};
use webpki::EndEntityCert;

use super::{CaError, Validity};

/// The longest number that a certificate may have, in bytes (RFC 5280, 4.1.2.2).
const SERIAL_BYTES_MAX: usize = 20;

/// The number of a certificate: its authority gives no two the same one.
///
/// It is written and read as hexadecimal digits, two a byte.
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime};
///
/// # use odeon_transport as odeon;
/// use odeon::{Ca, Serial, Validity};
///
/// let ca = Ca::in_memory("shop")?;
/// let validity = Validity::from(SystemTime::now(), Duration::from_secs(3600));
/// let serial = Serial::of_pem(&ca.issue_pem("a", validity)?.cert)?;
/// assert_eq!(serial.to_string().parse::<Serial>()?, serial);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial(Vec<u8>);

/// A text that is no number of a certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is no serial number of a certificate: use 2 to 40 hexadecimal digits, as `odeon ca` shows them and \
     `openssl x509 -serial`"
)]
pub struct SerialError {
    /// The text, cut.
    pub text: String,
}

impl Serial {
    /// The number of the first certificate in a PEM text.
    ///
    /// # Errors
    /// When the text holds no certificate.
    pub fn of_pem(cert: &str) -> Result<Self, CaError> {
        let cert = CertificateDer::from_pem_slice(cert.as_bytes())
            .map_err(|cause| CaError::NotACertificate { cause: cause.to_string() })?;
        Self::of(&cert)
    }

    pub(crate) fn of(cert: &CertificateDer<'_>) -> Result<Self, CaError> {
        let parsed = EndEntityCert::try_from(cert)
            .map_err(|cause| CaError::NotACertificate { cause: cause.to_string() })?;
        Ok(Self::of_bytes(parsed.serial()))
    }

    /// Leading zeros carry no meaning.
    fn of_bytes(bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self(bytes[zeros.min(bytes.len().saturating_sub(1))..].to_vec())
    }

    /// The number for this key and validity: 159 bits of a hash.
    pub(super) fn derive(public_key: &[u8], validity: Validity) -> Self {
        let mut text = public_key.to_vec();
        for time in [validity.not_before, validity.not_after] {
            let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            text.extend(since.as_nanos().to_le_bytes());
        }
        let mut bytes = sha256(&text)[..SERIAL_BYTES_MAX].to_vec();
        // Positive, and never zero.
        bytes[0] = bytes[0] & 0x7f | 0x40;
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// SHA-256, as TLS has it.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let suite = TLS13_AES_128_GCM_SHA256.tls13().expect("a suite of TLS 1.3");
    let digest = suite.common.hash_provider.hash(bytes);
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Serial({self})")
    }
}

impl FromStr for Serial {
    type Err = SerialError;

    fn from_str(text: &str) -> Result<Self, SerialError> {
        let refused = || SerialError { text: text.chars().take(80).collect() };
        let digits: Option<Vec<u8>> =
            text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
        let digits = digits.ok_or_else(refused)?;
        let fits = (2..=2 * SERIAL_BYTES_MAX).contains(&digits.len());
        if !fits || !digits.len().is_multiple_of(2) {
            return Err(refused());
        }
        let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
        Ok(Self::of_bytes(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_survives_its_text() {
        for text in ["00", "7f", "0102030405060708090a0b0c0d0e0f1011121314"] {
            let serial: Serial = text.parse().unwrap();
            assert_eq!(serial.to_string(), text);
        }
        assert_eq!("00AB".parse::<Serial>().unwrap().to_string(), "ab");
        for text in ["", "1", "123", "0x12", "zz", "é0", &"00".repeat(21)] {
            let error = text.parse::<Serial>().unwrap_err().to_string();
            assert!(error.contains("hexadecimal"), "{error}");
        }
    }

    #[test]
    fn one_key_with_two_validities_has_two_numbers() {
        let at = |seconds| {
            let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            Validity { not_before: now, not_after: now }
        };
        assert_ne!(Serial::derive(b"key", at(1)), Serial::derive(b"key", at(2)));
        assert_eq!(Serial::derive(b"key", at(1)), Serial::derive(b"key", at(1)));
        assert_eq!(Serial::derive(b"key", at(1)).bytes().len(), SERIAL_BYTES_MAX);
    }
}
