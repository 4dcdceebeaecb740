//! `odeon ca init`, `issue` and `renew`: certificates and keys in files.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use odeon::{Ca, Serial, Validity};
use odeon_ops::authority::{Folder, Issued, PRIVATE, PUBLIC, replace, seconds, write_pair};
use serde::Serialize;

use super::subject::{AUTHORITY, Subject};
use crate::failure::Failed;

/// A new authority.
#[derive(Serialize)]
pub(super) struct NewAuthority {
    cluster: String,
    not_after: u64,
    cert: String,
    key: String,
    /// The list of what is revoked.
    list: String,
}

impl fmt::Display for NewAuthority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "wrote {}, {} and {}", self.cert, self.key, self.list)
    }
}

pub(super) async fn init(
    cluster: &str,
    dir: &Path,
    validity: Validity,
) -> Result<NewAuthority, Failed> {
    let ca = Ca::new(cluster, validity).map_err(Failed::input)?;
    fs::create_dir_all(dir).map_err(|error| {
        Failed::input(format!(
            "cannot make the folder {}: {error}; name a folder with --dir that exists or that you may make",
            dir.display()
        ))
    })?;
    let [cert, key] = write_pair(dir, AUTHORITY, &ca.to_pem())?;
    let list = Folder::open(dir).await?.write_list()?;
    let [cert, key, list] = [cert, key, list].map(spelt);
    let not_after = seconds(validity.not_after);
    Ok(NewAuthority { cluster: cluster.to_owned(), not_after, cert, key, list })
}

/// A path as it is printed.
fn spelt(path: PathBuf) -> String {
    path.display().to_string()
}

/// A new certificate.
#[derive(Serialize)]
pub(super) struct NewPapers {
    #[serde(flatten)]
    subject: Subject,
    serial: String,
    not_after: u64,
    cert: String,
    /// None where the key is the one before.
    key: Option<String>,
    /// The number of the certificate before, which is good until it runs out or is revoked.
    before: Option<String>,
}

impl fmt::Display for NewPapers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cert, .. } = self;
        match (&self.key, &self.before) {
            (None, _) => write!(f, "wrote {cert}, for the same key"),
            (Some(key), None) => write!(f, "wrote {cert} and {key}"),
            (Some(key), Some(before)) => write!(
                f,
                "wrote {cert} and {key}, a new key; the certificate before, {before}, is good until it runs out or is \
                 revoked"
            ),
        }
    }
}

pub(super) async fn issue(
    subject: Subject,
    dir: &Path,
    validity: Validity,
) -> Result<NewPapers, Failed> {
    let mut folder = Folder::open(dir).await?;
    folder.is_free(subject.name())?;
    let pair = pair(&folder.ca, &subject, validity)?;
    let serial = folder.remember(&subject.as_listed(), &pair.cert, validity)?;
    let [cert, key] = write_pair(dir, subject.name(), &pair)?.map(spelt);
    let (serial, not_after) = (serial.to_string(), seconds(validity.not_after));
    Ok(NewPapers { subject, serial, not_after, cert, key: Some(key), before: None })
}

fn pair(ca: &Ca, subject: &Subject, validity: Validity) -> Result<odeon::PemPair, Failed> {
    let pair = match subject {
        Subject::Operator(name) => ca.issue_operator_pem(name, validity),
        _ => ca.issue_pem(subject.name(), validity),
    };
    pair.map_err(Failed::input)
}

pub(super) async fn renew(
    subject: Subject,
    same_key: bool,
    dir: &Path,
    validity: Validity,
) -> Result<NewPapers, Failed> {
    let mut folder = Folder::open(dir).await?;
    let [path, key] = ["pem", "key"].map(|end| folder.path(&format!("{}.{end}", subject.name())));
    let old = certificate_of(&subject, &folder.ca, &path)?;
    let before = Serial::of_pem(&old)
        .map_err(|error| Failed::input(format!("{}: {error}", path.display())))?;
    let listed = subject.as_listed();
    let (serial, key) = if same_key {
        let is_revoked = |one: &Issued| one.serial == before && one.revoked.is_some();
        if folder.index.issued.iter().any(is_revoked) {
            return Err(Failed::input(format!(
                "the certificate in {} is revoked, and its key with it; renew without --same-key",
                path.display()
            )));
        }
        let renewed = match &subject {
            Subject::Operator(name) => folder.ca.renew_operator_pem(name, &old, validity),
            _ => folder.ca.renew_pem(subject.name(), &old, validity),
        };
        let renewed = renewed.map_err(Failed::input)?;
        let serial = folder.remember(&listed, &renewed, validity)?;
        replace(&path, &renewed, PUBLIC)?;
        (serial, None)
    } else {
        let pair = pair(&folder.ca, &subject, validity)?;
        let serial = folder.remember(&listed, &pair.cert, validity)?;
        replace(&key, &pair.key, PRIVATE)?;
        replace(&path, &pair.cert, PUBLIC)?;
        (serial, Some(spelt(key)))
    };
    Ok(NewPapers {
        subject,
        serial: serial.to_string(),
        not_after: seconds(validity.not_after),
        cert: spelt(path),
        key,
        before: Some(before.to_string()),
    })
}

/// Reads the certificate that is to be renewed. One of somebody else is refused before anything is written: a node's in the
/// place of an operator's would let nobody in.
fn certificate_of(subject: &Subject, ca: &Ca, path: &Path) -> Result<String, Failed> {
    let first = format!("`odeon ca issue {}` makes a first one", subject.flag());
    let shown = path.display();
    let old = fs::read_to_string(path).map_err(|error| {
        Failed::input(format!(
            "cannot read the certificate to be renewed, {shown}: {error}; {first}"
        ))
    })?;
    let holder =
        ca.holder_of_pem(&old).map_err(|error| Failed::input(format!("{shown}: {error}")))?;
    match holder {
        Some(holder) if subject.is(&holder) => Ok(old),
        Some(odeon::Holder::Operator(name)) => Err(Failed::input(format!(
            "{shown} is the certificate of operator {name}, not of {subject}: renew it with --operator {name}"
        ))),
        Some(holder) => Err(Failed::input(format!(
            "{shown} is the certificate of {holder}, not of {subject}: put back the right file, or move this one away; \
             {first}"
        ))),
        None => Err(Failed::input(format!(
            "{shown} names nobody of cluster {}: put back the right file, or move this one away; {first}",
            ca.cluster()
        ))),
    }
}
