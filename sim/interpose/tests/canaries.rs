//! A canary for every symbol: each name on the list has a definition here, wins over libc's in this binary, and is
//! counted. A test fails for a name, or an override, that has none.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![expect(unsafe_code, reason = "symbols are called as C code calls them")]
#![expect(clippy::undocumented_unsafe_blocks, reason = "plain calls of libc with valid arguments")]
#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "plain calls of libc with valid arguments"
)]
#![expect(clippy::disallowed_methods, reason = "threads of the test itself")]

use std::{
    collections::BTreeMap,
    ffi::{c_char, c_int, c_void},
    fs,
    io::Write as _,
    mem::MaybeUninit,
    process::Command,
    ptr::{null, null_mut},
    sync::Arc,
    thread,
    time::Duration,
};

use odeon_interpose::{
    Override, SYMBOLS, Seat, Switches, activate, enter, hits, last_words, outside, take_refusals,
};

type Canary = fn();

const NAME: *const c_char = c"never-there".as_ptr();

unsafe extern "C" {
    fn popen(command: *const c_char, mode: *const c_char) -> *mut libc::FILE;
    fn gethostbyname(name: *const c_char) -> *mut libc::hostent;
    fn scandir(
        path: *const c_char,
        list: *mut c_void,
        chooses: *const c_void,
        compares: *const c_void,
    ) -> c_int;
    fn scandir64(
        path: *const c_char,
        list: *mut c_void,
        chooses: *const c_void,
        compares: *const c_void,
    ) -> c_int;
    fn mkstemp64(template: *mut c_char) -> c_int;
    fn mkostemp64(template: *mut c_char, flags: c_int) -> c_int;
    fn mkstemps64(template: *mut c_char, end: c_int) -> c_int;
    fn vfork() -> libc::pid_t;
    fn _Exit(status: c_int) -> !;
    fn quick_exit(status: c_int) -> !;
}

fn room<T>() -> MaybeUninit<T> {
    MaybeUninit::zeroed()
}

extern "C" fn nothing(_: *mut libc::c_void) -> *mut libc::c_void {
    null_mut()
}

static MOMENT: libc::timespec = libc::timespec { tv_sec: 0, tv_nsec: 1 };

/// One call of each symbol that returns.
#[rustfmt::skip]
const CANARIES: &[(&str, Canary)] = &[
    ("getrandom", || unsafe { libc::getrandom([0_u8; 8].as_mut_ptr().cast(), 8, 0); }),
    ("getentropy", || unsafe { libc::getentropy([0_u8; 8].as_mut_ptr().cast(), 8); }),
    ("syscall", || unsafe { libc::syscall(libc::SYS_getrandom, [0_u8; 8].as_mut_ptr(), 8_usize, 0_u32); }),
    ("clock_gettime", || unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, room().as_mut_ptr()); }),
    ("gettimeofday", || unsafe { libc::gettimeofday(room().as_mut_ptr(), null_mut()); }),
    ("time", || unsafe { libc::time(null_mut()); }),
    ("nanosleep", || unsafe { libc::nanosleep(&raw const MOMENT, null_mut()); }),
    ("clock_nanosleep", || unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, 0, &raw const MOMENT, null_mut()); }),
    ("usleep", || unsafe { libc::usleep(1); }),
    ("sleep", || unsafe { libc::sleep(0); }),
    ("pthread_create", || unsafe { libc::pthread_create(room().as_mut_ptr(), null(), nothing, null_mut()); }),
    ("open", || unsafe { libc::open(NAME, libc::O_RDONLY); }),
    ("open64", || unsafe { libc::open64(NAME, libc::O_RDONLY); }),
    ("openat", || unsafe { libc::openat(libc::AT_FDCWD, NAME, libc::O_RDONLY); }),
    ("openat64", || unsafe { libc::openat64(libc::AT_FDCWD, NAME, libc::O_RDONLY); }),
    ("creat", || unsafe { libc::creat(NAME, 0o600); }),
    ("creat64", || unsafe { libc::creat64(NAME, 0o600); }),
    ("fopen", || unsafe { libc::fopen(NAME, c"r".as_ptr()); }),
    ("fopen64", || unsafe { libc::fopen64(NAME, c"r".as_ptr()); }),
    ("opendir", || unsafe { libc::opendir(NAME); }),
    ("scandir", || unsafe { scandir(NAME, null_mut(), null(), null()); }),
    ("scandir64", || unsafe { scandir64(NAME, null_mut(), null(), null()); }),
    ("freopen", || unsafe { libc::freopen(NAME, c"r".as_ptr(), null_mut()); }),
    ("freopen64", || unsafe { libc::freopen64(NAME, c"r".as_ptr(), null_mut()); }),
    ("tmpfile", || unsafe { libc::tmpfile(); }),
    ("tmpfile64", || unsafe { libc::tmpfile64(); }),
    ("mkstemp", || unsafe { libc::mkstemp(NAME.cast_mut()); }),
    ("mkstemp64", || unsafe { mkstemp64(NAME.cast_mut()); }),
    ("mkostemp", || unsafe { libc::mkostemp(NAME.cast_mut(), 0); }),
    ("mkostemp64", || unsafe { mkostemp64(NAME.cast_mut(), 0); }),
    ("mkstemps", || unsafe { libc::mkstemps(NAME.cast_mut(), 0); }),
    ("mkstemps64", || unsafe { mkstemps64(NAME.cast_mut(), 0); }),
    ("stat", || unsafe { libc::stat(NAME, room().as_mut_ptr()); }),
    ("stat64", || unsafe { libc::stat64(NAME, room().as_mut_ptr()); }),
    ("lstat", || unsafe { libc::lstat(NAME, room().as_mut_ptr()); }),
    ("lstat64", || unsafe { libc::lstat64(NAME, room().as_mut_ptr()); }),
    ("fstatat", || unsafe { libc::fstatat(libc::AT_FDCWD, NAME, room().as_mut_ptr(), 0); }),
    ("fstatat64", || unsafe { libc::fstatat64(libc::AT_FDCWD, NAME, room().as_mut_ptr(), 0); }),
    ("statx", || unsafe { libc::statx(libc::AT_FDCWD, NAME, 0, 0, room().as_mut_ptr()); }),
    ("statfs", || unsafe { libc::statfs(NAME, room().as_mut_ptr()); }),
    ("statfs64", || unsafe { libc::statfs64(NAME, room().as_mut_ptr()); }),
    ("statvfs", || unsafe { libc::statvfs(NAME, room().as_mut_ptr()); }),
    ("statvfs64", || unsafe { libc::statvfs64(NAME, room().as_mut_ptr()); }),
    ("access", || unsafe { libc::access(NAME, libc::F_OK); }),
    ("faccessat", || unsafe { libc::faccessat(libc::AT_FDCWD, NAME, libc::F_OK, 0); }),
    ("readlink", || unsafe { libc::readlink(NAME, [0; 8].as_mut_ptr(), 8); }),
    ("readlinkat", || unsafe { libc::readlinkat(libc::AT_FDCWD, NAME, [0; 8].as_mut_ptr(), 8); }),
    ("realpath", || unsafe { libc::realpath(NAME, null_mut()); }),
    ("mkdir", || unsafe { libc::mkdir(NAME, 0o700); }),
    ("mkdirat", || unsafe { libc::mkdirat(libc::AT_FDCWD, NAME, 0o700); }),
    ("mkdtemp", || unsafe { libc::mkdtemp(NAME.cast_mut()); }),
    ("mkfifo", || unsafe { libc::mkfifo(NAME, 0o600); }),
    ("mkfifoat", || unsafe { libc::mkfifoat(libc::AT_FDCWD, NAME, 0o600); }),
    ("mknod", || unsafe { libc::mknod(NAME, libc::S_IFREG, 0); }),
    ("mknodat", || unsafe { libc::mknodat(libc::AT_FDCWD, NAME, libc::S_IFREG, 0); }),
    ("rmdir", || unsafe { libc::rmdir(NAME); }),
    ("unlink", || unsafe { libc::unlink(NAME); }),
    ("unlinkat", || unsafe { libc::unlinkat(libc::AT_FDCWD, NAME, 0); }),
    ("remove", || unsafe { libc::remove(NAME); }),
    ("rename", || unsafe { libc::rename(NAME, NAME); }),
    ("renameat", || unsafe { libc::renameat(libc::AT_FDCWD, NAME, libc::AT_FDCWD, NAME); }),
    ("renameat2", || unsafe { libc::renameat2(libc::AT_FDCWD, NAME, libc::AT_FDCWD, NAME, 0); }),
    ("link", || unsafe { libc::link(NAME, NAME); }),
    ("linkat", || unsafe { libc::linkat(libc::AT_FDCWD, NAME, libc::AT_FDCWD, NAME, 0); }),
    ("symlink", || unsafe { libc::symlink(NAME, NAME); }),
    ("symlinkat", || unsafe { libc::symlinkat(NAME, libc::AT_FDCWD, NAME); }),
    ("chmod", || unsafe { libc::chmod(NAME, 0o600); }),
    ("fchmodat", || unsafe { libc::fchmodat(libc::AT_FDCWD, NAME, 0o600, 0); }),
    ("chown", || unsafe { libc::chown(NAME, 0, 0); }),
    ("lchown", || unsafe { libc::lchown(NAME, 0, 0); }),
    ("fchownat", || unsafe { libc::fchownat(libc::AT_FDCWD, NAME, 0, 0, 0); }),
    ("truncate", || unsafe { libc::truncate(NAME, 0); }),
    ("truncate64", || unsafe { libc::truncate64(NAME, 0); }),
    ("utimensat", || unsafe { libc::utimensat(libc::AT_FDCWD, NAME, null(), 0); }),
    ("utimes", || unsafe { libc::utimes(NAME, null()); }),
    ("lutimes", || unsafe { libc::lutimes(NAME, null()); }),
    ("utime", || unsafe { libc::utime(NAME, null()); }),
    ("chdir", || unsafe { libc::chdir(NAME); }),
    ("chroot", || unsafe { libc::chroot(NAME); }),
    ("socket", || unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM, 0); }),
    ("connect", || unsafe { libc::connect(-1, null(), 0); }),
    ("bind", || unsafe { libc::bind(-1, null(), 0); }),
    ("getaddrinfo", || unsafe { libc::getaddrinfo(NAME, null(), null(), room().as_mut_ptr()); }),
    ("gethostbyname", || unsafe { gethostbyname(NAME); }),
    ("gethostname", || unsafe { libc::gethostname([0; 64].as_mut_ptr(), 64); }),
    ("posix_spawn", || unsafe { libc::posix_spawn(room().as_mut_ptr(), NAME, null(), null(), null(), null()); }),
    ("posix_spawnp", || unsafe { libc::posix_spawnp(room().as_mut_ptr(), NAME, null(), null(), null(), null()); }),
    ("fork", || unsafe { assert_eq!(libc::fork(), -1, "a child would run the tests again"); }),
    ("vfork", || unsafe { assert_eq!(vfork(), -1, "a child would run the tests again"); }),
    ("system", || unsafe { libc::system(NAME); }),
    ("popen", || unsafe { popen(NAME, c"r".as_ptr()); }),
    ("getpid", || unsafe { libc::getpid(); }),
    ("getppid", || unsafe { libc::getppid(); }),
    ("gettid", || unsafe { libc::gettid(); }),
    ("sched_getaffinity", || unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), room().as_mut_ptr()); }),
    ("sigaction", || unsafe { libc::sigaction(libc::SIGUSR1, null(), room().as_mut_ptr()); }),
    ("signal", || unsafe { libc::signal(libc::SIGUSR1, libc::SIG_DFL); }),
    ("kill", || unsafe { libc::kill(libc::getpid(), 0); }),
    ("raise", || unsafe { libc::raise(libc::SIGUSR1); }),
    ("setenv", || unsafe { libc::setenv(NAME, NAME, 0); }),
    ("unsetenv", || unsafe { libc::unsetenv(NAME); }),
    ("putenv", || unsafe { libc::putenv(c"never=set".as_ptr().cast_mut()); }),
];

/// These do not return: see `a_node_that_ends_the_program_has_last_words`.
const ENDS: [(&str, unsafe extern "C" fn(c_int) -> !); 4] =
    [("exit", libc::exit), ("_exit", libc::_exit), ("_Exit", _Exit), ("quick_exit", quick_exit)];

/// How often the override was reached by the call, from inside a node.
fn hits_of(which: Override, canary: Canary) -> u64 {
    let run = move || {
        let _active = activate(7, Switches::ALL, || Duration::from_secs(1));
        let before = hits(which);
        let entered = enter(&Arc::new(Seat::new("alice", 7)));
        canary();
        drop(entered);
        drop(take_refusals());
        hits(which) - before
    };
    thread::spawn(run).join().expect("the canary does not panic")
}

#[test]
fn every_symbol_has_a_canary_that_is_hit() {
    let canaries: BTreeMap<_, _> = CANARIES.iter().copied().collect();
    for (name, which) in SYMBOLS {
        if ENDS.iter().any(|(end, _)| end == name) {
            continue;
        }
        let canary = canaries.get(name).unwrap_or_else(|| panic!("{name} has no canary"));
        assert!(hits_of(*which, *canary) > 0, "{name} is libc's, not ours");
    }
    assert_eq!(canaries.len() + ENDS.len(), SYMBOLS.len(), "a canary without a symbol");
}

#[test]
fn every_override_has_a_symbol() {
    for which in Override::ALL {
        assert!(SYMBOLS.iter().any(|(_, of)| *of == which), "{which:?} has no symbol");
    }
}

#[test]
fn every_definition_is_on_the_list_and_every_name_is_defined() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/linux");
    let mut text = String::new();
    for entry in fs::read_dir(folder).expect("it is there") {
        text += &fs::read_to_string(entry.expect("it is there").path()).expect("it is text");
    }
    let mut defined = 0;
    for part in text.split("#[unsafe(no_mangle)]").skip(1) {
        let name =
            part.split_once(" fn ").expect("a function").1.split('(').next().expect("a name");
        defined += 1;
        let listed = SYMBOLS.iter().any(|(listed, _)| *listed == name);
        assert!(listed || name.starts_with('$'), "{name} is not on the list");
    }
    assert!(defined > 20, "{defined} definitions");
    for (name, _) in SYMBOLS {
        let word = |text: &str| {
            let ends = |char: Option<char>| char.is_none_or(|c| !c.is_alphanumeric() && c != '_');
            text.match_indices(name).any(|(at, _)| {
                ends(text[..at].chars().next_back()) && ends(text[at + name.len()..].chars().next())
            })
        };
        assert!(word(&text), "{name} is not defined");
    }
}

/// The child of this test finds which call it is to make in its environment.
#[test]
fn a_node_that_ends_the_program_has_last_words() {
    const WHICH: &str = "ODEON_CANARY_END";
    if let Some((_, end)) =
        std::env::var(WHICH).ok().and_then(|name| ENDS.into_iter().find(|(end, _)| *end == name))
    {
        let _active = activate(7, Switches::ALL, || Duration::from_secs(1));
        last_words(Some(|| {
            let refusal = take_refusals().remove(0);
            writeln!(std::io::stderr(), "{refusal} after {} hits", hits(Override::End)).unwrap();
        }));
        let _entered = enter(&Arc::new(Seat::new("alice", 7)));
        unsafe { end(7) };
    }
    for (name, _) in ENDS {
        let mut child = Command::new(std::env::current_exe().expect("it has a path"));
        child.args(["--exact", "a_node_that_ends_the_program_has_last_words", "--nocapture"]);
        let child = child.env(WHICH, name).output().expect("it starts");
        let said = String::from_utf8_lossy(&child.stderr);
        assert_eq!(child.status.code(), Some(7), "{name}: {said}");
        let expected = "node alice ended the program with status 7, which leaves the simulated world: return from";
        assert!(said.contains(expected) && said.contains("after 1 hits"), "{name}: {said}");
    }
}

#[test]
fn a_machine_of_a_world_is_the_same_on_every_machine() {
    let run = || {
        let _active = activate(7, Switches::ALL, || Duration::ZERO);
        let _entered = enter(&Arc::new(Seat::new("alice", 7)));
        let mut name = [0_u8; 64];
        unsafe { libc::gethostname(name.as_mut_ptr().cast(), 64) };
        let processors = thread::available_parallelism().map(usize::from);
        let _outside = outside();
        (name, processors.unwrap(), take_refusals())
    };
    let (name, processors, refusals) = thread::spawn(run).join().expect("no panic");
    assert_eq!(&name[..6], b"alice\0");
    assert_eq!((processors, refusals), (1, Vec::new()));
}
