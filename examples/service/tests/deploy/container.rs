//! `Containerfile`: the steps of the build, and who runs what.

use std::collections::BTreeMap;

use crate::{program::Values, text};

const FILE: &str = "deploy/Containerfile";

/// The instructions with their arguments.
fn instructions() -> Vec<(String, String)> {
    let text = text(FILE);
    let lines = text.lines().filter(|line| !line.starts_with('#')).collect::<Vec<_>>();
    let whole = lines.join("\n").replace("\\\n", " ");
    let pairs = whole.lines().filter_map(|line| line.trim().split_once(' '));
    pairs.map(|(name, rest)| (name.to_owned(), rest.trim().to_owned())).collect()
}

fn all<'a>(instructions: &'a [(String, String)], name: &'a str) -> Vec<&'a str> {
    let these = instructions.iter().filter(|(it, _)| it == name);
    these.map(|(_, rest)| rest.as_str()).collect()
}

/// What it sets, as the program takes it.
pub(crate) fn variables() -> BTreeMap<String, String> {
    let instructions = instructions();
    let pairs = all(&instructions, "ENV").into_iter().flat_map(str::split_whitespace);
    let pairs = pairs.map(|pair| pair.split_once('=').unwrap_or_else(|| panic!("{pair}")));
    pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The user it runs as.
pub(crate) fn user() -> i64 {
    let instructions = instructions();
    let user = all(&instructions, "USER").pop().expect("there is a user");
    user.split(':').next().and_then(|it| it.parse().ok()).expect("the user is a number")
}

#[test]
fn the_container_is_built_of_this_package_and_runs_it_as_nobody_of_note() {
    const KNOWN: [&str; 9] =
        ["FROM", "WORKDIR", "COPY", "RUN", "USER", "ENV", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT"];
    let instructions = instructions();
    assert!(instructions.iter().all(|(name, _)| KNOWN.contains(&&**name)), "{instructions:?}");
    let from = all(&instructions, "FROM");
    let [build, run] = from[..] else { panic!("{from:?}") };
    let manifest = text("../../Cargo.toml");
    let rust = manifest.lines().find_map(|line| line.strip_prefix("rust-version = ")).unwrap();
    let rust = rust.trim_matches('"');
    let image = build.strip_prefix(&format!("docker.io/library/rust:{rust}-slim-")).expect(build);
    let debian = image.strip_suffix(" AS build").expect("the stage has a name");
    // A program that was linked to a newer C library does not start.
    assert_eq!(run, format!("docker.io/library/debian:{debian}-slim"));
    let built = all(&instructions, "RUN").concat();
    assert!(
        built.contains(&format!("-p {} ", env!("CARGO_PKG_NAME")))
            || built.ends_with(env!("CARGO_PKG_NAME")),
        "{built}"
    );
    assert!(built.contains("--release") && built.contains("--locked"), "{built}");
    let copied = all(&instructions, "COPY").pop().unwrap();
    let program = "/usr/local/bin/greeter";
    assert!(copied.ends_with(program) && copied.contains("target/release/greeter"), "{copied}");
    assert_eq!(all(&instructions, "ENTRYPOINT"), [format!("[\"{program}\"]")]);
    assert_eq!(all(&instructions, "STOPSIGNAL"), ["SIGTERM"]);
    assert!(user() > 0);
}

#[test]
fn the_container_opens_the_ports_that_the_program_listens_at() {
    let values = Values::of(&variables(), &[]);
    let ports = [values.port("node.listen"), values.port("health.listen")];
    assert_eq!(all(&instructions(), "EXPOSE"), [format!("{}/udp {}/tcp", ports[0], ports[1])]);
}
