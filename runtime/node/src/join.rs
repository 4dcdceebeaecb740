//! A fresh node gets its papers by a join token; the authority's node gives them.
//!
//! What it is: the files and flags around `odeon::enrol` and `odeon::Enrolment`. The key is made on the machine that it is
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

use crate::{ca::Desk, failure::Failed};

/// Where a node's papers are, or shall be.
pub(crate) struct Places {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    pub(crate) ca_cert: PathBuf,
}

/// Gets the papers of this node with a token, unless they are there already.
pub(crate) async fn get_papers(
    name: &str,
    token: &JoinToken,
    places: &Places,
) -> Result<(), Failed> {
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
    let mut key_file = create(key, 0o600)?;
    let env: Arc<dyn Env> = Arc::new(RealEnv);
    let enrolled = odeon::enrol(&env, token, name).await.map_err(|error| {
        // Empty, and in the way of the next attempt; if it cannot go, the error is what matters.
        let _ = fs::remove_file(key);
        match error {
            EnrolError::NoAnswer { .. } | EnrolError::Socket(_) => Failed::run(error),
            error => Failed::input(error),
        }
    })?;
    let written = |path: &Path, result: std::io::Result<()>| {
        result.map_err(|error| Failed::run(format!("cannot write {}: {error}", path.display())))
    };
    let kept = key_file.write_all(enrolled.key.as_bytes()).and_then(|()| key_file.sync_all());
    written(key, kept)?;
    if !ca_cert.exists() {
        written(ca_cert, create(ca_cert, 0o644)?.write_all(enrolled.ca_cert.as_bytes()))?;
    }
    written(cert, create(cert, 0o644)?.write_all(enrolled.cert.as_bytes()))?;
    tracing::info!(cert = %cert.display(), key = %key.display(), "the authority has issued a certificate");
    Ok(())
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

/// Answers fresh nodes at this address, in the name of the authority.
pub(crate) fn give_papers((desk, ca): (Desk, Ca), listen: SocketAddr) -> Result<Enrolment, Failed> {
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
