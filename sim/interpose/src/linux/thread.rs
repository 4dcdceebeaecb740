#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Threads: a simulation is one thread, and what runs on another cannot be replayed.

use std::ffi::{c_int, c_void};

use libc::{pthread_attr_t, pthread_t};

use super::{raw::next, refused};
use crate::hits::Override;

const REMEDY: &str = "spawn a task with odeon::spawn or tokio::task::spawn_local, and give blocking work to the \
                      environment instead of std::thread, spawn_blocking or Arbiter::new";

type Main = extern "C" fn(*mut c_void) -> *mut c_void;

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn pthread_create(
    thread: *mut pthread_t,
    attributes: *const pthread_attr_t,
    main: Main,
    argument: *mut c_void,
) -> c_int {
    if refused(Override::Thread, "started a thread", REMEDY, String::new) {
        return libc::EPERM;
    }
    next!(
        c"pthread_create" as fn(
            thread: *mut pthread_t,
            attributes: *const pthread_attr_t,
            main: Main,
            argument: *mut c_void
        ) -> c_int,
        else libc::ENOSYS
    )
}
