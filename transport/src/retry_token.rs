//! The tokens of Retry packets (RFC 9000, 8.1.2): who sends one back receives at the address that it sends from.
//!
//! What it is: quinn's seal for them, with a key of this endpoint's life. What it is NOT: tokens for later connections
//! (`NEW_TOKEN`); those are neither issued nor accepted. When a Retry is sent is decided in `endpoint.rs`.

use quinn::crypto::{AeadKey, CryptoError, HandshakeTokenKey};
use rustls::{
    crypto::{
        cipher::Iv,
        ring::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_CHACHA20_POLY1305_SHA256},
        tls13::{Hkdf, OkmBlock},
    },
    quic::PacketKey,
};

/// HMAC-SHA-256, whose tags sign stateless resets and are the keys of tokens.
pub(crate) fn hmac(key: &[u8; 32], data: &[u8]) -> rustls::crypto::hmac::Tag {
    let hkdf: &dyn Hkdf =
        TLS13_AES_128_GCM_SHA256.tls13().expect("a suite of TLS 1.3").hkdf_provider;
    hkdf.hmac_sign(&OkmBlock::new(key), data)
}

/// The secret of one life of an endpoint, from which the key of each token is made.
pub(crate) struct TokenSecret(pub(crate) [u8; 32]);

impl HandshakeTokenKey for TokenSecret {
    fn aead_from_hkdf(&self, random_bytes: &[u8]) -> Box<dyn AeadKey> {
        let tag = hmac(&self.0, random_bytes);
        let mut key = [0; 32];
        key.copy_from_slice(tag.as_ref());
        let suite = TLS13_CHACHA20_POLY1305_SHA256.tls13().expect("a suite of TLS 1.3");
        let quic = suite.quic.expect("the suite is one of QUIC's");
        // Each token has a key of its own, so that no nonce is used twice with one.
        Box::new(TokenKey(quic.packet_key(key.into(), Iv::from([0; 12]))))
    }
}

/// The key of an endpoint that issues no tokens, so that each one that comes is refused.
pub(crate) struct NoTokens;

impl HandshakeTokenKey for NoTokens {
    fn aead_from_hkdf(&self, _: &[u8]) -> Box<dyn AeadKey> {
        Box::new(Self)
    }
}

impl AeadKey for NoTokens {
    fn seal(&self, _: &mut Vec<u8>, _: &[u8]) -> Result<(), CryptoError> {
        Err(CryptoError)
    }

    fn open<'a>(&self, _: &'a mut [u8], _: &[u8]) -> Result<&'a mut [u8], CryptoError> {
        Err(CryptoError)
    }
}

struct TokenKey(Box<dyn PacketKey>);

impl AeadKey for TokenKey {
    fn seal(&self, data: &mut Vec<u8>, additional_data: &[u8]) -> Result<(), CryptoError> {
        let tag = self.0.encrypt_in_place(0, additional_data, data).map_err(|_| CryptoError)?;
        data.extend_from_slice(tag.as_ref());
        Ok(())
    }

    fn open<'a>(
        &self,
        data: &'a mut [u8],
        additional_data: &[u8],
    ) -> Result<&'a mut [u8], CryptoError> {
        let opened = self.0.decrypt_in_place(0, additional_data, data).map_err(|_| CryptoError)?;
        let bytes = opened.len();
        Ok(&mut data[..bytes])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_opens_with_its_own_key_alone_and_only_whole() {
        let secret = TokenSecret([7; 32]);
        let (key, other) = (secret.aead_from_hkdf(b"one"), secret.aead_from_hkdf(b"two"));
        let mut token = b"address and time".to_vec();
        key.seal(&mut token, b"beside").unwrap();
        assert_eq!(token.len(), 16 + 16);
        assert_eq!(key.open(&mut token.clone(), b"beside").unwrap(), b"address and time");
        assert!(other.open(&mut token.clone(), b"beside").is_err());
        assert!(key.open(&mut token.clone(), b"aside").is_err());
        assert!(
            TokenSecret([8; 32])
                .aead_from_hkdf(b"one")
                .open(&mut token.clone(), b"beside")
                .is_err()
        );
        for place in 0..token.len() {
            let mut bent = token.clone();
            bent[place] ^= 1;
            assert!(key.open(&mut bent, b"beside").is_err(), "byte {place}");
        }
        assert!(key.open(&mut token[..10], b"beside").is_err() && key.open(&mut [], b"").is_err());
    }
}
