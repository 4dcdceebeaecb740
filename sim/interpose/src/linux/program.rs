#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Other programs, which would run beside the simulation in real time; and the number of this one, which is another
//! in every run.

use std::ffi::{c_char, c_int};

use libc::{pid_t, posix_spawn_file_actions_t as Actions, posix_spawnattr_t as Attributes};

use super::{
    raw::{self, next, text},
    refused,
};
use crate::{
    hits::{Override, hit},
    state::ask,
};

const REMEDY: &str = "write the outside program as a host of the world";

/// What every simulated program believes its number to be: above the kernel's limit of 2^22, so that a signal to it
/// reaches nobody.
const OWN_NUMBER: pid_t = 0x3fff_ffff;

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

#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn getpid() -> pid_t {
    if ask::active() {
        hit(Override::ProgramNumber);
        return OWN_NUMBER;
    }
    // SAFETY: the call has no arguments and does not fail.
    unsafe { raw::call(libc::SYS_getpid, [0; 6]) as pid_t }
}
