//! What a run says may hold escape sequences, in its log lines, notes and errors: no command prints one, as text or as JSON.

use std::{fs, path::Path, time::Duration};

use crate::command::command;
use odeon_interpose::{Stream, unsupported};
use odeon_sim::{Check, Outline, Scenario, Trial, World, play};

const SECOND: Duration = Duration::from_secs(1);

/// Clears the screen, and writes in red, as a terminal reads it in either of its two forms.
const LOUD: &str = "\u{1b}[2J\u{9b}31mhello\u{7f}";

/// A node that says, notes and fails with escape sequences.
struct Loud;

impl Scenario for Loud {
    const NAME: &'static str = "loud";
    const ABOUT: &'static str = "a node talks to the terminal";
    type Step = String;

    fn outline(&self) -> Outline {
        Outline::new(["a"]).safety(SECOND).liveness(SECOND)
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, String)> {
        vec![(Duration::from_millis(draw.below(1_000)), LOUD.to_owned())]
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        world.node("a", |_| async {
            tracing::warn!("{LOUD}");
            std::future::pending::<()>().await;
        });
        Ok(())
    }

    fn step(&mut self, world: &mut World, step: String) -> impl Future<Output = ()> + 'static {
        world.note("step", &step);
        std::future::ready(())
    }

    async fn recover(&mut self, _: &mut World) -> Result<(), String> {
        Ok(())
    }

    fn checks(&self) -> Vec<Check> {
        vec![Check::at_end("nobody is loud", |_| Err(format!("a says {LOUD}")))]
    }
}

fn loud() -> Loud {
    Loud
}

fn said(trial: &Trial, args: &[&str]) -> String {
    command(trial, args).1
}

#[test]
fn no_command_prints_what_a_terminal_obeys() {
    let test = play!(no_command_prints_what_a_terminal_obeys, loud);
    if unsupported().is_some() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("escapes");
    fs::create_dir_all(&folder).expect("it can be made");
    let replays = folder.display().to_string();
    let shrunk = folder.join("shrunk.json").display().to_string();
    for args in [
        &["run", "--seeds", "3", "--replays", &replays][..],
        &["replay", "--seed", "3"],
        &["shrink", "--seed", "3", "--out", &shrunk],
        &["check", "--seed", "3"],
        &["diff", "loud:3", "loud:4"],
        &["run", "--seeds", "3", "--replays", &replays, "--json"],
        &["shrink", "--seed", "3", "--out", &shrunk, "--json"],
    ] {
        let said = said(&test, args);
        assert!(!said.is_empty(), "{args:?}");
        let obeyed = said.contains(|char: char| char.is_control() && char != '\n' && char != '\t');
        assert!(!obeyed, "{args:?} prints {said:?}");
        if args.contains(&"--json") {
            let value: serde_json::Value = serde_json::from_str(&said).expect("it is JSON");
            let text =
                value.pointer("/then").or(value.pointer("/scenarios/0/failures/0/problems/0"));
            let text = text.and_then(serde_json::Value::as_str).expect("it failed");
            assert!(text.ends_with(&format!("a says {LOUD}")), "{text:?}");
        } else if args[0] != "check" && args[0] != "diff" {
            assert!(said.contains("\\u{1b}[2J\\u{9b}31mhello\\u{7f}"), "{args:?}: {said}");
        }
    }
    fs::remove_dir_all(folder).expect("it can be removed");
}
