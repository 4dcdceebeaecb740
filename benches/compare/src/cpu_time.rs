//! How much CPU time this process has used: `getrusage`.
#![expect(unsafe_code, reason = "getrusage is a C function")]

use std::{io, mem::MaybeUninit, time::Duration};

use crate::Outcome;

/// CPU time of all threads of this process so far, in user space and in the kernel.
///
/// # Errors
/// What the system says.
pub(crate) fn cpu_time() -> Outcome<Duration> {
    let mut usage = MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to memory of the right type, which the call fills.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()) } != 0 {
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
    use super::cpu_time;

    #[test]
    fn work_takes_time() {
        let before = cpu_time().unwrap();
        let mut word = 1_u64;
        while cpu_time().unwrap() == before {
            word = std::hint::black_box(word.wrapping_mul(31));
        }
        assert!(cpu_time().unwrap() > before);
    }
}
