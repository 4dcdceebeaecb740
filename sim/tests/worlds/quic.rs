//! Bare QUIC with mutual TLS over the simulated network: the whole of quinn, rustls and ring repeats itself.

#[path = "../outside/bare.rs"]
mod bare;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use odeon_env::Env as _;
use odeon_sim::{LinkRule, Override, SimEnv, World, hits};
use quinn::{
    ClientConfig, Endpoint, ServerConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};

use bare::endpoint;

const PORT: u16 = 4433;

/// One certificate, trusted by both sides; its key is drawn from the seed.
struct Credentials {
    certificate: CertificateDer<'static>,
    key: Vec<u8>,
}

impl Credentials {
    fn draw() -> Self {
        let issued =
            rcgen::generate_simple_self_signed(["echo".to_owned()]).expect("the name is valid");
        Self { certificate: issued.cert.der().clone(), key: issued.signing_key.serialize_der() }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).expect("it is a certificate");
        Arc::new(roots)
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(self.key.clone().into())
    }

    fn server(&self) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.roots(), Arc::clone(&provider));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring speaks TLS 1.3")
            .with_client_cert_verifier(verifier.build().expect("there is a root"))
            .with_single_cert(vec![self.certificate.clone()], self.key())
            .expect("the key is the certificate's");
        ServerConfig::with_crypto(Arc::new(
            QuicServerConfig::try_from(config).expect("it is TLS 1.3"),
        ))
    }

    fn client(&self) -> ClientConfig {
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(
            rustls::crypto::ring::default_provider(),
        ))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("ring speaks TLS 1.3")
        .with_root_certificates(self.roots())
        .with_client_auth_cert(vec![self.certificate.clone()], self.key())
        .expect("the key is the certificate's");
        ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).expect("it is TLS 1.3")))
    }
}

async fn echo(env: Arc<SimEnv>, credentials: Arc<Credentials>) {
    let endpoint = endpoint(&env, PORT, Some(credentials.server()));
    while let Some(incoming) = endpoint.accept().await {
        let Ok(connection) = incoming.await else { continue };
        env.note("accepted", &connection.remote_address().to_string());
        tokio::task::spawn_local(async move {
            while let Ok((mut answer, mut question)) = connection.accept_bi().await {
                let Ok(bytes) = question.read_to_end(1 << 20).await else { continue };
                let _ = answer.write_all(&bytes).await;
                let _ = answer.finish();
            }
        });
    }
}

/// Asks ten questions, and anew from the first where the connection breaks.
async fn ask(env: Arc<SimEnv>, credentials: Arc<Credentials>) {
    let mut endpoint = endpoint(&env, 0, None);
    endpoint.set_default_client_config(credentials.client());
    let to = env.resolve(&format!("server:{PORT}")).await.expect("it is a host")[0];
    while let Err(error) = ask_ten(&endpoint, to).await {
        env.note("asks again", &error);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    env.note("all", "answered");
    std::future::pending::<()>().await;
}

async fn ask_ten(endpoint: &Endpoint, to: SocketAddr) -> Result<(), String> {
    let connecting = endpoint.connect(to, "echo").map_err(|error| error.to_string())?;
    let connection = connecting.await.map_err(|error| error.to_string())?;
    for size in 1..=10 {
        let question = vec![size as u8; size * 5000];
        let (mut send, mut receive) =
            connection.open_bi().await.map_err(|error| error.to_string())?;
        send.write_all(&question).await.map_err(|error| error.to_string())?;
        send.finish().map_err(|error| error.to_string())?;
        let answer = receive.read_to_end(1 << 20).await.map_err(|error| error.to_string())?;
        assert_eq!(answer, question);
    }
    Ok(())
}

#[odeon_sim::test(seeds = 0..3, repeat = 10)]
async fn an_echo_over_quic_repeats_itself(world: &mut World) {
    world.set_default_link(LinkRule::rough());
    let credentials = Arc::new(Credentials::draw());
    assert!(hits(Override::SyscallRandom) > 0, "ring does not draw from the seed");
    let shared = Arc::clone(&credentials);
    world.node("server", move |env| echo(env, Arc::clone(&shared)));
    for name in ["a", "b", "c"] {
        let shared = Arc::clone(&credentials);
        world.node(name, move |env| ask(env, Arc::clone(&shared)));
    }
    world.run_for(Duration::from_millis(100)).await;
    world.crash("server");
    world.run_for(Duration::from_secs(1)).await;
    world.restart("server");
    world.run_for(Duration::from_secs(60)).await;
    let answered = world.trace().last_lines(usize::MAX);
    let answered = answered.iter().filter(|line| line.ends_with("all answered")).count();
    assert_eq!(answered, 3);
}
