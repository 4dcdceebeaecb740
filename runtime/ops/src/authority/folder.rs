//! The folder of an authority: its certificate and key, what it has issued, and the list of what is revoked.
//!
//! Whoever changes it holds its lock, so that two commands do not forget each other's certificates. A file that changes
//! is written beside the old one and then takes its place, so that a node that reads it sees the one or the other.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use odeon::{Ca, PemPair, Serial, Validity, env::Env};

use super::{
    index::{Index, Issued, now, seconds},
    tokens::Tokens,
};
use crate::failure::Failed;

/// The list of revoked certificates, for nodes.
const LIST: &str = "ca.crl";
const INDEX: &str = "ca.index";
const TOKENS: &str = "ca.tokens";
const LOCK: &str = "ca.lock";

/// How long a command waits for another one that is at work in the folder, and between two looks.
const LOCKED_FOR: Duration = Duration::from_secs(5);
const LOCK_PAUSE: Duration = Duration::from_millis(20);

/// Modes of files: a key is its owner's, a certificate everybody's.
pub const PRIVATE: u32 = 0o600;
pub const PUBLIC: u32 = 0o644;

/// An authority's folder, held by this program alone.
pub struct Folder {
    dir: PathBuf,
    pub ca: Ca,
    pub index: Index,
    _lock: File,
}

impl Folder {
    /// Opens the folder of an authority, waiting for whoever holds it.
    pub async fn open(dir: &Path) -> Result<Self, Failed> {
        let ca = authority(dir)?;
        let lock = lock(dir).await?;
        Self::held(dir, ca, lock)
    }

    /// Opens the folder of an authority, unless somebody else holds it.
    pub fn try_open(dir: &Path) -> Result<Option<Self>, Failed> {
        let ca = authority(dir)?;
        let path = dir.join(LOCK);
        let file = lock_file(&path)?;
        match file.try_lock() {
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(error)) => Err(unwritable(&path, &error)),
            Ok(()) => Self::held(dir, ca, file).map(Some),
        }
    }

    fn held(dir: &Path, ca: Ca, lock: File) -> Result<Self, Failed> {
        let path = dir.join(INDEX);
        let index = match fs::read_to_string(&path) {
            Ok(text) => Index::parse(&text).map_err(|cause| {
                let path = path.display();
                Failed::input(format!(
                    "{path} is no index of `odeon ca`: {cause}; put back the file as it was, from a copy"
                ))
            })?,
            // An authority from before there was an index.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Index::default(),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        Ok(Self { dir: dir.to_owned(), ca, index, _lock: lock })
    }

    /// The path of a node's certificate or key.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Whether there is room for a certificate and key of this name: files are never overwritten, and a certificate that could
    /// not be written would be remembered all the same.
    pub fn is_free(&self, name: &str) -> Result<(), Failed> {
        for path in ["key", "pem"].map(|end| self.path(&format!("{name}.{end}"))) {
            if fs::symlink_metadata(&path).is_ok() {
                return Err(unwritable(&path, &io::ErrorKind::AlreadyExists.into()));
            }
        }
        Ok(())
    }

    /// Remembers a certificate, before it is given to anybody.
    pub fn remember(
        &mut self,
        node: &str,
        cert: &str,
        validity: Validity,
    ) -> Result<Serial, Failed> {
        let serial = Serial::of_pem(cert).map_err(Failed::input)?;
        let not_after = seconds(validity.not_after);
        let issued =
            Issued { serial: serial.clone(), not_after, node: node.to_owned(), revoked: None };
        if !self.index.add(issued, now()) {
            return Err(Failed::input(format!(
                "{} is full: issue certificates for fewer days, or from another authority",
                self.path(INDEX).display()
            )));
        }
        self.write_index()?;
        Ok(serial)
    }

    fn write_index(&self) -> Result<(), Failed> {
        replace(&self.path(INDEX), &self.index.text(), PRIVATE)
    }

    /// The join tokens that were given.
    pub fn tokens(&self) -> Result<Tokens, Failed> {
        let path = self.path(TOKENS);
        match fs::read_to_string(&path) {
            Ok(text) => Tokens::parse(&text).map_err(|cause| {
                let path = path.display();
                Failed::input(format!(
                    "{path} holds no join tokens: {cause}; remove it, and make the tokens anew"
                ))
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Tokens::default()),
            Err(error) => Err(unreadable(&path, &error)),
        }
    }

    pub fn write_tokens(&self, tokens: &Tokens) -> Result<(), Failed> {
        replace(&self.path(TOKENS), &tokens.text(), PRIVATE)
    }

    /// Writes the list of revoked certificates anew, and what it was made of.
    pub fn write_list(&mut self) -> Result<PathBuf, Failed> {
        self.index.list += 1;
        let at = odeon::env::RealEnv.wall_clock();
        let list = self.ca.revocation_list_pem(self.index.list, at, &self.index.revoked());
        // First the index: a number is never given twice.
        self.write_index()?;
        let path = self.path(LIST);
        replace(&path, &list.map_err(Failed::input)?, PUBLIC)?;
        Ok(path)
    }
}

/// The authority that the folder holds.
fn authority(dir: &Path) -> Result<Ca, Failed> {
    let pem = PemPair { cert: read(&dir.join("ca.pem"))?, key: read(&dir.join("ca.key"))? };
    Ca::from_pem(&pem).map_err(Failed::input)
}

fn lock_file(path: &Path) -> Result<File, Failed> {
    let file = OpenOptions::new().create(true).append(true).mode(PRIVATE).open(path);
    file.map_err(|error| unwritable(path, &error))
}

async fn lock(dir: &Path) -> Result<File, Failed> {
    let path = dir.join(LOCK);
    let file = lock_file(&path)?;
    let locked = async {
        loop {
            match file.try_lock() {
                Err(fs::TryLockError::WouldBlock) => tokio::time::sleep(LOCK_PAUSE).await,
                Err(fs::TryLockError::Error(error)) => return Err(unwritable(&path, &error)),
                Ok(()) => return Ok(()),
            }
        }
    };
    match tokio::time::timeout(LOCKED_FOR, locked).await {
        Ok(locked) => locked.map(|()| file),
        Err(_) => Err(Failed::input(format!(
            "another `odeon ca` is at work in {} and did not end within {LOCKED_FOR:?}; wait for it and try again",
            dir.display()
        ))),
    }
}

/// Reads a file of the folder.
pub fn read(path: &Path) -> Result<String, Failed> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Failed {
    Failed::input(format!(
        "cannot read {}: {error}; `odeon ca init` makes an authority, --dir says where it is",
        path.display()
    ))
}

fn unwritable(path: &Path, error: &io::Error) -> Failed {
    let remedy = match error.kind() {
        io::ErrorKind::AlreadyExists => {
            "files are never overwritten: name another folder with --dir, or move the old file away"
        }
        _ => "name a folder with --dir that you may write to and that has room",
    };
    Failed::input(format!("cannot write {}: {error}; {remedy}", path.display()))
}

/// Writes a certificate and its key, unless files of that name are there.
pub fn write_pair(dir: &Path, name: &str, pair: &PemPair) -> Result<[PathBuf; 2], Failed> {
    let [key, cert] = ["key", "pem"].map(|end| dir.join(format!("{name}.{end}")));
    write(&key, &pair.key, PRIVATE).map_err(|error| unwritable(&key, &error))?;
    write(&cert, &pair.cert, PUBLIC).map_err(|error| {
        // A key without its certificate would only lie in the way; if it cannot go, the error is what matters.
        let _ = fs::remove_file(&key);
        unwritable(&cert, &error)
    })?;
    Ok([cert, key])
}

fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Puts a file in the place of another, or where none was.
pub fn replace(path: &Path, text: &str, mode: u32) -> Result<(), Failed> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let beside = path.with_file_name(format!(".{name}.new"));
    let replaced = (|| {
        // What a command that was killed has left; whoever holds the lock is the only one who writes here.
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        write(&beside, text, mode)?;
        fs::rename(&beside, path)?;
        File::open(
            path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new(".")),
        )?
        .sync_all()
    })();
    replaced.map_err(|error| unwritable(path, &error))
}
