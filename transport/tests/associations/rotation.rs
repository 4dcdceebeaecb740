//! Other certificates while nodes run: nothing is lost by it, and whoever is revoked is cut off.

use std::time::{Duration, SystemTime};

use odeon_transport::{
    Ca, Identity, IdentityError, LostReason, RefusedReason, Revoked, Serial, Validity,
};
use odeon_wire::CloseCode;

use crate::{
    net::{Net, now},
    node::{Event, Node, Plan, downs, key, run, send},
};

const DAY: Duration = Duration::from_secs(86_400);

/// A certificate that the test can renew and revoke.
struct Papers {
    cert: String,
    key: String,
}

impl Papers {
    fn issue(ca: &Ca, node: &str) -> Self {
        let pem = ca.issue_pem(node, Validity::from(now(), DAY)).unwrap();
        Self { cert: pem.cert, key: pem.key }
    }

    /// The same key for longer.
    fn renewed(&self, ca: &Ca, node: &str) -> Self {
        let cert = ca.renew_pem(node, &self.cert, Validity::from(now(), 2 * DAY)).unwrap();
        Self { cert, key: self.key.clone() }
    }

    fn identity(&self, ca: &Ca) -> Identity {
        Identity::from_pem(&self.cert, &self.key, &ca.to_pem().cert).unwrap()
    }
}

fn list(ca: &Ca, revoked: &[&Papers]) -> String {
    let one = |papers: &&Papers| Revoked {
        serial: Serial::of_pem(&papers.cert).unwrap(),
        at: SystemTime::UNIX_EPOCH,
    };
    let all: Vec<_> = revoked.iter().map(one).collect();
    ca.revocation_list_pem(1, now(), &all).unwrap()
}

/// Nodes of these names and papers.
fn nodes<const N: usize>(net: &Net, ca: &Ca, named: [(&'static str, &Papers); N]) -> [Node; N] {
    let mut port = 0;
    named.map(|(name, papers)| {
        port += 1;
        let mut plan = Plan::new(net, ca, name, port);
        plan.identity = papers.identity(ca);
        plan.start()
    })
}

fn refusals(events: &[Event]) -> Vec<RefusedReason> {
    let reason = |event: &Event| match event {
        Event::Refused(reason) => Some(reason.clone()),
        _ => None,
    };
    events.iter().filter_map(reason).collect()
}

fn is_revoked(reason: &RefusedReason) -> bool {
    matches!(reason, RefusedReason::Revoked(_))
}

#[test]
fn a_revoked_peer_is_cut_off_and_its_dials_are_refused() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let papers = ["a", "b", "c"].map(|name| Papers::issue(&ca, name));
        let named = [("a", &papers[0]), ("b", &papers[1]), ("c", &papers[2])];
        let [a, b, c] = nodes(&net, &ca, named);
        send(&a.to(&b), key(1), b"before").await;
        send(&c.to(&a), key(1), b"before").await;
        a.until_up(2).await;
        let revoking = papers[0].identity(&ca).with_revoked_pem(&list(&ca, &[&papers[1]]));
        a.transport.rotate(revoking.unwrap()).unwrap();
        a.until("cut", |events| !downs(events).is_empty()).await;
        let reasons = downs(&a.events());
        assert!(
            matches!(&reasons[..], [LostReason::Untrusted(cause)] if cause.contains("Revoked")),
            "{reasons:?}"
        );
        b.until("cut", |events| !downs(events).is_empty()).await;
        let reasons = downs(&b.events());
        let [LostReason::ClosedByPeer { code: CloseCode::Refused, text }] = &reasons[..] else {
            panic!("{reasons:?}");
        };
        assert!(text.contains("not accepted any more"), "{text}");
        // Neither side gets through again.
        b.to(&a).keep(true);
        a.to(&b).keep(true);
        b.until("refusal", |events| refusals(events).iter().any(is_revoked)).await;
        a.until("refusal", |events| refusals(events).iter().any(is_revoked)).await;
        // The peer that is not revoked has noticed nothing.
        send(&c.to(&a), key(1), b"after").await;
        a.until("message", |_| a.payloads().len() == 2).await;
        assert!(downs(&c.events()).is_empty());
        assert_eq!(downs(&a.events()).len(), 1);
    });
}

#[test]
fn certificates_change_under_messages_and_no_association_is_dropped() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let old = ["a", "b"].map(|name| Papers::issue(&ca, name));
        let [a, b] = nodes(&net, &ca, [("a", &old[0]), ("b", &old[1])]);
        let to_b = a.to(&b);
        let count = 3_000_u32;
        for number in 0..count {
            if number == 1_000 {
                a.transport.rotate(old[0].renewed(&ca, "a").identity(&ca)).unwrap();
            }
            if number == 2_000 {
                let new = Papers::issue(&ca, "b");
                b.transport.rotate(new.identity(&ca)).unwrap();
            }
            send(&to_b, key(1), &number.to_le_bytes()).await;
        }
        b.until("messages", |_| b.payloads().len() == count as usize).await;
        let numbers: Vec<_> = (0..count).map(|number| number.to_le_bytes().to_vec()).collect();
        assert!(b.payloads() == numbers, "each once and in order");
        assert!(downs(&a.events()).is_empty() && downs(&b.events()).is_empty());
    });
}

#[test]
fn a_new_certificate_lets_a_node_in_whose_old_one_is_revoked() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let old = ["a", "b"].map(|name| Papers::issue(&ca, name));
        let [a, b] = nodes(&net, &ca, [("a", &old[0]), ("b", &old[1])]);
        let lists = list(&ca, &[&old[1]]);
        a.transport.rotate(old[0].identity(&ca).with_revoked_pem(&lists).unwrap()).unwrap();
        b.to(&a).keep(true);
        b.until("refusal", |events| refusals(events).iter().any(is_revoked)).await;
        let new = old[1].renewed(&ca, "b").identity(&ca).with_revoked_pem(&lists).unwrap();
        b.transport.rotate(new).unwrap();
        a.until_up(1).await;
        b.until_up(1).await;
    });
}

/// As the runbook says: all trust both authorities, then have certificates of the new one, then trust that alone.
#[test]
fn an_authority_is_replaced_under_messages() {
    run(async {
        let net = Net::default();
        let [old, new] = [(); 2].map(|()| Ca::in_memory("demo").unwrap());
        let papers = |ca: &Ca| ["a", "b"].map(|name| Papers::issue(ca, name));
        let (of_old, of_new) = (papers(&old), papers(&new));
        let both = old.to_pem().cert + &new.to_pem().cert;
        let trusting = |papers: &Papers, authorities: &str| {
            Identity::from_pem(&papers.cert, &papers.key, authorities).unwrap()
        };
        let [a, b] = nodes(&net, &old, [("a", &of_old[0]), ("b", &of_old[1])]);
        let to_b = a.to(&b);
        to_b.keep(true);
        let new_alone = new.to_pem().cert;
        let steps = [
            (&a, trusting(&of_old[0], &both)),
            (&b, trusting(&of_old[1], &both)),
            (&a, trusting(&of_new[0], &both)),
            (&b, trusting(&of_new[1], &both)),
            (&a, trusting(&of_new[0], &new_alone)),
            (&b, trusting(&of_new[1], &new_alone)),
        ];
        let mut sent = Vec::new();
        for (step, (node, identity)) in steps.into_iter().enumerate() {
            for number in 0..200_u32 {
                let payload = [step as u32, number].map(u32::to_le_bytes).concat();
                send(&to_b, key(1), &payload).await;
                sent.push(payload);
            }
            b.until("messages", |_| b.payloads() == sent).await;
            node.transport.rotate(identity).unwrap();
            tokio::time::sleep(Duration::from_secs(5)).await;
            // Who shows a certificate of the old one is met for as long as that is trusted.
            let is_over = step > 3;
            let lost = [&a, &b].map(|node| downs(&node.events()));
            assert!(is_over || lost.iter().all(Vec::is_empty), "{step}: {lost:?}");
        }
        send(&to_b, key(1), b"last").await;
        b.until("last", |_| b.payloads().last().is_some_and(|last| last == b"last")).await;
        let mut late = Plan::new(&net, &old, "late", 3);
        late.identity = trusting(&Papers::issue(&old, "late"), &both);
        let late = late.start();
        late.to(&a).keep(true);
        late.until("refusal", |events| !refusals(events).is_empty()).await;
        let refused = refusals(&late.events());
        assert!(matches!(refused[0], RefusedReason::NotAuthenticated(_)), "{refused:?}");
    });
}

#[test]
fn an_identity_that_cannot_be_used_leaves_the_old_one() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let papers = ["a", "b"].map(|name| Papers::issue(&ca, name));
        let [a, b] = nodes(&net, &ca, [("a", &papers[0]), ("b", &papers[1])]);
        send(&a.to(&b), key(1), b"before").await;
        a.until_up(1).await;

        let refused = |identity: Identity| a.transport.rotate(identity).unwrap_err();
        let other = refused(papers[1].identity(&ca));
        assert!(matches!(&other, IdentityError::OtherNode { .. }), "{other}");
        let text = other.to_string();
        assert!(text.contains("b of cluster demo") && text.contains("a of cluster demo"), "{text}");

        let stranger = Ca::in_memory("demo").unwrap();
        let foreign = Identity::from_pem(&papers[0].cert, &papers[0].key, &stranger.to_pem().cert);
        let foreign = refused(foreign.unwrap());
        assert!(matches!(foreign, IdentityError::Refused { .. }), "{foreign}");

        // A list that somebody else has signed, in the authority's name.
        let forged = list(&stranger, &[&papers[1]]);
        let forged = refused(papers[0].identity(&ca).with_revoked_pem(&forged).unwrap());
        assert!(matches!(forged, IdentityError::Refused { .. }), "{forged}");

        let revoked = Papers::issue(&ca, "a");
        let lists = list(&ca, &[&revoked]);
        let revoked = refused(revoked.identity(&ca).with_revoked_pem(&lists).unwrap());
        assert!(matches!(revoked, IdentityError::Refused { .. }), "{revoked}");

        send(&a.to(&b), key(1), b"after").await;
        b.until("messages", |_| b.payloads().len() == 2).await;
        assert!(downs(&a.events()).is_empty() && downs(&b.events()).is_empty());
    });
}

/// It would go on to believe a node that was revoked with it.
#[test]
fn a_node_that_is_revoked_itself_heeds_the_list() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let papers = ["a", "b"].map(|name| Papers::issue(&ca, name));
        let [a, b] = nodes(&net, &ca, [("a", &papers[0]), ("b", &papers[1])]);
        send(&a.to(&b), key(1), b"before").await;
        a.until_up(1).await;
        let lists = list(&ca, &[&papers[0], &papers[1]]);
        a.transport.rotate(papers[0].identity(&ca).with_revoked_pem(&lists).unwrap()).unwrap();
        a.until("cut", |events| !downs(events).is_empty()).await;
    });
}

#[test]
fn a_text_that_is_no_list_is_named_with_a_remedy() {
    let ca = Ca::in_memory("demo").unwrap();
    let identity = Papers::issue(&ca, "a").identity(&ca);
    let broken = list(&ca, &[]).replace("MI", "AA");
    for text in ["", "no list", &ca.to_pem().cert, &broken] {
        let error = identity.with_revoked_pem(text).unwrap_err().to_string();
        assert!(error.contains("revocation list") && error.contains("ca.crl"), "{error}");
    }
    let missing = std::path::Path::new("/nowhere/ca.crl");
    let error = identity.with_revoked_file(missing).unwrap_err().to_string();
    assert!(error.contains("revocation list /nowhere/ca.crl"), "{error}");
}
