#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Looking at files without opening them: whether they exist, how long they are, where they lead. What a node may read it
//! may look at (`file.rs`).

use std::{
    ffi::{CStr, c_char, c_int, c_uint},
    ptr,
};

use libc::{
    ssize_t, stat as Stat, stat64 as Stat64, statfs as Statfs, statfs64 as Statfs64,
    statvfs as Statvfs, statvfs64 as Statvfs64, statx as Statx,
};

use super::{
    file::readable,
    raw::{fail, next, text},
    refused,
};
use crate::{
    hits::{Override, hit},
    state::ask,
};

const REMEDY: &str =
    "look at files before the world starts, or keep them on the node's disk, Env::disk";

fn refused_look(path: &CStr) -> bool {
    // An empty path is about a file that is open already.
    if ask::gated().is_some() && (path.is_empty() || readable(path)) {
        hit(Override::Look);
        return false;
    }
    refused(Override::Look, "looked at the file", REMEDY, || path.to_string_lossy().into_owned())
}

macro_rules! stat {
    ($($name:ident, $symbol:literal, $stat:ty);*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(path: *const c_char, out: *mut $stat) -> c_int {
            // SAFETY: the contract of stat(2).
            if refused_look(unsafe { text(path) }) {
                return fail(libc::EPERM);
            }
            next!($symbol as fn(path: *const c_char, out: *mut $stat) -> c_int, else fail(libc::ENOSYS))
        }
    )*};
}

macro_rules! fstatat {
    ($($name:ident, $symbol:literal, $stat:ty);*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(
            folder: c_int,
            path: *const c_char,
            out: *mut $stat,
            flags: c_int,
        ) -> c_int {
            // SAFETY: the contract of fstatat(2).
            if refused_look(unsafe { text(path) }) {
                return fail(libc::EPERM);
            }
            next!(
                $symbol as fn(folder: c_int, path: *const c_char, out: *mut $stat, flags: c_int) -> c_int,
                else fail(libc::ENOSYS)
            )
        }
    )*};
}

stat!(stat, c"stat", Stat; stat64, c"stat64", Stat64; lstat, c"lstat", Stat; lstat64, c"lstat64", Stat64);
stat!(
    statfs, c"statfs", Statfs;
    statfs64, c"statfs64", Statfs64;
    statvfs, c"statvfs", Statvfs;
    statvfs64, c"statvfs64", Statvfs64
);
fstatat!(fstatat, c"fstatat", Stat; fstatat64, c"fstatat64", Stat64);

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn statx(
    folder: c_int,
    path: *const c_char,
    flags: c_int,
    mask: c_uint,
    out: *mut Statx,
) -> c_int {
    // SAFETY: the contract of statx(2).
    if refused_look(unsafe { text(path) }) {
        return fail(libc::EPERM);
    }
    next!(
        c"statx" as fn(
            folder: c_int,
            path: *const c_char,
            flags: c_int,
            mask: c_uint,
            out: *mut Statx
        ) -> c_int,
        else fail(libc::ENOSYS)
    )
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn access(path: *const c_char, mode: c_int) -> c_int {
    // SAFETY: the contract of access(2).
    if refused_look(unsafe { text(path) }) {
        return fail(libc::EPERM);
    }
    next!(c"access" as fn(path: *const c_char, mode: c_int) -> c_int, else fail(libc::ENOSYS))
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn faccessat(
    folder: c_int,
    path: *const c_char,
    mode: c_int,
    flags: c_int,
) -> c_int {
    // SAFETY: the contract of faccessat(2).
    if refused_look(unsafe { text(path) }) {
        return fail(libc::EPERM);
    }
    next!(
        c"faccessat" as fn(folder: c_int, path: *const c_char, mode: c_int, flags: c_int) -> c_int,
        else fail(libc::ENOSYS)
    )
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn readlinkat(
    folder: c_int,
    path: *const c_char,
    out: *mut c_char,
    length: usize,
) -> ssize_t {
    // SAFETY: the contract of readlinkat(2).
    if refused_look(unsafe { text(path) }) {
        return fail(libc::EPERM);
    }
    next!(
        c"readlinkat" as fn(
            folder: c_int,
            path: *const c_char,
            out: *mut c_char,
            length: usize
        ) -> ssize_t,
        else fail(libc::ENOSYS)
    )
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn readlink(path: *const c_char, out: *mut c_char, length: usize) -> ssize_t {
    // SAFETY: the contract of readlink(2).
    if refused_look(unsafe { text(path) }) {
        return fail(libc::EPERM);
    }
    next!(
        c"readlink" as fn(path: *const c_char, out: *mut c_char, length: usize) -> ssize_t,
        else fail(libc::ENOSYS)
    )
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn realpath(path: *const c_char, out: *mut c_char) -> *mut c_char {
    // SAFETY: the contract of realpath(3).
    if refused_look(unsafe { text(path) }) {
        fail::<i32>(libc::EPERM);
        return ptr::null_mut();
    }
    next!(
        c"realpath" as fn(path: *const c_char, out: *mut c_char) -> *mut c_char,
        else ptr::null_mut()
    )
}
