//! A child process of this program that takes one sample: started, bounded in time, and read.

use std::{process::Stdio, time::Duration};

use tokio::process::Command;

use crate::Outcome;

/// How long a sample may take. The longest takes a few seconds on a slow machine; a system that hangs is killed.
pub(crate) const SAMPLE_WITHIN: Duration = Duration::from_secs(60);

/// Characters of a child's last words that are kept.
const WORDS_MAX: usize = 200;

/// The number that this program prints when it is run with `args`.
///
/// # Errors
/// That it did not end in time, and then it has been killed; or what it said when it failed.
pub(crate) async fn number(args: &[String], within: Duration) -> Outcome<f64> {
    let child = Command::new(std::env::current_exe()?)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = tokio::time::timeout(within, child.wait_with_output()).await;
    let output = output.map_err(|_| format!("killed after {} s", within.as_secs()))??;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let words: String = said.trim().chars().take(WORDS_MAX).collect();
        return Err(format!("{}: {words}", output.status).into());
    }
    let said = String::from_utf8_lossy(&output.stdout);
    said.trim().parse().map_err(|_| format!("it printed {:?}", said.trim()).into())
}
