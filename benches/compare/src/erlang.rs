//! Where Erlang/OTP is, and where its compiler finds a program of ours.
//!
//! What it is NOT: a sample, which is `systems/erlang.rs` and `remote/systems/erlang.rs`.

use std::path::PathBuf;

use crate::Outcome;

/// Whether there is an Erlang on the path.
pub(crate) fn is_installed() -> bool {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| folder.join("erl").is_file())
}

/// Writes a program where Erlang's compiler finds it.
///
/// # Errors
/// What the disk says.
pub(crate) fn source(name: &str, text: &str) -> Outcome<PathBuf> {
    let folder = std::env::temp_dir().join("odeon-compare");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    if std::fs::read_to_string(&file).is_ok_and(|there| there == text) {
        return Ok(file);
    }
    std::fs::write(&file, text)?;
    Ok(file)
}
