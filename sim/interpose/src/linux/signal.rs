#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Signals: they belong to the whole program, which is every node at once, and come when the kernel likes.

use std::ffi::{c_int, c_long};

use libc::{pid_t, sigaction as Action, sighandler_t};

use super::{
    raw::{self, fail, next},
    refused,
};
use crate::hits::Override;

const REMEDY: &str = "handle signals in main, and tell nodes by a message or World::crash";

fn refused_signal(what: &'static str, signal: c_int) -> bool {
    refused(Override::Signal, what, REMEDY, || signal.to_string())
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn sigaction(signal: c_int, new: *const Action, old: *mut Action) -> c_int {
    if refused_signal("handled signal", signal) {
        return fail(libc::EPERM);
    }
    next!(
        c"sigaction" as fn(signal: c_int, new: *const Action, old: *mut Action) -> c_int,
        else fail(libc::ENOSYS)
    )
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn signal(signal: c_int, handler: sighandler_t) -> sighandler_t {
    if refused_signal("handled signal", signal) {
        fail::<i32>(libc::EPERM);
        return libc::SIG_ERR;
    }
    next!(
        c"signal" as fn(signal: c_int, handler: sighandler_t) -> sighandler_t,
        else libc::SIG_ERR
    )
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn kill(to: pid_t, signal: c_int) -> c_int {
    if refused_signal("sent signal", signal) {
        return fail(libc::EPERM);
    }
    let arguments = [c_long::from(to), c_long::from(signal), 0, 0, 0, 0];
    // SAFETY: the caller's arguments, handed on unchanged.
    unsafe { raw::call(libc::SYS_kill, arguments) as c_int }
}

/// To this thread; `abort` has a way of its own.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn raise(signal: c_int) -> c_int {
    if refused_signal("sent signal", signal) {
        return fail(libc::EPERM);
    }
    next!(c"raise" as fn(signal: c_int) -> c_int, else fail(libc::ENOSYS))
}
