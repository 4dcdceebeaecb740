#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Random bytes. std's hash maps, the `rand` and `getrandom` crates call `getrandom`; ring makes the raw system call (`call.rs`).

use std::{
    ffi::{c_int, c_long, c_uint, c_void},
    slice,
};

use super::raw::{self, fail};
use crate::{
    hits::{Override, hit},
    state::ask,
};

/// Fills the caller's buffer from the seed; `false` where the kernel is to do it.
///
/// # Safety
/// `out` must be valid for writes of `length` bytes, or null.
pub(super) unsafe fn seeded(which: Override, out: *mut c_void, length: usize) -> bool {
    if !ask::active() {
        return false;
    }
    hit(which);
    let Some(seat) = ask::entropy() else { return false };
    if out.is_null() || isize::try_from(length).is_err() {
        return false;
    }
    // SAFETY: not null, and valid for writes as the caller promised; the bytes may be uninitialised, so they are set.
    unsafe { out.cast::<u8>().write_bytes(0, length) };
    // SAFETY: as above, and now initialised.
    seat.entropy().fill(unsafe { slice::from_raw_parts_mut(out.cast::<u8>(), length) });
    true
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getrandom(out: *mut c_void, length: usize, flags: c_uint) -> isize {
    // SAFETY: the contract of getrandom(2).
    if unsafe { seeded(Override::GetRandom, out, length) } {
        return length as isize;
    }
    let arguments = [out as c_long, length as c_long, c_long::from(flags), 0, 0, 0];
    // SAFETY: the caller's arguments, handed on unchanged.
    unsafe { raw::call(libc::SYS_getrandom, arguments) as isize }
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getentropy(out: *mut c_void, length: usize) -> c_int {
    if length > 256 {
        return fail(libc::EIO);
    }
    // SAFETY: the contract of getentropy(3).
    if unsafe { seeded(Override::GetEntropy, out, length) } {
        return 0;
    }
    let arguments = [out as c_long, length as c_long, 0, 0, 0, 0];
    // SAFETY: the caller's arguments; up to 256 bytes are never returned in part.
    if unsafe { raw::call(libc::SYS_getrandom, arguments) } < 0 { -1 } else { 0 }
}
