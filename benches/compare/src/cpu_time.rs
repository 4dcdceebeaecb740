//! How much CPU time this process, or this thread, has used.
#![expect(unsafe_code, reason = "getrusage and clock_gettime are C functions")]

use std::{io, mem::MaybeUninit, time::Duration};

use crate::Outcome;

/// CPU time of all threads of this process so far, in user space and in the kernel: `getrusage`, which may lag by a
/// scheduler's tick.
///
/// # Errors
/// What the system says.
pub(crate) fn of_process() -> Outcome<Duration> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to memory of the right type, which the call fills.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: all zeros are a value of this plain C struct, and the call has filled it.
    let usage = unsafe { usage.assume_init() };
    let span = |time: libc::timeval| -> Outcome<Duration> {
        Ok(Duration::new(time.tv_sec.try_into()?, 1000 * u32::try_from(time.tv_usec)?))
    };
    Ok(span(usage.ru_utime)? + span(usage.ru_stime)?)
}

/// CPU time of the calling thread so far, to the nanosecond.
///
/// # Errors
/// What the system says.
pub(crate) fn of_thread() -> Outcome<Duration> {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: the pointer is to memory of the right type, which the call fills.
    if unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: all zeros are a value of this plain C struct, and the call has filled it.
    let time = unsafe { time.assume_init() };
    Ok(Duration::new(time.tv_sec.try_into()?, time.tv_nsec.try_into()?))
}

#[cfg(test)]
mod tests {
    use super::of_thread;

    #[test]
    fn a_little_work_takes_a_little_time() {
        let before = of_thread().unwrap();
        let word =
            (0..10_000_u64).fold(1, |word: u64, n| std::hint::black_box(word.wrapping_mul(31) ^ n));
        let used = of_thread().unwrap() - before;
        assert!(!used.is_zero() && used.as_millis() < 1000, "{used:?} for {word}");
    }
}
