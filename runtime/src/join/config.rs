//! How a node finds others, and when it may begin a cluster.
//!
//! What it is: [`JoinConfig`], plain values with their bounds, and the errors of values that cannot be used. What it is
//! NOT: the looking itself; that is `look.rs` and `join.rs`.

use std::{path::PathBuf, time::Duration};

use odeon_env::MulticastGroupError;

use super::{look::Source, mdns::MdnsConfig};

/// Most seeds, and most names of SRV records, that may be given: more than any list by hand.
const GIVEN_MAX: usize = 1024;

/// The largest [`JoinConfig::bootstrap_expect`]: a cluster that begins with more is better begun with some.
const EXPECT_MAX: usize = 1000;

/// The shortest pause between two looks: each may ask a name server.
const PAUSE_LEAST: Duration = Duration::from_millis(10);

/// The longest: who comes later must be found some day.
const PAUSE_MOST: Duration = Duration::from_secs(3600);

/// Where a node looks for others, how often, and whether it may begin a cluster.
///
/// All sources that are given are looked at, again and again for as long as the node lives, and whoever is found and is
/// no member yet is dialled. So nodes that come later, seeds that come back, and clusters that began apart find each
/// other. What is found is only an address: who answers there must show a certificate of the cluster.
///
/// # Examples
/// ```
/// use odeon::JoinConfig;
///
/// // Three nodes start at once and know one name, which stands for all of them. Two are enough to begin: more than half.
/// let join = JoinConfig {
///     seeds: vec!["odeon.example:7400".to_owned()],
///     bootstrap_expect: 2,
///     ..JoinConfig::default()
/// };
/// # let _ = join;
/// ```
#[derive(Clone, PartialEq, Debug)]
pub struct JoinConfig {
    /// `host:port` of nodes that may be in the cluster. Of a name all addresses (A and AAAA) are tried, and it is
    /// resolved anew at each look. Default: none; at most 1024.
    pub seeds: Vec<String>,
    /// Names of SRV records, such as `_odeon._udp.example.org`, whose targets and ports may be nodes. Default: none; at
    /// most 1024. They are looked up with the feature `dns`, which `odeon-ops` turns on; without it, a node that looks
    /// nowhere else stays alone and says so.
    pub srv: Vec<String>,
    /// A file that somebody else writes, read at each look: `host:port`, one a line; what follows `#` is a comment. It
    /// need not be there yet. Default: none; at most 64 KiB and 1024 lines count.
    pub file: Option<PathBuf>,
    /// The name of a variable of the environment that has `host:port`, with commas or spaces between. Default: none.
    pub variable: Option<String>,
    /// Where nodes of a local network tell each other of themselves. Default: nowhere.
    pub mdns: Option<MdnsConfig>,
    /// With how many nodes that know each other, itself counted, this node may begin a cluster, if none of them is in
    /// one. 0, the default: it only joins one that is there. All nodes should have the same, and more than half of those
    /// that start at once, so that no two groups of them can be enough. At most 1000.
    pub bootstrap_expect: usize,
    /// The node may be a cluster of its own: it is up at once, and others join it. For development, and for the first
    /// node of a cluster that has no `bootstrap_expect`. Default: no.
    pub dev: bool,
    /// First pause between two looks of a node that is alone, then doubled up to `look_max`. Default 100 ms: nodes that
    /// start at once find each other at once.
    pub look_min: Duration,
    /// Longest pause of a node that is alone. Default 1 s: a cluster that starts later is found within about as long.
    pub look_max: Duration,
    /// Pause of a node that is among others. Default 5 s: who comes later is mostly found by looking itself; this finds
    /// clusters that began apart, at the cost of one question to each source.
    pub look_joined: Duration,
    /// Longest time for which an address is left alone whose node refuses this one for what must be changed by hand, such
    /// as a certificate: `look_max` after its first refusal, doubled with each. All other addresses are dialled as before.
    /// Default 10 s.
    pub look_refused: Duration,
    /// By what part a pause may be longer, drawn anew each time, so that nodes that started at once do not look at once
    /// for ever. Default 0.25; 0 to 1.
    pub jitter: f64,
}

impl Default for JoinConfig {
    fn default() -> Self {
        Self {
            seeds: Vec::new(),
            srv: Vec::new(),
            file: None,
            variable: None,
            mdns: None,
            bootstrap_expect: 0,
            dev: false,
            look_min: Duration::from_millis(100),
            look_max: Duration::from_secs(1),
            look_joined: Duration::from_secs(5),
            look_refused: Duration::from_secs(10),
            jitter: 0.25,
        }
    }
}

/// A value of [`JoinConfig`] that cannot be used.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinConfigError {
    /// A seed cannot be dialled.
    #[error(
        "the seed {seed:?} is no host:port: use something like 127.0.0.1:7400 or db1.example:7400"
    )]
    Seed {
        /// The seed.
        seed: String,
    },
    /// A name cannot have SRV records.
    #[error(
        "{name:?} is no name of SRV records: use something like _odeon._udp.example.org, without a port"
    )]
    Srv {
        /// The name.
        name: String,
    },
    /// No variable has such a name.
    #[error("{name:?} is no name of an environment variable: use something like ODEON_SEEDS")]
    Variable {
        /// The name.
        name: String,
    },
    /// No multicast DNS can be spoken there.
    #[error("multicast DNS: {0}; the default is 224.0.0.251:5353")]
    Mdns(#[from] MulticastGroupError),
    /// There are too many of one sort.
    #[error("{found} {what}: use at most {GIVEN_MAX}, or one name that stands for all of them")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
    },
    /// It is told to begin a cluster of one, and to wait for others.
    #[error(
        "bootstrap_expect {expect} and dev: a node that may be a cluster of its own waits for nobody; use one of the two"
    )]
    DevAndExpect {
        /// How many it shall wait for.
        expect: usize,
    },
    /// It is told to wait for more than there can be.
    #[error("bootstrap_expect {expect}: use 0 to {EXPECT_MAX}")]
    Expect {
        /// The value.
        expect: usize,
    },
    /// It is told to wait for others and has no way to find any.
    #[error(
        "bootstrap_expect {expect} and nowhere to look for others: give seeds, srv, file, variable or mdns"
    )]
    Nowhere {
        /// How many it shall wait for.
        expect: usize,
    },
    /// A pause is out of its bounds.
    #[error("{field} {value:?}: use 10 ms to an hour, and no look_max below look_min")]
    Pause {
        /// Which.
        field: &'static str,
        /// The value.
        value: Duration,
    },
    /// The jitter is out of its bounds.
    #[error("jitter {value}: use 0 to 1")]
    Jitter {
        /// The value.
        value: f64,
    },
}

impl JoinConfig {
    /// Whether every value can be used.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), JoinConfigError> {
        for (what, found) in [("seeds", self.seeds.len()), ("SRV names", self.srv.len())] {
            if found > GIVEN_MAX {
                return Err(JoinConfigError::TooMany { what, found });
            }
        }
        if let Some(seed) = self.seeds.iter().find(|seed| !is_host_and_port(seed)) {
            return Err(JoinConfigError::Seed { seed: seed.clone() });
        }
        if let Some(name) = self.srv.iter().find(|name| !is_name(name)) {
            return Err(JoinConfigError::Srv { name: name.clone() });
        }
        if let Some(name) = self.variable.as_ref().filter(|name| !is_variable(name)) {
            return Err(JoinConfigError::Variable { name: name.clone() });
        }
        self.mdns.map(|mdns| mdns.multicast_group()).transpose()?;
        self.check_expect()?;
        self.check_pauses()
    }

    fn check_expect(&self) -> Result<(), JoinConfigError> {
        let expect = self.bootstrap_expect;
        if expect > EXPECT_MAX {
            return Err(JoinConfigError::Expect { expect });
        }
        if expect > 1 && self.dev {
            return Err(JoinConfigError::DevAndExpect { expect });
        }
        if expect > 1 && !self.looks_anywhere() {
            return Err(JoinConfigError::Nowhere { expect });
        }
        Ok(())
    }

    fn check_pauses(&self) -> Result<(), JoinConfigError> {
        let pauses = [
            ("look_min", self.look_min),
            ("look_max", self.look_max),
            ("look_joined", self.look_joined),
            ("look_refused", self.look_refused),
        ];
        for (field, value) in pauses {
            let is_least = field == "look_max" && value < self.look_min;
            if is_least || !(PAUSE_LEAST..=PAUSE_MOST).contains(&value) {
                return Err(JoinConfigError::Pause { field, value });
            }
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(JoinConfigError::Jitter { value: self.jitter });
        }
        Ok(())
    }

    /// Whether there is any source of addresses.
    #[must_use]
    pub fn looks_anywhere(&self) -> bool {
        self.first_source().is_some()
    }

    /// The first source of addresses, for people.
    pub(crate) fn first_source(&self) -> Option<String> {
        Source::all(self).first().map(ToString::to_string)
    }
}

/// Whether a text names a host, or an address, and a port to dial.
pub(super) fn is_host_and_port(seed: &str) -> bool {
    let Some((host, port)) = seed.rsplit_once(':') else { return false };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    let is_host = !host.is_empty() && (is_bracketed || !host.contains(':'));
    is_host && !host.contains(char::is_whitespace) && port.parse::<u16>().is_ok_and(|port| port > 0)
}

fn is_name(name: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.len() <= 63;
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253
        && name.split('.').all(is_label)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0']) && !name.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(change: impl FnOnce(&mut JoinConfig)) -> Result<(), JoinConfigError> {
        let mut config = JoinConfig::default();
        change(&mut config);
        config.check()
    }

    fn mdns(group: &str) -> MdnsConfig {
        MdnsConfig { group: group.parse().unwrap(), ..MdnsConfig::default() }
    }

    #[test]
    fn what_can_be_used_is_taken() {
        let good = |change: fn(&mut JoinConfig)| assert_eq!(with(change), Ok(()));
        good(|_| ());
        good(|it| it.seeds = ["a:1", "127.0.0.1:7400", "[::1]:7400"].map(str::to_owned).into());
        good(|it| it.srv = vec!["_odeon._udp.example.org.".to_owned()]);
        good(|it| (it.bootstrap_expect, it.file) = (3, Some("seeds".into())));
        good(|it| (it.bootstrap_expect, it.dev) = (1, true));
        good(|it| (it.bootstrap_expect, it.mdns) = (3, Some(MdnsConfig::default())));
    }

    #[test]
    fn what_cannot_be_used_is_named_with_its_value() {
        let bad = |change: fn(&mut JoinConfig), says: &str| {
            let text = with(change).unwrap_err().to_string();
            assert!(text.contains(says), "{text}");
        };
        bad(|it| it.seeds.push("::1:7400".to_owned()), "\"::1:7400\" is no host:port");
        bad(|it| it.seeds.push("a:0".to_owned()), "\"a:0\"");
        bad(|it| it.seeds = vec!["a:1".to_owned(); 1025], "1025 seeds");
        bad(|it| it.srv.push("example:7400".to_owned()), "\"example:7400\" is no name of SRV");
        bad(|it| it.srv.push("a..b".to_owned()), "\"a..b\"");
        bad(|it| it.variable = Some("A=B".to_owned()), "\"A=B\"");
        bad(|it| (it.bootstrap_expect, it.dev) = (3, true), "bootstrap_expect 3 and dev");
        bad(|it| it.mdns = Some(mdns("10.0.0.1:5353")), "10.0.0.1 is no multicast address");
        bad(|it| it.mdns = Some(mdns("224.0.0.251:0")), "port 0");
        bad(|it| it.bootstrap_expect = 3, "nowhere to look");
        bad(|it| it.bootstrap_expect = 1001, "use 0 to 1000");
        bad(|it| it.look_joined = Duration::ZERO, "look_joined 0ns");
        bad(|it| it.look_max = Duration::from_millis(50), "look_max 50ms");
        bad(|it| it.jitter = 1.5, "jitter 1.5");
        bad(|it| it.jitter = f64::NAN, "jitter NaN");
    }
}
