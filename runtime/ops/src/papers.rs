//! How a fresh node gets its papers by a join token, and how the authority's node gives them.
//!
//! What it is: the files and values around `odeon::enrol` and `odeon::Enrolment`. The key is made on the machine that it is
//! for, and its file is there before the token is used, so that a folder that cannot be written to costs no token.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    rc::Rc,
    sync::Arc,
};

use odeon::{
    Ca, EnrolError, Enrolment, JoinToken,
    env::{Env, RealEnv},
};

use crate::{authority::Desk, config::PapersSection, failure::Failed};

/// Where a node's papers are, or shall be.
struct Places {
    cert: PathBuf,
    key: PathBuf,
    ca_cert: PathBuf,
}

/// Gets the papers of this node with its token, if it has one and no papers; their places are set by then.
pub(crate) async fn fetch(name: &str, papers: &mut PapersSection) -> Result<(), Failed> {
    let Some(token) = papers.join_token.take() else { return Ok(()) };
    let token: JoinToken = token.parse().map_err(Failed::input)?;
    let place = |given: &Option<PathBuf>, else_named: &str| {
        given.clone().unwrap_or_else(|| PathBuf::from(else_named))
    };
    let places = Places {
        cert: place(&papers.cert, &format!("{name}.pem")),
        key: place(&papers.key, &format!("{name}.key")),
        ca_cert: place(&papers.ca_cert, "ca.pem"),
    };
    get(name, &token, &places).await?;
    let Places { cert, key, ca_cert } = places;
    (papers.cert, papers.key, papers.ca_cert) = (Some(cert), Some(key), Some(ca_cert));
    Ok(())
}

async fn get(name: &str, token: &JoinToken, places: &Places) -> Result<(), Failed> {
    let Places { cert, key, ca_cert } = places;
    if [cert, key, ca_cert].iter().all(|path| path.exists()) {
        tracing::info!(cert = %cert.display(), "this node has papers already: the join token is not used");
        return Ok(());
    }
    if let Some(there) = [cert, key].into_iter().find(|path| path.exists()) {
        return Err(Failed::input(format!(
            "{} is there, and not all papers are; move it away, and the join token brings new ones",
            there.display()
        )));
    }
    let key_file = KeyFile::create(key)?;
    tracing::debug!("asking the authority for a certificate");
    let env: Arc<dyn Env> = Arc::new(RealEnv);
    let enrolled = odeon::enrol(&env, token, name).await.map_err(|error| match error {
        EnrolError::NoAnswer { .. } | EnrolError::Socket(_) => Failed::run(error),
        error => Failed::input(error),
    })?;
    let written = |path: &Path, result: std::io::Result<()>| {
        result.map_err(|error| Failed::run(format!("cannot write {}: {error}", path.display())))
    };
    written(key, key_file.fill(&enrolled.key))?;
    if !ca_cert.exists() {
        written(ca_cert, create(ca_cert, 0o644)?.write_all(enrolled.ca_cert.as_bytes()))?;
    }
    written(cert, create(cert, 0o644)?.write_all(enrolled.cert.as_bytes()))?;
    tracing::info!(cert = %cert.display(), key = %key.display(), "the authority has issued a certificate");
    Ok(())
}

/// The file of a key that is to come. Dropped before, it goes: it is empty, and in the way of the next attempt.
struct KeyFile<'a> {
    path: &'a Path,
    file: Option<fs::File>,
}

impl<'a> KeyFile<'a> {
    fn create(path: &'a Path) -> Result<Self, Failed> {
        Ok(Self { path, file: Some(create(path, 0o600)?) })
    }

    fn fill(mut self, key: &str) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        file.write_all(key.as_bytes())?;
        file.sync_all()?;
        self.file = None;
        Ok(())
    }
}

impl Drop for KeyFile<'_> {
    fn drop(&mut self) {
        if self.file.is_some() {
            // If it cannot go, why there is no key matters more.
            let _ = fs::remove_file(self.path);
        }
    }
}

fn create(path: &Path, mode: u32) -> Result<fs::File, Failed> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    file.map_err(|error| {
        Failed::input(format!(
            "cannot write {}: {error}; name places that can be written to with --cert, --key and --ca-cert",
            path.display()
        ))
    })
}

/// The authority's part of a node that answers fresh ones.
pub(crate) struct Office {
    desk: Desk,
    ca: Ca,
    listen: SocketAddr,
}

impl Office {
    /// The authority whose key the values name, if they do.
    pub(crate) async fn open(papers: &PapersSection) -> Result<Option<Self>, Failed> {
        let Some((key, listen)) = papers.ca_key.clone().zip(papers.enrol_listen) else {
            return Ok(None);
        };
        let (desk, ca) = Desk::open(key).await?;
        Ok(Some(Self { desk, ca, listen }))
    }

    /// Answers fresh nodes in the name of the authority.
    pub(crate) fn answer(self) -> Result<Enrolment, Failed> {
        let Self { desk, ca, listen } = self;
        let env: Arc<dyn Env> = Arc::new(RealEnv);
        let socket = env.bind(listen).map_err(|error| {
            Failed::input(format!(
                "cannot listen at {listen} for fresh nodes: {error}; use --enrol-listen with a free port of this machine"
            ))
        })?;
        let enrolment = Enrolment::start(&env, socket, ca, Rc::new(desk)).map_err(Failed::run)?;
        let addr = enrolment.local_addr().map_err(Failed::run)?;
        tracing::info!(%addr, "fresh nodes may ask here for a certificate, with a token of `odeon ca token`");
        Ok(enrolment)
    }
}
