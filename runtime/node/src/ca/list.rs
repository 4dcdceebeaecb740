//! `odeon ca list`: what the authority remembers of the certificates that it has issued.

use std::{fmt, path::Path};

use odeon_ops::authority::{Folder, Issued, now};
use serde::Serialize;

use super::subject::Subject;
use crate::failure::Failed;

const DAY: u64 = 86_400;

/// One certificate, as of a moment.
#[derive(Serialize)]
pub(super) struct Listed {
    #[serde(flatten)]
    subject: Subject,
    serial: String,
    not_after: u64,
    /// When it was revoked.
    revoked: Option<u64>,
    #[serde(skip)]
    now: u64,
}

impl Listed {
    fn of(issued: &Issued, now: u64) -> Self {
        Self {
            subject: Subject::listed(&issued.node),
            serial: issued.serial.to_string(),
            not_after: issued.not_after,
            revoked: issued.revoked,
            now,
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  ", self.serial, self.subject)?;
        match (self.revoked, self.not_after.checked_sub(self.now)) {
            (Some(at), _) => write!(f, "revoked, {} ago", spelt(self.now.saturating_sub(at))),
            (None, Some(left)) => write!(f, "good for {}", spelt(left)),
            (None, None) => write!(f, "has run out, {} ago", spelt(self.now - self.not_after)),
        }
    }
}

/// A span of seconds for people, to the nearest.
fn spelt(seconds: u64) -> String {
    let (length, unit) = match seconds {
        0..3_600 => (60, "min"),
        3_600..172_800 => (3_600, "h"),
        _ => (DAY, "days"),
    };
    format!("{} {unit}", (seconds + length / 2) / length)
}

/// All that the authority remembers, in the order in which they were issued.
pub(super) async fn list(dir: &Path) -> Result<Vec<Listed>, Failed> {
    let folder = Folder::open(dir).await?;
    let now = now();
    Ok(folder.index.issued.iter().map(|one| Listed::of(one, now)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_whose_it_is_and_whether_it_is_any_good() {
        let line = |node: &str, not_after, revoked| {
            let serial = "0a".parse().unwrap();
            let issued = Issued { serial, not_after, node: node.to_owned(), revoked };
            Listed::of(&issued, 100 * DAY).to_string()
        };
        assert_eq!(line("a", 190 * DAY - 1, None), "0a  node a  good for 90 days");
        assert_eq!(line("operator:al", 101 * DAY, None), "0a  operator al  good for 24 h");
        assert_eq!(line("a", 100 * DAY - 60, None), "0a  node a  has run out, 1 min ago");
        assert_eq!(line("?", 189 * DAY, Some(97 * DAY)), "0a  unknown  revoked, 3 days ago");
    }
}
