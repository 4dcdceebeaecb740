#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! What a program learns of its machine, and would do otherwise on another one: how many processors it has, what it is
//! called. A simulated machine has one processor and is called as its node is.

use std::ffi::{c_char, c_int, c_long};

use libc::{cpu_set_t, pid_t};

use super::raw::{self, fail, next};
use crate::{
    current,
    hits::{Override, hit},
    state::ask,
};

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn sched_getaffinity(of: pid_t, length: usize, out: *mut cpu_set_t) -> c_int {
    if ask::active() && !out.is_null() && length > 0 {
        hit(Override::Processors);
        // SAFETY: not null, and valid for writes of so many bytes by the contract of sched_getaffinity(2).
        unsafe { out.cast::<u8>().write_bytes(0, length) };
        // SAFETY: as above, for one byte.
        unsafe { out.cast::<u8>().write(1) };
        return 0;
    }
    let arguments = [c_long::from(of), length as c_long, out as c_long, 0, 0, 0];
    // SAFETY: the caller's arguments, handed on unchanged.
    let written = unsafe { raw::call(libc::SYS_sched_getaffinity, arguments) };
    let Ok(written) = usize::try_from(written) else { return -1 };
    // SAFETY: the kernel has written that many bytes of `length`; libc clears the others.
    let rest = unsafe { out.cast::<u8>().add(written) };
    // SAFETY: as above.
    unsafe { rest.write_bytes(0, length.saturating_sub(written)) };
    0
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn gethostname(out: *mut c_char, length: usize) -> c_int {
    if ask::active() && !out.is_null() {
        hit(Override::HostName);
        let seat = current();
        let name = seat.as_ref().map_or("world", |seat| seat.name()).as_bytes();
        if name.len() >= length {
            return fail(libc::ENAMETOOLONG);
        }
        // SAFETY: not null, and valid for writes of `length` bytes, which is more than the name has.
        unsafe { out.cast::<u8>().copy_from_nonoverlapping(name.as_ptr(), name.len()) };
        // SAFETY: as above.
        let end = unsafe { out.add(name.len()) };
        // SAFETY: as above.
        unsafe { end.write(0) };
        return 0;
    }
    next!(c"gethostname" as fn(out: *mut c_char, length: usize) -> c_int, else fail(libc::ENOSYS))
}
