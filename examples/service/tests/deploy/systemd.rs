//! `greeter.service`: the node under systemd, with `node.toml`.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use crate::{
    Folder,
    program::{BEYOND_DRAIN, Values, seconds},
    skip, text,
};

const FILE: &str = "deploy/greeter.service";
const PROGRAM: &str = "/usr/local/bin/greeter";

/// The values of a key of `[Service]`, in their order.
fn values(unit: &str, key: &str) -> Vec<String> {
    let section = unit.split("\n[Service]\n").nth(1).and_then(|rest| rest.split("\n[").next());
    let lines = section.expect("there is the section").lines();
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.filter(|(it, _)| *it == key).map(|(_, value)| value.to_owned()).collect()
}

#[test]
fn the_unit_says_what_the_program_does() {
    let unit = text(FILE);
    let one = |key: &str| {
        let mut all = values(&unit, key);
        assert_eq!(all.len(), 1, "{key}");
        all.remove(0)
    };
    // It says when it is ready; a test of the program shows that it does.
    assert_eq!(one("Type"), "notify");
    assert_eq!(one("KillSignal"), "SIGTERM");
    assert_eq!(one("ExecReload"), "/bin/kill -HUP $MAINPID");
    let start = one("ExecStart");
    let words = start.split(' ').collect::<Vec<_>>();
    assert_eq!(words, [PROGRAM, "--config", "/etc/greeter/node.toml"]);
    for key in ["DynamicUser", "NoNewPrivileges", "PrivateTmp", "MemoryDenyWriteExecute"] {
        assert_eq!(one(key), "yes", "{key}");
    }
    assert_eq!(one("ProtectSystem"), "strict");
    assert_eq!(one("CapabilityBoundingSet"), "");

    let credentials = values(&unit, "LoadCredential");
    let mut variables = BTreeMap::new();
    for pair in values(&unit, "Environment") {
        let (name, value) = pair.split_once('=').unwrap();
        let file = value.strip_prefix("%d/").expect("papers are credentials");
        assert!(credentials.contains(&format!("{file}:/etc/greeter/{file}")), "{file}");
        variables.insert(name.to_owned(), value.replace("%d", "/run/credentials"));
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/node.toml");
    let values = Values::of(&variables, &["--config", file.to_str().unwrap()]);
    for key in ["papers.cert", "papers.key", "papers.ca_cert"] {
        assert!(values.text(key).starts_with("/run/credentials/"), "{key}");
    }
    let own = values.text("node.listen");
    assert!(values.text("join.seeds").contains(&format!("\"{own}\"")));
    assert!(seconds(&one("TimeoutStopSec")) >= values.drain() + BEYOND_DRAIN);
    for key in ["health.listen", "admin.listen"] {
        assert!(values.text(key).starts_with("127.0.0.1:"), "{key}");
    }
}

/// systemd's own reader of the unit, with the program where this test has it, and its opinion of how far the program is
/// shut in: from 0, not at all exposed, to 10.
#[test]
fn systemd_takes_the_unit_and_finds_it_shut_in() {
    let folder = Folder::new("unit");
    let path = folder.0.join("greeter.service");
    let unit = text(FILE).replace(PROGRAM, env!("CARGO_BIN_EXE_greeter"));
    fs::write(&path, unit).unwrap();
    let verify = Command::new("systemd-analyze").arg("verify").arg(&path).output();
    let said = match verify {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success(), "{said}");
            said
        }
        Err(error) => return skip(&format!("systemd-analyze cannot be run: {error}")),
    };
    // What it warns of in other units of this machine is not ours.
    let ours = said.lines().filter(|line| line.contains("greeter.service"));
    assert_eq!(ours.collect::<Vec<_>>(), [""; 0]);
    let security = ["security", "--offline=true", "--no-pager", "--threshold=20"];
    let security = Command::new("systemd-analyze").args(security).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&security.stderr);
    if said.contains("unrecognized option") || said.contains("Unknown") {
        return skip(&format!("this systemd-analyze judges no files: {said}"));
    }
    let page = String::from_utf8_lossy(&security.stdout);
    assert!(security.status.success(), "exposed by more than 2.0 of 10:\n{page}{said}");
}
