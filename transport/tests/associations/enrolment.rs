//! What comes to the authority's endpoint that is no fresh node, and who is not taken for the authority.

use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU16, Ordering},
    },
    time::{Duration, SystemTime},
};

use odeon_env::{BoxFuture, DatagramSocket, Env};
use odeon_transport::{
    Ca, EnrolAnswer, EnrolDesk, EnrolError, EnrolRefusal, EnrolRefused, EnrolRequest, Enrolment,
    JoinToken, Validity, enrol,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use crate::{
    net::{Net, TestEnv, now},
    node::{addr, run},
    strangers::stranger::{BareRuntime, BareSocket, ClockAt},
};

const HOUR: Duration = Duration::from_secs(3600);
const AUTHORITY: u16 = 7401;

/// A machine on the network in memory, whose sockets have ports of their own.
#[derive(Debug)]
struct Machine {
    net: Net,
    inner: Arc<TestEnv>,
    port: AtomicU16,
}

impl Machine {
    fn on(net: &Net, port: u16) -> Arc<dyn Env> {
        let inner = TestEnv::new(port.into());
        Arc::new(Self { net: net.clone(), inner, port: AtomicU16::new(port) })
    }
}

impl Env for Machine {
    fn bind(&self, _: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        Ok(self.net.bind(addr(self.port.fetch_add(1, Ordering::Relaxed))))
    }

    fn resolve(&self, host: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        self.inner.resolve(host)
    }

    fn wall_clock(&self) -> SystemTime {
        self.inner.wall_clock()
    }

    fn entropy(&self, out: &mut [u8]) {
        self.inner.entropy(out);
    }
}

fn validity() -> Validity {
    Validity::from(now(), HOUR)
}

/// Gives a certificate to whoever has the secret of this token.
struct Desk {
    ca: Ca,
    digest: RefCell<String>,
    asked: Cell<u32>,
}

impl EnrolDesk for Desk {
    fn enrol(&self, request: &EnrolRequest) -> Result<String, EnrolRefused> {
        self.asked.set(self.asked.get() + 1);
        let refused = |reason, text: String| EnrolRefused { reason, text };
        if JoinToken::digest_of(&request.secret) != *self.digest.borrow() {
            return Err(refused(EnrolRefusal::Unknown, "who are you?".to_owned()));
        }
        let signed = self.ca.sign_request_pem(request.name.as_str(), &request.csr, validity());
        signed.map_err(|error| refused(EnrolRefusal::Malformed, error.to_string()))
    }
}

fn start(net: &Net) -> (Enrolment, Rc<Desk>, JoinToken) {
    let ca = Ca::in_memory("demo").unwrap();
    let env = Machine::on(net, AUTHORITY);
    let socket = env.bind(addr(0)).unwrap();
    let token = token(&ca, &*env);
    let copy = Ca::from_pem(&ca.to_pem()).unwrap();
    let digest = RefCell::new(token.digest());
    let desk = Rc::new(Desk { ca: copy, digest, asked: Cell::new(0) });
    let enrolment = Enrolment::start(&env, socket, ca, Rc::clone(&desk) as _).unwrap();
    (enrolment, desk, token)
}

fn token(ca: &Ca, env: &dyn Env) -> JoinToken {
    JoinToken::new(env, ca, now() + HOUR, &addr(AUTHORITY).to_string()).unwrap()
}

/// Believes everybody.
#[derive(Debug)]
struct Anybody;

impl rustls::client::danger::ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &rustls::pki_types::ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        vec![rustls::SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// A connection of the right protocol, to say whatever one likes, and what keeps it open.
async fn connect(net: &Net, port: u16) -> Result<(quinn::Endpoint, quinn::Connection), String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_details(provider, Arc::new(ClockAt(now())))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    tls.alpn_protocols = vec![b"odeon-enrol/1".to_vec()];
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    let endpoint = quinn::Endpoint::new_with_abstract_socket(
        quinn::EndpointConfig::default(),
        None,
        Arc::new(BareSocket(net.bind(addr(port)))),
        Arc::new(BareRuntime),
    )
    .unwrap();
    let config = quinn::ClientConfig::new(Arc::new(tls));
    let connecting = endpoint.connect_with(config, addr(AUTHORITY), "x.odeon").unwrap();
    let connection = connecting.await.map_err(|error| error.to_string())?;
    Ok((endpoint, connection))
}

/// What the endpoint answers to these bytes.
async fn say(net: &Net, port: u16, bytes: &[u8]) -> Result<EnrolAnswer, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let (_endpoint, connection) = connect(net, port).await?;
    let (mut send, mut recv) = connection.open_bi().await.map_err(|error| text(&error))?;
    send.write_all(bytes).await.map_err(|error| text(&error))?;
    send.finish().map_err(|error| text(&error))?;
    let answer = recv.read_to_end(1 << 16).await.map_err(|error| text(&error))?;
    EnrolAnswer::decode(&answer).map_err(|error| text(&error))
}

fn malformed(answer: Result<EnrolAnswer, String>) -> Box<str> {
    match answer {
        Ok(EnrolAnswer::Refused { reason: EnrolRefusal::Malformed, text }) => text,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bytes_that_are_no_request_are_answered_or_cut() {
    run(async {
        let net = Net::default();
        let (_enrolment, desk, token) = start(&net);
        malformed(say(&net, 1, b"").await);
        malformed(say(&net, 2, &[7; 100]).await);
        say(&net, 3, &[7; 10_000]).await.unwrap_err();
        assert_eq!(desk.asked.get(), 0);
        // With a good token: the key must be the sender's own.
        let secret = token.to_string();
        let secret = secret.split('.').nth(1).unwrap();
        let byte = |at: usize| u8::from_str_radix(&secret[2 * at..2 * at + 2], 16).unwrap();
        let secret = std::array::from_fn(byte);
        let key = rcgen::KeyPair::generate().unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&key).unwrap();
        let good = csr.der().to_vec();
        let mut forged = good.clone();
        // The last bytes are of the signature.
        *forged.last_mut().unwrap() ^= 1;
        let other_kind = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
        let other_kind = rcgen::CertificateParams::default().serialize_request(&other_kind);
        let other_kind = other_kind.unwrap().der().to_vec();
        let mut port = 10;
        for (csr, is_good) in
            [(good, true), (forged, false), (vec![1, 2, 3], false), (other_kind, false)]
        {
            let mut bytes = Vec::new();
            let name = odeon_wire::NodeName::new("n").unwrap();
            EnrolRequest { secret, name, csr }.encode(&mut bytes);
            port += 1;
            let answer = say(&net, port, &bytes).await;
            if is_good {
                assert!(matches!(answer, Ok(EnrolAnswer::Granted(_))), "{answer:?}");
            } else {
                let text = malformed(answer);
                assert!(text.contains("PKCS#10"), "{text}");
            }
        }
    });
}

#[test]
fn who_says_nothing_is_cut_in_time_and_keeps_nobody_out() {
    run(async {
        let net = Net::default();
        let (_enrolment, desk, token) = start(&net);
        let began = tokio::time::Instant::now();
        let (_endpoint, silent) = connect(&net, 1).await.unwrap();
        let env = Machine::on(&net, 100);
        enrol(&env, &token, "n").await.unwrap();
        assert_eq!(desk.asked.get(), 1);
        silent.closed().await;
        let took = began.elapsed();
        assert!(took <= Duration::from_secs(6), "{took:?}");
    });
}

#[test]
fn more_than_the_endpoint_takes_at_once_is_refused() {
    run(async {
        let net = Net::default();
        let (_enrolment, ..) = start(&net);
        let mut silent = Vec::new();
        for port in 1..=8 {
            silent.push(connect(&net, port).await.unwrap());
        }
        connect(&net, 9).await.unwrap_err();
        // Their time is over.
        tokio::time::sleep(Duration::from_secs(6)).await;
        connect(&net, 10).await.unwrap();
    });
}

/// A node of the cluster could take the endpoint's place, learn the secret, and become another node by it.
#[test]
fn a_node_of_the_cluster_is_not_taken_for_the_authority() {
    run(async {
        let net = Net::default();
        let authority = Ca::in_memory("demo").unwrap();
        let node = authority.issue_pem("m", validity()).unwrap();
        let cert = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let chain = vec![cert(&node.cert), cert(&authority.to_pem().cert)];
        let key = PrivateKeyDer::from_pem_slice(node.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut tls =
            rustls::ServerConfig::builder_with_details(provider, Arc::new(ClockAt(now())))
                .with_protocol_versions(&[&rustls::version::TLS13])
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(chain, key)
                .unwrap();
        tls.alpn_protocols = vec![b"odeon-enrol/1".to_vec()];
        let tls = quinn::crypto::rustls::QuicServerConfig::try_from(tls).unwrap();
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            quinn::EndpointConfig::default(),
            Some(quinn::ServerConfig::with_crypto(Arc::new(tls))),
            Arc::new(BareSocket(net.bind(addr(AUTHORITY)))),
            Arc::new(BareRuntime),
        )
        .unwrap();
        let accept = async {
            let incoming = endpoint.accept().await.unwrap();
            // The handshake ends with the client's refusal, before or behind the server's end of it.
            if let Ok(connection) = incoming.await {
                assert!(connection.accept_bi().await.is_err(), "it was told the secret");
            }
        };
        let env = Machine::on(&net, 100);
        let token = token(&authority, &*env);
        let (refused, ()) = tokio::join!(enrol(&env, &token, "n"), accept);
        let refused = refused.unwrap_err();
        assert!(matches!(refused, EnrolError::OtherAuthority { .. }), "{refused}");
    });
}
