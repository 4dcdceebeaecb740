//! The resolver of our own, against a name server on loopback: records in their order, long answers, and what a hostile
//! server may say.

#![cfg(feature = "dns")]
#![expect(clippy::unwrap_used, reason = "a test may stop here")]

mod server;

use std::{collections::BTreeSet, io, net::SocketAddr};

use odeon_env::{Env, RealEnv, SrvRecord};

use server::{Manners, NameServer, Target};

const NAME: &str = "_odeon._udp.shop.example";

fn env(server: &NameServer) -> RealEnv {
    RealEnv::builder().name_servers(vec![server.addr]).open().unwrap()
}

fn target(priority: u16, port: u16, host: &str) -> Target {
    Target { priority, weight: 1, port, host: host.to_owned() }
}

fn ports(records: &[SrvRecord]) -> Vec<u16> {
    records.iter().map(|record| record.port).collect()
}

#[tokio::test]
async fn records_come_in_their_order_and_lead_to_addresses() {
    let server = NameServer::start();
    let env = env(&server);
    let targets = [target(20, 7402, "b.shop.example"), target(10, 7401, "a.shop.example")];
    server.set_targets(NAME, &targets);
    server.set_addresses("a.shop.example", &["127.0.0.7".parse().unwrap(), "::1".parse().unwrap()]);
    let found = env.resolve_srv(NAME).await.unwrap();
    assert_eq!(ports(&found), [7401, 7402]);
    let target = found[0].target.trim_end_matches('.');
    let addresses: BTreeSet<SocketAddr> =
        env.resolve(&format!("{target}:7401")).await.unwrap().into_iter().collect();
    let both = ["127.0.0.7:7401", "[::1]:7401"].map(|text| text.parse().unwrap());
    assert_eq!(addresses, BTreeSet::from(both));
    // Another answer from one question to the next: nothing is kept.
    server.set_targets(NAME, &targets[..1]);
    assert_eq!(ports(&env.resolve_srv(NAME).await.unwrap()), [7402]);
    let literal = env.resolve("127.0.0.1:9").await.unwrap();
    assert_eq!(literal, ["127.0.0.1:9".parse().unwrap()]);
}

#[tokio::test]
async fn an_answer_that_is_too_long_for_a_datagram_is_had_and_cut_to_its_bound() {
    let server = NameServer::start();
    let targets: Vec<Target> =
        (1..=300).map(|port| target(port, port, &format!("n{port}.shop.example"))).collect();
    server.set_targets(NAME, &targets);
    let found = env(&server).resolve_srv(NAME).await.unwrap();
    assert_eq!(found.len(), 64);
    assert!(found.is_sorted_by_key(|record| record.priority));
}

#[tokio::test]
async fn what_is_no_target_is_left_out() {
    let server = NameServer::start();
    let env = env(&server);
    server.set_targets(NAME, &[target(1, 7400, "."), target(1, 0, "a.shop.example")]);
    let error = env.resolve_srv(NAME).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound);
    assert!(error.to_string().contains(NAME), "{error}");
}

#[tokio::test]
async fn failures_name_what_was_asked_for() {
    let server = NameServer::start();
    let env = env(&server);
    let error = env.resolve_srv("_none._udp.shop.example").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
    assert!(error.to_string().contains("_none._udp.shop.example"), "{error}");
    let error = env.resolve("nobody.shop.example:1").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}");
    server.set_targets(NAME, &[target(1, 7400, "a.shop.example")]);
    server.set_manners(Manners::Fails);
    let error = env.resolve_srv(NAME).await.unwrap_err();
    assert!(error.to_string().contains(NAME), "{error}");
    for wrong in ["nothing", ":1", "a.shop.example:many"] {
        let error = env.resolve(wrong).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{error}");
    }
}

/// A name that points to itself, lengths beyond the end, counts of records that are not there.
#[tokio::test]
async fn a_hostile_server_brings_errors_and_nothing_else() {
    let server = NameServer::start();
    let env = env(&server);
    server.set_targets(NAME, &[target(1, 7400, "a.shop.example")]);
    let head = |records: u16| [&[0x84, 0, 0, 0][..], &records.to_be_bytes(), &[0; 4]].concat();
    let round =
        [&[0xc0, 0x0c, 0, 33, 0, 1, 0, 0, 0, 5, 0, 8, 0, 1, 0, 1, 0x1c, 0xe8][..], &[0xc0, 0x0c]];
    for bytes in [
        Vec::new(),
        vec![0xff; 9],
        head(u16::MAX),
        [head(1), round.concat()].concat(),
        [head(1), vec![63; 200]].concat(),
        [head(2), vec![0, 0, 33, 0, 1, 0, 0, 0, 5, 0xff, 0xff]].concat(),
    ] {
        server.set_manners(Manners::Says(bytes.clone()));
        let found = env.resolve_srv(NAME).await;
        assert!(found.is_err(), "{bytes:?}: {found:?}");
    }
    server.set_manners(Manners::Good);
    assert_eq!(ports(&env.resolve_srv(NAME).await.unwrap()), [7400]);
}
