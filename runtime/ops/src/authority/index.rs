//! What an authority has issued and revoked, as it stands in its folder: `ca.index`.
//!
//! A line of text for each certificate, so that a person can read it: number, last second of validity since 1970, node,
//! and when it was revoked or `-`. What cannot be read is an error with its line, never skipped: a certificate that is
//! forgotten here cannot be revoked by its node's name.

use std::{fmt::Write as _, time::Duration};

use odeon::{Revoked, Serial, env::Env};

/// First words of the first line; behind them stands the number of the last list of revoked certificates.
const TITLE: &str = "odeon-ca-index 1 list";

/// Most certificates that are remembered. At ninety days each that is a cluster of more than sixteen thousand nodes.
const ISSUED_MAX: usize = 65_536;

/// How long a certificate is remembered after it has run out: clocks differ, and a revoked one must be listed as long as
/// anybody may still take it for valid.
const REMEMBERED: Duration = Duration::from_secs(30 * 86_400);

/// Whose certificate it is where that is not known: it was issued before there was an index.
pub const UNKNOWN: &str = "?";

/// One certificate.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issued {
    pub serial: Serial,
    /// Last second of its validity, since 1970.
    pub not_after: u64,
    pub node: String,
    /// When it was revoked, in seconds since 1970.
    pub revoked: Option<u64>,
}

/// All certificates that are remembered, in the order in which they were issued.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Index {
    /// Number of the last list of revoked certificates.
    pub list: u64,
    pub issued: Vec<Issued>,
}

impl Index {
    /// Reads what [`text`](Self::text) wrote; an error says what is wrong with which line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate();
        let title = lines.next().and_then(|(_, line)| line.strip_prefix(TITLE));
        let list = title.and_then(|rest| rest.trim().parse().ok());
        let list = list.ok_or_else(|| format!("line 1 is not `{TITLE} NUMBER`"))?;
        let issued: Result<Vec<_>, _> = lines
            .map(|(at, line)| {
                Issued::parse(line).ok_or_else(|| format!("line {}: {line:?}", at + 1))
            })
            .collect();
        Ok(Self { list, issued: issued? })
    }

    pub fn text(&self) -> String {
        let mut text = format!("{TITLE} {}\n", self.list);
        for Issued { serial, not_after, node, revoked } in &self.issued {
            let revoked = revoked.map_or("-".to_owned(), |at| at.to_string());
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{serial} {not_after} {node} {revoked}");
        }
        text
    }

    /// Adds a certificate; false if there are too many.
    pub fn add(&mut self, issued: Issued, now: u64) -> bool {
        self.issued.retain(|one| now < one.not_after.saturating_add(REMEMBERED.as_secs()));
        let fits = self.issued.len() < ISSUED_MAX;
        if fits {
            self.issued.push(issued);
        }
        fits
    }

    /// Revokes those that `is_meant` and that were not revoked before; says which.
    pub fn revoke(&mut self, now: u64, is_meant: impl Fn(&Issued) -> bool) -> Vec<Serial> {
        let fresh = |one: &&mut Issued| one.revoked.is_none() && is_meant(one);
        let revoked = self.issued.iter_mut().filter(fresh).map(|one| {
            one.revoked = Some(now);
            one.serial.clone()
        });
        revoked.collect()
    }

    /// What the list of revoked certificates names.
    pub fn revoked(&self) -> Vec<Revoked> {
        let revoked = |one: &Issued| {
            let at = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(one.revoked?);
            Some(Revoked { serial: one.serial.clone(), at })
        };
        self.issued.iter().filter_map(revoked).collect()
    }
}

impl Issued {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (serial, not_after, node, revoked) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let revoked = if revoked == "-" { None } else { Some(revoked.parse().ok()?) };
        let whole = words.next().is_none() && !node.is_empty();
        whole.then_some(Self {
            serial: serial.parse().ok()?,
            not_after: not_after.parse().ok()?,
            node: node.to_owned(),
            revoked,
        })
    }
}

/// The present second since 1970.
pub fn now() -> u64 {
    seconds(odeon::env::RealEnv.wall_clock())
}

pub fn seconds(time: std::time::SystemTime) -> u64 {
    time.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issued(serial: &str, node: &str, not_after: u64) -> Issued {
        let serial = serial.parse().unwrap();
        Issued { serial, not_after, node: node.to_owned(), revoked: None }
    }

    #[test]
    fn an_index_survives_its_text() {
        let mut index = Index { list: 7, issued: Vec::new() };
        assert!(index.add(issued("0a", "a", 100), 1) && index.add(issued("0b", "b", 200), 1));
        assert_eq!(index.revoke(5, |one| one.node == "b"), ["0b".parse().unwrap()]);
        assert_eq!(index.revoke(6, |one| one.node == "b"), [], "it was revoked before");
        let text = index.text();
        assert_eq!(text, "odeon-ca-index 1 list 7\n0a 100 a -\n0b 200 b 5\n");
        assert_eq!(Index::parse(&text).unwrap(), index);
    }

    #[test]
    fn a_broken_line_is_named() {
        for (text, says) in [
            ("", "line 1"),
            ("odeon-ca-index 2 list 0\n", "line 1"),
            ("odeon-ca-index 1 list 0\n0a 100 a -\n0b 200 b\n", "line 3"),
            ("odeon-ca-index 1 list 0\n0a 100 a - -\n", "line 2"),
            ("odeon-ca-index 1 list 0\nzz 100 a -\n", "line 2"),
        ] {
            let error = Index::parse(text).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn what_ran_out_long_ago_is_forgotten_and_the_rest_is_bounded() {
        let mut index = Index::default();
        let month = REMEMBERED.as_secs();
        assert!(index.add(issued("0a", "a", 100), 1));
        assert!(index.add(issued("0b", "b", 100), 99 + month));
        assert_eq!(index.issued.len(), 2);
        assert!(index.add(issued("0c", "c", 100), 100 + month));
        assert_eq!(index.issued.len(), 1);
        index.issued = vec![issued("0d", "d", u64::MAX); ISSUED_MAX];
        assert!(!index.add(issued("0e", "e", 100), 1));
    }
}
