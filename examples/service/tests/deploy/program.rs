//! What the program makes of an environment: it says so itself, with `--print-config`.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    process::Command,
    time::Duration,
};

/// The values in force, by section and name.
pub(crate) struct Values(BTreeMap<String, String>);

impl Values {
    /// Those of this environment and these arguments; each variable of ours must be one that the program knows, and be heeded.
    pub(crate) fn of(variables: &BTreeMap<String, String>, args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_greeter"));
        let output =
            command.args(args).arg("--print-config").env_clear().envs(variables).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{variables:?}: {said}");
        let page = String::from_utf8(output.stdout).unwrap();
        let (mut values, mut heeded, mut section) = (BTreeMap::new(), BTreeSet::new(), "");
        for line in page.lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_end_matches(']');
            }
            if let Some((_, name)) = line.split_once(" # from the environment variable ") {
                heeded.insert(name.to_owned());
            }
            if let Some((name, rest)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                let value = rest.split(" # from ").next().unwrap_or_default().trim_matches('"');
                values.insert(format!("{section}.{name}"), value.to_owned());
            }
        }
        for name in variables.keys().filter(|name| name.starts_with("ODEON_")) {
            assert!(heeded.contains(name), "{name} is no variable of the program: {heeded:?}");
        }
        Self(values)
    }

    pub(crate) fn text(&self, key: &str) -> &str {
        self.0.get(key).unwrap_or_else(|| panic!("{key} is not set"))
    }

    pub(crate) fn port(&self, key: &str) -> u16 {
        self.text(key).parse::<SocketAddr>().unwrap().port()
    }

    /// How long the node may take to leave.
    pub(crate) fn drain(&self) -> Duration {
        seconds(self.text("drain.within"))
    }
}

/// A time in whole seconds, such as 30s.
pub(crate) fn seconds(text: &str) -> Duration {
    let number = text.strip_suffix('s').unwrap_or_else(|| panic!("{text} is not in seconds"));
    Duration::from_secs(number.parse().unwrap())
}

/// How much longer than a drain whoever ends the program waits at least before it kills: what is stopped after a drain has
/// a few seconds of its own.
pub(crate) const BEYOND_DRAIN: Duration = Duration::from_secs(10);
