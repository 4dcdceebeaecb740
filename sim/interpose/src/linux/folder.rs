#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Names of files: what makes, removes or moves them without opening them.

use std::ffi::{CStr, c_char, c_int};

use libc::mode_t;

use super::{
    raw::{fail, next, text},
    refused,
};
use crate::hits::Override;

const REMEDY: &str = "keep files on the node's disk, Env::disk";

fn refused_path(what: &'static str, path: &CStr) -> bool {
    refused(Override::Folder, what, REMEDY, || path.to_string_lossy().into_owned())
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn mkdir(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the contract of mkdir(2).
    if refused_path("made the folder", unsafe { text(path) }) {
        return fail(libc::EPERM);
    }
    next!(c"mkdir" as fn(path: *const c_char, mode: mode_t) -> c_int, else fail(libc::ENOSYS))
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rmdir(path: *const c_char) -> c_int {
    // SAFETY: the contract of rmdir(2).
    if refused_path("removed the folder", unsafe { text(path) }) {
        return fail(libc::EPERM);
    }
    next!(c"rmdir" as fn(path: *const c_char) -> c_int, else fail(libc::ENOSYS))
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the contract of unlink(2).
    if refused_path("removed the file", unsafe { text(path) }) {
        return fail(libc::EPERM);
    }
    next!(c"unlink" as fn(path: *const c_char) -> c_int, else fail(libc::ENOSYS))
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    // SAFETY: the contract of rename(2).
    if refused_path("renamed the file", unsafe { text(from) }) {
        return fail(libc::EPERM);
    }
    next!(c"rename" as fn(from: *const c_char, to: *const c_char) -> c_int, else fail(libc::ENOSYS))
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn chdir(path: *const c_char) -> c_int {
    // SAFETY: the contract of chdir(2).
    if refused_path("went to the folder", unsafe { text(path) }) {
        return fail(libc::EPERM);
    }
    next!(c"chdir" as fn(path: *const c_char) -> c_int, else fail(libc::ENOSYS))
}
