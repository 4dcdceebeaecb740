//! The largest datagram that a path carries, and how it is found.

use std::{sync::Arc, time::Duration};

use odeon_transport::TransportConfig;
use tokio::task::LocalSet;

use crate::{
    node::{LONG, Node, ca},
    sending::send,
    switch::Switch,
};

/// How often QUIC sends a probe that vanishes.
const PROBES: usize = 3;

/// The search began half of the way up, and sent some eighty kilobytes of padding on each side of each connection.
#[tokio::test]
async fn the_largest_mtu_is_found_with_one_packet() {
    let test = async {
        let ca = ca();
        let [a, b] = ["a", "b"].map(|name| Node::start(&ca, name, TransportConfig::default()));
        let to_b = a.to(&b);
        to_b.keep(true);
        b.until("it is up", |log| log.ups() == 1).await;
        let found = async {
            loop {
                let path = to_b.metrics().path.filter(|path| path.mtu == 8972);
                match path {
                    Some(path) => return path,
                    None => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        };
        let path = tokio::time::timeout(Duration::from_secs(20), found).await.expect("it is found");
        // One probe, and a handshake; another few if probes or their acknowledgements are late.
        assert!(path.bytes_sent < 6 * 8972, "{path}");
        for node in [a, b] {
            node.close().await;
        }
    };
    LocalSet::new().run_until(test).await;
}

/// Where the largest does not pass, half of the way to it is tried, and then the search ends. What vanishes says that it was
/// tried: the least MTU, which is found where neither passes, is there before.
#[tokio::test]
async fn half_of_the_way_is_tried_where_the_largest_mtu_does_not_pass() {
    let test = async {
        let ca = ca();
        for (carries, vanish, found) in
            [(6_000, &[8_972][..], 5_085), (3_000, &[8_972, 5_085], 1_200)]
        {
            let switch = Arc::new(Switch::that_carries(carries));
            let socket = Arc::clone(&switch) as _;
            let a = Node::start_at(&ca, ("a", 1), TransportConfig::default(), socket);
            let b = Node::start(&ca, "b", TransportConfig::default());
            let to_b = a.to(&b);
            to_b.keep(true);
            for node in [&a, &b] {
                node.until("it is up", |log| log.ups() == 1).await;
            }
            let path = || to_b.metrics().path.expect("it is connected");
            let vanish: Vec<usize> = vanish.iter().flat_map(|&bytes| [bytes; PROBES]).collect();
            // Messages give QUIC something to acknowledge meanwhile, or it would not know what was lost.
            let mut number = 0_u32;
            let is_over = async {
                while path().mtu != found || switch.too_long().len() < vanish.len() {
                    number += 1;
                    send(&to_b, 1, &number.to_le_bytes()).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            };
            let is_over = tokio::time::timeout(LONG, is_over).await;
            assert!(is_over.is_ok(), "{:?} vanished: {}", switch.too_long(), path());
            // As many round trips as the loss of another probe needs, and all that QUIC sends is as long as was found.
            for number in 0..100_u32 {
                send(&to_b, 1, &number.to_le_bytes()).await;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            send(&to_b, 1, &[3; 900_000]).await;
            send(&to_b, 1, b"all of it").await;
            b.until_payload(b"all of it").await;
            assert_eq!(switch.too_long(), vanish, "{}", path());
            assert_eq!(path().mtu, found, "{}", path());
            for node in [a, b] {
                node.close().await;
            }
        }
    };
    LocalSet::new().run_until(test).await;
}
