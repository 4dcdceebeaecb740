//! Nodes whose cryptography is not of the same library.

use std::time::Duration;

use odeon_env::{
    Env, RealEnv,
    buggify::{Mischief, Place, arm},
};
use odeon_transport::{
    Crypto::{AwsLc, Ring},
    TransportConfig, Validity,
};
use tokio::task::LocalSet;

use crate::{
    node::{Node, bind, ca},
    sending::send,
};

/// Whoever dials, and though a program has both, of which rustls would take neither by itself.
#[tokio::test]
async fn a_node_by_aws_lc_and_one_by_ring_understand_each_other() {
    let test = async {
        let ca = ca();
        for (dials, answers) in [(AwsLc, Ring), (Ring, AwsLc), (AwsLc, AwsLc)] {
            let by = |crypto| TransportConfig { crypto, ..TransportConfig::default() };
            let (a, b) = (Node::start(&ca, "a", by(dials)), Node::start(&ca, "b", by(answers)));
            let to_b = a.to(&b);
            to_b.keep(true);
            b.until("it is up", |log| log.ups() == 1).await;
            // Others' certificates are the same to both.
            let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(7200));
            for (node, name) in [(&a, "a"), (&b, "b")] {
                let identity = ca.issue(name, validity).expect("a good name");
                node.transport.rotate(identity).expect("it is good");
            }
            for number in 0..2_000_u32 {
                send(&to_b, number % 7, &number.to_le_bytes()).await;
            }
            for slot in 0..8 {
                send(&to_b, slot, &vec![3; 900_000]).await;
            }
            b.until("all come", |log| log.messages.borrow().len() == 2_008).await;
            assert_eq!(b.log.bytes(), 2_000 * 4 + 8 * 900_000);
            assert_eq!((a.log.ups(), b.log.ups()), (1, 1), "{dials:?} to {answers:?}");
            for node in [a, b] {
                assert!(node.log.refused.borrow().is_empty(), "{:?}", node.log.refused.borrow());
                node.close().await;
            }
        }
    };
    LocalSet::new().run_until(test).await;
}

/// It would draw entropy that no seed decides, and the run could not be made again.
#[tokio::test]
async fn aws_lc_is_refused_in_a_simulation() {
    #[derive(Debug)]
    struct Quiet;

    impl Mischief for Quiet {
        fn fires(&self, _: Place, _: f64, _: u64) -> Option<u64> {
            None
        }

        fn defers(&self) -> bool {
            false
        }
    }

    let test = async {
        let ca = ca();
        let by = |crypto| TransportConfig { crypto, ..TransportConfig::default() };
        let armed = arm(&Quiet);
        let start = |crypto| Node::try_start_at(&ca, ("a", 1), by(crypto), bind());
        let refused = start(AwsLc).map(|_| ()).unwrap_err().to_string();
        let says = "transport.crypto is aws-lc-rs: in a simulation use ring";
        assert!(refused.starts_with(says), "{refused}");
        assert!(start(Ring).is_ok());
        drop(armed);
        // This is none any more.
        assert!(start(AwsLc).is_ok());
    };
    LocalSet::new().run_until(test).await;
}
