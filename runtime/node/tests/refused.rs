//! Nodes that do not fit together, as programs: both sides say why in their logs, and the one that is not let in waits, and
//! ends well when it is told to. Of two of one name one ends by itself.

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

#[path = "outside/program.rs"]
mod program;

use std::{fs, os::unix::fs::FileExt, process::Command, time::Duration};

use odeon::{Ca, Validity, env::Env as _, env::RealEnv};

use crate::program::{Folder, Running};

const DAY: Duration = Duration::from_secs(86_400);

fn write(folder: &Folder, name: &str, text: &str) {
    fs::write(folder.path(name), text).unwrap();
}

/// Both say what is wrong, and that they did; the second one waits on, and leaves in order. The two lines.
fn both_say(a: Running, b: Running, says: &[&str]) -> [String; 2] {
    let says = [&["handshake failed", "see runbook: join-refused"][..], says].concat();
    let lines = [a.line(&says), b.line(&says)];
    // A node that is refused is not gone: it may be let in once somebody has mended it.
    b.line(&["waiting for a seed to answer", "the last answer", "see runbook: join-refused"]);
    b.terminate();
    a.terminate();
    lines
}

fn join(a: &Running) -> [String; 2] {
    ["--join".to_owned(), a.addr().to_string()]
}

#[test]
fn a_node_of_another_authority_is_refused_and_both_say_why() {
    let shop = Folder::new("refused-shop").papers("shop", &["a"]);
    let other = Folder::new("refused-other").papers("shop", &["b"]);
    let a = Running::start(&shop, "a", &["--dev"]);
    let seed = join(&a);
    let b = Running::start(&other, "b", &seed.each_ref().map(String::as_str));
    both_say(a, b, &["do not trust each other's certificates", "issue both from one authority"]);
}

/// Both trust both authorities, as while one takes the other's place; the names of their clusters differ.
#[test]
fn a_node_of_another_cluster_is_refused_and_both_say_why() {
    let folder = Folder::new("refused-cluster");
    let validity = Validity::from(RealEnv.wall_clock(), DAY);
    let (shop, bank) = (Ca::new("shop", validity).unwrap(), Ca::new("bank", validity).unwrap());
    for (ca, name) in [(&shop, "a"), (&bank, "b")] {
        let papers = ca.issue_pem(name, validity).unwrap();
        write(&folder, &format!("{name}.pem"), &papers.cert);
        write(&folder, &format!("{name}.key"), &papers.key);
    }
    write(&folder, "ca.pem", &format!("{}{}", shop.to_pem().cert, bank.to_pem().cert));
    let a = Running::start(&folder, "a", &["--dev"]);
    let seed = join(&a);
    let b = Running::start(&folder, "b", &seed.each_ref().map(String::as_str));
    both_say(a, b, &["shop", "bank"]);
}

/// What a program preloads to have a clock that is three days ahead: the wall clock alone, as on a machine whose date is
/// wrong.
const CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
int clock_gettime(clockid_t which, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(which, now);
    if (which == CLOCK_REALTIME) now->tv_sec += 3 * 24 * 3600;
    return done;
}
"#;

fn clock_ahead(folder: &Folder) -> String {
    let (source, library) = (folder.path("clock.c"), folder.path("clock.so"));
    fs::write(&source, CLOCK).unwrap();
    let args = ["-shared", "-fPIC", "-o", &library, &source, "-ldl"];
    assert!(Command::new("cc").args(args).status().expect("cc links Rust programs too").success());
    library
}

#[test]
fn a_node_whose_clock_is_days_ahead_is_refused_and_both_say_why() {
    let folder = Folder::new("refused-clock").papers("shop", &["a", "b"]);
    let library = clock_ahead(&folder);
    let a = Running::start(&folder, "a", &["--dev"]);
    let seed = join(&a);
    let preload = [("LD_PRELOAD", library.as_str())];
    let b = Running::start_with(&folder, "b", &seed.each_ref().map(String::as_str), &preload);
    both_say(a, b, &["s apart where 86400 s are allowed", "set both clocks (NTP)"]);
}

/// A copy of the program that names another version of the protocol than this one does.
fn of_another_version(folder: &Folder) -> String {
    let copy = folder.path("odeon-2");
    fs::copy(env!("CARGO_BIN_EXE_odeon"), &copy).unwrap();
    let found = Command::new("grep").args(["-abo", "odeon/1", &copy]).output().unwrap();
    let found = String::from_utf8(found.stdout).unwrap();
    assert!(!found.is_empty(), "the program names its protocol");
    let program = fs::OpenOptions::new().write(true).open(&copy).unwrap();
    for line in found.lines() {
        let at: u64 = line.split(':').next().unwrap().parse().unwrap();
        program.write_all_at(b"2", at + 6).unwrap();
    }
    copy
}

#[test]
fn a_node_of_another_version_is_refused_and_both_say_what_they_speak() {
    let folder = Folder::new("refused-version").papers("shop", &["a", "b"]);
    let other = of_another_version(&folder);
    let a = Running::start(&folder, "a", &["--dev"]);
    let seed = join(&a);
    let b = Running::start_program(&other, &folder, "b", &seed.each_ref().map(String::as_str));
    let says = ["the versions do not fit together", "run the same version of Odeon on both"];
    let [a, b] = both_say(a, b, &says);
    assert!(a.contains("this node speaks odeon/1 and the peer another one"), "{a}");
    assert!(b.contains("this node speaks odeon/2 and the peer another one"), "{b}");
}

/// A folder that was copied with its papers to a second machine.
#[test]
fn of_two_programs_of_one_name_the_earlier_ends_and_says_why() {
    let folder = Folder::new("refused-name").papers("shop", &["a", "b"]);
    let a = Running::start(&folder, "a", &["--dev"]);
    let seed = join(&a);
    let seed = seed.each_ref().map(String::as_str);
    let early = Running::start(&folder, "b", &seed);
    a.line(&["member up", "member=\"b\""]);
    let late = Running::start(&folder, "b", &seed);
    early.line(&["a later life of this node is in the cluster", "see runbook: name-in-use"]);
    let says = "the node has ended by itself: another node of its name is in the cluster";
    early.line(&[says, "names are unique", "see runbook: name-in-use"]);
    early.ended_with(1);
    // The later one is the node of the name, and stays it.
    a.line(&["member down", "member=\"b\"", "reason=Replaced"]);
    a.line(&["member up", "member=\"b\""]);
    let log = late.leave("-TERM").join("\n");
    assert!(!log.contains("name-in-use"), "{log}");
    a.terminate();
}
