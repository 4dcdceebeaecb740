//! `odeon ca revoke`: certificates into the list that nodes heed.

use std::{fmt, path::Path, time::Duration};

use odeon::{Serial, env::Env};
use odeon_ops::authority::{Folder, Issued, UNKNOWN, now, seconds};
use serde::Serialize;

use crate::failure::Failed;

/// How long a certificate is listed as revoked of which nothing else is known: as long as `issue` makes any.
const LONGEST: Duration = Duration::from_secs(3650 * 86_400);

/// What was revoked.
#[derive(Serialize)]
pub(super) struct Withdrawn {
    /// Serial numbers.
    revoked: Vec<String>,
    list: String,
}

impl fmt::Display for Withdrawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "revoked {}; wrote {}, which every node needs (odeon node --crl)",
            self.revoked.join(", "),
            self.list
        )
    }
}

/// Revokes all certificates that the index has under a name, or the one of this number.
pub(super) async fn revoke(
    name: Option<&str>,
    serial: Option<Serial>,
    dir: &Path,
) -> Result<Withdrawn, Failed> {
    let mut folder = Folder::open(dir).await?;
    let now = now();
    let is_meant = |one: &Issued| {
        name.is_some_and(|name| one.node == name) || serial.as_ref() == Some(&one.serial)
    };
    if let Some(serial) = &serial
        && !folder.index.issued.iter().any(is_meant)
    {
        // From before there was an index: whose it is and how long it is valid is not known.
        let not_after = seconds(odeon::env::RealEnv.wall_clock() + LONGEST);
        let node = UNKNOWN.to_owned();
        let issued = Issued { serial: serial.clone(), not_after, node, revoked: None };
        if !folder.index.add(issued, now) {
            return Err(Failed::input("the index of the authority is full: use another authority"));
        }
    }
    let revoked = folder.index.revoke(now, is_meant);
    if revoked.is_empty() {
        return Err(Failed::input(match name {
            Some(name) => format!(
                "no certificate of {name} is known in {} that is not revoked already; --cert FILE or --serial NUMBER \
                 names one that is not in the index",
                dir.display()
            ),
            None => "this certificate is revoked already; nothing is left to do".to_owned(),
        }));
    }
    let list = folder.write_list()?.display().to_string();
    Ok(Withdrawn { revoked: revoked.iter().map(Serial::to_string).collect(), list })
}
