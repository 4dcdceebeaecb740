//! One look at one source of addresses.
//!
//! What it is: [`Source`], and how each is asked, through the node's environment alone. What it is NOT: who decides
//! when, and what becomes of the addresses; that is `join.rs`.

use std::{collections::BTreeSet, fmt, io, net::SocketAddr, path::PathBuf, sync::Arc};

use odeon_env::{Env, SrvRecord, buggify};
use tokio::time::timeout;

use super::{
    config::{JoinConfig, is_host_and_port},
    lookups::{Answer, Lookups, NAME_WITHIN},
    mdns::{Mdns, MdnsConfig},
};

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
    /// Whoever is heard on the local network.
    Mdns(MdnsConfig),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Seed(seed) => f.write_str(seed),
            Self::Srv(name) => write!(f, "SRV {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::Mdns(config) => write!(f, "multicast DNS at {}", config.group),
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
        let mdns = config.mdns.map(Self::Mdns);
        seeds.chain(srv).chain(file).chain(variable).chain(mdns).collect()
    }

    /// Asks it now; `mdns` is the node's part in it, where it has one.
    pub(crate) async fn look(
        &self,
        env: &Arc<dyn Env>,
        lookups: &mut Lookups,
        mdns: Option<&Mdns>,
    ) -> Found {
        let mut found = Found::default();
        let names = match self {
            Self::Seed(seed) => vec![seed.clone()],
            Self::Srv(name) => match timeout(NAME_WITHIN, env.resolve_srv(name)).await {
                Ok(Ok(records)) => records.into_iter().take(TARGETS_MAX).map(target).collect(),
                Ok(Err(error)) => found.troubled(error),
                Err(_) => found.troubled(late(name)),
            },
            Self::File(path) => match read(env, path.clone()).await {
                Ok(text) => found.names(lines(&text)),
                Err(error) => found.troubled(error),
            },
            Self::Variable(name) => match env.variable(name) {
                Some(text) => found.names(words(&text)),
                None => found.troubled("it is not set"),
            },
            Self::Mdns(_) => {
                if let Some(mdns) = mdns {
                    (found.addresses, found.trouble) = mdns.look().await;
                }
                Vec::new()
            }
        };
        if let Some(name) = lookups.look(env, &names, |answer| found.take(answer)).await {
            found.trouble = Some(late(&name));
        }
        found
    }
}

impl Found {
    /// The names among these texts.
    fn names<'a>(&mut self, texts: impl Iterator<Item = &'a str>) -> Vec<String> {
        let (good, bad) =
            texts.take(NAMES_MAX).partition::<Vec<_>, _>(|text| is_host_and_port(text));
        if let Some(text) = bad.last() {
            self.trouble = Some(format!("{text:?} is no host:port"));
        }
        good.into_iter().map(str::to_owned).collect()
    }

    /// There are no names, for this reason.
    fn troubled(&mut self, why: impl fmt::Display) -> Vec<String> {
        self.trouble = Some(why.to_string());
        Vec::new()
    }

    fn take(&mut self, (name, answer): Answer) {
        match answer {
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

fn target(record: SrvRecord) -> String {
    format!("{}:{}", record.target.trim_end_matches('.'), record.port)
}

fn late(name: &str) -> String {
    format!("{name}: no answer within {NAME_WITHIN:?}; it counts when it comes")
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
