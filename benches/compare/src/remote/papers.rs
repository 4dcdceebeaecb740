//! Certificates of all nodes of a run, in a folder that goes when the run ends; and TLS as Odeon has it, for the others.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use odeon::{
    Ca, Identity, Validity,
    env::{Env, RealEnv},
};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};

use crate::Outcome;

/// The name of the sending node.
pub(crate) const SENDER: &str = "compare-a";

/// The name in every certificate of the cluster.
pub(crate) const SERVER_NAME: &str = "compare.odeon";

/// The name of a receiving node.
pub(crate) fn receiver(peer: usize) -> String {
    format!("compare-b{peer}")
}

/// The folder of one run.
#[derive(Debug)]
pub(crate) struct Papers {
    folder: PathBuf,
    mine: bool,
}

impl Papers {
    /// Makes a folder with certificates for the sender and so many receivers.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn make(receivers: usize) -> Outcome<Self> {
        let folder = std::env::temp_dir().join(format!("odeon-compare-{}", std::process::id()));
        fs::create_dir(&folder)?;
        let papers = Self { folder, mine: true };
        let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(24 * 3600));
        let ca = Ca::new("compare", validity)?;
        fs::write(papers.folder.join("ca.pem"), &ca.to_pem().cert)?;
        for node in (0..receivers).map(receiver).chain([SENDER.to_owned()]) {
            let pair = ca.issue_pem(&node, validity)?;
            fs::write(papers.folder.join(format!("{node}.pem")), &pair.cert)?;
            fs::write(papers.folder.join(format!("{node}.key")), &pair.key)?;
        }
        Ok(papers)
    }

    /// The folder that the parent made.
    pub(crate) fn open(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), mine: false }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    fn paths(&self, node: &str) -> [PathBuf; 3] {
        let at = |name: &str| self.folder.join(name);
        [at(&format!("{node}.pem")), at(&format!("{node}.key")), at("ca.pem")]
    }

    /// As Odeon takes it.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn identity(&self, node: &str) -> Outcome<Identity> {
        let [cert, key, ca] = self.paths(node);
        Ok(Identity::from_pem_files(&cert, &key, &ca)?)
    }

    /// TLS 1.3 alone, both sides proved, ciphers in Odeon's order.
    ///
    /// # Errors
    /// What the disk says.
    pub(crate) fn tls(&self, node: &str) -> Outcome<(ServerConfig, ClientConfig)> {
        let [cert, key, ca] = self.paths(node);
        let chain = vec![CertificateDer::from_pem_file(cert)?];
        let key = PrivateKeyDer::from_pem_file(key)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca)?)?;
        let (roots, provider) = (Arc::new(roots), provider());
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())?;
        server.send_tls13_tickets = 0;
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?;
        Ok((server, client))
    }
}

fn provider() -> Arc<CryptoProvider> {
    use ring::cipher_suite::{
        TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
    };
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            TLS13_AES_128_GCM_SHA256,
            TLS13_AES_256_GCM_SHA384,
            TLS13_CHACHA20_POLY1305_SHA256,
        ],
        ..ring::default_provider()
    })
}

impl Drop for Papers {
    fn drop(&mut self) {
        if self.mine {
            // Nobody could do anything about it.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
