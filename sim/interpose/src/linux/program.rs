#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Other programs, which would run beside the simulation in real time; and the number of this one, which is another
//! in every run.

use std::{
    ffi::{c_char, c_int, c_long},
    ptr,
};

use libc::{FILE, pid_t, posix_spawn_file_actions_t as Actions, posix_spawnattr_t as Attributes};

use super::{
    raw::{self, fail, next, text},
    refused,
};
use crate::{
    hits::{Override, hit},
    state::ask,
};

const REMEDY: &str = "write the outside program as a host of the world";

/// What every simulated program believes its number to be: above the kernel's limit of 2^22, so that a signal to it
/// reaches nobody.
const OWN_NUMBER: pid_t = 0x3fff_ffff;

/// Whether this program is to be refused.
///
/// # Safety
/// `path` is null or a string that ends with a zero byte.
unsafe fn refused_program(path: *const c_char) -> bool {
    // SAFETY: handed on to the caller.
    let path = unsafe { text(path) };
    refused(Override::Program, "started the program", REMEDY, || {
        path.to_string_lossy().into_owned()
    })
}

macro_rules! spawn {
    ($name:ident, $symbol:literal) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(
            child: *mut pid_t,
            path: *const c_char,
            actions: *const Actions,
            attributes: *const Attributes,
            arguments: *const *mut c_char,
            environment: *const *mut c_char,
        ) -> c_int {
            // SAFETY: the contract of posix_spawn(3).
            if unsafe { refused_program(path) } {
                return libc::EPERM;
            }
            next!(
                $symbol as fn(
                    child: *mut pid_t,
                    path: *const c_char,
                    actions: *const Actions,
                    attributes: *const Attributes,
                    arguments: *const *mut c_char,
                    environment: *const *mut c_char
                ) -> c_int,
                else libc::ENOSYS
            )
        }
    };
}

spawn!(posix_spawn, c"posix_spawn");
spawn!(posix_spawnp, c"posix_spawnp");

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn fork() -> pid_t {
    if refused(Override::Program, "forked", REMEDY, String::new) {
        return fail(libc::EPERM);
    }
    next!(c"fork" as fn() -> pid_t, else fail(libc::ENOSYS))
}

/// As `fork`, which it may be (POSIX.1-2001): a child that shares this stack must not return from here.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn vfork() -> pid_t {
    if refused(Override::Program, "forked", REMEDY, String::new) {
        return fail(libc::EPERM);
    }
    next!(c"fork" as fn() -> pid_t, else fail(libc::ENOSYS))
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn system(command: *const c_char) -> c_int {
    // SAFETY: the contract of system(3).
    if unsafe { refused_program(command) } {
        return fail(libc::EPERM);
    }
    next!(c"system" as fn(command: *const c_char) -> c_int, else fail(libc::ENOSYS))
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn popen(command: *const c_char, mode: *const c_char) -> *mut FILE {
    // SAFETY: the contract of popen(3).
    if unsafe { refused_program(command) } {
        fail::<i32>(libc::EPERM);
        return ptr::null_mut();
    }
    next!(
        c"popen" as fn(command: *const c_char, mode: *const c_char) -> *mut FILE,
        else ptr::null_mut()
    )
}

/// Tells whoever set [`last_words`](crate::last_words), if a node ends the whole program.
fn ended(status: c_int) {
    let remedy = "return from the node's body, or panic";
    if refused(Override::End, "ended the program with status", remedy, || status.to_string()) {
        crate::refusal::say_last_words();
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn exit(status: c_int) -> ! {
    ended(status);
    next!(c"exit" as fn(status: c_int) -> !, else std::process::abort())
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn quick_exit(status: c_int) -> ! {
    ended(status);
    next!(c"quick_exit" as fn(status: c_int) -> !, else std::process::abort())
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn _exit(status: c_int) -> ! {
    ended(status);
    // SAFETY: the call takes a number and does not return.
    unsafe { raw::call(libc::SYS_exit_group, [c_long::from(status), 0, 0, 0, 0, 0]) };
    std::process::abort()
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn _Exit(status: c_int) -> ! {
    _exit(status)
}

/// Numbers that the kernel gives differ from run to run: of this program, of its parent, of this thread.
macro_rules! number {
    ($($name:ident, $call:expr);*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        pub(super) extern "C" fn $name() -> pid_t {
            if ask::active() {
                hit(Override::ProgramNumber);
                return OWN_NUMBER;
            }
            // SAFETY: the call has no arguments and does not fail.
            unsafe { raw::call($call, [0; 6]) as pid_t }
        }
    )*};
}

number!(getpid, libc::SYS_getpid; getppid, libc::SYS_getppid; gettid, libc::SYS_gettid);
