//! Log lines of nodes in a replay: there, in order, by the filter that was asked for; and the run is the same.

use std::time::Duration;

use crate::command::command;
use odeon_interpose::{Stream, unsupported};
use odeon_sim::{Link, Outline, Scenario, Trial, World, play, runner::Case};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 2] = ["alice", "bob"];

/// Two nodes that join each other and say what they do.
struct Talkative;

impl Scenario for Talkative {
    const NAME: &'static str = "talkative";
    const ABOUT: &'static str = "two nodes say what they do";
    type Step = ();

    fn outline(&self) -> Outline {
        Outline::new(NAMES).safety(5 * SECOND).liveness(20 * SECOND)
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, ())> {
        (0..5).map(|_| (Duration::from_millis(draw.below(5_000)), ())).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        for name in NAMES {
            world.start_member(name, |node| node, async |_| tracing::info!(answer = 42, "is up"));
        }
        world.all_joined(&NAMES, 10 * SECOND).await.map_err(|error| error.to_string())
    }

    fn step(&mut self, world: &mut World, (): ()) -> impl Future<Output = ()> + 'static {
        world.note("step", "");
        let said = world.start_on("bob", async {
            tracing::warn!("says aloud");
            tracing::debug!(target: "whispers", "says {}", "in secret");
        });
        async move {
            let _ = said.await;
        }
    }

    async fn recover(&mut self, _: &mut World) -> Result<(), String> {
        Ok(())
    }
}

fn talkative() -> Talkative {
    Talkative
}

/// What `replay` prints.
fn replayed(trial: &Trial, args: &[&str]) -> (u8, String) {
    command(trial, &[&["replay", "--seed", "3"], args].concat())
}

fn seconds(line: &str) -> f64 {
    line.trim_start().split(' ').next().and_then(|time| time.parse().ok()).expect("a time")
}

#[test]
fn a_replay_has_the_log_lines_of_its_nodes_in_their_places() {
    let trial = play!(a_replay_has_the_log_lines_of_its_nodes_in_their_places, talkative);
    if unsupported().is_some() {
        return;
    }
    let (status, text) = replayed(&trial, &[]);
    assert_eq!(status, 0, "{text}");
    let lines: Vec<_> = text.lines().skip_while(|line| *line != "--- what happened").collect();
    let lines: Vec<_> =
        lines[1..].iter().take_while(|line| !line.starts_with("---")).copied().collect();
    assert!(lines.is_sorted_by_key(|line| seconds(line)), "in the order of virtual time");
    let aloud = |line: &&&str| line.contains(" bob ") && line.contains(" WARN says aloud");
    assert_eq!(lines.iter().filter(aloud).count(), 5);
    let is_up = |line: &&str| line.contains(" alice ") && line.contains("INFO is up answer=42");
    assert!(lines.iter().any(is_up));
    assert!(!text.contains("says in secret"));
    // Each comes after the step that lets it be said, and before the next.
    let steps = lines.iter().filter(|line| line.ends_with(" step") || aloud(line));
    let steps: Vec<_> = steps.map(|line| line.ends_with(" step")).collect();
    assert_eq!(steps, [true, false].repeat(5));
    let (_, text) = replayed(&trial, &["--log", "error,whispers=debug"]);
    assert!(text.contains(" bob      DEBUG says in secret [whispers]"), "{text}");
    assert!(!text.contains("says aloud"));
    let (_, text) = replayed(&trial, &["--log", "off"]);
    assert!(!text.contains("says aloud") && !text.contains("is up"));
    assert_eq!(replayed(&trial, &["--log", "loud"]).0, 2);
}

#[test]
fn the_run_is_the_same_whatever_is_logged() {
    let trial = play!(the_run_is_the_same_whatever_is_logged, talkative);
    for link in [Link::Quic, Link::Frames] {
        for seed in 0..3 {
            let plain = Case { link, ..Case::new(seed) };
            let run = |case| trial.run(case, 1, 60 * SECOND);
            let quiet = run(plain);
            assert!(quiet.iter().all(|verdict| verdict.passed() && verdict.events > 200));
            for log in ["off", "info", "odeon=debug", "trace"] {
                let log = log.parse().expect("a filter");
                let logged = run(Case { recorded: true, log, ..plain });
                assert_eq!(quiet, logged, "seed {seed}, {log}");
            }
        }
    }
}
