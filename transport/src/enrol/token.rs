//! The token by which a fresh node joins: a secret, whom to believe, and where to ask.
//!
//! It is a text that a person or a script carries from the authority to the new machine. Whoever reads it can get the
//! certificate that it is for, once, until it has run out; the authority remembers only a hash of it.

use std::{
    fmt,
    str::FromStr,
    time::{Duration, SystemTime},
};

use odeon_env::Env;
use odeon_wire::format::ENROL_SECRET_BYTES;

use crate::{Ca, ca::sha256};

/// What a token begins with.
const KIND: &str = "odeon1";

/// Longest `host:port` in a token: a host's name has at most 253 bytes (RFC 1035).
const ENDPOINT_BYTES_MAX: usize = 260;

/// What a fresh node needs to get its certificate: it names the authority by its hash, the endpoint where it is asked, and
/// a secret that is good for one certificate until its time is over.
///
/// # Examples
/// ```
/// use std::time::{Duration, SystemTime};
///
/// # use odeon_transport as odeon;
/// # use odeon_env as env;
/// use odeon::{Ca, JoinToken};
/// # /*
/// use odeon::env;
/// # */
///
/// let ca = Ca::in_memory("shop")?;
/// let until = SystemTime::now() + Duration::from_secs(3600);
/// let token = JoinToken::new(&env::RealEnv, &ca, until, "ca.example:7401")?;
/// assert_eq!(token.to_string().parse::<JoinToken>()?, token);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    secret: [u8; ENROL_SECRET_BYTES],
    authority: [u8; 32],
    not_after: u64,
    endpoint: String,
}

/// A text that is no join token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is no join token ({cause}): pass what `odeon ca token` has printed, whole")]
pub struct JoinTokenError {
    /// What is wrong with it; it does not repeat the text, which may hold a secret.
    pub cause: &'static str,
}

impl JoinToken {
    /// A fresh token for a node of the authority's cluster, to be used until `not_after` at `endpoint`, which is the
    /// `host:port` of the authority's [`Enrolment`](crate::Enrolment).
    ///
    /// # Errors
    /// When the endpoint is no `host:port`.
    pub fn new(
        env: &dyn Env,
        ca: &Ca,
        not_after: SystemTime,
        endpoint: &str,
    ) -> Result<Self, JoinTokenError> {
        let mut secret = [0; ENROL_SECRET_BYTES];
        env.entropy(&mut secret);
        let since = not_after.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok(Self {
            secret,
            authority: ca.digest(),
            not_after: since.as_secs(),
            endpoint: check_endpoint(endpoint)?.to_owned(),
        })
    }

    /// What an authority remembers of a token: a hash of its secret, in hexadecimal. It is of no use to a thief.
    #[must_use]
    pub fn digest_of(secret: &[u8; ENROL_SECRET_BYTES]) -> String {
        hex(&sha256(secret))
    }

    /// [`digest_of`](Self::digest_of) this token's secret.
    #[must_use]
    pub fn digest(&self) -> String {
        Self::digest_of(&self.secret)
    }

    /// Last second in which it can be used.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.not_after)
    }

    /// The `host:port` where it is used.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub(super) const fn secret(&self) -> &[u8; ENROL_SECRET_BYTES] {
        &self.secret
    }

    /// SHA-256 of the authority's certificate.
    pub(super) const fn authority(&self) -> &[u8; 32] {
        &self.authority
    }
}

fn check_endpoint(endpoint: &str) -> Result<&str, JoinTokenError> {
    let refused = JoinTokenError { cause: "its endpoint is no host:port, such as 10.0.0.1:7401" };
    let (host, port) = endpoint.rsplit_once(':').ok_or_else(|| refused.clone())?;
    let is_short = endpoint.len() <= ENDPOINT_BYTES_MAX;
    let is_text = endpoint.bytes().all(|byte| byte.is_ascii_graphic());
    let has_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    let is_good = is_short && is_text && has_port && !host.is_empty();
    if is_good { Ok(endpoint) } else { Err(refused) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits: Option<Vec<u8>> =
        text.chars().map(|digit| digit.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() == 2 * N)?;
    Some(std::array::from_fn(|at| digits[2 * at] << 4 | digits[2 * at + 1]))
}

/// The text that is carried to the new node. It holds the secret.
impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secret, authority) = (hex(&self.secret), hex(&self.authority));
        write!(f, "{KIND}.{secret}.{authority}.{}.{}", self.not_after, self.endpoint)
    }
}

/// Without the secret.
impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinToken({} until {})", self.endpoint, self.not_after)
    }
}

impl FromStr for JoinToken {
    type Err = JoinTokenError;

    fn from_str(text: &str) -> Result<Self, JoinTokenError> {
        let refused = |cause| JoinTokenError { cause };
        let mut parts = text.trim().splitn(5, '.');
        if parts.next() != Some(KIND) {
            return Err(refused("it does not begin with odeon1"));
        }
        let mut part = |cause| parts.next().ok_or_else(|| refused(cause));
        let secret = unhex(part("its secret is missing")?);
        let authority = unhex(part("its authority is missing")?);
        let not_after = part("its time is missing")?.parse().ok();
        let endpoint = check_endpoint(part("its endpoint is missing")?)?.to_owned();
        Ok(Self {
            secret: secret.ok_or_else(|| refused("its secret is not 32 hexadecimal digits"))?,
            authority: authority
                .ok_or_else(|| refused("its authority is not 64 hexadecimal digits"))?,
            not_after: not_after.ok_or_else(|| refused("its time is not a number"))?,
            endpoint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_text_and_a_broken_one_is_named() {
        let ca = Ca::in_memory("demo").unwrap();
        let until = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let token = JoinToken::new(&odeon_env::RealEnv, &ca, until, "10.0.0.1:7401").unwrap();
        let text = token.to_string();
        assert!(text.ends_with(".1900000000.10.0.0.1:7401"), "{text}");
        assert_eq!(text.parse::<JoinToken>().unwrap(), token);
        assert_eq!(format!(" {text}\n").parse::<JoinToken>().unwrap(), token);
        let secret = text.split('.').nth(1).unwrap();
        assert!(!format!("{token:?}").contains(secret) && !token.digest().contains(secret));
        let cut: String = text.chars().take(60).collect();
        for (text, says) in [
            ("", "odeon1"),
            ("odeon1", "secret"),
            ("odeon1.00", "authority"),
            (cut.as_str(), "time"),
            (&text.replace(":7401", ""), "host:port"),
            (&text.replace(":7401", ":0"), "host:port"),
            (&text.replace(secret, "xx"), "secret"),
        ] {
            let error = text.parse::<JoinToken>().unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("odeon ca token"), "{text}: {error}");
        }
        assert!(JoinToken::new(&odeon_env::RealEnv, &ca, until, "nowhere").is_err());
    }
}
