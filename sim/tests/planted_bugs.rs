//! The scenarios that ship find the bugs that are planted in our own code: each within a thousand seeds, by the check that
//! speaks of it, not without the bug, and shrunk to five faults at most.
//!
//! The search begins at the seed that the table of PLANTED.md has for the bug, so that this takes minutes; the command
//! above that table searches from 0. Only built with the feature `planted`.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// Seeds among which a bug must be found.
const SEEDS_MAX: u64 = 1_000;

/// What a story may need at most.
const FAULTS_MAX: u64 = 5;

/// Runs to shrink one failure. With 80 some stories still have faults that more runs show to be none of theirs.
const RUNS_MAX: &str = "150";

fn odeon_sim(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_odeon-sim")).args(args).output().expect("it runs")
}

/// The row of a bug in the table: its cells, from the name of the bug on.
fn row(bug: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("PLANTED.md");
    let text = fs::read_to_string(&path).expect("the table is there");
    let cells = |line: &str| line.split('|').skip(1).map(|it| it.trim().to_owned()).collect();
    let mut rows = text.lines().map(cells);
    rows.find(|row: &Vec<_>| row.first().is_some_and(|name| name == bug))
        .unwrap_or_else(|| panic!("{bug} has no row in {}", path.display()))
}

/// The first seed that the table has for a bug.
fn known_seed(bug: &str) -> u64 {
    let row = row(bug);
    row[3].parse().unwrap_or_else(|_| panic!("no first seed in {row:?}"))
}

fn is_found(bug: &str) {
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let first = known_seed(bug);
    let seeds = format!("{first}..{SEEDS_MAX}");
    let args = ["planted", bug, "--seeds", &seeds, "--runs-max", RUNS_MAX, "--json"];
    let output = odeon_sim(&[&args[..], &["--link", "frames", "--jobs", "1"]].concat());
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{bug}: {}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_str(&said).expect("it is one JSON array");
    let left = found[0]["faults_shrunk"].as_u64().expect("it is a number");
    assert!(left <= FAULTS_MAX, "{bug} is not found with {FAULTS_MAX} faults: {said}");
    // What is not found by that check is not found: the command looks on.
    let [scenario, check] = ["scenario", "found_by"].map(|key| found[0][key].as_str());
    let row = row(bug);
    assert_eq!((scenario, check), (Some(row[1].as_str()), Some(row[2].as_str())), "{said}");
    assert!(found[0]["problem"].as_str().is_some_and(|it| it.contains(&row[2])), "{said}");
}

macro_rules! bugs {
    ($($test:ident: $bug:literal;)+) => {
        $(#[test] fn $test() { is_found($bug); })+

        #[test]
        fn every_bug_is_looked_for() {
            let said = odeon_sim(&["list", "--planted", "--json"]).stdout;
            let list: serde_json::Value = serde_json::from_slice(&said).expect("it is JSON");
            let names = list.as_array().into_iter().flatten().filter_map(|it| it["name"].as_str());
            assert_eq!(names.collect::<Vec<_>>(), [$($bug),+]);
        }
    };
}

bugs! {
    a_number_of_an_ask_that_is_used_again: "ask-number-reused";
    a_cancelled_ask_that_still_runs: "cancelled-ask-runs";
    credit_that_a_skipped_message_keeps: "credit-not-given-back";
    frames_that_go_out_again_on_the_next_connection: "frames-outlive-connection";
    members_that_are_down_and_not_taken_back: "heal-looks-once";
    a_life_with_the_number_of_the_one_before: "incarnation-reused";
    a_supervisor_off_by_one_in_its_intensity: "intensity-off-by-one";
    a_lost_ask_that_is_called_not_delivered: "lost-ask-not-delivered";
    an_actor_that_nobody_wakes: "lost-wake-up";
    a_mailbox_that_holds_one_more: "mailbox-holds-one-more";
    a_name_that_outlives_its_actor: "name-outlives-actor";
    news_of_an_earlier_life_that_win: "older-life-wins";
    a_panic_that_is_called_not_delivered: "panic-not-delivered";
    batches_that_change_places: "pieces-swapped";
    a_member_whose_end_nobody_hears_of: "replaced-not-down";
    a_reply_that_is_sent_twice: "reply-sent-twice";
    a_group_that_leaves_out_its_last: "rest-for-one-too-few";
    a_restart_that_loses_what_waits: "restart-empties-mailbox";
    a_retry_that_forgets_what_may_have_run: "retry-forgets-doubt";
    siblings_that_stop_in_order: "siblings-stop-in-order";
    an_ask_that_runs_after_its_time: "time-forgotten-on-the-way";
    a_transient_child_that_comes_back: "transient-comes-back";
    a_watch_that_misses_its_race: "watch-misses-race";
    watches_that_a_new_connection_does_not_have: "watches-not-resent";
}

#[test]
fn a_replay_file_plants_its_bug_again() {
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let bug = "intensity-off-by-one";
    let seed = known_seed(bug).to_string();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("planted");
    fs::create_dir_all(&folder).expect("it can be made");
    let (replays, seeds) = (folder.display().to_string(), format!("{seed}..{SEEDS_MAX}"));
    let run = ["run", "workers", "--seeds", &seeds, "--failures-max", "1", "--jobs", "1"];
    let output = odeon_sim(
        &[&run[..], &["--link", "frames", "--plant", bug, "--replays", &replays]].concat(),
    );
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let file = fs::read_dir(&folder).expect("it is there").flatten().next().expect("one was left");
    assert!(file.file_name().to_string_lossy().contains(bug), "{file:?}");
    let output = odeon_sim(&["replay", &file.path().display().to_string(), "--lines", "0"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("the run is the same") && said.contains(bug), "{said}");
    fs::remove_dir_all(folder).expect("it can be removed");
}
