//! A clock that is cheap to read and moves on in steps.
//!
//! `CLOCK_MONOTONIC_COARSE` (clock_getres(2), since Linux 2.6.32) is the time of the kernel's last tick, 1 to 10 ms ago by
//! how the kernel was built. What it is NOT: a clock for measurements. Elsewhere there is none.
#![cfg_attr(
    all(target_os = "linux", not(miri)),
    expect(unsafe_code, reason = "the clock is read through the C library")
)]

/// Nanoseconds of the clock.
#[cfg(all(target_os = "linux", not(miri)))]
pub(super) fn now_ns() -> Option<u64> {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that may be written.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) } != 0;
    let seconds = u64::try_from(now.tv_sec).ok()?;
    let rest = u64::try_from(now.tv_nsec).ok()?;
    (!failed).then(|| seconds.wrapping_mul(1_000_000_000).wrapping_add(rest))
}

#[cfg(not(all(target_os = "linux", not(miri))))]
pub(super) fn now_ns() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux", not(miri)))]
mod tests {
    use super::now_ns;

    #[test]
    fn it_stands_for_a_while_and_moves_on() {
        let first = now_ns().unwrap();
        let mut same = 0_u64;
        while now_ns().unwrap() == first {
            same += 1;
        }
        assert!(now_ns().unwrap() > first && same > 0);
    }
}
