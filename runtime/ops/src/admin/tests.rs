//! Who is let in at the admin port and who is not, and what they are told.

mod browser;
mod paths;

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use odeon::{
    Ca, Node, PemPair, Revoked, Serial, Validity,
    env::{Env, RealEnv},
};
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

use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::{config::PapersSection, events::Events, operator::Operator};

/// A folder that goes with the test.
struct Dir(PathBuf);

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// An authority, and the files of a node and of an operator.
struct Shop {
    ca: Ca,
    validity: Validity,
    dir: Dir,
}

impl Shop {
    fn open(name: &str) -> Self {
        let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(86_400));
        let ca = Ca::new("shop", validity).unwrap();
        let dir = format!("odeon-ops-{name}-{}", std::process::id());
        let dir = Dir(std::env::temp_dir().join(dir));
        let _ = fs::remove_dir_all(&dir.0);
        fs::create_dir(&dir.0).unwrap();
        let shop = Self { ca, validity, dir };
        let own = shop.ca.issue_pem("a", validity).unwrap();
        let alice = shop.ca.issue_operator_pem("alice", validity).unwrap();
        shop.write("a.pem", &own.cert);
        shop.write("a.key", &own.key);
        shop.write("alice.pem", &alice.cert);
        shop.write("alice.key", &alice.key);
        shop.write("ca.pem", &shop.ca.to_pem().cert);
        shop.write("ca.crl", &shop.revoking(1, &[]));
        shop
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.0.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.file(name), text).unwrap();
    }

    /// A list of revoked certificates.
    fn revoking(&self, number: u64, revoked: &[Revoked]) -> String {
        self.ca.revocation_list_pem(number, RealEnv.wall_clock(), revoked).unwrap()
    }

    fn door(&self) -> Door {
        let papers = PapersSection {
            cert: Some(self.file("a.pem")),
            key: Some(self.file("a.key")),
            ca_cert: Some(self.file("ca.pem")),
            crl: Some(self.file("ca.crl")),
            join_token: None,
            ca_key: None,
            enrol_listen: None,
        };
        Door::new(&papers, Arc::new(RealEnv)).unwrap()
    }

    fn operator(&self) -> Operator {
        let file = |name: &str| self.file(name);
        Operator::from_pem_files(&file("alice.pem"), &file("alice.key"), &file("ca.pem")).unwrap()
    }

    fn alice(&self) -> PemPair {
        let read = |name: &str| fs::read_to_string(self.file(name)).unwrap();
        PemPair { cert: read("alice.pem"), key: read("alice.key") }
    }

    async fn node(&self) -> Node {
        let identity = self.ca.issue("a", self.validity).unwrap();
        Node::builder("a").identity(identity).alone().start().await.unwrap()
    }
}

type Stream = tokio_rustls::client::TlsStream<TcpStream>;

/// A connection of a client with this certificate, or without one.
async fn connected(addr: SocketAddr, ca: &Ca, pair: Option<PemPair>) -> Stream {
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
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// What is answered to this head of a request, until the other side closes.
async fn answer_to(stream: &mut Stream, head: &str) -> String {
    stream.write_all(format!("{head}\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

/// What a client with this certificate, or without one, is answered.
async fn answered(addr: SocketAddr, ca: &Ca, pair: Option<PemPair>) -> String {
    let mut stream = connected(addr, ca, pair).await;
    answer_to(&mut stream, "GET /v1/status HTTP/1.1\r\nconnection: close").await
}

/// The next answer on a connection that goes on: its status.
async fn next(stream: &mut Stream, request: &str) -> (u16, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    loop {
        let mut piece = [0; 4096];
        let read = stream.read(&mut piece).await.unwrap();
        assert!(read > 0, "it was closed: {answer}");
        answer.push_str(std::str::from_utf8(&piece[..read]).unwrap());
        let Some((head, body)) = answer.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() == length.parse::<usize>().unwrap() {
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            return (status, answer);
        }
    }
}

#[tokio::test]
async fn whoever_is_no_operator_is_told_why() {
    let shop = Shop::open("admin");
    let node = shop.node().await;
    let (ca, validity) = (&shop.ca, shop.validity);
    let local = LocalSet::new();
    local
        .run_until(async {
            let (listener, addr) = http::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
            let mut serving = JoinSet::new();
            let standing = Standing::new(&node, "test", "1", Events::default());
            serving.spawn_local(serve(listener, shop.door(), standing));
            let nobody = answered(addr, ca, None).await;
            assert!(
                nobody.contains(" 403 ") && nobody.contains("no certificate was shown"),
                "{nobody}"
            );
            let of_a_node = answered(addr, ca, Some(ca.issue_pem("b", validity).unwrap())).await;
            assert!(of_a_node.contains(" 403 ") && of_a_node.contains("node b"), "{of_a_node}");
            let alice = answered(addr, ca, Some(shop.alice())).await;
            assert!(alice.contains(" 200 ") && alice.contains("\"node\":\"a\""), "{alice}");
            // Whoever is refused is refused once: the connection ends, though they would go on.
            let mut nobody = connected(addr, ca, None).await;
            let said = answer_to(&mut nobody, "GET /v1/status HTTP/1.1").await;
            assert!(said.contains(" 403 ") && said.matches("HTTP/1.1").count() == 1, "{said}");
        })
        .await;
    node.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn strangers_keep_no_operator_out() {
    let shop = Shop::open("strangers");
    let node = shop.node().await;
    let local = LocalSet::new();
    local
        .run_until(async {
            let (listener, addr) = http::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
            let mut serving = JoinSet::new();
            let standing = Standing::new(&node, "test", "1", Events::default());
            serving.spawn_local(serve(listener, shop.door(), standing));
            // Some say nothing at all, some say who they are not and then nothing.
            let mut held = Vec::new();
            for _ in 0..callers::STRANGERS_MAX {
                held.push(TcpStream::connect(addr).await.unwrap());
            }
            let mut refused = Vec::new();
            for _ in 0..callers::STRANGERS_MAX {
                refused.push(connected(addr, &shop.ca, None).await);
            }
            let alice = answered(addr, &shop.ca, Some(shop.alice())).await;
            assert!(alice.contains(" 200 "), "{alice}");
            // The first of them were let go for those who came later.
            assert_eq!(held[0].read(&mut [0]).await.ok().unwrap_or(0), 0);
            // Operators have as many places, and are told when there is none.
            let mut operators = Vec::new();
            let status = "GET /v1/status HTTP/1.1\r\nhost: a\r\n\r\n";
            for _ in 0..callers::OPERATORS_MAX {
                let mut one = connected(addr, &shop.ca, Some(shop.alice())).await;
                assert_eq!(next(&mut one, status).await.0, 200);
                operators.push(one);
            }
            let more = answered(addr, &shop.ca, Some(shop.alice())).await;
            assert!(more.contains(" 503 ") && more.contains("32 connections"), "{more}");
            assert_eq!(next(&mut operators[0], status).await.0, 200, "nobody lost their place");
        })
        .await;
    node.stop(Duration::from_secs(5)).await;
}

/// Each of them was a line of the log, and five hundred of them all that `/v1/events` keeps.
#[tokio::test]
async fn strangers_do_not_fill_the_log() {
    let shop = Shop::open("log");
    let node = shop.node().await;
    let events = Events::default();
    events.turn_on();
    let log = tracing_subscriber::registry().with(events.clone());
    let _log = tracing::subscriber::set_default(log);
    let local = LocalSet::new();
    local
        .run_until(async {
            let (listener, addr) = http::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
            let mut serving = JoinSet::new();
            let standing = Standing::new(&node, "test", "1", events.clone());
            serving.spawn_local(serve(listener, shop.door(), Rc::clone(&standing)));
            for _ in 0..200 {
                let mut stranger = TcpStream::connect(addr).await.unwrap();
                stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
                let _ = stranger.read_to_end(&mut Vec::new()).await;
            }
            assert_eq!(standing.refusals_at_admin_port(), 200);
            let kept = events.since(0).events;
            let said = kept.iter().filter(|it| it.text.contains("refused at the admin port"));
            let said: Vec<_> = said.map(|event| &event.text).collect();
            assert!((1..10).contains(&said.len()), "{said:?}");
        })
        .await;
    node.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn an_open_connection_is_of_no_use_to_an_operator_who_was_revoked() {
    let shop = Shop::open("revoked");
    let node = shop.node().await;
    let local = LocalSet::new();
    local
        .run_until(async {
            let (listener, addr) = http::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
            let mut serving = JoinSet::new();
            let standing = Standing::new(&node, "test", "1", Events::default());
            serving.spawn_local(serve(listener, shop.door(), standing));
            let mut alice = connected(addr, &shop.ca, Some(shop.alice())).await;
            let status = "GET /v1/status HTTP/1.1\r\nhost: a\r\n\r\n";
            assert_eq!(next(&mut alice, status).await.0, 200);
            let serial = Serial::of_pem(&shop.alice().cert).unwrap();
            let revoked = Revoked { serial, at: RealEnv.wall_clock() };
            shop.write("ca.crl", &shop.revoking(2, &[revoked]));
            let said = answer_to(&mut alice, "POST /v1/drain HTTP/1.1").await;
            assert!(said.contains(" 403 ") && said.contains("accepted no longer"), "{said}");
            assert_eq!(node.phase(), odeon::Phase::Up, "nothing was drained");
        })
        .await;
    node.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_page_from_elsewhere_does_nothing_with_an_operators_certificate() {
    let shop = Shop::open("elsewhere");
    let node = shop.node().await;
    let standing = Standing::new(&node, "test", "1", Events::default());
    let status = async |method: Method, path: &str, headers: &[(&'static str, &str)]| {
        let mut asked = Asked { method, path: path.to_owned(), ..Asked::default() };
        asked.headers.insert("host", "a:7601".parse().unwrap());
        for (name, value) in headers {
            asked.headers.append(*name, value.parse().unwrap());
        }
        answer(&standing, "alice", &asked).await.into_text().0
    };
    let evil = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    assert_eq!(status(Method::POST, "/v1/drain", &evil).await, 403);
    assert_eq!(status(Method::POST, "/v1/drain", &evil[..1]).await, 403);
    assert_eq!(status(Method::GET, "/v1/actors", &evil[1..]).await, 403);
    assert_eq!(status(Method::POST, "/v1/drain", &[("origin", "null")]).await, 403);
    let own = [("origin", "https://a:7601"), ("sec-fetch-site", "same-origin")];
    assert_eq!(status(Method::GET, "/v1/overview", &own).await, 200);
    assert_eq!(status(Method::GET, "/", &evil[1..]).await, 200, "a link to the page is fine");
    assert_eq!(status(Method::POST, "/", &own).await, 405);
    assert_eq!(status(Method::GET, "/v1/drain", &[]).await, 405);
    assert_eq!(status(Method::GET, "/v1/nothing", &[]).await, 404);
    assert_eq!(status(Method::POST, "/v1/drain", &own).await, 202);
    node.stop(Duration::from_secs(5)).await;
}
