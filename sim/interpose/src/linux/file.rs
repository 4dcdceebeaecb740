#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Files. While a node is polled only what a backtrace and std itself read may be opened, and only for reading: the
//! executable, shared libraries, debug files, where the kernel tells how this program is laid out, and about processors
//! and limits. Other files of `/proc/self` are not: they tell times and sizes that are others in each run, and
//! `/proc/self/root` leads to all files there are.

use std::{
    ffi::{CStr, c_char, c_int, c_long, c_void},
    ptr,
};

use libc::{DIR, FILE, mode_t};

use super::{
    raw::{self, fail, next, text},
    refused,
};
use crate::{hits::Override, layout, state::ask};

const FILE_REMEDY: &str =
    "read files before the world starts, or keep them on the node's disk, Env::disk";
const ENTROPY_REMEDY: &str = "take random bytes from Env::entropy or the getrandom crate";

/// Files that may be read inside a node.
const READABLE: [&str; 5] = [
    "/proc/self/maps",
    "/proc/self/exe",
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
    "/usr/lib/debug",
];

/// Folders within which all may be read inside a node.
const READABLE_WITHIN: [&str; 3] =
    ["/sys/fs/cgroup/", "/sys/devices/system/cpu/", "/usr/lib/debug/"];

/// Whether this path may be read inside a node.
pub(super) fn readable(path: &CStr) -> bool {
    let Ok(path) = path.to_str() else { return false };
    // No way around the list through a parent folder.
    if path.contains("/../") || path.ends_with("/..") {
        return false;
    }
    let name = path.rsplit('/').next().unwrap_or(path);
    let library = name.ends_with(".so") || name.contains(".so.");
    let debug = [".debug", ".dwo", ".dwp"].iter().any(|end| name.ends_with(end));
    let executable = layout::executable().and_then(|executable| executable.to_str()) == Some(path);
    let listed =
        READABLE.contains(&path) || READABLE_WITHIN.iter().any(|start| path.starts_with(start));
    library || debug || executable || listed
}

/// Whether opening this file is to be refused.
fn refused_file(path: &CStr, reads_only: bool) -> bool {
    // Asked first, because the list costs more than the gate.
    if ask::gated().is_some() && reads_only && readable(path) {
        crate::hits::hit(Override::File);
        return false;
    }
    let random = matches!(path.to_bytes(), b"/dev/random" | b"/dev/urandom");
    let remedy = if random { ENTROPY_REMEDY } else { FILE_REMEDY };
    refused(Override::File, "opened the file", remedy, || path.to_string_lossy().into_owned())
}

/// # Safety
/// The contract of openat(2).
unsafe fn open_at(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    let changes = libc::O_CREAT | libc::O_TRUNC;
    let reads_only = flags & libc::O_ACCMODE == libc::O_RDONLY && flags & changes == 0;
    // SAFETY: handed on to the caller.
    if refused_file(unsafe { text(path) }, reads_only) {
        return fail(libc::EPERM);
    }
    let arguments =
        [c_long::from(folder), path as c_long, c_long::from(flags), c_long::from(mode), 0, 0];
    // SAFETY: the caller's arguments, handed on unchanged.
    unsafe { raw::call(libc::SYS_openat, arguments) as c_int }
}

/// libc declares these with `...` for the mode; both platforms pass it in the register of a third or fourth argument.
macro_rules! open {
    ($($name:ident),*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            // SAFETY: the contract of open(2).
            unsafe { open_at(libc::AT_FDCWD, path, flags, mode) }
        }
    )*};
}

macro_rules! openat {
    ($($name:ident),*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
            // SAFETY: the contract of openat(2).
            unsafe { open_at(folder, path, flags, mode) }
        }
    )*};
}

macro_rules! creat {
    ($($name:ident),*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(path: *const c_char, mode: mode_t) -> c_int {
            // SAFETY: the contract of creat(2).
            unsafe { open_at(libc::AT_FDCWD, path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode) }
        }
    )*};
}

macro_rules! fopen {
    ($($name:ident, $symbol:literal);*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(path: *const c_char, mode: *const c_char) -> *mut FILE {
            // SAFETY: the contract of fopen(3).
            let wanted = unsafe { text(mode) }.to_bytes();
            let reads_only = wanted.first() == Some(&b'r') && !wanted.contains(&b'+');
            // SAFETY: as above.
            if refused_file(unsafe { text(path) }, reads_only) {
                fail::<i32>(libc::EPERM);
                return ptr::null_mut();
            }
            next!($symbol as fn(path: *const c_char, mode: *const c_char) -> *mut FILE, else ptr::null_mut())
        }
    )*};
}

macro_rules! freopen {
    ($($name:ident, $symbol:literal);*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(path: *const c_char, mode: *const c_char, file: *mut FILE) -> *mut FILE {
            // SAFETY: the contract of freopen(3).
            if refused_file(unsafe { text(path) }, false) {
                fail::<i32>(libc::EPERM);
                return ptr::null_mut();
            }
            next!(
                $symbol as fn(path: *const c_char, mode: *const c_char, file: *mut FILE) -> *mut FILE,
                else ptr::null_mut()
            )
        }
    )*};
}

/// Files whose names the C library makes up, from the clock and the address of a variable.
macro_rules! mkstemp {
    ($($name:ident, $symbol:literal, ($($more:ident),*));*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(template: *mut c_char $(, $more: c_int)*) -> c_int {
            // SAFETY: the contract of mkstemp(3).
            if refused_file(unsafe { text(template) }, false) {
                return fail(libc::EPERM);
            }
            next!($symbol as fn(template: *mut c_char $(, $more: c_int)*) -> c_int, else fail(libc::ENOSYS))
        }
    )*};
}

macro_rules! tmpfile {
    ($($name:ident, $symbol:literal);*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        extern "C" fn $name() -> *mut FILE {
            if refused_file(c"of tmpfile", false) {
                fail::<i32>(libc::EPERM);
                return ptr::null_mut();
            }
            next!($symbol as fn() -> *mut FILE, else ptr::null_mut())
        }
    )*};
}

open!(open, open64);
openat!(openat, openat64);
creat!(creat, creat64);
fopen!(fopen, c"fopen"; fopen64, c"fopen64");
freopen!(freopen, c"freopen"; freopen64, c"freopen64");
tmpfile!(tmpfile, c"tmpfile"; tmpfile64, c"tmpfile64");
mkstemp!(
    mkstemp, c"mkstemp", ();
    mkstemp64, c"mkstemp64", ();
    mkostemp, c"mkostemp", (flags);
    mkostemp64, c"mkostemp64", (flags);
    mkstemps, c"mkstemps", (end);
    mkstemps64, c"mkstemps64", (end)
);

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn opendir(path: *const c_char) -> *mut DIR {
    // SAFETY: the contract of opendir(3).
    if refused_file(unsafe { text(path) }, true) {
        fail::<i32>(libc::EPERM);
        return ptr::null_mut();
    }
    next!(c"opendir" as fn(path: *const c_char) -> *mut DIR, else ptr::null_mut())
}

macro_rules! scandir {
    ($($name:ident, $symbol:literal);*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(
            path: *const c_char,
            list: *mut c_void,
            chooses: *const c_void,
            compares: *const c_void,
        ) -> c_int {
            // SAFETY: the contract of scandir(3).
            if refused_file(unsafe { text(path) }, true) {
                return fail(libc::EPERM);
            }
            next!(
                $symbol as fn(
                    path: *const c_char,
                    list: *mut c_void,
                    chooses: *const c_void,
                    compares: *const c_void
                ) -> c_int,
                else fail(libc::ENOSYS)
            )
        }
    )*};
}

scandir!(scandir, c"scandir"; scandir64, c"scandir64");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_backtrace_reads_is_readable() {
        for path in [
            c"/proc/self/maps",
            c"/lib/x86_64-linux-gnu/libc.so.6",
            c"/usr/lib/debug/.build-id/aa.debug",
        ] {
            assert!(readable(path), "{path:?}");
        }
        for path in [
            c"/etc/passwd",
            c"/proc/self/../../etc/passwd",
            c"/proc/self/root/etc/passwd",
            c"/proc/self/cwd/data.bin",
            c"/proc/self/stat",
            c"data.bin",
            c"",
            c"/dev/urandom",
        ] {
            assert!(!readable(path), "{path:?}");
        }
    }
}
