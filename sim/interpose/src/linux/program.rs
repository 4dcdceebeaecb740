#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Other programs: they would run beside the simulation, in real time.

use std::ffi::{c_char, c_int};

use libc::{pid_t, posix_spawn_file_actions_t as Actions, posix_spawnattr_t as Attributes};

use super::{
    raw::{next, text},
    refused,
};
use crate::hits::Override;

const REMEDY: &str = "write the outside program as a host of the world";

/// Whether this program is to be refused.
///
/// # Safety
/// `path` is null or a string that ends with a zero byte.
unsafe fn refused_program(path: *const c_char) -> bool {
    // SAFETY: handed on to the caller.
    let path = unsafe { text(path) };
    refused(Override::Program, "started the program", REMEDY, || {
        path.to_string_lossy().into_owned()
    })
}

macro_rules! spawn {
    ($name:ident, $symbol:literal) => {
        #[unsafe(no_mangle)]
        #[inline(never)]
        unsafe extern "C" fn $name(
            child: *mut pid_t,
            path: *const c_char,
            actions: *const Actions,
            attributes: *const Attributes,
            arguments: *const *mut c_char,
            environment: *const *mut c_char,
        ) -> c_int {
            // SAFETY: the contract of posix_spawn(3).
            if unsafe { refused_program(path) } {
                return libc::EPERM;
            }
            next!(
                $symbol as fn(
                    child: *mut pid_t,
                    path: *const c_char,
                    actions: *const Actions,
                    attributes: *const Attributes,
                    arguments: *const *mut c_char,
                    environment: *const *mut c_char
                ) -> c_int,
                else libc::ENOSYS
            )
        }
    };
}

spawn!(posix_spawn, c"posix_spawn");
spawn!(posix_spawnp, c"posix_spawnp");
