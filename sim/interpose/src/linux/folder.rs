#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Names of files, and what they stand for: what makes, removes, moves, links or changes files without opening them.

use std::ffi::{CStr, c_char, c_int, c_uint};

use libc::{dev_t, gid_t, mode_t, off_t, off64_t, timespec, timeval, uid_t, utimbuf};

use super::{
    raw::{fail, next, text},
    refused,
};
use crate::hits::Override;

const REMEDY: &str = "keep files on the node's disk, Env::disk";

fn refused_path(what: &'static str, path: &CStr) -> bool {
    refused(Override::Folder, what, REMEDY, || path.to_string_lossy().into_owned())
}

/// Defines functions that return 0 or -1; each says what it does, and to which of its arguments.
macro_rules! of_a_path {
    ($($what:literal $path:ident: $name:ident, $symbol:literal, ($($argument:ident: $type:ty),*);)*) => {$(
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name($($argument: $type),*) -> c_int {
            // SAFETY: the contract of the function of this name, whose paths are null or end with a zero byte.
            if refused_path($what, unsafe { text($path) }) {
                return fail(libc::EPERM);
            }
            next!($symbol as fn($($argument: $type),*) -> c_int, else fail(libc::ENOSYS))
        }
    )*};
}

type Path = *const c_char;

/// The folder's name is made up by the C library; the answer is that name.
#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn mkdtemp(template: *mut c_char) -> *mut c_char {
    // SAFETY: the contract of mkdtemp(3).
    if refused_path("made the folder", unsafe { text(template) }) {
        fail::<i32>(libc::EPERM);
        return std::ptr::null_mut();
    }
    next!(c"mkdtemp" as fn(template: *mut c_char) -> *mut c_char, else std::ptr::null_mut())
}

of_a_path! {
    "made the folder" path: mkdir, c"mkdir", (path: Path, mode: mode_t);
    "made the folder" path: mkdirat, c"mkdirat", (folder: c_int, path: Path, mode: mode_t);
    "made the file" path: mkfifo, c"mkfifo", (path: Path, mode: mode_t);
    "made the file" path: mknod, c"mknod", (path: Path, mode: mode_t, device: dev_t);
    "made the file" path: mkfifoat, c"mkfifoat", (folder: c_int, path: Path, mode: mode_t);
    "made the file" path: mknodat, c"mknodat", (folder: c_int, path: Path, mode: mode_t, device: dev_t);
    "removed the folder" path: rmdir, c"rmdir", (path: Path);
    "removed the file" path: unlink, c"unlink", (path: Path);
    "removed the file" path: unlinkat, c"unlinkat", (folder: c_int, path: Path, flags: c_int);
    "removed the file" path: remove, c"remove", (path: Path);
    "renamed the file" from: rename, c"rename", (from: Path, to: Path);
    "renamed the file" from: renameat, c"renameat", (folder: c_int, from: Path, other: c_int, to: Path);
    "renamed the file" from: renameat2, c"renameat2",
        (folder: c_int, from: Path, other: c_int, to: Path, flags: c_uint);
    "linked the file" from: link, c"link", (from: Path, to: Path);
    "linked the file" from: linkat, c"linkat",
        (folder: c_int, from: Path, other: c_int, to: Path, flags: c_int);
    "linked the file" from: symlink, c"symlink", (from: Path, to: Path);
    "linked the file" from: symlinkat, c"symlinkat", (from: Path, folder: c_int, to: Path);
    "changed the file" path: chmod, c"chmod", (path: Path, mode: mode_t);
    "changed the file" path: fchmodat, c"fchmodat", (folder: c_int, path: Path, mode: mode_t, flags: c_int);
    "changed the file" path: chown, c"chown", (path: Path, user: uid_t, group: gid_t);
    "changed the file" path: lchown, c"lchown", (path: Path, user: uid_t, group: gid_t);
    "changed the file" path: fchownat, c"fchownat",
        (folder: c_int, path: Path, user: uid_t, group: gid_t, flags: c_int);
    "changed the file" path: truncate, c"truncate", (path: Path, length: off_t);
    "changed the file" path: truncate64, c"truncate64", (path: Path, length: off64_t);
    "changed the file" path: utimensat, c"utimensat",
        (folder: c_int, path: Path, times: *const timespec, flags: c_int);
    "changed the file" path: utimes, c"utimes", (path: Path, times: *const timeval);
    "changed the file" path: lutimes, c"lutimes", (path: Path, times: *const timeval);
    "changed the file" path: utime, c"utime", (path: Path, times: *const utimbuf);
    "went to the folder" path: chdir, c"chdir", (path: Path);
    "went to the folder" path: chroot, c"chroot", (path: Path);
}
