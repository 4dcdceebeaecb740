//! What a setting's value may be, and how it is read: from a text or from a file.
//!
//! Flags and variables are texts, files have numbers, lists and switches of their own; both become the same value, or a
//! sentence that says what to use instead.

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use odeon::{Crypto, CryptoNameError, JoinToken};
use toml::Value;
use tracing_subscriber::EnvFilter;

use crate::{logs::LogFormat, span::Span};

/// A value that was read, or what to use instead.
pub(crate) type Read = Result<Value, String>;

/// What a value may be.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// Any text but the empty one.
    Text,
    /// A file.
    Path,
    /// An IP address and a port.
    Addr,
    /// A list of IP addresses, each with a port.
    Addrs,
    /// An IPv4 multicast address and a port.
    Group,
    /// An IPv4 address.
    Interface,
    /// A list of `host:port`.
    Seeds,
    /// A list of texts without commas.
    Texts,
    /// Yes or no.
    Switch,
    /// A whole number within these bounds.
    Number { min: u64, max: u64 },
    /// A span of time within these bounds.
    Span { min_millis: u64, max_millis: u64 },
    /// Whose code encrypts.
    Crypto,
    /// A filter of the log.
    Filter,
    /// How the log's lines look.
    LogFormat,
    /// A join token.
    Token,
}

impl Kind {
    /// What stands for the value in the help.
    pub(crate) const fn placeholder(self) -> &'static str {
        match self {
            Self::Text | Self::Crypto => "NAME",
            Self::Path => "FILE",
            Self::Addr | Self::Addrs | Self::Group => "ADDRESS:PORT",
            Self::Interface => "ADDRESS",
            Self::Seeds => "HOST:PORT",
            Self::Texts => "NAME",
            Self::Switch => "BOOL",
            Self::Number { .. } => "NUMBER",
            Self::Span { .. } => "TIME",
            Self::Filter => "FILTER",
            Self::LogFormat => "FORMAT",
            Self::Token => "TOKEN",
        }
    }

    /// What it may be, in words.
    pub(crate) fn bounds(self) -> String {
        let span = |millis| Span(std::time::Duration::from_millis(millis));
        match self {
            Self::Text => "a text".to_owned(),
            Self::Path => "a path of a file".to_owned(),
            Self::Addr => "an IP address with a port, such as 127.0.0.1:7400".to_owned(),
            Self::Addrs => {
                "an IP address with a port, such as 127.0.0.1:53, several with commas between"
                    .to_owned()
            }
            Self::Group => {
                "an IPv4 multicast address with a port, such as 224.0.0.251:5353".to_owned()
            }
            Self::Interface => "an IPv4 address of this machine, or 0.0.0.0".to_owned(),
            Self::Seeds => {
                "host:port, such as 127.0.0.1:7400, several with commas between".to_owned()
            }
            Self::Texts => "a text, several with commas between".to_owned(),
            Self::Switch => "true or false".to_owned(),
            Self::Number { min, max } => format!("a whole number from {min} to {max}"),
            Self::Span { min_millis, max_millis } => {
                format!("a time from {} to {}, such as 30s", span(min_millis), span(max_millis))
            }
            Self::Crypto => "ring or aws-lc-rs".to_owned(),
            Self::Filter => "a filter such as info or odeon=debug".to_owned(),
            Self::LogFormat => "text or json".to_owned(),
            Self::Token => "a join token, which `odeon ca token` prints".to_owned(),
        }
    }

    /// Reads what flags or a variable say; a list may come in several texts.
    pub(crate) fn read_text(self, texts: &[&str]) -> Read {
        if self.is_list() {
            let seeds = texts.iter().flat_map(|text| text.split(','));
            let seeds = seeds.map(str::trim).filter(|seed| !seed.is_empty());
            return self.check(Value::Array(seeds.map(|seed| seed.into()).collect()));
        }
        let text = texts.last().copied().unwrap_or_default();
        let value = match self {
            Self::Switch => match text {
                "true" | "1" => Value::Boolean(true),
                "false" | "0" => Value::Boolean(false),
                _ => return Err(self.remedy("")),
            },
            Self::Number { .. } => {
                let number = text.replace('_', "").parse::<i64>();
                Value::Integer(number.map_err(|_| self.remedy(""))?)
            }
            _ => Value::String(text.to_owned()),
        };
        self.check(value)
    }

    /// Checks what a file says, or what a text was read as.
    pub(crate) fn check(self, value: Value) -> Read {
        let cause = match (self, &value) {
            (Self::Switch, Value::Boolean(_)) => None,
            (Self::Number { min, max }, Value::Integer(number)) => {
                let fits = u64::try_from(*number).is_ok_and(|it| (min..=max).contains(&it));
                (!fits).then(String::new)
            }
            (Self::Span { min_millis, max_millis }, Value::String(text)) => {
                let bounds = u128::from(min_millis)..=u128::from(max_millis);
                let fits = text.parse::<Span>().is_ok_and(|it| bounds.contains(&it.0.as_millis()));
                (!fits).then(String::new)
            }
            (Self::Text | Self::Path, Value::String(text)) => text.is_empty().then(String::new),
            (Self::Addr, Value::String(text)) => {
                text.parse::<SocketAddr>().is_err().then(String::new)
            }
            (Self::Group, Value::String(text)) => {
                let group = text.parse::<SocketAddrV4>();
                let fits = group.is_ok_and(|it| it.ip().is_multicast() && it.port() > 0);
                (!fits).then(String::new)
            }
            (Self::Interface, Value::String(text)) => {
                text.parse::<Ipv4Addr>().is_err().then(String::new)
            }
            (Self::Addrs, Value::Array(addrs)) => {
                let wrong = addrs.iter().find(|addr| !addr.as_str().is_some_and(is_addr_and_port));
                wrong.map(|addr| format!("{addr} is none"))
            }
            (Self::Filter, Value::String(text)) => {
                EnvFilter::try_new(text).err().map(|error| error.to_string())
            }
            (Self::LogFormat, value) => {
                value.clone().try_into::<LogFormat>().is_err().then(String::new)
            }
            (Self::Crypto, Value::String(text)) => match text.parse::<Crypto>() {
                Ok(_) => None,
                Err(error @ CryptoNameError::NotBuilt) => Some(error.to_string()),
                Err(_) => Some(String::new()),
            },
            (Self::Token, Value::String(text)) => {
                text.parse::<JoinToken>().err().map(|error| error.to_string())
            }
            (Self::Seeds, Value::Array(seeds)) => {
                let wrong = seeds.iter().find(|seed| !seed.as_str().is_some_and(is_host_and_port));
                wrong.map(|seed| format!("{seed} is none"))
            }
            (Self::Texts, Value::Array(texts)) => {
                let wrong = texts.iter().find(|text| text.as_str().is_none_or(str::is_empty));
                wrong.map(|text| format!("{text} is none"))
            }
            _ => Some(String::new()),
        };
        match cause {
            None => Ok(value),
            Some(cause) => Err(self.remedy(&cause)),
        }
    }

    /// Whether there may be several.
    pub(crate) const fn is_list(self) -> bool {
        matches!(self, Self::Addrs | Self::Seeds | Self::Texts)
    }

    fn remedy(self, cause: &str) -> String {
        let cause = if cause.is_empty() { String::new() } else { format!(" ({cause})") };
        format!("use {}{cause}", self.bounds())
    }
}

/// Whether it is an address that can be asked.
fn is_addr_and_port(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok_and(|addr| addr.port() > 0)
}

/// Whether it can be dialled: a host or an address, and a port.
fn is_host_and_port(text: &str) -> bool {
    let parts = text.rsplit_once(':');
    parts.is_some_and(|(host, port)| {
        !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_and_a_file_become_the_same_value() {
        let number = Kind::Number { min: 1, max: 1024 };
        assert_eq!(number.read_text(&["12"]), number.check(Value::Integer(12)));
        assert_eq!(Kind::Switch.read_text(&["1"]), Kind::Switch.check(Value::Boolean(true)));
        let seeds = Value::Array(vec!["a:1".into(), "b:2".into(), "c:3".into()]);
        assert_eq!(Kind::Seeds.read_text(&["a:1,b:2", "c:3"]), Kind::Seeds.check(seeds));
        let texts = Value::Array(vec!["web".into(), "db".into()]);
        assert_eq!(Kind::Texts.read_text(&["web, db"]), Kind::Texts.check(texts));
        let addrs = Value::Array(vec!["127.0.0.1:53".into(), "[::1]:53".into()]);
        assert_eq!(Kind::Addrs.read_text(&["127.0.0.1:53, [::1]:53"]), Kind::Addrs.check(addrs));
        assert_eq!(Kind::Seeds.read_text(&[""]), Ok(Value::Array(Vec::new())));
    }

    #[test]
    fn what_is_out_of_bounds_is_answered_with_the_bounds() {
        let span = Kind::Span { min_millis: 100, max_millis: 3_600_000 };
        for (kind, text, says) in [
            (Kind::Number { min: 1, max: 1024 }, "0", "1 to 1024"),
            (Kind::Number { min: 1, max: 1024 }, "many", "1 to 1024"),
            (Kind::Number { min: 1, max: 1024 }, "-4", "1 to 1024"),
            (span, "2h", "100ms to 1h"),
            (span, "30", "100ms to 1h"),
            (Kind::Switch, "yes", "true or false"),
            (Kind::Addr, "here", "127.0.0.1:7400"),
            (Kind::Seeds, "a:1,b", "\"b\" is none"),
            (Kind::Addrs, "127.0.0.1:53,ns:53", "\"ns:53\" is none"),
            (Kind::Addrs, "127.0.0.1:0", "127.0.0.1:53"),
            (Kind::Group, "10.0.0.1:5353", "224.0.0.251:5353"),
            (Kind::Group, "[ff02::fb]:5353", "IPv4"),
            (Kind::Interface, "eth0", "0.0.0.0"),
            (Kind::Text, "", "a text"),
            (Kind::Filter, "odeon=loud", "info or odeon=debug"),
            (Kind::Token, "secret", "odeon ca token"),
            (Kind::Crypto, "openssl", "use ring or aws-lc-rs"),
            (Kind::LogFormat, "JSON", "use text or json"),
        ] {
            let said = kind.read_text(&[text]).unwrap_err();
            assert!(said.contains(says), "{text}: {said}");
        }
        assert!(Kind::Crypto.read_text(&["ring"]).is_ok());
        match Kind::Crypto.read_text(&["aws-lc-rs"]) {
            Ok(value) => assert_eq!(value, Value::String("aws-lc-rs".into())),
            Err(said) => assert!(said.contains("the feature aws-lc-rs"), "{said}"),
        }
        // A file has types of its own.
        assert!(Kind::Switch.check(Value::String("true".into())).is_err());
        assert!(span.check(Value::Integer(30)).is_err());
        assert!(Kind::Seeds.check(Value::String("a:1".into())).is_err());
        assert!(Kind::Texts.check(Value::Array(vec![Value::Integer(1)])).is_err());
    }
}
