//! Where a value came from, and why it cannot be used.

use std::{fmt, path::PathBuf};

use odeon::ProfileError;

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody has set it.
    Default,
    /// A file.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// A flag, without its dashes.
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("the default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Variable(name) => write!(f, "the environment variable {name}"),
            Self::Flag(flag) => write!(f, "the flag --{flag}"),
        }
    }
}

/// Why a node cannot run by what it was given. Nothing was started.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A value is out of its bounds, or of another kind.
    #[error("{key} is {value:?}, from {origin}: {remedy}")]
    Value {
        /// The key.
        key: String,
        /// The value, unless it is secret.
        value: String,
        /// Where it came from.
        origin: Origin,
        /// What to use instead.
        remedy: String,
    },
    /// A file has a key that nobody knows.
    #[error(
        "{key} in {} is no setting{}; --print-config lists them", path.display(),
        near.map(|near| format!(", perhaps {near} is meant")).unwrap_or_default()
    )]
    Unknown {
        /// The key.
        key: String,
        /// The file.
        path: PathBuf,
        /// The known key that is most like it.
        near: Option<&'static str>,
    },
    /// A value is of no use without another one.
    #[error(
        "{key}, from {origin}, is of no use without {missing}: give it too, such as with --{flag}"
    )]
    Alone {
        /// The key.
        key: String,
        /// Where it came from.
        origin: Origin,
        /// The key that is missing.
        missing: &'static str,
        /// Its flag.
        flag: &'static str,
    },
    /// A value of the program's own is needed, and nobody has said it.
    #[error(
        "{key} is needed and not set: give it with --{flag}, ODEON_{}, or in a file",
        flag.to_uppercase().replace('-', "_")
    )]
    Needed {
        /// The key.
        key: String,
        /// Its flag.
        flag: &'static str,
    },
    /// The program's own values are not what its type reads; a mistake of the program, or two values that do not go
    /// together.
    #[error("the values under [app] are not what the program reads: {cause}")]
    App {
        /// What the type says.
        cause: String,
    },
    /// What the node would say of itself is more than a profile holds.
    #[error("node.zone or node.roles: {cause}")]
    Profile {
        /// What is wrong with it.
        cause: ProfileError,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration {}: {cause}; check --config or ODEON_CONFIG", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        cause: String,
    },
    /// The file is not TOML.
    #[error(
        "{}{} is not TOML: {cause}; write [section] and key = value", path.display(),
        line.map(|line| format!(", line {line},")).unwrap_or_default()
    )]
    NotToml {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: Option<usize>,
        /// What the parser says.
        cause: String,
    },
    /// The values make no tree; a bug.
    #[error("the settings and their tree do not fit: {cause}; please report it")]
    Tree {
        /// What serde says.
        cause: String,
    },
}
