#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Sleep of the thread: it would hold the whole world, and move no virtual time. A refused sleep is over at once; the
//! clocks show that it has lasted, for whoever sleeps until a moment has come.

use std::{
    ffi::{c_int, c_long, c_uint},
    time::Duration,
};

use libc::{clockid_t, timespec};

use super::{
    clock::shown,
    raw::{self, next},
    refused,
};
use crate::{hits::Override, state::let_pass};

const REMEDY: &str = "await tokio::time::sleep instead of std::thread::sleep";

fn refused_sleep(time: impl FnOnce() -> Duration) -> bool {
    let refused = refused(Override::Sleep, "made its thread sleep", REMEDY, String::new);
    if refused {
        let_pass(time());
    }
    refused
}

/// The time that a caller handed over; none where it is null or no time.
///
/// # Safety
/// `time` is null or valid for reads.
pub(super) unsafe fn span(time: *const timespec) -> Duration {
    if time.is_null() {
        return Duration::ZERO;
    }
    // SAFETY: not null, and valid for reads as the caller promised; read unaligned to ask for no more.
    let time = unsafe { time.read_unaligned() };
    let nanos = u32::try_from(time.tv_nsec).ok().filter(|nanos| *nanos < 1_000_000_000);
    let whole = u64::try_from(time.tv_sec).ok().zip(nanos);
    whole.map_or(Duration::ZERO, |(secs, nanos)| Duration::new(secs, nanos))
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn nanosleep(time: *const timespec, rest: *mut timespec) -> c_int {
    // SAFETY: the contract of nanosleep(2).
    if refused_sleep(|| unsafe { span(time) }) {
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
    // SAFETY: the contract of clock_nanosleep(2).
    let asked = || unsafe { span(time) };
    let until = || asked().saturating_sub(shown(clock));
    if refused_sleep(|| if flags & libc::TIMER_ABSTIME != 0 { until() } else { asked() }) {
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
    if refused_sleep(|| Duration::from_micros(time_us.into())) {
        return 0;
    }
    next!(c"usleep" as fn(time_us: c_uint) -> c_int, else 0)
}

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn sleep(time_s: c_uint) -> c_uint {
    if refused_sleep(|| Duration::from_secs(time_s.into())) {
        return 0;
    }
    next!(c"sleep" as fn(time_s: c_uint) -> c_uint, else time_s)
}
