//! Proof that the symbols win over libc's in a test binary, each of them, and that each refusal is recorded.
#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#![expect(unsafe_code, reason = "some of the symbols are reached from C code only")]
#![expect(
    clippy::disallowed_methods,
    reason = "what nodes must not call is called here to see it refused"
)]
#![expect(clippy::undocumented_unsafe_blocks, reason = "plain calls of libc with valid arguments")]

use std::{
    collections::HashMap,
    fs,
    io::ErrorKind,
    net::{TcpStream, ToSocketAddrs as _, UdpSocket},
    process::Command,
    ptr,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use odeon_interpose::{
    Override, Refusal, Seat, Switches, WALL_BASE, activate, current, elapsed, enter, hits, outside,
    take_refusals, unsupported,
};

const SECOND: fn() -> Duration = || Duration::from_secs(1);

/// Runs on a thread that has drawn no hash keys yet.
fn fresh<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(body).join().expect("the body does not panic")
}

fn order(seed: u64, switches: Switches) -> Vec<u32> {
    fresh(move || {
        let _active = activate(seed, switches, SECOND);
        let map: HashMap<u32, ()> = (0..64).map(|key| (key, ())).collect();
        map.keys().copied().collect()
    })
}

#[test]
fn this_platform_is_supported() {
    assert_eq!(unsupported(), None);
}

#[test]
fn hash_maps_follow_the_seed() {
    assert_eq!(order(7, Switches::ALL), order(7, Switches::ALL));
    assert_ne!(order(7, Switches::ALL), order(8, Switches::ALL));
    let real = Switches { entropy: false, ..Switches::ALL };
    assert_ne!(order(7, real), order(7, real));
}

#[test]
fn every_source_of_entropy_is_hit() {
    fresh(|| {
        let _active = activate(7, Switches::ALL, SECOND);
        let mut draws = Vec::new();
        let mut word = [0_u8; 8];
        assert_eq!(unsafe { libc::getrandom(word.as_mut_ptr().cast(), 8, 0) }, 8);
        draws.push(word);
        assert_eq!(unsafe { libc::getentropy(word.as_mut_ptr().cast(), 8) }, 0);
        draws.push(word);
        assert_eq!(
            unsafe { libc::syscall(libc::SYS_getrandom, word.as_mut_ptr(), 8_usize, 0_u32) },
            8
        );
        draws.push(word);
        let seat = Seat::new("world", 7);
        let mut expected = [0_u8; 8];
        for draw in draws {
            seat.entropy().fill(&mut expected);
            assert_eq!(draw, expected);
        }
        for which in [Override::GetRandom, Override::GetEntropy, Override::SyscallRandom] {
            assert_eq!(hits(which), 1, "{which:?}");
        }
    });
}

#[test]
fn every_clock_shows_virtual_time() {
    fresh(|| {
        let _active = activate(7, Switches::ALL, SECOND);
        let seat = Arc::new(Seat::new("a", 7));
        let wall = WALL_BASE + Duration::from_secs(1);
        assert_eq!(SystemTime::now(), SystemTime::UNIX_EPOCH + wall);
        let begin = Instant::now();
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert_eq!(elapsed(), Duration::from_secs(1));
        assert_eq!(unsafe { libc::time(ptr::null_mut()) }, 1_900_000_001);
        let mut day = libc::timeval { tv_sec: 0, tv_usec: 0 };
        assert_eq!(unsafe { libc::gettimeofday(&raw mut day, ptr::null_mut()) }, 0);
        assert_eq!(day.tv_sec, 1_900_000_001);
        seat.clock().set_offset_ns(-1_000_000_000, elapsed());
        {
            let _entered = enter(&seat);
            assert_eq!(SystemTime::now(), SystemTime::UNIX_EPOCH + WALL_BASE);
        }
        assert!(hits(Override::ClockGetTime) >= 3);
        assert_eq!((hits(Override::Time), hits(Override::GetTimeOfDay)), (1, 1));
    });
    assert!(SystemTime::now() > SystemTime::UNIX_EPOCH + Duration::from_secs(1_600_000_000));
    assert_ne!(Instant::now(), Instant::now());
}

#[test]
fn the_number_of_the_program_is_the_same_in_every_run() {
    let real = std::process::id();
    fresh(move || {
        let active = activate(7, Switches::ALL, SECOND);
        assert_eq!(std::process::id(), 0x3fff_ffff);
        assert_eq!(hits(Override::ProgramNumber), 1);
        drop(active);
        assert_eq!(std::process::id(), real);
    });
}

/// What a node sees of one attempt, and what was recorded.
fn attempt(which: Override, body: fn() -> Option<ErrorKind>) -> Refusal {
    fresh(move || {
        let _active = activate(7, Switches::ALL, SECOND);
        let seat = Arc::new(Seat::new("alice", 7));
        let entered = enter(&seat);
        let error = body();
        drop(entered);
        assert!(hits(which) > 0, "{which:?} was not hit");
        assert_eq!(error, Some(ErrorKind::PermissionDenied), "{which:?}");
        let mut refusals = take_refusals();
        assert_eq!(refusals.len(), 1, "{refusals:?}");
        let refusal = refusals.remove(0);
        assert_eq!(refusal.node, "alice");
        refusal
    })
}

/// Runs a wait of a node's thread; it must end by itself, with one refusal at least.
fn wait(body: fn()) -> Refusal {
    let (told, hears) = std::sync::mpsc::channel();
    thread::spawn(move || {
        let active = activate(7, Switches::ALL, SECOND);
        let entered = enter(&Arc::new(Seat::new("alice", 7)));
        body();
        drop(entered);
        drop(active);
        told.send(take_refusals()).expect("somebody listens");
    });
    let refusals = hears.recv_timeout(Duration::from_secs(10)).expect("the wait ends by itself");
    refusals.into_iter().next().expect("the wait is refused")
}

#[test]
fn waits_of_the_thread_are_refused_and_take_no_time() {
    use std::sync::{Condvar, Mutex, PoisonError, mpsc};
    const HOUR: Duration = Duration::from_secs(3600);
    let parked = wait(|| thread::park_timeout(HOUR));
    assert!(parked.to_string().contains("node alice blocked its thread"), "{parked}");
    wait(|| {
        let lock = Mutex::new(());
        let held = lock.lock().unwrap_or_else(PoisonError::into_inner);
        let (_held, waited) =
            Condvar::new().wait_timeout(held, HOUR).unwrap_or_else(PoisonError::into_inner);
        assert!(waited.timed_out());
    });
    wait(|| {
        let (_keeps_it_open, hears) = mpsc::channel::<()>();
        assert_eq!(hears.recv_timeout(HOUR), Err(mpsc::RecvTimeoutError::Timeout));
    });
    // Whoever looks at the clock until it is late enough comes to an end too.
    wait(|| {
        let deadline = Instant::now() + HOUR;
        while Instant::now() < deadline {
            thread::sleep(Duration::from_secs(60));
        }
    });
    wait(|| thread::sleep(Duration::MAX));
}

#[test]
fn calls_by_number_are_answered_as_those_by_name() {
    fresh(|| {
        let _active = activate(7, Switches::ALL, SECOND);
        let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        let read =
            unsafe { libc::syscall(libc::SYS_clock_gettime, libc::CLOCK_REALTIME, &raw mut now) };
        assert_eq!((read, now.tv_sec), (0, 1_900_000_001));
        for number in [libc::SYS_getpid, libc::SYS_gettid, libc::SYS_getppid] {
            assert_eq!(unsafe { libc::syscall(number) }, 0x3fff_ffff);
        }
    });
}

#[test]
fn threads_are_refused() {
    let refusal = attempt(Override::Thread, || {
        thread::Builder::new().spawn(|| ()).err().map(|error| error.kind())
    });
    assert!(refusal.to_string().contains("odeon::spawn"), "{refusal}");
}

#[test]
fn files_are_refused() {
    let refusal =
        attempt(Override::File, || fs::read("/etc/hostname").err().map(|error| error.kind()));
    assert!(refusal.to_string().contains("opened the file /etc/hostname"), "{refusal}");
    attempt(Override::File, || fs::write("never-written", "x").err().map(|error| error.kind()));
    attempt(Override::File, || fs::read_dir("/etc").err().map(|error| error.kind()));
    attempt(Override::Folder, || fs::create_dir("never-made").err().map(|error| error.kind()));
    attempt(Override::Folder, || fs::remove_file("never-made").err().map(|error| error.kind()));
    attempt(Override::Folder, || fs::remove_dir("never-made").err().map(|error| error.kind()));
    attempt(Override::Folder, || {
        fs::rename("never-made", "nor-this").err().map(|error| error.kind())
    });
}

#[test]
fn links_and_changes_of_files_are_refused() {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
    fn kind(result: std::io::Result<()>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }
    let link = attempt(Override::Folder, || kind(fs::hard_link("never-made", "nor-this")));
    assert!(link.to_string().contains("linked the file never-made"), "{link}");
    attempt(Override::Folder, || kind(symlink("never-made", "nor-this")));
    attempt(Override::Folder, || {
        kind(fs::set_permissions("never-made", fs::Permissions::from_mode(0o600)))
    });
    attempt(Override::Folder, || kind(chown("never-made", None, None)));
    attempt(Override::Folder, || {
        kind(match unsafe { libc::truncate(c"never-made".as_ptr(), 0) } {
            0 => Ok(()),
            _ => Err(std::io::Error::last_os_error()),
        })
    });
    assert!(!std::path::Path::new("nor-this").is_symlink());
}

#[test]
fn files_of_c_code_are_refused() {
    attempt(Override::File, || {
        let file = unsafe { libc::fopen(c"/etc/hostname".as_ptr(), c"r".as_ptr()) };
        file.is_null().then(|| std::io::Error::last_os_error().kind())
    });
    attempt(Override::File, || {
        let file =
            unsafe { libc::openat(libc::AT_FDCWD, c"/etc/hostname".as_ptr(), libc::O_RDONLY) };
        (file < 0).then(|| std::io::Error::last_os_error().kind())
    });
    attempt(Override::File, || {
        let file = unsafe { libc::creat(c"never-written".as_ptr(), 0o600) };
        (file < 0).then(|| std::io::Error::last_os_error().kind())
    });
}

#[test]
fn sockets_are_refused() {
    let bound = attempt(Override::Socket, || {
        UdpSocket::bind("127.0.0.1:0").err().map(|error| error.kind())
    });
    assert!(bound.to_string().contains("Env::bind"), "{bound}");
    attempt(Override::Socket, || {
        TcpStream::connect(("127.0.0.1", 9)).err().map(|error| error.kind())
    });
}

#[test]
fn sockets_that_were_opened_outside_are_refused_too() {
    fresh(|| {
        let _active = activate(7, Switches::ALL, SECOND);
        let socket = UdpSocket::bind("127.0.0.1:0").expect("outside the gate sockets are real");
        let seat = Arc::new(Seat::new("alice", 7));
        {
            let _entered = enter(&seat);
            assert_eq!(
                socket.connect("127.0.0.1:9").expect_err("refused").kind(),
                ErrorKind::PermissionDenied
            );
            let address = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: 80_u16.to_be(),
                sin_addr: libc::in_addr { s_addr: 0 },
                sin_zero: [0; 8],
            };
            let length = size_of_val(&address) as libc::socklen_t;
            assert_eq!(unsafe { libc::bind(0, (&raw const address).cast(), length) }, -1);
        }
        let texts = take_refusals().iter().map(Refusal::to_string).collect::<Vec<_>>();
        assert!(texts[0].contains("connected to 127.0.0.1:9"), "{texts:?}");
        assert!(texts[1].contains("bound a socket to 0.0.0.0:80"), "{texts:?}");
        assert!(hits(Override::Connect) > 0 && hits(Override::Bind) > 0);
    });
}

#[test]
fn names_and_programs_are_refused() {
    fresh(|| {
        let _active = activate(7, Switches::ALL, SECOND);
        let seat = Arc::new(Seat::new("alice", 7));
        let entered = enter(&seat);
        assert!(("localhost", 80).to_socket_addrs().is_err());
        assert!(Command::new("/bin/true").spawn().is_err());
        drop(entered);
        let texts = take_refusals().iter().map(Refusal::to_string).collect::<Vec<_>>();
        assert!(texts.iter().any(|text| text.contains("Env::resolve")), "{texts:?}");
        assert!(texts.iter().any(|text| text.contains("/bin/true")), "{texts:?}");
        assert!(hits(Override::Name) > 0 && hits(Override::Program) > 0);
    });
}

#[test]
fn what_a_backtrace_reads_stays_readable() {
    fresh(|| {
        let _active = activate(7, Switches::ALL, SECOND);
        let seat = Arc::new(Seat::new("alice", 7));
        let entered = enter(&seat);
        assert!(fs::read("/proc/self/maps").is_ok());
        assert!(fs::File::open(std::env::current_exe().expect("it has a path")).is_ok());
        let _text = std::backtrace::Backtrace::force_capture().to_string();
        {
            let _outside = outside();
            assert!(current().is_none());
            assert!(fs::read_dir("/etc").is_ok());
        }
        drop(entered);
        assert_eq!(take_refusals(), []);
    });
}

#[test]
fn other_threads_see_the_real_world() {
    fresh(|| {
        let _active = activate(7, Switches::ALL, SECOND);
        assert_ne!(thread::spawn(Instant::now).join().expect("no panic"), Instant::now());
        assert!(thread::spawn(|| fs::read_dir("/etc").is_ok()).join().expect("no panic"));
    });
}
