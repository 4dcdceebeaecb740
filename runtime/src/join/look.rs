//! One look at one source of addresses.
//!
//! What it is: [`Source`], and how each is asked, through the node's environment alone. What it is NOT: who decides
//! when, and what becomes of the addresses; that is `join.rs`.

use std::{collections::BTreeSet, fmt, io, net::SocketAddr, path::PathBuf, sync::Arc};

use odeon_env::{Env, buggify};

use super::config::{JoinConfig, is_host_and_port};

/// Most bytes of a file of seeds: some thousand lines.
const FILE_BYTES_MAX: usize = 64 << 10;

/// Most names that one file or variable may have; the rest is ignored.
const NAMES_MAX: usize = 1024;

/// Most targets of SRV records that one name may have; the rest is ignored.
const TARGETS_MAX: usize = 64;

/// Most addresses that one look brings; the rest is ignored.
pub(super) const ADDRESSES_MAX: usize = 1024;

/// Where addresses come from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// `host:port`.
    Seed(String),
    /// The name of SRV records.
    Srv(String),
    /// A file with one `host:port` a line.
    File(PathBuf),
    /// A variable of the environment with several.
    Variable(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(seed) => f.write_str(seed),
            Self::Srv(name) => write!(f, "SRV {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Variable(name) => write!(f, "the variable {name}"),
        }
    }
}

/// What one look brought.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) addresses: BTreeSet<SocketAddr>,
    /// What could not be used; the last one of several.
    pub(crate) trouble: Option<String>,
}

impl Source {
    /// All sources that a configuration names.
    pub(crate) fn all(config: &JoinConfig) -> Vec<Self> {
        let seeds = config.seeds.iter().cloned().map(Self::Seed);
        let srv = config.srv.iter().cloned().map(Self::Srv);
        let file = config.file.iter().cloned().map(Self::File);
        let variable = config.variable.iter().cloned().map(Self::Variable);
        seeds.chain(srv).chain(file).chain(variable).collect()
    }

    /// Asks it now.
    pub(crate) async fn look(&self, env: &Arc<dyn Env>) -> Found {
        let mut found = Found::default();
        match self {
            Self::Seed(seed) => found.resolve(env, seed).await,
            Self::Srv(name) => match env.resolve_srv(name).await {
                Ok(records) => {
                    for record in records.into_iter().take(TARGETS_MAX) {
                        let target = record.target.trim_end_matches('.');
                        found.resolve(env, &format!("{target}:{}", record.port)).await;
                    }
                }
                Err(error) => found.trouble = Some(error.to_string()),
            },
            Self::File(path) => match read(env, path.clone()).await {
                Ok(text) => found.resolve_all(env, lines(&text)).await,
                Err(error) => found.trouble = Some(error.to_string()),
            },
            Self::Variable(name) => match env.variable(name) {
                Some(text) => found.resolve_all(env, words(&text)).await,
                None => found.trouble = Some("it is not set".to_owned()),
            },
        }
        found
    }
}

impl Found {
    async fn resolve_all(&mut self, env: &Arc<dyn Env>, names: impl Iterator<Item = &str>) {
        for name in names.take(NAMES_MAX) {
            if is_host_and_port(name) {
                self.resolve(env, name).await;
            } else {
                self.trouble = Some(format!("{name:?} is no host:port"));
            }
        }
    }

    async fn resolve(&mut self, env: &Arc<dyn Env>, name: &str) {
        match env.resolve(name).await {
            // As if the answer were lost: the next look asks again.
            Ok(_) if buggify!() => {}
            Ok(addresses) => {
                let room = ADDRESSES_MAX.saturating_sub(self.addresses.len());
                self.addresses.extend(addresses.into_iter().take(room));
            }
            Err(error) => self.trouble = Some(format!("{name}: {error}")),
        }
    }
}

async fn read(env: &Arc<dyn Env>, path: PathBuf) -> io::Result<String> {
    let bytes = env.read_file(&path, FILE_BYTES_MAX).await?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"))
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| c == ',' || c.is_whitespace()).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_comments_and_a_variable_commas() {
        let text = "# nodes\n a:7400 # the first\n\n[::1]:7400\r\n";
        assert_eq!(lines(text).collect::<Vec<_>>(), ["a:7400", "[::1]:7400"]);
        assert_eq!(words("a:1,b:2  c:3, ").collect::<Vec<_>>(), ["a:1", "b:2", "c:3"]);
    }
}
