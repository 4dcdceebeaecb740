//! The other process of a bench: this program, started as a peer.
//!
//! A peer prints in one line where it is reached, and leaves when its input ends. What it is NOT: what the peer does, which
//! is `remote/peer.rs` and `cluster/peer.rs`.

use std::{ffi::OsStr, process::Stdio};

use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

use crate::remote::Outcome;

/// Starts a peer with these arguments, and reads what it says.
///
/// # Errors
/// What the system says, and that the peer said nothing, or something else.
pub(crate) async fn start<S: DeserializeOwned>(
    args: impl IntoIterator<Item = impl AsRef<OsStr>>,
) -> Outcome<(Child, S)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = child.stdout.take().ok_or("the peer has no output")?;
    let line = BufReader::new(stdout).lines().next_line().await?.ok_or("the peer said nothing")?;
    Ok((child, serde_json::from_str(&line)?))
}
