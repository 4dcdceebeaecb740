//! Messages short and long, over associations of nodes with good manners.

use bytes::Bytes;
use odeon_transport::TransportConfig;
use tokio::task::LocalSet;

use crate::{
    log::Log,
    node::{Node, ca},
    sending::send,
};

#[tokio::test]
async fn messages_pass_and_a_closed_endpoint_is_noticed() {
    let test = async {
        let ca = ca();
        let [a, b] = ["a", "b"].map(|name| Node::start(&ca, name, TransportConfig::default()));
        let to_b = a.to(&b);
        to_b.keep(true);
        for number in 0..20_000_u32 {
            send(&to_b, number % 7, &number.to_le_bytes()).await;
        }
        let large = vec![3; 900_000];
        for slot in 0..20 {
            send(&to_b, slot, &large).await;
        }
        b.until("all come", |log| log.messages.borrow().len() == 20_020).await;
        assert_eq!(b.log.bytes(), 20_000 * 4 + 20 * 900_000);
        assert_eq!((a.log.ups(), b.log.ups()), (1, 1));
        let (_, most) = b.log.together.get();
        // Of trains, which are frames, all messages count.
        assert!(most >= 2, "{most} messages were handed on together");
        let (b_id, b_addr) = (b.id, b.addr);
        b.close().await;
        if cfg!(target_os = "linux") {
            // quinn's tasks give the socket up when they are polled next.
            tokio::task::yield_now().await;
            let is_noticed = |log: &Log| log.unreachable.borrow().contains(&b_addr);
            a.transport.probe(b_addr);
            a.until("a probe finds nobody", is_noticed).await;
            a.log.unreachable.borrow_mut().clear();
            // The first may find what was sent before it.
            let knock = || Bytes::from_static(b"knock");
            (0..2).for_each(|_| a.transport.knock((b_id.node, b_addr), knock()));
            a.until("a knock finds nobody", is_noticed).await;
        }
        assert!(a.log.refused.borrow().is_empty(), "{:?}", a.log.refused.borrow());
        a.close().await;
    };
    LocalSet::new().run_until(test).await;
}

/// The longest message there is, and others that are not behind it though there is one lane.
#[tokio::test]
async fn a_message_of_64_mib_arrives_and_small_ones_pass_it() {
    let test = async {
        let ca = ca();
        let config = TransportConfig { lanes: 1, ..TransportConfig::default() };
        let [a, b] = ["a", "b"].map(|name| Node::start(&ca, name, config.clone()));
        let to_b = a.to(&b);
        to_b.keep(true);
        let longest = (64 << 20) - 32;
        send(&to_b, 1, &vec![3; longest]).await;
        send(&to_b, 2, b"another's").await;
        send(&to_b, 3, &[3; 70_000]).await;
        let lengths = || {
            let messages = b.log.messages.borrow();
            messages.iter().map(|(slot, payload)| (*slot, payload.len())).collect::<Vec<_>>()
        };
        b.until("the small ones come", |log| log.messages.borrow().len() == 2).await;
        assert_eq!(lengths(), [(2, 9), (3, 70_000)]);
        // Credit for more comes when the long one was taken: it was larger than the window.
        send(&to_b, 1, b"behind it").await;
        b.until_payload(b"behind it").await;
        assert_eq!(lengths()[2..], [(1, longest), (1, 9)]);
        assert_eq!(b.log.bytes(), longest + 70_000 + 2 * 9);
        let stats = (to_b.stats().connections, to_b.stats().bad_frames);
        assert_eq!(stats, (1, 0));
        for node in [a, b] {
            assert!(node.log.refused.borrow().is_empty(), "{:?}", node.log.refused.borrow());
            node.close().await;
        }
    };
    LocalSet::new().run_until(test).await;
}
