//! Keys of every kind that an authority or a node may have, and in every form that a file may hold them.
//!
//! The keys in files are nobody's: they were made for this test.

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};

use super::*;

const P256_PKCS8: &str = include_str!("keys/p256.pkcs8.pem");
const P256_SEC1: &str = include_str!("keys/p256.sec1.pem");
const RSA_PKCS8: &str = include_str!("keys/rsa.pkcs8.pem");
const RSA_PKCS1: &str = include_str!("keys/rsa.pkcs1.pem");

/// A key of each kind, with the form in which a node reads it.
fn kinds() -> Vec<(&'static str, KeyPair, String)> {
    let fresh = |name, kind| {
        let key = KeyPair::generate_for(kind).unwrap();
        let pem = key.serialize_pem();
        (name, key, pem)
    };
    let kept = |name, pkcs8, form: &str| (name, KeyPair::from_pem(pkcs8).unwrap(), form.to_owned());
    vec![
        fresh("P-256, PKCS#8", &PKCS_ECDSA_P256_SHA256),
        fresh("P-384, PKCS#8", &PKCS_ECDSA_P384_SHA384),
        fresh("Ed25519, PKCS#8", &PKCS_ED25519),
        kept("P-256, SEC1", P256_PKCS8, P256_SEC1),
        kept("RSA, PKCS#8", RSA_PKCS8, RSA_PKCS8),
        kept("RSA, PKCS#1", RSA_PKCS8, RSA_PKCS1),
    ]
}

/// Each kind as a node's, below an authority of each, beside a node of another kind.
#[test]
fn nodes_and_authorities_with_keys_of_every_kind_associate() {
    let names = kinds().into_iter().map(|(name, ..)| name).collect::<Vec<_>>();
    for at in 0..names.len() {
        run(async move {
            let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
            let nth = |at: usize| kinds().swap_remove(at % 6);
            let (_, of_root, _) = nth(at);
            let (_, of_between, _) = nth(at + 1);
            let pki = Pki::with_keys([of_root, of_between]);
            let [a, b] = [("a", 1), ("b", 2)].map(|(name, port)| {
                let (_, own, pem) = nth(at + usize::from(port) * 2);
                let mut plan = Plan::new(&net, &ca, name, port);
                plan.identity = pki.identity_of(name, port.into(), (&own, &pem));
                plan.start()
            });
            send(&a.to(&b), key(1), b"hello").await;
            b.until("message", |_| b.payloads() == [b"hello"]).await;
            assert_eq!((downs(&a.events()).len(), downs(&b.events()).len()), (0, 0));
        });
    }
}
