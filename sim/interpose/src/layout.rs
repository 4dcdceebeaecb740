#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "personality and prctl are system calls")
)]
//! Addresses: the same program with the same input is laid out alike in memory.
//!
//! Hash maps of pointers, and hashers that mix in an address, follow the address layout. It cannot be turned off for
//! a program that runs already: the parent does it in the child before `exec`. Some sandboxes refuse it (Docker's
//! default seccomp profile does), and [`addresses_fixed`] tells.

#[cfg(target_os = "linux")]
use std::io;
use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

static EXECUTABLE: OnceLock<PathBuf> = OnceLock::new();

/// Looks up the path of this program while files may still be read.
pub(crate) fn remember_executable() {
    EXECUTABLE.get_or_init(|| std::env::current_exe().unwrap_or_default());
}

/// The path of this program, once a simulation has begun.
#[cfg_attr(
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    expect(dead_code, reason = "only the symbols ask")
)]
pub(crate) fn executable() -> Option<&'static Path> {
    EXECUTABLE.get().map(PathBuf::as_path)
}

/// Turns address randomisation off in the program that `command` starts. Where the sandbox refuses, the program
/// starts all the same.
#[cfg(target_os = "linux")]
pub fn fix_addresses(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let fix = || {
        // SAFETY: `personality` takes and returns plain numbers.
        let now = unsafe { libc::personality(0xffff_ffff) };
        if now >= 0 {
            // SAFETY: as above; a refusal is seen by `addresses_fixed` in the new program.
            unsafe {
                libc::personality(now as libc::c_ulong | libc::ADDR_NO_RANDOMIZE as libc::c_ulong)
            };
        }
        Ok(())
    };
    // SAFETY: the closure makes two system calls that are safe between fork and exec, and allocates nothing.
    unsafe { command.pre_exec(fix) };
}

/// Address randomisation cannot be turned off here: does nothing.
#[cfg(not(target_os = "linux"))]
pub fn fix_addresses(_: &mut Command) {}

/// Lets the program that `command` starts be killed when the thread that started it ends. One whose parent has ended
/// before it could ask for that does not start.
#[cfg(target_os = "linux")]
pub fn die_with_parent(command: &mut Command) {
    use std::os::unix::process::CommandExt as _;
    let parent = std::process::id();
    let ask = move || {
        // SAFETY: `prctl` with this option takes a signal number.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        // A parent that ended before this call sends no signal; the orphan has another parent by now.
        // SAFETY: `getppid` takes nothing and never fails.
        let now = unsafe { libc::getppid() };
        if u32::try_from(now) == Ok(parent) {
            Ok(())
        } else {
            Err(io::Error::from_raw_os_error(libc::ESRCH))
        }
    };
    // SAFETY: the closure makes two system calls that are safe between fork and exec, and allocates nothing.
    unsafe { command.pre_exec(ask) };
}

/// The kernel has no such request here: does nothing.
#[cfg(not(target_os = "linux"))]
pub fn die_with_parent(_: &mut Command) {}

/// Whether this program's addresses are the same in every run.
#[cfg(target_os = "linux")]
#[must_use]
pub fn addresses_fixed() -> bool {
    // SAFETY: `personality` takes and returns plain numbers; this one only asks.
    let now = unsafe { libc::personality(0xffff_ffff) };
    let asked = now >= 0 && now & libc::ADDR_NO_RANDOMIZE != 0;
    asked
        || std::fs::read("/proc/sys/kernel/randomize_va_space")
            .is_ok_and(|text| text.first() == Some(&b'0'))
}

/// Whether this program's addresses are the same in every run: not known here.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn addresses_fixed() -> bool {
    false
}
