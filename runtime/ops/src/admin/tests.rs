//! Who is refused at the admin port, and what they are told.

use std::{fs, path::PathBuf, sync::Arc};

use odeon::{Ca, Node, Validity, env::RealEnv};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::LocalSet,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
        version::TLS13,
    },
};

use super::*;

/// A folder that goes with the test.
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What a client with this certificate, or without one, is answered.
async fn answered(addr: std::net::SocketAddr, ca: &Ca, pair: Option<odeon::PemPair>) -> String {
    let chain = |pem: &str| {
        CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap).collect::<Vec<_>>()
    };
    let mut roots = RootCertStore::empty();
    roots.add(chain(&ca.to_pem().cert).remove(0)).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let config = config.with_protocol_versions(&[&TLS13]).unwrap().with_root_certificates(roots);
    let config = match pair {
        Some(pair) => {
            let key = PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap();
            config.with_client_auth_cert(chain(&pair.cert), key).unwrap()
        }
        None => config.with_no_client_auth(),
    };
    let stream = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("shop.odeon").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    let request = b"GET /v1/status HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn whoever_is_no_operator_is_told_why() {
    let env: Arc<dyn Env> = Arc::new(RealEnv);
    let validity = Validity::from(env.wall_clock(), Duration::from_secs(86_400));
    let ca = Ca::new("shop", validity).unwrap();
    let dir = Dir(std::env::temp_dir().join(format!("odeon-ops-admin-{}", std::process::id())));
    let _ = fs::remove_dir_all(&dir.0);
    fs::create_dir(&dir.0).unwrap();
    let own = ca.issue_pem("a", validity).unwrap();
    let write = |name: &str, text: &str| {
        fs::write(dir.0.join(name), text).unwrap();
        Some(dir.0.join(name))
    };
    let papers = PapersSection {
        cert: write("a.pem", &own.cert),
        key: write("a.key", &own.key),
        ca_cert: write("ca.pem", &ca.to_pem().cert),
        crl: None,
        join_token: None,
        ca_key: None,
        enrol_listen: None,
    };
    let door = Door::new(&papers, Arc::clone(&env)).unwrap();
    let identity = ca.issue("a", validity).unwrap();
    let node = Node::builder("a").identity(identity).alone().start().await.unwrap();
    let local = LocalSet::new();
    local
        .run_until(async {
            let (listener, addr) = http::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
            let mut serving = JoinSet::new();
            serving.spawn_local(serve(listener, door, Standing::new(&node, "test", "1")));
            let nobody = answered(addr, &ca, None).await;
            assert!(
                nobody.contains(" 403 ") && nobody.contains("no certificate was shown"),
                "{nobody}"
            );
            let of_a_node = answered(addr, &ca, Some(ca.issue_pem("b", validity).unwrap())).await;
            assert!(of_a_node.contains(" 403 ") && of_a_node.contains("node b"), "{of_a_node}");
            let alice = Some(ca.issue_operator_pem("alice", validity).unwrap());
            let alice = answered(addr, &ca, alice).await;
            assert!(alice.contains(" 200 ") && alice.contains("\"node\":\"a\""), "{alice}");
        })
        .await;
    node.stop(Duration::from_secs(5)).await;
}
