//! What a fresh node and the authority's endpoint say to each other: one request, one answer.
//!
//! Both go over a stream of their own kind, behind another protocol name than everything else, and have no frames: the
//! sender ends the stream behind them. Who may ask is decided elsewhere; here are the bytes (`format.md`, Joining).

use std::fmt;

use odeon_message::NAME_BYTES_MAX;

use crate::{
    NodeName, PayloadError,
    bytes::{ByteReader, put_text},
    format::{
        ENROL_CERTIFICATE_BYTES_MAX, ENROL_CSR_BYTES_MAX, ENROL_SECRET_BYTES, TEXT_BYTES_MAX,
    },
};

/// What both begin with: the layout, and its version.
const MAGIC: [u8; 4] = *b"ODJ1";

/// A fresh node asks for its certificate.
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolRequest {
    /// What the join token says, known to the authority and to whoever has the token.
    pub secret: [u8; ENROL_SECRET_BYTES],
    /// The node that it is.
    pub name: NodeName,
    /// A signing request, PKCS#10 in DER (RFC 2986): proof that the sender has the key that it names.
    pub csr: Vec<u8>,
}

/// It holds a secret.
impl fmt::Debug for EnrolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnrolRequest({}, {} bytes)", self.name, self.csr.len())
    }
}

/// Why a fresh node got no certificate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EnrolRefusal {
    /// The authority has given no such token, or has forgotten it.
    Unknown,
    /// A certificate was issued for the token already.
    Used,
    /// The token's time is over.
    Expired,
    /// The token is for a node of another name.
    OtherNode,
    /// The request, or the signing request in it, cannot be read or is not signed by its key.
    Malformed,
    /// The authority is at work for somebody else: the same request may be made again.
    Busy,
    /// The authority could not do it.
    Failed,
    /// A later revision's reason.
    Other(u16),
}

impl EnrolRefusal {
    const fn code(self) -> u16 {
        match self {
            Self::Unknown => 1,
            Self::Used => 2,
            Self::Expired => 3,
            Self::OtherNode => 4,
            Self::Malformed => 5,
            Self::Busy => 6,
            Self::Failed => 7,
            Self::Other(code) => code,
        }
    }

    /// The reason behind a code; `None` for 0, which is no refusal.
    const fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            0 => return None,
            1 => Self::Unknown,
            2 => Self::Used,
            3 => Self::Expired,
            4 => Self::OtherNode,
            5 => Self::Malformed,
            6 => Self::Busy,
            7 => Self::Failed,
            other => Self::Other(other),
        })
    }
}

impl fmt::Display for EnrolRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "the authority knows no such token: make one with `odeon ca token`",
            Self::Used => "the token was used already: make another with `odeon ca token`",
            Self::Expired => "the token's time is over: make another with `odeon ca token`",
            Self::OtherNode => "the token is for another node: use the name it was made for",
            Self::Malformed => {
                "the authority cannot read the request: use the same version of Odeon"
            }
            Self::Busy => "the authority is busy: try again",
            Self::Failed => "the authority failed: its log says why",
            Self::Other(code) => return write!(f, "the authority gives the reason {code}"),
        })
    }
}

/// What the authority's endpoint answers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum EnrolAnswer {
    /// The certificate, in DER.
    Granted(Vec<u8>),
    /// None, and why.
    Refused {
        /// The reason.
        reason: EnrolRefusal,
        /// For people; at most 256 bytes.
        text: Box<str>,
    },
}

impl EnrolRequest {
    /// Appends the bytes.
    ///
    /// # Panics
    /// When the signing request is longer than [`ENROL_CSR_BYTES_MAX`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.secret);
        put_text(out, self.name.as_str(), NAME_BYTES_MAX);
        put_bytes(out, &self.csr, ENROL_CSR_BYTES_MAX);
    }

    /// Reads what [`encode`](Self::encode) wrote, and nothing else.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        magic(&mut read)?;
        let secret = *read.array("secret")?;
        let what = "node name";
        let name = NodeName::new(read.text(what, NAME_BYTES_MAX)?)
            .map_err(|source| PayloadError::Name { what, source })?;
        let csr = long_bytes(&mut read, "signing request", ENROL_CSR_BYTES_MAX)?;
        read.end()?;
        Ok(Self { secret, name, csr })
    }
}

impl EnrolAnswer {
    /// Appends the bytes; a text beyond its bound is cut.
    ///
    /// # Panics
    /// When the certificate is longer than [`ENROL_CERTIFICATE_BYTES_MAX`].
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&MAGIC);
        match self {
            Self::Granted(certificate) => {
                out.extend_from_slice(&0_u16.to_le_bytes());
                put_bytes(out, certificate, ENROL_CERTIFICATE_BYTES_MAX);
            }
            Self::Refused { reason, text } => {
                out.extend_from_slice(&reason.code().to_le_bytes());
                put_text(out, text, TEXT_BYTES_MAX);
            }
        }
    }

    /// Reads what [`encode`](Self::encode) wrote, and nothing else.
    ///
    /// # Errors
    /// Names what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, PayloadError> {
        let mut read = ByteReader::new(bytes);
        magic(&mut read)?;
        let answer = match EnrolRefusal::from_code(read.u16("code")?) {
            None => {
                Self::Granted(long_bytes(&mut read, "certificate", ENROL_CERTIFICATE_BYTES_MAX)?)
            }
            Some(reason) => {
                Self::Refused { reason, text: read.text("text", TEXT_BYTES_MAX)?.into() }
            }
        };
        read.end()?;
        Ok(answer)
    }
}

fn magic(read: &mut ByteReader<'_>) -> Result<(), PayloadError> {
    let found = *read.array::<4>("magic")?;
    let other = PayloadError::Value { what: "magic", found: u32::from_le_bytes(found).into() };
    if found == MAGIC { Ok(()) } else { Err(other) }
}

fn long_bytes(
    read: &mut ByteReader<'_>,
    what: &'static str,
    bound: usize,
) -> Result<Vec<u8>, PayloadError> {
    let found = usize::from(read.u16(what)?);
    if found > bound {
        return Err(PayloadError::TooMany { what, found, bound });
    }
    Ok(read.bytes(what, found)?.to_vec())
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8], bound: usize) {
    assert!(bytes.len() <= bound, "{} bytes, the bound is {bound}", bytes.len());
    let len = u16::try_from(bytes.len()).expect("both bounds fit 16 bits");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}
