#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Variables of the program's environment: all nodes of a world share them, as real nodes would not. Reading them is
//! allowed: a run begins with none.

use std::ffi::{CStr, c_char, c_int};

use super::{
    raw::{fail, next, text},
    refused,
};
use crate::hits::Override;

const REMEDY: &str =
    "give nodes their settings as values, or set variables before the world starts";

fn refused_change(name: &CStr) -> bool {
    refused(Override::Environment, "changed the environment variable", REMEDY, || {
        name.to_string_lossy().into_owned()
    })
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn setenv(name: *const c_char, value: *const c_char, replace: c_int) -> c_int {
    // SAFETY: the contract of setenv(3).
    if refused_change(unsafe { text(name) }) {
        return fail(libc::EPERM);
    }
    next!(
        c"setenv" as fn(name: *const c_char, value: *const c_char, replace: c_int) -> c_int,
        else fail(libc::ENOSYS)
    )
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn unsetenv(name: *const c_char) -> c_int {
    // SAFETY: the contract of unsetenv(3).
    if refused_change(unsafe { text(name) }) {
        return fail(libc::EPERM);
    }
    next!(c"unsetenv" as fn(name: *const c_char) -> c_int, else fail(libc::ENOSYS))
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn putenv(setting: *mut c_char) -> c_int {
    // SAFETY: the contract of putenv(3).
    if refused_change(unsafe { text(setting) }) {
        return fail(libc::EPERM);
    }
    next!(c"putenv" as fn(setting: *mut c_char) -> c_int, else fail(libc::ENOSYS))
}
