//! The fresh node's side: make a key, believe nobody but the token's authority, ask once.
//!
//! The key is made here and never leaves; what goes out is proof that it is there. What comes back is used only if it is
//! a certificate of this node, for this key, from that authority.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use odeon_env::Env;
use odeon_wire::{EnrolAnswer, EnrolRefusal, EnrolRequest, format::ENROL_ANSWER_BYTES_MAX};
use quinn::{ClientConfig, VarInt, crypto::rustls::QuicClientConfig};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::{
    CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    version::TLS13,
};

use super::{ALPN, EXCHANGE_WITHIN, JoinToken, endpoint, transport_config};
use crate::{
    Identity, IdentityError, NameError,
    ca::{authority_cluster, sha256},
    name::{enrol_dns, node_name},
    quic_config::draw_from,
    tls::{Crypto, EnvClock, Tls, provider},
};

/// How often a busy authority is asked again, and after which pause.
const ASKED_AGAIN_MAX: u32 = 5;
const BUSY_PAUSE: Duration = Duration::from_secs(1);

/// What is sent as the server's name, which QUIC wants: the real one is the authority's to prove.
const SERVER_NAME: &str = "enrol.odeon";

/// Why a fresh node has no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolError {
    /// The node's name cannot be in a certificate.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The endpoint that the token names has no address.
    #[error(
        "the endpoint {endpoint} of the join token has no address ({cause}); check its name, or make another token"
    )]
    Address {
        /// The endpoint.
        endpoint: String,
        /// What the resolver says.
        cause: std::io::Error,
    },
    /// There was no answer. Trying again may help, unless the authority has issued a certificate that did not arrive:
    /// then the token is used up.
    #[error(
        "no answer from the endpoint {endpoint} of the join token ({cause}); check that `odeon node --enrol-listen` runs \
         there, and try again; see runbook: join-refused"
    )]
    NoAnswer {
        /// The endpoint.
        endpoint: String,
        /// What QUIC says.
        cause: String,
    },
    /// Whoever answered is not the authority that the token names. Nothing was told to it.
    #[error(
        "the endpoint {endpoint} is not the authority that the join token names ({cause}); check both clocks, and make \
         another token with `odeon ca token`; see runbook: join-refused"
    )]
    OtherAuthority {
        /// The endpoint.
        endpoint: String,
        /// What is wrong with its certificate.
        cause: String,
    },
    /// The authority refused.
    #[error("{reason} (it says: {text}); see runbook: join-refused")]
    Refused {
        /// The reason.
        reason: EnrolRefusal,
        /// Its words.
        text: Box<str>,
    },
    /// The authority answered with something that cannot be read.
    #[error(
        "the authority's answer cannot be read ({cause}); use the same version of Odeon on both sides"
    )]
    Garbled {
        /// What is wrong with it.
        cause: odeon_wire::PayloadError,
    },
    /// The certificate that came is not one for this node.
    #[error("the certificate that the authority has issued cannot be used: {0}")]
    Unusable(#[from] IdentityError),
    /// No key, or no request for it, could be made.
    #[error("no key could be made: {0}")]
    Key(rcgen::Error),
    /// The socket failed.
    #[error("no socket could be opened: {0}")]
    Socket(#[from] std::io::Error),
    /// TLS cannot be set up; a bug.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// What a fresh node has from its authority, as PEM, for three files.
#[derive(Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// Its certificate.
    pub cert: String,
    /// Its key, unencrypted; nobody else has seen it. Write it with mode 0600.
    pub key: String,
    /// The authority's certificate.
    pub ca_cert: String,
}

impl fmt::Debug for Enrolled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolled")
    }
}

/// Makes a key for the node of this name, and gets a certificate for it with the token.
///
/// # Errors
/// See [`EnrolError`]. The token is used up only if the authority has issued a certificate.
///
/// # Panics
/// Outside of a `LocalSet`, or of a tokio runtime with time.
///
/// # Cancel safety
/// The token may be used up, and the certificate lost.
///
/// # Examples
/// ```no_run
/// use std::sync::Arc;
///
/// # use odeon_transport as odeon;
/// # use odeon_env::RealEnv;
/// # async fn example(text: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let token = text.parse()?; // what `odeon ca token --name b` has printed
/// let enrolled = odeon::enrol(&(Arc::new(RealEnv) as _), &token, "b").await?;
/// let identity = odeon::Identity::from_pem(&enrolled.cert, &enrolled.key, &enrolled.ca_cert)?;
/// # let _ = identity;
/// # Ok(())
/// # }
/// ```
pub async fn enrol(
    env: &Arc<dyn Env>,
    token: &JoinToken,
    node: &str,
) -> Result<Enrolled, EnrolError> {
    let name = node_name(node)?;
    let to = address(env, token.endpoint()).await?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(EnrolError::Key)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name.as_str());
    let csr = params.serialize_request(&key).map_err(EnrolError::Key)?;
    let request = EnrolRequest { secret: *token.secret(), name, csr: csr.der().to_vec() };
    let mut asked_again = 0;
    loop {
        let asked = ask(env, token, to, &request);
        let no_answer =
            |cause| EnrolError::NoAnswer { endpoint: token.endpoint().to_owned(), cause };
        let asked = tokio::time::timeout(EXCHANGE_WITHIN, asked).await;
        let (answer, authority) =
            asked.map_err(|_| no_answer(format!("nothing within {EXCHANGE_WITHIN:?}")))??;
        match answer {
            EnrolAnswer::Granted(cert) => return take(env, &cert, &key, &authority, node),
            EnrolAnswer::Refused { reason: EnrolRefusal::Busy, .. }
                if asked_again < ASKED_AGAIN_MAX =>
            {
                asked_again += 1;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            EnrolAnswer::Refused { reason, text } => {
                return Err(EnrolError::Refused { reason, text });
            }
        }
    }
}

/// The endpoint's first address.
async fn address(env: &Arc<dyn Env>, endpoint: &str) -> Result<SocketAddr, EnrolError> {
    if let Ok(address) = endpoint.parse() {
        return Ok(address);
    }
    let none = |cause| EnrolError::Address { endpoint: endpoint.to_owned(), cause };
    let found = env.resolve(endpoint).await.map_err(none)?;
    found.first().copied().ok_or_else(|| none(std::io::ErrorKind::NotFound.into()))
}

/// Asks once; the answer, and the certificate of the authority that gave it.
async fn ask(
    env: &Arc<dyn Env>,
    token: &JoinToken,
    to: SocketAddr,
    request: &EnrolRequest,
) -> Result<(EnrolAnswer, CertificateDer<'static>), EnrolError> {
    let unspecified: IpAddr = match to {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = env.bind(SocketAddr::new(unspecified, 0))?;
    let endpoint = endpoint(env, socket, None)?;
    let failed = |cause: &dyn fmt::Display| {
        let (endpoint, cause) = (token.endpoint().to_owned(), cause.to_string());
        EnrolError::NoAnswer { endpoint, cause }
    };
    let connecting = endpoint
        .connect_with(client_config(env, token)?, to, SERVER_NAME)
        .map_err(|cause| failed(&cause))?;
    let connection = connecting.await.map_err(|cause| match cause {
        // Only our side judges a certificate, so an alert of TLS is about theirs.
        quinn::ConnectionError::TransportError(error)
            if (0x100..0x200).contains(&u64::from(error.code)) =>
        {
            let (endpoint, cause) = (token.endpoint().to_owned(), error.to_string());
            EnrolError::OtherAuthority { endpoint, cause }
        }
        cause => failed(&cause),
    })?;
    let chain: Option<Box<Vec<CertificateDer<'static>>>> =
        connection.peer_identity().and_then(|chain| chain.downcast().ok());
    let authority = chain.and_then(|chain| find(&chain, token.authority()).cloned());
    let authority = authority.ok_or_else(|| failed(&"the peer shows no certificate"))?;
    let (mut send, mut recv) = connection.open_bi().await.map_err(|cause| failed(&cause))?;
    let mut out = Vec::new();
    request.encode(&mut out);
    send.write_all(&out).await.map_err(|cause| failed(&cause))?;
    send.finish().map_err(|cause| failed(&cause))?;
    let bytes = recv.read_to_end(ENROL_ANSWER_BYTES_MAX).await.map_err(|cause| failed(&cause))?;
    connection.close(VarInt::from_u32(0), b"");
    endpoint.wait_idle().await;
    let answer = EnrolAnswer::decode(&bytes).map_err(|cause| EnrolError::Garbled { cause })?;
    Ok((answer, authority))
}

/// What came, if this node can start with it.
fn take(
    env: &Arc<dyn Env>,
    cert: &[u8],
    key: &KeyPair,
    authority: &CertificateDer<'_>,
    node: &str,
) -> Result<Enrolled, EnrolError> {
    let lines = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    let pem = |bytes: &[u8]| pem::encode_config(&pem::Pem::new("CERTIFICATE", bytes), lines);
    let enrolled = Enrolled { cert: pem(cert), key: key.serialize_pem(), ca_cert: pem(authority) };
    let identity = Identity::from_pem(&enrolled.cert, &enrolled.key, &enrolled.ca_cert)?;
    Tls::new(&identity, None, env, Crypto::Ring)?;
    if identity.node_name() == node {
        return Ok(enrolled);
    }
    let given = identity.node_name().to_owned();
    Err(IdentityError::OtherNode { node: node.to_owned(), given }.into())
}

fn client_config(env: &Arc<dyn Env>, token: &JoinToken) -> Result<ClientConfig, EnrolError> {
    let provider = provider(Crypto::Ring);
    let pinned = Pinned { authority: *token.authority(), provider: Arc::clone(&provider) };
    let clock = Arc::new(EnvClock(Arc::clone(env)));
    let mut tls = rustls::ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(pinned))
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.resumption = Resumption::disabled();
    let tls = Arc::new(QuicClientConfig::try_from(tls).expect("AES-128 is offered"));
    let mut config = ClientConfig::new(tls);
    config.transport_config(transport_config(quinn::Side::Client));
    draw_from(env, &mut config);
    Ok(config)
}

fn find<'a>(
    chain: &'a [CertificateDer<'static>],
    authority: &[u8; 32],
) -> Option<&'a CertificateDer<'static>> {
    chain.iter().find(|cert| sha256(cert) == *authority)
}

/// Believes the authority with this hash, and whoever has a certificate of it under the endpoint's name.
#[derive(Debug)]
struct Pinned {
    authority: [u8; 32],
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let unknown = || rustls::Error::from(CertificateError::UnknownIssuer);
        let authority = intermediates.iter().find(|cert| sha256(cert) == self.authority);
        let authority = authority.ok_or_else(unknown)?;
        let cluster = authority_cluster(authority).ok_or_else(unknown)?;
        let name = ServerName::try_from(enrol_dns(&cluster)).map_err(|_| unknown())?;
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let provider = Arc::clone(&self.provider);
        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|_| unknown())?
            .verify_server_cert(end_entity, &[], &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls13RequiredForQuic.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
