#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! libc's `syscall`: what is called by its number is answered, or refused, as what is called by its name.
//!
//! ring draws random bytes this way, std waits for locks and parked threads, and many crates ask for their thread's
//! number. Calls that no other symbol of ours knows go to the kernel. Read `wait.rs` for the waits.

use std::ffi::{c_int, c_long, c_void};

use libc::clockid_t;

use super::{
    clock::{clock_gettime, gettimeofday},
    entropy::seeded,
    program,
    raw::{self, fail},
    refused,
    wait::refused_wait,
};
use crate::{hits::Override, state::ask};

/// System calls that have a symbol of their own, which would be refused, or a way around several.
const REFUSED: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_socket,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_kill,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_symlinkat,
    libc::SYS_truncate,
    libc::SYS_io_uring_setup,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

const REMEDY: &str =
    "use the environment's windows, or std, whose calls are named when they are refused";

/// libc's `syscall` takes as many arguments as the call needs; the six here are what the registers hold.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: c_long,
    b: c_long,
    c: c_long,
    d: c_long,
    e: c_long,
    f: c_long,
) -> c_long {
    // SAFETY: the caller's arguments, each call by its own contract.
    let answered = ask::active().then(|| unsafe { answer(number, [a, b, c, d]) }).flatten();
    // SAFETY: the caller's arguments, handed on unchanged.
    answered.unwrap_or_else(|| unsafe { raw::call(number, [a, b, c, d, e, f]) })
}

/// What the simulation says to a call; `None` where the kernel is to answer.
///
/// # Safety
/// The arguments must be what the kernel expects for this number.
unsafe fn answer(number: c_long, [a, b, c, d]: [c_long; 4]) -> Option<c_long> {
    match number {
        libc::SYS_getrandom => {
            // SAFETY: the contract of getrandom(2).
            unsafe { seeded(Override::SyscallRandom, a as *mut c_void, b as usize) }.then_some(b)
        }
        libc::SYS_clock_gettime => {
            // SAFETY: the contract of clock_gettime(2).
            Some(unsafe { clock_gettime(a as clockid_t, b as *mut _) }.into())
        }
        libc::SYS_gettimeofday => {
            // SAFETY: the contract of gettimeofday(2).
            Some(unsafe { gettimeofday(a as *mut _, b as *mut _) }.into())
        }
        libc::SYS_getpid => Some(program::getpid().into()),
        libc::SYS_getppid => Some(program::getppid().into()),
        libc::SYS_gettid => Some(program::gettid().into()),
        libc::SYS_futex => {
            // SAFETY: the contract of futex(2).
            unsafe { refused_wait(a as *const u32, b as c_int, c as u32, d as *const _) }
                .then(|| fail(libc::ETIMEDOUT))
        }
        _ => (REFUSED.contains(&number) && refused_call(number)).then(|| fail(libc::EPERM)),
    }
}

fn refused_call(number: c_long) -> bool {
    refused(Override::SyscallRandom, "made system call", REMEDY, || number.to_string())
}
