//! Certificates of any authority: one in between, lists of each, and a client that would like to come back sooner.

use std::{sync::Arc, time::Duration};

use odeon_transport::{Ca, Identity, IdentityError, LostReason, Validity};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams,
    SerialNumber,
};
use rustls::{
    client::{ClientSessionMemoryCache, Resumption},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    net::{Net, now},
    node::{Node, Plan, addr, downs, key, run, send},
    strangers::stranger::{BareRuntime, BareSocket, ClockAt},
};

mod kinds;

const DAY: Duration = Duration::from_secs(86_400);

fn params(name: &str, serial: u64, dns: &[&str]) -> CertificateParams {
    let dns: Vec<String> = dns.iter().map(|dns| (*dns).to_owned()).collect();
    let mut params = CertificateParams::new(dns).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(serial));
    params.not_before = (now() - DAY).into();
    params.not_after = (now() + DAY).into();
    params
}

fn authority(name: &str, serial: u64) -> CertificateParams {
    let mut params = params(name, serial, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// An authority that has nothing to do with `odeon ca`, and one below it that issues.
struct Pki {
    root: CertifiedIssuer<'static, KeyPair>,
    between: CertifiedIssuer<'static, KeyPair>,
}

impl Pki {
    fn new() -> Self {
        Self::with_keys([(); 2].map(|()| KeyPair::generate().unwrap()))
    }

    fn with_keys([of_root, of_between]: [KeyPair; 2]) -> Self {
        let root = authority("Root of Example", 1);
        let root = CertifiedIssuer::self_signed(root, of_root).unwrap();
        let between = authority("Issuer of Example", 2);
        let between = CertifiedIssuer::signed_by(between, of_between, &root).unwrap();
        Self { root, between }
    }

    /// A node's identity: its own certificate with the one in between behind it, and the root to trust.
    fn identity(&self, node: &str, serial: u64) -> Identity {
        let key = KeyPair::generate().unwrap();
        self.identity_of(node, serial, (&key, &key.serialize_pem()))
    }

    /// The same for a key that there is, in a form of the caller's.
    fn identity_of(&self, node: &str, serial: u64, (key, pem): (&KeyPair, &str)) -> Identity {
        let dns = format!("{node}.demo.node.odeon");
        let mut params = params(node, serial, &["www.example", "demo.odeon", &dns]);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let own = params.signed_by(key, &self.between).unwrap();
        let chain = own.pem() + &self.between.pem();
        Identity::from_pem(&chain, pem, &self.root.pem()).unwrap()
    }
}

fn list(issuer: &CertifiedIssuer<'static, KeyPair>, revoked: &[u64]) -> String {
    let one = |serial: &u64| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: now().into(),
        reason_code: None,
        invalidity_date: None,
    };
    let params = CertificateRevocationListParams {
        this_update: now().into(),
        next_update: (now() + DAY).into(),
        crl_number: SerialNumber::from(1),
        issuing_distribution_point: None,
        revoked_certs: revoked.iter().map(one).collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().pem().unwrap()
}

async fn associated(net: &Net, pki: &Pki) -> ([Node; 2], Identity) {
    let ca = Ca::in_memory("demo").unwrap();
    let identities = [pki.identity("a", 10), pki.identity("b", 11)];
    let [a, b] = [("a", 1, &identities[0]), ("b", 2, &identities[1])].map(|(name, port, it)| {
        let mut plan = Plan::new(net, &ca, name, port);
        plan.identity = it.clone();
        plan.start()
    });
    send(&a.to(&b), key(1), b"hello").await;
    b.until("message", |_| b.payloads().len() == 1).await;
    let [of_a, _] = identities;
    ([a, b], of_a)
}

#[test]
fn nodes_with_an_authority_in_between_associate() {
    run(async {
        let (net, pki) = (Net::default(), Pki::new());
        let ([a, _b], of_a) = associated(&net, &pki).await;
        // A list of each authority in the chain, or none at all.
        let alone = of_a.with_revoked_pem(&list(&pki.root, &[])).unwrap();
        let refused = a.transport.rotate(alone).unwrap_err();
        assert!(matches!(refused, IdentityError::Refused { .. }), "{refused}");
        assert!(refused.to_string().contains("UnknownRevocationStatus"), "{refused}");
        let both = list(&pki.root, &[]) + &list(&pki.between, &[99]);
        a.transport.rotate(of_a.with_revoked_pem(&both).unwrap()).unwrap();
        assert!(downs(&a.events()).is_empty());
    });
}

#[test]
fn a_node_that_an_authority_in_between_has_revoked_is_cut_off() {
    run(async {
        let (net, pki) = (Net::default(), Pki::new());
        let ([a, _b], of_a) = associated(&net, &pki).await;
        let both = list(&pki.root, &[]) + &list(&pki.between, &[11]);
        a.transport.rotate(of_a.with_revoked_pem(&both).unwrap()).unwrap();
        a.until("cut", |events| !downs(events).is_empty()).await;
        assert!(matches!(&downs(&a.events())[..], [LostReason::Untrusted(_)]));
    });
}

/// A client with a good certificate that keeps tickets, and would send early data.
fn eager(ca: &Ca) -> quinn::ClientConfig {
    let pair = ca.issue_pem("eager", Validity::from(now(), DAY)).unwrap();
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.to_pem().cert.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_details(provider, Arc::new(ClockAt(now())))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(
            vec![CertificateDer::from_pem_slice(pair.cert.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).unwrap(),
        )
        .unwrap();
    tls.alpn_protocols = vec![b"odeon/1".to_vec()];
    tls.resumption = Resumption::store(Arc::new(ClientSessionMemoryCache::new(8)));
    tls.enable_early_data = true;
    let tls = quinn::crypto::rustls::QuicClientConfig::try_from(tls).unwrap();
    quinn::ClientConfig::new(Arc::new(tls))
}

#[test]
fn nothing_is_resumed_and_no_early_data_is_taken() {
    run(async {
        let (net, ca) = (Net::default(), Ca::in_memory("demo").unwrap());
        let node = Plan::new(&net, &ca, "node", 1).start();
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            quinn::EndpointConfig::default(),
            None,
            Arc::new(BareSocket(net.bind(addr(66)))),
            Arc::new(BareRuntime),
        )
        .unwrap();
        let config = eager(&ca);
        for _ in 0..2 {
            let connecting = endpoint.connect_with(config.clone(), node.addr, "demo.odeon");
            // With a ticket from the first time it could send before the node has answered.
            let Err(connecting) = connecting.unwrap().into_0rtt() else {
                panic!("the node gave a ticket");
            };
            let connection = connecting.await.unwrap();
            // Tickets come behind the handshake, and a node waits for the first stream.
            tokio::time::sleep(Duration::from_secs(1)).await;
            connection.close(0_u32.into(), b"");
        }
    });
}
