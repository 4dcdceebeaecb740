#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Sleep of the thread: it would hold the whole world, and move no virtual time. A refused sleep is over at once.

use std::ffi::{c_int, c_long, c_uint};

use libc::{clockid_t, timespec};

use super::{
    raw::{self, next},
    refused,
};
use crate::hits::Override;

const REMEDY: &str = "await tokio::time::sleep instead of std::thread::sleep";

fn refused_sleep() -> bool {
    refused(Override::Sleep, "made its thread sleep", REMEDY, String::new)
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn nanosleep(time: *const timespec, rest: *mut timespec) -> c_int {
    if refused_sleep() {
        return 0;
    }
    let arguments = [time as c_long, rest as c_long, 0, 0, 0, 0];
    // SAFETY: the caller's arguments, handed on unchanged.
    unsafe { raw::call(libc::SYS_nanosleep, arguments) as c_int }
}

/// Returns the number of the error, not -1.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    time: *const timespec,
    rest: *mut timespec,
) -> c_int {
    if refused_sleep() {
        return 0;
    }
    next!(
        c"clock_nanosleep" as fn(
            clock: clockid_t,
            flags: c_int,
            time: *const timespec,
            rest: *mut timespec
        ) -> c_int,
        else libc::ENOSYS
    )
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn usleep(time_us: c_uint) -> c_int {
    if refused_sleep() {
        return 0;
    }
    next!(c"usleep" as fn(time_us: c_uint) -> c_int, else 0)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sleep(time_s: c_uint) -> c_uint {
    if refused_sleep() {
        return 0;
    }
    next!(c"sleep" as fn(time_s: c_uint) -> c_uint, else time_s)
}
