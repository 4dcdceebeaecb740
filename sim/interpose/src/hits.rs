//! Canaries: how often each override was reached on this thread.
//!
//! A symbol that silently loses against libc's would make every claim of the simulator false; a test proves by
//! these counters that each one is hit. Only active threads count. Read `linux.rs` next.

use std::cell::Cell;

/// One interposed symbol, or a family of symbols with one purpose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(usize)]
pub enum Override {
    /// `getrandom`.
    GetRandom,
    /// `getentropy`.
    GetEntropy,
    /// `syscall(SYS_getrandom, …)`, which ring calls.
    SyscallRandom,
    /// `clock_gettime`.
    ClockGetTime,
    /// `gettimeofday`.
    GetTimeOfDay,
    /// `time`.
    Time,
    /// `pthread_create`.
    Thread,
    /// `open`, `open64`, `openat`, `openat64`, `creat`, `creat64`, `fopen`, `fopen64`, `opendir`.
    File,
    /// `mkdir`, `rmdir`, `unlink`, `rename`.
    Folder,
    /// `socket`.
    Socket,
    /// `connect`.
    Connect,
    /// `bind`.
    Bind,
    /// `getaddrinfo`.
    Name,
    /// `posix_spawn`, `posix_spawnp`.
    Program,
    /// `getpid`.
    ProgramNumber,
}

const COUNT: usize = Override::ProgramNumber as usize + 1;

thread_local! {
    static HITS: [Cell<u64>; COUNT] = const { [const { Cell::new(0) }; COUNT] };
}

/// How often this override was reached on this thread while the thread was active.
#[must_use]
pub fn hits(which: Override) -> u64 {
    HITS.with(|hits| hits[which as usize].get())
}

/// Counts one hit.
#[cfg_attr(
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    expect(dead_code, reason = "only the symbols count")
)]
pub(crate) fn hit(which: Override) {
    HITS.with(|hits| hits[which as usize].set(hits[which as usize].get() + 1));
}
