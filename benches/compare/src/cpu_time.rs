//! How much CPU time this process, or this thread, has used: `getrusage`.
#![expect(unsafe_code, reason = "getrusage is a C function")]

use std::{io, mem::MaybeUninit, time::Duration};

use crate::Outcome;

/// CPU time of all threads of this process so far, in user space and in the kernel.
///
/// # Errors
/// What the system says.
#[cfg(feature = "peers")]
pub(crate) fn of_process() -> Outcome<Duration> {
    used(libc::RUSAGE_SELF)
}

/// CPU time of the calling thread so far.
///
/// # Errors
/// What the system says.
pub(crate) fn of_thread() -> Outcome<Duration> {
    used(libc::RUSAGE_THREAD)
}

fn used(by: libc::c_int) -> Outcome<Duration> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to memory of the right type, which the call fills.
    if unsafe { libc::getrusage(by, usage.as_mut_ptr()) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    // SAFETY: all zeros are a value of this plain C struct, and the call has filled it.
    let usage = unsafe { usage.assume_init() };
    Ok(span(usage.ru_utime)? + span(usage.ru_stime)?)
}

fn span(time: libc::timeval) -> Outcome<Duration> {
    Ok(Duration::new(time.tv_sec.try_into()?, 1000 * u32::try_from(time.tv_usec)?))
}

#[cfg(test)]
mod tests {
    use super::of_thread;

    #[test]
    fn work_takes_time() {
        let before = of_thread().unwrap();
        let mut word = 1_u64;
        while of_thread().unwrap() == before {
            word = std::hint::black_box(word.wrapping_mul(31));
        }
        assert!(of_thread().unwrap() > before);
    }
}
