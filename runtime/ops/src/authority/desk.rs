//! Who answers fresh nodes: the authority's folder, with its tokens and its key.
//!
//! Each request opens the folder, so that a token that `odeon ca token` has made a moment ago is there, and is done with
//! it before the next. What fails is logged here; the asking node hears the reason alone.

use std::{path::PathBuf, time::Duration};

use odeon::{
    Ca, EnrolDesk, EnrolRefusal, EnrolRefused, EnrolRequest, JoinToken, Validity, env::Env,
};

use super::{
    folder::{Folder, PUBLIC, replace},
    index::now,
};
use crate::failure::Failed;

/// How long a certificate is valid that a token has brought: as long as `odeon ca issue` makes them by itself.
const VALID_FOR: Duration = Duration::from_secs(90 * 86_400);

/// Answers in the name of the authority whose folder this is.
pub struct Desk {
    dir: PathBuf,
}

impl Desk {
    /// The desk of the folder that holds this key, which must be its `ca.key`, and its authority.
    pub async fn open(key: PathBuf) -> Result<(Self, Ca), Failed> {
        let dir = match key.parent() {
            Some(dir) if key.ends_with("ca.key") => dir.to_owned(),
            _ => {
                return Err(Failed::input(format!(
                    "--ca-key is {}: name the ca.key in the folder of the authority, which `odeon ca init` has made",
                    key.display()
                )));
            }
        };
        let ca = Folder::open(&dir).await?.ca;
        Ok((Self { dir }, ca))
    }
}

impl EnrolDesk for Desk {
    fn enrol(&self, request: &EnrolRequest) -> Result<String, EnrolRefused> {
        let node = request.name.as_str();
        let folder = Folder::try_open(&self.dir).map_err(|error| failed(node, &error))?;
        let busy = || EnrolRefused {
            reason: EnrolRefusal::Busy,
            text: "another command is at work in the authority's folder".to_owned(),
        };
        let mut folder = folder.ok_or_else(busy)?;
        let mut tokens = folder.tokens().map_err(|error| failed(node, &error))?;
        let digest = JoinToken::digest_of(&request.secret);
        let usable = tokens.usable(&digest, node, now());
        let token = usable.map_err(|reason| EnrolRefused {
            reason,
            text: format!("node {node} asked for a certificate"),
        })?;
        let validity = Validity::from(odeon::env::RealEnv.wall_clock(), VALID_FOR);
        let signed = folder.ca.sign_request_pem(node, &request.csr, validity);
        let cert = signed.map_err(|error| EnrolRefused {
            reason: EnrolRefusal::Malformed,
            text: error.to_string(),
        })?;
        // What is issued is remembered first, then the token is used up, and only then is it given away.
        token.used = Some(now());
        folder.remember(node, &cert, validity).map_err(|error| failed(node, &error))?;
        folder.write_tokens(&tokens).map_err(|error| failed(node, &error))?;
        // For `odeon ca renew --same-key`; the node has its certificate without it.
        if let Err(error) = replace(&folder.path(&format!("{node}.pem")), &cert, PUBLIC) {
            tracing::warn!(node, %error, "a certificate was issued, and could not be kept here");
        }
        tracing::info!(node, "issued a certificate for a join token");
        Ok(cert)
    }
}

fn failed(node: &str, error: &Failed) -> EnrolRefused {
    tracing::error!(node, %error, "a node asked for a certificate, and the authority's folder cannot be used");
    let text = "the authority's folder cannot be used".to_owned();
    EnrolRefused { reason: EnrolRefusal::Failed, text }
}
