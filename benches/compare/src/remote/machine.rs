//! What a run was measured on: the machine, and the versions of what was compared.

use odeon::TransportConfig;
use serde_json::{Value, json};

use crate::remote::systems::Name;

/// The versions that this program was built with.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// The version of a system; of Erlang, which is no part of this program, none.
pub(crate) fn version(system: Name) -> Option<&'static str> {
    locked(LOCK, system.package()?)
}

fn locked<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let mut packages = lock.split("[[package]]");
    let name = format!("name = \"{package}\"");
    let found = packages.find(|lines| lines.lines().any(|line| line == name))?;
    let version = found.lines().find_map(|line| line.strip_prefix("version = "))?;
    Some(version.trim_matches('"'))
}

/// The machine, and the packets of Odeon and bare quinn on it.
pub(crate) fn machine() -> Value {
    let odeon = TransportConfig::default();
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let cpus = read("/proc/cpuinfo");
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    json!({
        "cpu": model, "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "architecture": std::env::consts::ARCH, "system": std::env::consts::OS,
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "programs": "two, on loopback, each pinned to one CPU",
        "udp_payload_bytes_max": odeon.loopback_mtu_max,
        "send_window": odeon.send_window, "stream_window": odeon.stream_window,
        "optimised": !cfg!(debug_assertions),
    })
}

#[cfg(test)]
mod tests {
    use super::{locked, version};
    use crate::remote::systems::Name;

    #[test]
    fn versions_are_those_of_the_lock_file() {
        let lock = "[[package]]\nname = \"a-b\"\nversion = \"2.0\"\n\n[[package]]\nname = \"a\"\nversion = \"1.5\"\n";
        assert_eq!(locked(lock, "a"), Some("1.5"));
        assert_eq!(locked(lock, "b"), None);
        assert!(version(Name::Quinn).is_some_and(|version| version.starts_with("0.")));
    }
}
