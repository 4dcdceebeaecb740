//! Whose code encrypts, by its name in a file.

use odeon::{Crypto, CryptoNameError};
use serde::{Deserialize, Serialize};

/// `ring`, or `aws-lc-rs` in a program that was built with that feature.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CryptoName(pub Crypto);

impl TryFrom<String> for CryptoName {
    type Error = CryptoNameError;

    fn try_from(text: String) -> Result<Self, CryptoNameError> {
        text.parse().map(Self)
    }
}

impl From<CryptoName> for String {
    fn from(name: CryptoName) -> Self {
        name.0.to_string()
    }
}

impl From<CryptoName> for Crypto {
    fn from(name: CryptoName) -> Self {
        name.0
    }
}
