//! On which CPUs the threads of a sample run: `sched_setaffinity`, for the calling thread.
//!
//! A sample that must not wander is pinned: a thread alone to one CPU, two threads to two. A new thread inherits the
//! CPUs of the thread that starts it, so [`Cpus`] is read once, before anything is pinned.
#![expect(unsafe_code, reason = "sched_setaffinity and the macros of cpu_set_t are C")]

use std::{io, mem};

use crate::Outcome;

/// The CPUs of a sample.
#[derive(Clone, Debug)]
pub(crate) struct Cpus {
    all: Vec<usize>,
}

impl Cpus {
    /// Those that this thread may run on.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn find() -> Outcome<Self> {
        let mut set = empty();
        // SAFETY: the pointer is to a set of the size that is said.
        if unsafe { libc::sched_getaffinity(0, mem::size_of_val(&set), &raw mut set) } != 0 {
            return Err(io::Error::last_os_error().into());
        }
        // SAFETY: the macro reads inside the set for every number below CPU_SETSIZE.
        let has = |cpu: &usize| unsafe { libc::CPU_ISSET(*cpu, &set) };
        Ok(Self { all: (0..libc::CPU_SETSIZE as usize).filter(has).collect() })
    }

    /// Pins the calling thread to where the driver runs, the last CPU: the first has most of the interrupts.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn pin_driver(&self) -> Outcome<()> {
        pin([self.all.last().ok_or("this thread may run on no CPU")?])
    }

    /// Pins the calling thread to where the actors run that are not on the driver's thread.
    ///
    /// # Errors
    /// When there is only one CPU, and what the system says.
    pub(crate) fn pin_actors(&self) -> Outcome<()> {
        let count = self.all.len();
        let second = count.checked_sub(2).ok_or_else(|| {
            format!("{count} CPU for two pinned threads: give the bench two CPUs, or measure mode st alone")
        })?;
        pin([&self.all[second]])
    }

    /// Lets the calling thread run on all of them.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn unpin(&self) -> Outcome<()> {
        pin(&self.all)
    }
}

fn empty() -> libc::cpu_set_t {
    // SAFETY: all zeros are the empty set, a plain array of bits.
    unsafe { mem::zeroed() }
}

fn pin<'a>(cpus: impl IntoIterator<Item = &'a usize>) -> Outcome<()> {
    let mut set = empty();
    for cpu in cpus {
        // SAFETY: the number came out of a set of this size.
        unsafe { libc::CPU_SET(*cpu, &mut set) };
    }
    // SAFETY: the pointer is to a set of the size that is said.
    if unsafe { libc::sched_setaffinity(0, mem::size_of_val(&set), &raw const set) } != 0 {
        return Err(io::Error::last_os_error().into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Cpus;

    #[test]
    fn a_pinned_thread_is_on_one_cpu_until_it_is_let_go() {
        let before = Cpus::find().unwrap();
        before.pin_driver().unwrap();
        assert_eq!(Cpus::find().unwrap().all, before.all[before.all.len() - 1..]);
        before.unpin().unwrap();
        assert_eq!(Cpus::find().unwrap().all, before.all);
    }

    #[test]
    fn one_cpu_is_too_few_for_two_threads() {
        let error = Cpus { all: vec![0] }.pin_actors().unwrap_err().to_string();
        assert!(error.starts_with("1 CPU for two pinned threads"), "{error}");
    }
}
