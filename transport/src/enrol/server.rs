//! The authority's endpoint: it proves itself, reads one bounded request a connection, and answers.
//!
//! Whoever can reach it can ask, so everything is small: connections at once, their rate, their bytes, their time. It
//! shows a certificate under a name that no node's certificate has, made in memory for a short while, so that a node of
//! the cluster cannot take its place. Requests are answered one after the other, by the [`EnrolDesk`].

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use odeon_env::{DatagramSocket, Env, buggify::any_order};
use odeon_wire::{EnrolAnswer, EnrolRefusal, EnrolRequest, format::ENROL_REQUEST_BYTES_MAX};
use quinn::{ServerConfig, VarInt, crypto::rustls::QuicServerConfig};
use rustls::{
    pki_types::{CertificateDer, pem::PemObject},
    server::NoServerSessionStorage,
    version::TLS13,
};
use tokio::{task::JoinSet, time::Instant};

use super::{ALPN, EXCHANGE_WITHIN, endpoint, transport_config};
use crate::{
    Ca, CaError, Validity,
    log_gate::LogGate,
    quic_config::EnvTime,
    retry_token::NoTokens,
    tls::{Crypto, EnvClock, provider},
};

/// Requests under way at once; further ones are refused by QUIC. New nodes come one by one.
const EXCHANGES_MAX: usize = 8;

/// Requests that may come at once after a quiet time, and the pause after which one more may: four a second.
const BURST_MAX: u32 = 16;
const PAUSE: Duration = Duration::from_millis(250);

/// How long the endpoint's own certificate is valid, and after which time it gets another.
const VALID_FOR: Duration = Duration::from_secs(2 * 86_400);
const RENEWED_AFTER: Duration = Duration::from_secs(86_400);

/// No certificate, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnrolRefused {
    /// The reason.
    pub reason: EnrolRefusal,
    /// For people; the first 256 bytes of it travel.
    pub text: String,
}

/// Knows which tokens there are, and issues certificates for them.
pub trait EnrolDesk {
    /// The certificate that is asked for, as PEM. It is called on the endpoint's thread, one request at a time; a token
    /// that it has accepted must be used up before it returns, also if the machine fails then.
    ///
    /// # Errors
    /// The reason, which the asking node is told.
    fn enrol(&self, request: &EnrolRequest) -> Result<String, EnrolRefused>;
}

/// The authority's endpoint, on the `LocalSet` where it was started. Dropping it ends it.
pub struct Enrolment {
    endpoint: quinn::Endpoint,
    /// Ends with this.
    _tasks: JoinSet<()>,
}

impl std::fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Enrolment")
    }
}

/// Why the endpoint did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnrolmentError {
    /// Its certificate could not be made.
    #[error(transparent)]
    Ca(#[from] CaError),
    /// Its certificate cannot be used; a bug.
    #[error("the certificate of the endpoint for joining is not usable: {0}")]
    Tls(#[from] rustls::Error),
    /// The socket failed.
    #[error("the socket cannot be used: {0}")]
    Socket(#[from] std::io::Error),
}

impl Enrolment {
    /// Answers requests at this socket, in the name of `ca`, as `desk` says.
    ///
    /// # Errors
    /// When its own certificate cannot be made, or the socket fails.
    ///
    /// # Panics
    /// Outside of a `LocalSet`, or of a tokio runtime with time.
    pub fn start(
        env: &Arc<dyn Env>,
        socket: Arc<dyn DatagramSocket>,
        ca: Ca,
        desk: Rc<dyn EnrolDesk>,
    ) -> Result<Self, EnrolmentError> {
        let proof = Proof::new(&ca, env)?;
        let endpoint = endpoint(env, socket, Some(proof.config.clone()))?;
        let office = Office { env: Arc::clone(env), ca, desk, gate: LogGate::default() };
        let mut tasks = JoinSet::new();
        tasks.spawn_local(any_order(Box::pin(serve(endpoint.clone(), Rc::new(office), proof))));
        Ok(Self { endpoint, _tasks: tasks })
    }

    /// The address of the socket.
    ///
    /// # Errors
    /// What the system says.
    pub fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.endpoint.local_addr()
    }
}

impl Drop for Enrolment {
    fn drop(&mut self) {
        self.endpoint.close(VarInt::from_u32(0), b"");
    }
}

struct Office {
    env: Arc<dyn Env>,
    ca: Ca,
    desk: Rc<dyn EnrolDesk>,
    gate: LogGate,
}

/// What the endpoint proves itself with, for now.
struct Proof {
    config: ServerConfig,
    made: SystemTime,
}

impl Proof {
    fn new(ca: &Ca, env: &Arc<dyn Env>) -> Result<Self, EnrolmentError> {
        let made = env.wall_clock();
        let (chain, key) = ca.endpoint_papers(Validity::from(made, VALID_FOR))?;
        let clock = Arc::new(EnvClock(Arc::clone(env)));
        let mut tls = rustls::ServerConfig::builder_with_details(provider(Crypto::Ring), clock)
            .with_protocol_versions(&[&TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.send_tls13_tickets = 0;
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        let tls = Arc::new(QuicServerConfig::try_from(tls).expect("AES-128 is offered"));
        let mut config = ServerConfig::new(tls, Arc::new(NoTokens));
        config
            .transport_config(transport_config(quinn::Side::Server))
            .max_incoming(EXCHANGES_MAX)
            .time_source(Arc::new(EnvTime(Arc::clone(env))));
        config.validation_token.sent(0);
        Ok(Self { config, made })
    }

    /// Another one, if this one is old or the clock was set back.
    fn renew(&mut self, office: &Office) {
        let age = office.env.wall_clock().duration_since(self.made);
        if age.is_ok_and(|age| age < RENEWED_AFTER) {
            return;
        }
        match Self::new(&office.ca, &office.env) {
            Ok(proof) => *self = proof,
            Err(error) => {
                tracing::error!(%error, "the endpoint for joining keeps its old certificate")
            }
        }
    }
}

async fn serve(endpoint: quinn::Endpoint, office: Rc<Office>, mut proof: Proof) {
    let mut exchanges: JoinSet<()> = JoinSet::new();
    let mut pace = Pace { left: BURST_MAX, since: Instant::now() };
    loop {
        let incoming = tokio::select! {
            biased;
            Some(_) = exchanges.join_next() => continue,
            incoming = endpoint.accept() => incoming,
        };
        let Some(incoming) = incoming else { return };
        if exchanges.len() >= EXCHANGES_MAX || !pace.admits(Instant::now()) {
            incoming.refuse();
            continue;
        }
        proof.renew(&office);
        let (office, config) = (Rc::clone(&office), Arc::new(proof.config.clone()));
        exchanges.spawn_local(any_order(Box::pin(async move {
            let addr = incoming.remote_address();
            let exchange = exchange(&office, incoming, config);
            let why = match tokio::time::timeout(EXCHANGE_WITHIN, exchange).await {
                Ok(Ok(())) => return,
                Ok(Err(cause)) => cause,
                Err(_) => format!("nothing came within {EXCHANGE_WITHIN:?}"),
            };
            if let Some(held_back) = office.gate.pass(&why) {
                tracing::info!(%addr, held_back, "a node that asked for a certificate has none: {why}");
            }
        })));
    }
}

/// Reads one request and answers it.
async fn exchange(
    office: &Office,
    incoming: quinn::Incoming,
    config: Arc<ServerConfig>,
) -> Result<(), String> {
    let text = |cause: &dyn std::fmt::Display| cause.to_string();
    let connection = incoming.accept_with(config).map_err(|cause| text(&cause))?;
    let connection = connection.await.map_err(|cause| text(&cause))?;
    let (mut send, mut recv) = connection.accept_bi().await.map_err(|cause| text(&cause))?;
    let bytes = recv.read_to_end(ENROL_REQUEST_BYTES_MAX).await.map_err(|cause| text(&cause))?;
    let answer = office.answer(&bytes);
    let mut out = Vec::new();
    answer.encode(&mut out);
    send.write_all(&out).await.map_err(|cause| text(&cause))?;
    send.finish().map_err(|cause| text(&cause))?;
    // Closing drops what was not acknowledged, so the node has to have it first.
    let _ = send.stopped().await;
    connection.close(VarInt::from_u32(0), b"");
    match answer {
        EnrolAnswer::Granted(_) => Ok(()),
        EnrolAnswer::Refused { reason, text } => Err(format!("{reason} ({text})")),
    }
}

impl Office {
    fn answer(&self, bytes: &[u8]) -> EnrolAnswer {
        let refused = |reason, text: String| EnrolAnswer::Refused { reason, text: text.into() };
        let request = match EnrolRequest::decode(bytes) {
            Ok(request) => request,
            Err(error) => return refused(EnrolRefusal::Malformed, error.to_string()),
        };
        match self.desk.enrol(&request) {
            Ok(pem) => match CertificateDer::from_pem_slice(pem.as_bytes()) {
                Ok(certificate) => EnrolAnswer::Granted(certificate.to_vec()),
                Err(error) => refused(EnrolRefusal::Failed, error.to_string()),
            },
            Err(EnrolRefused { reason, text }) => refused(reason, text),
        }
    }
}

/// How many may come: a bucket that fills with time.
struct Pace {
    left: u32,
    since: Instant,
}

impl Pace {
    fn admits(&mut self, now: Instant) -> bool {
        let pauses = now.saturating_duration_since(self.since).as_millis() / PAUSE.as_millis();
        let pauses = u32::try_from(pauses).unwrap_or(BURST_MAX).min(BURST_MAX);
        if pauses > 0 {
            self.left = (self.left + pauses).min(BURST_MAX);
            self.since = now;
        }
        let admits = self.left > 0;
        self.left -= u32::from(admits);
        admits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_admitted_and_then_four_a_second() {
        let began = Instant::now();
        let mut pace = Pace { left: BURST_MAX, since: began };
        let mut admitted = |at: Duration| (0..100).filter(|_| pace.admits(began + at)).count();
        assert_eq!(admitted(Duration::ZERO), 16);
        assert_eq!(admitted(PAUSE - Duration::from_millis(1)), 0);
        assert_eq!(admitted(PAUSE), 1);
        assert_eq!(admitted(PAUSE + Duration::from_secs(1)), 4);
        assert_eq!(admitted(Duration::from_secs(3600)), 16);
    }
}
