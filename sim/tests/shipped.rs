//! The scenarios that ship can fail: each finds the bug that is planted in it, within the seeds that CI plays, and says
//! which of its promises is broken.

#[path = "../../examples/src/bin/append_log.rs"]
#[expect(dead_code, reason = "the example has a main of its own")]
mod append_log;
#[path = "../src/bin/odeon-sim/bank.rs"]
mod bank;
#[path = "../src/bin/odeon-sim/chat.rs"]
mod chat;
#[path = "outside/command.rs"]
mod command;
#[path = "../src/bin/odeon-sim/demo.rs"]
mod demo;
#[path = "../src/bin/odeon-sim/leader.rs"]
mod leader;
#[path = "../src/bin/odeon-sim/request_storm.rs"]
mod request_storm;
#[path = "../src/bin/odeon-sim/shared.rs"]
mod shared;
#[path = "../src/bin/odeon-sim/workers.rs"]
mod workers;

use std::{fs, path::Path, time::Duration};

use command::command;
use odeon_sim::{Trial, play};

/// Plays up to fifty seeds until one fails, which must be for this reason.
fn finds(trial: &Trial, scenario: &str, reason: &str) {
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(reason.replace(' ', "-"));
    fs::create_dir_all(&folder).expect("it can be made");
    let replays = folder.display().to_string();
    for first in (0..50).step_by(10) {
        let seeds = format!("{first}..{}", first + 10);
        let args = ["run", scenario, "--seeds", &seeds, "--replays", &replays];
        let (status, said) = command(trial, &args);
        if status == 1 {
            assert!(said.contains(reason), "{said}");
            return;
        }
        assert_eq!(status, 0, "{said}");
    }
    panic!("fifty seeds of {scenario} did not find out that {reason}");
}

/// A bank that fails in each run in which somebody pays into an account that there is not, whatever the schedule.
fn broken_bank() -> bank::Bank {
    let mut broken = bank::Bank::default();
    broken.keeps_what_did_not_arrive = true;
    broken
}

#[test]
fn a_bank_that_keeps_what_did_not_arrive_is_found_out() {
    let trial = play!(a_bank_that_keeps_what_did_not_arrive_is_found_out, broken_bank);
    finds(&trial, "bank", "the total is");
}

/// The files are as `run` and `shrink` left them, with the bank above. They are good for ever in that their faults and steps
/// are read and played by each later program; the run is another one where the code has changed, so that it is looked at
/// for what breaks, and not for its hash. A file of another version is refused.
#[test]
fn replay_files_of_an_earlier_program_still_show_what_broke() {
    let trial = play!(replay_files_of_an_earlier_program_still_show_what_broke, broken_bank);
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/replays");
    let replay = |file: &Path| command(&trial, &["replay", &file.display().to_string()]);
    for (name, story) in [("bank.json", " crashes, for "), ("bank-shrunk.json", "at 10 ms Pay")] {
        let (status, said) = replay(&folder.join(name));
        assert_eq!(status, 1, "{said}");
        assert!(said.contains(story) && said.contains("conservation: wrong total"), "{said}");
        assert!(said.contains("another program than the one that wrote the file"), "{said}");
    }
    let text = fs::read_to_string(folder.join("bank.json")).expect("it is there");
    let later = text.replace("\"odeon_replay\": 1,", "\"odeon_replay\": 2,");
    assert_ne!(later, text);
    let of_version_2 = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bank-of-version-2.json");
    fs::write(&of_version_2, later).expect("there is room");
    assert_eq!(replay(&of_version_2).0, 2, "it is of another version");
}

#[test]
fn a_room_that_passes_things_on_twice_is_found_out() {
    fn broken() -> chat::Chat {
        let mut broken = chat::Chat::default();
        broken.manners.repeats = true;
        broken
    }
    let trial = play!(a_room_that_passes_things_on_twice_is_found_out, broken);
    finds(&trial, "chat", "ran 2 times");
}

#[test]
fn a_room_that_lets_strangers_speak_is_found_out() {
    fn broken() -> chat::Chat {
        let mut broken = chat::Chat::default();
        broken.manners.lets_strangers_speak = true;
        broken
    }
    let trial = play!(a_room_that_lets_strangers_speak_is_found_out, broken);
    finds(&trial, "chat", "was not delivered");
}

#[test]
fn a_feeder_that_forgets_what_was_lost_is_found_out() {
    fn broken() -> demo::Demo {
        let mut broken = demo::Demo::default();
        broken.forgets = true;
        broken
    }
    let trial = play!(a_feeder_that_forgets_what_was_lost_is_found_out, broken);
    finds(&trial, "demo", "check counts are those of a plain run");
}

#[test]
fn a_leader_that_overstays_its_lease_is_found_out() {
    fn broken() -> leader::Leader {
        let mut broken = leader::Leader::default();
        broken.overstays = Duration::from_secs(3);
        broken
    }
    let trial = play!(a_leader_that_overstays_its_lease_is_found_out, broken);
    finds(&trial, "leader", "at most one of a name");
}

#[test]
fn a_ledger_that_obeys_an_old_leader_is_found_out() {
    fn broken() -> leader::Leader {
        // As one that was held does; a ledger that looks at fences minds none of it.
        let mut broken = leader::Leader::default();
        (broken.overstays, broken.keeping.takes_old_fences) = (Duration::from_secs(3), true);
        broken
    }
    let trial = play!(a_ledger_that_obeys_an_old_leader_is_found_out, broken);
    finds(&trial, "leader", "check no old leader is obeyed");
}

#[test]
fn a_ledger_that_tells_clients_old_news_is_found_out() {
    fn broken() -> leader::Leader {
        let mut broken = leader::Leader::default();
        broken.keeping.tells_old_news = true;
        broken
    }
    let trial = play!(a_ledger_that_tells_clients_old_news_is_found_out, broken);
    finds(&trial, "leader", "check a client reads what is there");
}

#[test]
fn a_front_that_repeats_what_may_have_run_is_found_out() {
    fn broken() -> request_storm::RequestStorm {
        let mut broken = request_storm::RequestStorm::default();
        broken.is_rash = true;
        broken
    }
    let trial = play!(a_front_that_repeats_what_may_have_run_is_found_out, broken);
    finds(&trial, "request-storm", "ran 2 times");
}

#[test]
fn a_foreman_that_forgets_jobs_is_found_out() {
    fn broken() -> workers::Workers {
        let mut broken = workers::Workers::default();
        broken.forgets = true;
        broken
    }
    let trial = play!(a_foreman_that_forgets_jobs_is_found_out, broken);
    finds(&trial, "workers", "what was answered was done");
}
