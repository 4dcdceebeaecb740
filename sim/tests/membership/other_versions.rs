//! A program that speaks another version of the whole protocol, with papers of the cluster: it stays outside, both sides
//! know why, and nobody else is held up by it. Revisions within one version are negotiated; those are the transport's tests
//! (`strangers/revisions.rs`).

#[path = "../outside/bare.rs"]
mod bare;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use odeon::{Ca, HandshakeFailure, JoinConfig, NodeBuilder, PemPair, Phase, Validity};
use odeon_env::Env as _;
use odeon_sim::{NODE_PORT, SimEnv, World};
use quinn::{
    ClientConfig, ConnectionError, ServerConfig,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use crate::nodes::node;

const SECOND: Duration = Duration::from_secs(1);

/// When the wall clock of a world begins.
const BEGIN: Duration = Duration::from_secs(1_900_000_000);

/// What a node of the next version would offer.
const NEXT: &[u8] = b"odeon/2";

/// The alert "no application protocol" (RFC 8446, 6.2), as an error of QUIC (RFC 9001, 4.8).
const NO_PROTOCOL: u64 = 0x100 + 120;

/// Papers of a node, as it has them in files.
#[derive(Clone)]
struct Papers {
    own: Rc<PemPair>,
    authority: String,
}

impl Papers {
    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.authority.as_bytes());
        roots.add(root.expect("it is a certificate")).expect("it is an authority's");
        Arc::new(roots)
    }

    fn chain(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let chain = CertificateDer::pem_slice_iter(self.own.cert.as_bytes());
        let chain = chain.map(|it| it.expect("it is a certificate")).collect();
        (chain, PrivateKeyDer::from_pem_slice(self.own.key.as_bytes()).expect("it is a key"))
    }

    fn server(&self) -> ServerConfig {
        let (provider, (chain, key)) =
            (Arc::new(rustls::crypto::ring::default_provider()), self.chain());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(self.roots(), Arc::clone(&provider));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring speaks TLS 1.3")
            .with_client_cert_verifier(verifier.build().expect("there is a root"))
            .with_single_cert(chain, key)
            .expect("the key is the certificate's");
        config.alpn_protocols = vec![NEXT.to_vec()];
        let config = QuicServerConfig::try_from(config).expect("it is TLS 1.3");
        ServerConfig::with_crypto(Arc::new(config))
    }

    fn client(&self) -> ClientConfig {
        let (provider, (chain, key)) =
            (Arc::new(rustls::crypto::ring::default_provider()), self.chain());
        let mut config = rustls::ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring speaks TLS 1.3")
            .with_root_certificates(self.roots())
            .with_client_auth_cert(chain, key)
            .expect("the key is the certificate's");
        config.alpn_protocols = vec![NEXT.to_vec()];
        ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).expect("it is TLS 1.3")))
    }
}

/// What became of the other program's connections.
#[derive(Clone, Default)]
struct Outcomes {
    /// Why its own dials failed.
    dialled: Rc<RefCell<Vec<String>>>,
    refused: Rc<Cell<u64>>,
    /// Connections that came about, either way.
    made: Rc<Cell<u64>>,
}

/// Dials a node again and again, and takes whatever comes.
async fn live(env: Arc<SimEnv>, papers: Papers, outcomes: Outcomes) {
    let mut endpoint = bare::endpoint(&env, NODE_PORT, Some(papers.server()));
    endpoint.set_default_client_config(papers.client());
    let to = env.resolve(&format!("a:{NODE_PORT}")).await.expect("it is a host")[0];
    let accepting = async {
        while let Some(incoming) = endpoint.accept().await {
            if incoming.await.is_ok() {
                outcomes.made.set(outcomes.made.get() + 1);
            }
        }
    };
    let dialling = async {
        loop {
            match endpoint.connect(to, "world.odeon").expect("the configuration is good").await {
                Ok(_) => outcomes.made.set(outcomes.made.get() + 1),
                Err(ConnectionError::ConnectionClosed(close))
                    if u64::from(close.error_code) == NO_PROTOCOL =>
                {
                    outcomes.refused.set(outcomes.refused.get() + 1);
                }
                Err(error) => outcomes.dialled.borrow_mut().push(error.to_string()),
            }
            tokio::time::sleep(SECOND).await;
        }
    };
    tokio::join!(accepting, dialling);
}

fn failed(counted: &[(HandshakeFailure, u64)], why: HandshakeFailure) -> u64 {
    counted.iter().filter(|(it, _)| *it == why).map(|(_, count)| count).sum()
}

#[odeon_sim::test(seeds = 0..5, link = quic)]
async fn a_program_of_another_version_stays_outside_and_holds_up_nobody(world: &mut World) {
    let validity = Validity::from(UNIX_EPOCH + BEGIN, 3600 * SECOND);
    let ca = Rc::new(Ca::new("world", validity).expect("the name is valid"));
    let own = Rc::new(ca.issue_pem("tomorrow", validity).expect("the name is valid"));
    let papers = Papers { own, authority: ca.to_pem().cert };
    let identified = |name: &str| {
        let identity = ca.issue(name, validity).expect("the name is valid");
        move |builder: NodeBuilder| builder.identity(identity.clone())
    };
    for name in ["a", "b"] {
        world.start_member(name, identified(name), async |_| ());
    }
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let outcomes = Outcomes::default();
    let copy = outcomes.clone();
    world.node("tomorrow", move |env| live(env, papers.clone(), copy.clone()));
    // A node that knows it alone does not get in, and knows why.
    let join = |seeds: &[&str]| JoinConfig {
        seeds: seeds.iter().map(|seed| format!("{seed}:{NODE_PORT}")).collect(),
        ..JoinConfig::default()
    };
    for (name, join) in [("c", join(&["tomorrow"])), ("d", join(&["tomorrow", "a"]))] {
        let identified = identified(name);
        let setup = move |builder: NodeBuilder| identified(builder).join(join.clone());
        world.start_node(name, setup, async |_| ());
    }
    // One that knows others too gets in by those.
    world.all_joined(&["a", "b", "d"], 20 * SECOND).await.expect("a seed is of their version");
    world.run_for(20 * SECOND).await;

    assert_eq!((outcomes.made.get(), outcomes.dialled.borrow().as_slice()), (0, &[][..]));
    assert!(outcomes.refused.get() > 1, "it was told why");
    let of_a = node(world, "a").network_metrics();
    assert!(failed(&of_a.handshakes.inbound, HandshakeFailure::Revision) > 1, "{of_a}");
    let b = of_a.of("b").expect("they have met");
    assert!(b.connections == 1 && b.up_for.is_some(), "{of_a}");
    let c = node(world, "c");
    assert!(c.phase() == Phase::Joining && c.members_now().is_empty());
    let of_c = c.network_metrics();
    assert!(failed(&of_c.handshakes.outbound, HandshakeFailure::Revision) > 0, "{of_c}");
    for name in ["a", "b", "d"] {
        let members = node(world, name).members_now();
        assert!(
            members.len() == 2 && members.iter().all(|it| it.name != "tomorrow"),
            "{members:?}"
        );
    }
}
