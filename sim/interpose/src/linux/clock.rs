#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Clocks. Wall clocks show what the node's [`WallClock`](crate::WallClock) shows: [`WALL_BASE`] plus virtual time, with
//! skew, jumps and drift. All others, those of consumed processor time included, show
//! [`MONOTONIC_BASE`](crate::MONOTONIC_BASE) plus virtual time: they neither jump nor drift, because tokio's timers do not.

use std::{
    ffi::{c_int, c_long},
    time::{Duration, UNIX_EPOCH},
};

use libc::{clockid_t, time_t, timespec, timeval, timezone};

use super::raw::{self, next};
use crate::{
    MONOTONIC_BASE, WALL_BASE, elapsed,
    hits::{Override, hit},
    state::ask,
    wall_clock,
};

/// Whether this read is to be answered by the simulation; counts the hit.
fn simulated(which: Override) -> bool {
    if ask::active() {
        hit(which);
    }
    ask::clock()
}

fn wall() -> Duration {
    wall_clock().duration_since(UNIX_EPOCH).unwrap_or(WALL_BASE)
}

/// What a clock of the simulation shows.
pub(super) fn shown(clock: clockid_t) -> Duration {
    match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => wall(),
        _ => MONOTONIC_BASE + elapsed(),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn clock_gettime(clock: clockid_t, out: *mut timespec) -> c_int {
    if simulated(Override::ClockGetTime) && !out.is_null() {
        let now = shown(clock);
        let now = timespec {
            tv_sec: now.as_secs() as time_t,
            tv_nsec: c_long::from(now.subsec_nanos() as i32),
        };
        // SAFETY: not null, and valid for writes by the contract of clock_gettime(2).
        unsafe { out.write(now) };
        return 0;
    }
    next!(c"clock_gettime" as fn(clock: clockid_t, out: *mut timespec) -> c_int, else {
        let arguments = [c_long::from(clock), out as c_long, 0, 0, 0, 0];
        // SAFETY: the caller's arguments, handed on unchanged.
        unsafe { raw::call(libc::SYS_clock_gettime, arguments) as c_int }
    })
}

#[unsafe(no_mangle)]
#[inline(never)]
pub(super) unsafe extern "C" fn gettimeofday(out: *mut timeval, zone: *mut timezone) -> c_int {
    if simulated(Override::GetTimeOfDay) && !out.is_null() {
        let now = wall();
        let now = timeval {
            tv_sec: now.as_secs() as time_t,
            tv_usec: c_long::from(now.subsec_micros() as i32),
        };
        // SAFETY: not null, and valid for writes by the contract of gettimeofday(2).
        unsafe { out.write(now) };
        return 0;
    }
    let arguments = [out as c_long, zone as c_long, 0, 0, 0, 0];
    // SAFETY: the caller's arguments, handed on unchanged.
    unsafe { raw::call(libc::SYS_gettimeofday, arguments) as c_int }
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn time(out: *mut time_t) -> time_t {
    let now = if simulated(Override::Time) {
        wall().as_secs() as time_t
    } else {
        let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
        let arguments = [c_long::from(libc::CLOCK_REALTIME), (&raw mut now) as c_long, 0, 0, 0, 0];
        // SAFETY: the pointer is to a local of the right type.
        unsafe { raw::call(libc::SYS_clock_gettime, arguments) };
        now.tv_sec
    };
    if !out.is_null() {
        // SAFETY: not null, and valid for writes by the contract of time(2).
        unsafe { out.write(now) };
    }
    now
}
