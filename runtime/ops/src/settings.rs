//! The settings: every value that a node can be told, in one table.
//!
//! What it is: key, flag, kind, bounds, default, reason, and whether a value can change while the node runs. The flags
//! (`flags.rs`), the layers (`layers.rs`), what `--print-config` says and the help are made of it. What it is NOT: the
//! tree that the values become, `config.rs`; a test holds the two alike. Those of a program's own are in `app.rs`.

mod actors;
mod cluster;
mod kind;
mod transport;

use std::sync::LazyLock;

pub(crate) use kind::Kind;

/// One value that can be set.
#[derive(Clone, Debug)]
pub(crate) struct Setting {
    /// Its place in the file, section first.
    pub(crate) key: &'static str,
    /// Its flag, without the dashes; the variable is made of it.
    pub(crate) flag: &'static str,
    pub(crate) kind: Kind,
    /// What it is if nobody says; `None`: the program or the runtime decides, as `about` says.
    pub(crate) default: Option<&'static str>,
    /// What it is, in which unit, and why the default is what it is.
    pub(crate) about: &'static str,
    /// Whether SIGHUP applies it.
    pub(crate) live: bool,
    /// Whether it is shown to nobody.
    pub(crate) secret: bool,
}

impl Setting {
    pub(crate) const fn new(
        key: &'static str,
        flag: &'static str,
        kind: Kind,
        about: &'static str,
    ) -> Self {
        Self { key, flag, kind, default: None, about, live: false, secret: false }
    }

    pub(crate) const fn default(mut self, text: &'static str) -> Self {
        self.default = Some(text);
        self
    }

    pub(crate) const fn live(mut self) -> Self {
        self.live = true;
        self
    }

    pub(crate) const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// The environment variables that set it, the first one first.
    pub(crate) fn variables(&self) -> Vec<String> {
        let own = format!("ODEON_{}", self.flag.to_uppercase().replace('-', "_"));
        let of_others = (self.key == "log.filter").then(|| "RUST_LOG".to_owned());
        std::iter::once(own).chain(of_others).collect()
    }
}

/// All that every node has, section by section.
pub(crate) static SETTINGS: LazyLock<Vec<Setting>> = LazyLock::new(|| {
    [NODE, actors::ACTORS, transport::TRANSPORT, cluster::MEMBERSHIP, cluster::ROSTER].concat()
});

const DAY_MILLIS: u64 = 86_400_000;

/// The node itself, how it finds others, its papers, how it leaves, and what is seen of it.
const NODE: &[Setting] = &[
    Setting::new(
        "node.name",
        "name",
        Kind::Text,
        "Name of the node, the one in its certificate: 1 to 63 lower-case letters, digits and -, unique in its cluster",
    ),
    Setting::new(
        "node.listen",
        "listen",
        Kind::Addr,
        "Where to listen, UDP; port 0 lets the system choose. For other machines an address that they reach, or 0.0.0.0 \
         and --advertise. By default loopback, so that nothing is open to others unasked",
    )
    .default("127.0.0.1:0"),
    Setting::new(
        "node.advertise",
        "advertise",
        Kind::Addr,
        "Where others reach this node, if that is not where it listens; port 0 is the one it listens at. By default it is",
    ),
    Setting::new(
        "node.workers",
        "workers",
        Kind::Number { min: 1, max: 1024 },
        "Threads that run actors. By default one less than the machine has, for the endpoint has one of its own",
    ),
    Setting::new(
        "node.zone",
        "zone",
        Kind::Text,
        "The zone of the node, a label that nodes share which break together. By default none",
    )
    .live(),
    Setting::new(
        "node.roles",
        "role",
        Kind::Texts,
        "What the node is for. By default nothing in particular; at most 16",
    )
    .default("")
    .live(),
    Setting::new(
        "join.seeds",
        "join",
        Kind::Seeds,
        "The host:port of nodes that may be in the cluster; of a name all addresses are tried. By default none: it waits \
         to be found",
    )
    .default(""),
    Setting::new(
        "join.srv",
        "join-srv",
        Kind::Texts,
        "The names of SRV records whose hosts and ports may be nodes, such as _odeon._udp.example.org, which a headless \
         service of Kubernetes has; they are looked up again and again. By default none",
    )
    .default(""),
    Setting::new(
        "join.name_servers",
        "name-server",
        Kind::Addrs,
        "The name servers that are asked for seeds and SRV records in place of the system's, with its hosts file and \
         search list. By default the system's",
    )
    .default(""),
    Setting::new(
        "join.mdns",
        "mdns",
        Kind::Switch,
        "Whether nodes of a local network tell each other by multicast DNS where they are. By default not: a network that \
         is not asked need not carry it. It needs an address in listen or advertise that others can dial",
    )
    .default("false"),
    Setting::new(
        "join.mdns_group",
        "mdns-group",
        Kind::Group,
        "The multicast group and port for it, the same for all nodes of a cluster. By default the one of multicast DNS \
         everywhere, which no router forwards",
    )
    .default("224.0.0.251:5353"),
    Setting::new(
        "join.mdns_interface",
        "mdns-interface",
        Kind::Interface,
        "The interface for it, by its address. By default 0.0.0.0: the system chooses. With 127.0.0.1 nodes of one machine \
         keep to themselves, and may listen there",
    )
    .default("0.0.0.0"),
    Setting::new(
        "join.file",
        "join-file",
        Kind::Path,
        "A file with the host:port of nodes, one a line, which somebody else writes: it is read again and again. By \
         default none",
    ),
    Setting::new(
        "join.variable",
        "join-variable",
        Kind::Text,
        "The name of an environment variable that has host:port of nodes. By default none",
    ),
    Setting::new(
        "join.bootstrap_expect",
        "bootstrap-expect",
        Kind::Number { min: 0, max: 1000 },
        "With how many nodes that know each other, this one counted, a cluster may begin; the same for all that start \
         together, and more than half of them. By default 0: it joins one that is there",
    )
    .default("0"),
    Setting::new(
        "join.dev",
        "dev",
        Kind::Switch,
        "The node may be a cluster of its own, which others join: for the first node, also when it is started again. \
         Without --cert, --key and --ca-cert it makes a certificate for itself, and no other node can join it. By default \
         not, because two halves of a cluster would not find each other",
    )
    .default("false"),
    Setting::new(
        "join.look_min",
        "look-min",
        Kind::Span { min_millis: 10, max_millis: 3_600_000 },
        "First pause between two looks for others of a node that is alone, then doubled. By default 100ms: nodes that start \
         at once find each other at once",
    )
    .default("100ms"),
    Setting::new(
        "join.look_max",
        "look-max",
        Kind::Span { min_millis: 10, max_millis: 3_600_000 },
        "Longest pause of a node that is alone. By default 1s: a cluster that starts later is found within about as long",
    )
    .default("1s"),
    Setting::new(
        "join.look_joined",
        "look-joined",
        Kind::Span { min_millis: 10, max_millis: 3_600_000 },
        "Pause of a node that is among others. By default 5s: it finds clusters that began apart, at the cost of one \
         question to each source",
    )
    .default("5s"),
    Setting::new(
        "papers.cert",
        "cert",
        Kind::Path,
        "The node's certificate, PEM. When this file or one of the next three changes, the node takes the new one within \
         seconds, without a restart; what cannot be used it names in its log, and goes on with what it had",
    ),
    Setting::new("papers.key", "key", Kind::Path, "The certificate's key, PEM"),
    Setting::new(
        "papers.ca_cert",
        "ca-cert",
        Kind::Path,
        "The certificate of the cluster's authority, PEM",
    ),
    Setting::new(
        "papers.crl",
        "crl",
        Kind::Path,
        "The authority's list of revoked certificates, PEM, such as ca.crl. By default none is heeded",
    ),
    Setting::new(
        "papers.join_token",
        "join-token",
        Kind::Token,
        "A token that `odeon ca token` has printed: it brings a fresh node its certificate, its key and the authority's \
         certificate, which are written where --cert, --key and --ca-cert say, else to NAME.pem, NAME.key and ca.pem. A \
         node that has them starts with them",
    )
    .secret(),
    Setting::new(
        "papers.ca_key",
        "ca-key",
        Kind::Path,
        "The authority's key, ca.key in its folder: this node answers fresh ones at --enrol-listen. Whoever breaks into \
         this machine can admit nodes, so by default none has it",
    ),
    Setting::new(
        "papers.enrol_listen",
        "enrol-listen",
        Kind::Addr,
        "Where fresh nodes ask for their certificates, UDP, an address beside --listen",
    ),
    Setting::new(
        "drain.within",
        "drain-within",
        Kind::Span { min_millis: 100, max_millis: DAY_MILLIS },
        "How long the node may take to leave on SIGTERM or SIGINT, with what others began finished first; a second signal \
         ends it at once. By default as long as Kubernetes waits before it kills",
    )
    .default("30s")
    .live(),
    Setting::new(
        "log.filter",
        "log",
        Kind::Filter,
        "What is logged on standard error, as tracing-subscriber reads it: a level, or such as info,odeon=debug. By \
         default what a person who runs the node wants to know",
    )
    .default("info")
    .live(),
    Setting::new(
        "log.format",
        "log-format",
        Kind::LogFormat,
        "How the log's lines look: text for people, or json for programs that gather logs, an object a line with timestamp, \
         level, target and fields. A last line that says why the program failed is text. By default text",
    )
    .default("text"),
    Setting::new(
        "health.listen",
        "health-listen",
        Kind::Addr,
        "Where /livez, /readyz and /metrics answer, HTTP without TLS, so keep it on loopback or in a network of your own; \
         port 0 lets the system choose. By default nowhere",
    ),
    Setting::new(
        "admin.listen",
        "admin-listen",
        Kind::Addr,
        "Where operators of the cluster look at the node and drain it, HTTP over mutual TLS; port 0 lets the system choose. \
         It needs papers. By default nowhere",
    ),
];

#[cfg(test)]
mod tests {
    use odeon::{MembershipConfig, RosterConfig, SystemConfig, TransportConfig};

    use super::*;
    use crate::config::{ActorsSection, MembershipSection, RosterSection, TransportSection};

    #[test]
    fn keys_and_flags_are_given_once_and_defaults_can_be_used() {
        for (at, setting) in SETTINGS.iter().enumerate() {
            let others = &SETTINGS[at + 1..];
            assert!(others.iter().all(|it| it.key != setting.key && it.flag != setting.flag));
            assert_eq!(setting.key.split('.').count(), 2, "a section and a name: {}", setting.key);
            assert!(!setting.about.ends_with('.') && !setting.about.is_empty());
            if let Some(default) = setting.default {
                assert!(setting.kind.read_text(&[default]).is_ok(), "{}", setting.key);
            } else {
                let said =
                    setting.about.contains("By default") || setting.about.contains("by default");
                assert!(
                    said || matches!(
                        setting.kind,
                        Kind::Path | Kind::Text | Kind::Token | Kind::Addr
                    ),
                    "{}",
                    setting.key
                );
            }
        }
    }

    /// A default as people write it.
    fn in_words(value: &str) -> String {
        match (value, value.parse::<u64>()) {
            ("None", _) => "as many as fit".to_owned(),
            ("Ring", _) => "ring".to_owned(),
            ("60s", _) => "1m".to_owned(),
            ("600s", _) => "10m".to_owned(),
            ("3600s", _) => "1h".to_owned(),
            ("86400s", _) => "1d".to_owned(),
            (_, Ok(number)) if number.is_multiple_of(1 << 20) => format!("{} MiB", number >> 20),
            (_, Ok(number)) if number.is_multiple_of(1 << 10) => format!("{} KiB", number >> 10),
            _ => value.to_owned(),
        }
    }

    /// A text that tells another default than the one in force is worse than none.
    #[test]
    fn defaults_that_the_program_decides_are_told_as_they_are() {
        let shown = |section, fields: Vec<(&'static str, String)>| {
            fields.into_iter().map(move |(field, value)| (format!("{section}.{field}"), value))
        };
        let all = shown("actors", ActorsSection::shown(&SystemConfig::default()))
            .chain(shown("transport", TransportSection::shown(&TransportConfig::default())))
            .chain(shown("membership", MembershipSection::shown(&MembershipConfig::default())))
            .chain(shown("roster", RosterSection::shown(&RosterConfig::default())));
        for (key, value) in all {
            let setting =
                SETTINGS.iter().find(|it| it.key == key).unwrap_or_else(|| panic!("{key}"));
            let told = [in_words(&value), value];
            let says = |value: &String| {
                let (_, after) = setting.about.split_once(&format!("By default {value}"))?;
                after.chars().next().filter(|it| !it.is_alphanumeric())
            };
            assert!(
                told.iter().any(|it| says(it).is_some()),
                "{key} is {told:?}: {}",
                setting.about
            );
        }
    }

    #[test]
    fn sections_are_not_torn_apart() {
        let mut sections = SETTINGS.iter().map(|it| it.key.split('.').next()).collect::<Vec<_>>();
        sections.dedup();
        let count = sections.len();
        sections.sort_unstable();
        sections.dedup();
        assert_eq!(sections.len(), count);
    }
}
