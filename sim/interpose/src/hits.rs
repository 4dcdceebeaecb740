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
    /// `syscall`: `SYS_getrandom`, which ring calls, waits with a time limit, and what other symbols refuse by name.
    SyscallRandom,
    /// `clock_gettime`.
    ClockGetTime,
    /// `gettimeofday`.
    GetTimeOfDay,
    /// `time`.
    Time,
    /// `nanosleep`, `clock_nanosleep`, `usleep`, `sleep`.
    Sleep,
    /// `pthread_create`.
    Thread,
    /// `open`, `open64`, `openat`, `openat64`, `creat`, `creat64`, `fopen`, `fopen64`, `opendir`.
    File,
    /// `stat`, `stat64`, `lstat`, `lstat64`, `fstatat`, `fstatat64`, `statx`, `access`, `readlink`, `realpath`.
    Look,
    /// `mkdir`, `mkdirat`, `rmdir`, `unlink`, `unlinkat`, `remove`, `rename`, `renameat`, `renameat2`, `link`, `linkat`,
    /// `symlink`, `symlinkat`, `mkfifo`, `mknod`, `chmod`, `fchmodat`, `chown`, `lchown`, `fchownat`, `truncate`,
    /// `truncate64`, `utimensat`, `chdir`, `chroot`.
    Folder,
    /// `socket`.
    Socket,
    /// `connect`.
    Connect,
    /// `bind`.
    Bind,
    /// `getaddrinfo`, `gethostbyname`.
    Name,
    /// `gethostname`.
    HostName,
    /// `posix_spawn`, `posix_spawnp`, `fork`, `system`, `popen`.
    Program,
    /// `exit`, `_exit`.
    End,
    /// `getpid`, `getppid`, `gettid`.
    ProgramNumber,
    /// `sched_getaffinity`.
    Processors,
    /// `sigaction`, `signal`, `kill`.
    Signal,
    /// `setenv`, `unsetenv`, `putenv`.
    Environment,
}

impl Override {
    /// All of them, in the order in which they are declared.
    pub const ALL: [Self; COUNT] = [
        Self::GetRandom,
        Self::GetEntropy,
        Self::SyscallRandom,
        Self::ClockGetTime,
        Self::GetTimeOfDay,
        Self::Time,
        Self::Sleep,
        Self::Thread,
        Self::File,
        Self::Look,
        Self::Folder,
        Self::Socket,
        Self::Connect,
        Self::Bind,
        Self::Name,
        Self::HostName,
        Self::Program,
        Self::End,
        Self::ProgramNumber,
        Self::Processors,
        Self::Signal,
        Self::Environment,
    ];
}

const COUNT: usize = Override::Environment as usize + 1;

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
