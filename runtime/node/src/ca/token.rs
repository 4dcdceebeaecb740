//! `odeon ca token`: a word by which a fresh node gets its certificate, once.

use std::{fmt, path::Path, time::Duration};

use odeon::{JoinToken, env::Env};
use odeon_ops::authority::{Folder, Token, now, seconds};
use serde::Serialize;

use crate::failure::Failed;

/// A token that was given.
#[derive(Serialize)]
pub(super) struct Given {
    node: String,
    at: String,
    not_after: u64,
    token: String,
}

impl fmt::Display for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.token)
    }
}

pub(super) async fn token(
    name: &str,
    at: &str,
    ttl: Duration,
    dir: &Path,
) -> Result<Given, Failed> {
    let folder = Folder::open(dir).await?;
    // What no certificate can carry is refused here, and not to the node that comes with the token.
    folder.ca.check_node(name).map_err(Failed::input)?;
    let env = odeon::env::RealEnv;
    let token = JoinToken::new(&env, &folder.ca, env.wall_clock() + ttl, at)
        .map_err(|error| Failed::input(format!("--at {at}: {}", error.cause)))?;
    let mut tokens = folder.tokens()?;
    let not_after = seconds(token.not_after());
    let remembered = Token { digest: token.digest(), not_after, node: name.to_owned(), used: None };
    if !tokens.add(remembered, now()) {
        return Err(Failed::input("too many join tokens wait: let some run out, and try again"));
    }
    folder.write_tokens(&tokens)?;
    let token = token.to_string();
    Ok(Given { node: name.to_owned(), at: at.to_owned(), not_after, token })
}
