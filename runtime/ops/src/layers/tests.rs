//! Each layer over the one below, and every refusal with its key, value, place and remedy.

use std::{collections::BTreeSet, time::Duration};

use super::*;
use crate::settings::Kind;

/// A file that goes with the test.
struct File(PathBuf);

impl File {
    fn new(name: &str, text: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("odeon-ops-{name}-{}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn given(file: Option<&File>, variables: &[(&str, &str)], flags: &[(&'static str, &str)]) -> Given {
    let mut said = Flags { config: file.map(|file| file.0.clone()), ..Flags::default() };
    for (key, text) in flags {
        said.values.entry(key).or_default().push((*text).to_owned());
    }
    let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
    Given::new(said, variables)
}

fn refusal(
    file: Option<&File>,
    variables: &[(&str, &str)],
    flags: &[(&'static str, &str)],
) -> String {
    given(file, variables, flags).resolve().unwrap_err().to_string()
}

#[test]
fn flags_are_over_the_environment_over_the_file_over_defaults() {
    let file = File::new("layers", "[drain]\nwithin = \"10s\"\n[log]\nfilter = \"warn\"\n");
    let within = |effective: &Effective| effective.config.drain.within.0;
    let nothing = given(None, &[], &[]).resolve().unwrap();
    assert_eq!(within(&nothing), Duration::from_secs(30));
    assert_eq!(nothing.get("drain.within").unwrap().1, &Origin::Default);
    let by_file = given(Some(&file), &[], &[]).resolve().unwrap();
    assert_eq!(within(&by_file), Duration::from_secs(10));
    assert_eq!(by_file.get("drain.within").unwrap().1, &Origin::File(file.0.clone()));
    let variables = [("ODEON_DRAIN_WITHIN", "20s"), ("ODEON_NAME", "")];
    let by_variable = given(Some(&file), &variables, &[]).resolve().unwrap();
    assert_eq!(within(&by_variable), Duration::from_secs(20));
    assert_eq!(by_variable.config.node.name, None, "an empty variable is none");
    let by_flag = given(Some(&file), &variables, &[("drain.within", "1m")]).resolve().unwrap();
    assert_eq!(within(&by_flag), Duration::from_secs(60));
    assert_eq!(by_flag.get("drain.within").unwrap().1, &Origin::Flag("drain-within"));
    assert_eq!(by_flag.config.log.filter, "warn", "what only the file says stays");
}

#[test]
fn the_file_may_be_named_by_a_variable() {
    let file = File::new("variable", "[node]\nname = \"a\"\n");
    let path = file.0.to_str().unwrap();
    let effective = given(None, &[(FILE_VARIABLE, path)], &[]).resolve().unwrap();
    assert_eq!(effective.config.node.name.as_deref(), Some("a"));
}

#[test]
fn lists_come_from_repeated_flags_commas_and_files() {
    let file = File::new("seeds", "[join]\nseeds = [\"a:1\", \"b:2\"]\n");
    assert_eq!(given(Some(&file), &[], &[]).resolve().unwrap().config.join.seeds, ["a:1", "b:2"]);
    let variables = [("ODEON_JOIN", "c:3,d:4")];
    let seeds = given(Some(&file), &variables, &[]).resolve().unwrap().config.join.seeds;
    assert_eq!(seeds, ["c:3", "d:4"]);
    let flags = [("join.seeds", "e:5"), ("join.seeds", "f:6")];
    let seeds = given(Some(&file), &variables, &flags).resolve().unwrap().config.join.seeds;
    assert_eq!(seeds, ["e:5", "f:6"]);
}

#[test]
fn the_filter_of_the_log_may_come_from_the_variable_that_everybody_knows() {
    let filter = |variables: &[(&str, &str)]| {
        given(None, variables, &[]).resolve().unwrap().config.log.filter
    };
    assert_eq!(filter(&[("RUST_LOG", "debug")]), "debug");
    assert_eq!(filter(&[("RUST_LOG", "debug"), ("ODEON_LOG", "error")]), "error");
}

#[test]
fn a_bad_value_is_named_with_its_key_its_place_and_the_remedy() {
    let file = File::new("bad", "[drain]\nwithin = 30\n");
    let said = refusal(Some(&file), &[], &[]);
    for part in ["drain.within", "\"30\"", file.0.to_str().unwrap(), "100ms to 1d"] {
        assert!(said.contains(part), "{said}");
    }
    let said = refusal(None, &[("ODEON_DRAIN_WITHIN", "soon")], &[]);
    for part in ["drain.within", "\"soon\"", "the environment variable ODEON_DRAIN_WITHIN", "30s"] {
        assert!(said.contains(part), "{said}");
    }
    let said = refusal(None, &[], &[("node.listen", "here")]);
    for part in ["node.listen", "\"here\"", "the flag --listen", "127.0.0.1:7400"] {
        assert!(said.contains(part), "{said}");
    }
    let said = refusal(None, &[("RUST_LOG", "odeon=loud")], &[]);
    assert!(said.contains("odeon=loud") && said.contains("RUST_LOG"), "{said}");
}

#[test]
fn every_setting_refuses_what_it_cannot_use_by_its_name() {
    for setting in SETTINGS.iter() {
        // A text and a path may be almost anything; an empty flag is refused.
        let bad = match setting.kind {
            Kind::Text | Kind::Path => "",
            Kind::Filter => "odeon=loud",
            // No text is wrong in a list of texts; in a file a number is.
            Kind::Texts => continue,
            _ => "=",
        };
        let said = refusal(None, &[], &[(setting.key, bad)]);
        assert!(said.contains(setting.key) && said.contains(setting.flag), "{said}");
        assert!(!setting.secret || !said.contains("\"=\""), "{said}");
    }
}

#[test]
fn a_key_that_nobody_knows_is_named_with_the_one_that_is_meant() {
    let file = File::new("typo", "[drain]\nwithn = \"30s\"\n");
    let said = refusal(Some(&file), &[], &[]);
    assert!(said.contains("drain.withn") && said.contains("perhaps drain.within"), "{said}");
    for text in
        ["[nodes]\nname = \"a\"\n", "[strange]\n", "name = \"a\"\n", "[[node]]\nname = \"a\"\n"]
    {
        let file = File::new("section", text);
        let said = refusal(Some(&file), &[], &[]);
        assert!(said.contains("is no setting") && said.contains("--print-config"), "{said}");
    }
}

#[test]
fn a_file_that_is_none_is_named_with_its_line() {
    let file = File::new("toml", "[drain]\nwithin = \n");
    let said = refusal(Some(&file), &[], &[]);
    assert!(said.contains("line 2") && said.contains("not TOML"), "{said}");
    let missing = File(std::env::temp_dir().join("odeon-ops-is-not-there.toml"));
    let said = refusal(Some(&missing), &[], &[]);
    assert!(said.contains("odeon-ops-is-not-there") && said.contains("--config"), "{said}");
}

#[test]
fn what_is_of_no_use_alone_says_what_is_missing() {
    for (flags, says) in [
        (&[("papers.cert", "a.pem")][..], "--key"),
        (&[("papers.cert", "a.pem"), ("papers.key", "a.key")], "--ca-cert"),
        (&[("papers.crl", "ca.crl")], "--cert"),
        (&[("papers.ca_key", "ca.key")], "--enrol-listen"),
        (&[("papers.enrol_listen", "127.0.0.1:0")], "--ca-key"),
    ] {
        let said = refusal(None, &[], flags);
        assert!(said.contains(says) && said.contains(flags[0].0), "{said}");
    }
}

#[test]
fn variables_that_only_look_like_ours_are_named_and_harm_nothing() {
    let variables =
        [("ODEON_PORT_7400_UDP", "udp://10.0.0.1:7400"), ("ODEON_SIM", "x"), ("PATH", "x")];
    let effective = given(None, &variables, &[]).resolve().unwrap();
    assert_eq!(effective.strange, ["ODEON_PORT_7400_UDP"]);
}

#[test]
fn a_secret_is_shown_to_nobody() {
    let secret = SETTINGS.iter().find(|setting| setting.secret).expect("a token is");
    let mut effective = given(None, &[], &[]).resolve().unwrap();
    let value = (Value::String("hush".to_owned()), Origin::Default);
    effective.values.insert(secret.key, value.clone());
    effective.values.insert("log.filter", value);
    assert_eq!(effective.shown(secret.key), None);
    assert_eq!(effective.shown("log.filter").as_deref(), Some("\"hush\""));
}

#[test]
fn only_live_values_are_taken_over() {
    let effective =
        |text: &str, name: &str| given(Some(&File::new(name, text)), &[], &[]).resolve().unwrap();
    let mut now = effective("[drain]\nwithin = \"10s\"\n[log]\nfilter = \"warn\"\n", "live-one");
    let next = effective("[log]\nfilter = \"debug\"\n[node]\nworkers = 3\n", "live-two");
    let changes = now.take_live(next.clone());
    assert_eq!(changes.applied, ["drain.within", "log.filter"]);
    assert_eq!(changes.refused, ["node.workers"]);
    assert_eq!(now.config.log.filter, "debug");
    assert_eq!(now.config.drain.within.to_string(), "30s", "it is not in the file any more");
    assert_eq!(now.config.node.workers, None);
    let again = now.take_live(next);
    assert_eq!((again.applied.len(), again.refused), (0, vec!["node.workers"]));
}

/// The table and the tree: a key that only one of them has could not be set, or would do nothing.
#[test]
fn every_key_of_the_table_is_a_field_of_the_tree() {
    let some = |kind: Kind| match kind {
        Kind::Addr | Kind::Addrs => "127.0.0.1:1".to_owned(),
        Kind::Group => "224.0.0.251:5353".to_owned(),
        Kind::Interface => "0.0.0.0".to_owned(),
        Kind::Seeds => "a:1".to_owned(),
        Kind::Switch => "true".to_owned(),
        Kind::Crypto => "ring".to_owned(),
        Kind::LogFormat => "json".to_owned(),
        Kind::Number { min, .. } => min.to_string(),
        Kind::Span { min_millis, .. } => format!("{}ms", min_millis.max(1)),
        Kind::Text | Kind::Texts | Kind::Path | Kind::Filter | Kind::Token => "info".to_owned(),
    };
    let mut values = Values::new();
    for setting in SETTINGS.iter() {
        let text = some(setting.kind);
        let value = match setting.kind {
            Kind::Token => Value::String(text),
            kind => kind.read_text(&[&text]).unwrap(),
        };
        values.insert(setting.key, (value, Origin::Default));
    }
    let tree = Value::try_from(tree(&values).unwrap()).unwrap();
    let fields = tree.as_table().unwrap().iter().flat_map(|(section, inner)| {
        inner.as_table().unwrap().keys().map(move |name| format!("{section}.{name}"))
    });
    let keys = SETTINGS.iter().map(|setting| setting.key.to_owned());
    assert_eq!(fields.collect::<BTreeSet<_>>(), keys.collect::<BTreeSet<_>>());
}
