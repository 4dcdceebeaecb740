#![expect(unsafe_code, reason = "system calls and the next definition of a symbol")]
//! The ways past our own symbols: raw system calls, and libc's definition of a symbol of ours.

use std::{
    ffi::{CStr, c_char, c_int, c_long, c_void},
    ptr,
    sync::atomic::{AtomicPtr, Ordering},
};

/// The six arguments of a system call.
pub(super) type Arguments = [c_long; 6];

/// One system call; the result is as the kernel gives it, a negated error number on failure.
///
/// # Safety
/// The arguments must be what the kernel expects for this number.
#[cfg(target_arch = "x86_64")]
unsafe fn kernel(number: c_long, arguments: Arguments) -> c_long {
    let [a, b, c, d, e, f] = arguments;
    let result: c_long;
    // SAFETY: the convention of Linux on x86_64; rcx and r11 are clobbered, the stack is not touched.
    unsafe {
        std::arch::asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a, in("rsi") b, in("rdx") c, in("r10") d, in("r8") e, in("r9") f,
            lateout("rcx") _, lateout("r11") _,
            options(nostack),
        );
    }
    result
}

/// One system call; the result is as the kernel gives it, a negated error number on failure.
///
/// # Safety
/// The arguments must be what the kernel expects for this number.
#[cfg(target_arch = "aarch64")]
unsafe fn kernel(number: c_long, arguments: Arguments) -> c_long {
    let [a, b, c, d, e, f] = arguments;
    let result: c_long;
    // SAFETY: the convention of Linux on aarch64; the stack is not touched.
    unsafe {
        std::arch::asm!(
            "svc 0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b, in("x2") c, in("x3") d, in("x4") e, in("x5") f,
            options(nostack),
        );
    }
    result
}

/// One system call, with libc's convention for errors: -1 and `errno`.
///
/// # Safety
/// The arguments must be what the kernel expects for this number.
pub(super) unsafe fn call(number: c_long, arguments: Arguments) -> c_long {
    // SAFETY: handed on to the caller.
    let result = unsafe { kernel(number, arguments) };
    if (-4095..0).contains(&result) { fail(-result as c_int) } else { result }
}

/// Sets `errno` and returns -1.
pub(super) fn fail<T: From<i8>>(errno: c_int) -> T {
    // SAFETY: libc returns the address of this thread's `errno`.
    let place = unsafe { libc::__errno_location() };
    // SAFETY: the place is valid for the life of the thread.
    unsafe { place.write(errno) };
    T::from(-1)
}

/// Text that a caller handed to a symbol of ours; empty for null.
///
/// # Safety
/// `text` is null or points to a string that ends with a zero byte and outlives the call of the symbol.
pub(super) unsafe fn text<'a>(text: *const c_char) -> &'a CStr {
    if text.is_null() {
        return c"";
    }
    // SAFETY: handed on to the caller.
    unsafe { CStr::from_ptr(text) }
}

/// libc's own definition of a symbol that this crate defines too.
pub(super) struct Next {
    name: &'static CStr,
    found: AtomicPtr<c_void>,
}

impl Next {
    pub(super) const fn new(name: &'static CStr) -> Self {
        Self { name, found: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Its address, looked up once; `None` in a program without dynamic linking.
    pub(super) fn address(&self) -> Option<*mut c_void> {
        let mut found = self.found.load(Ordering::Relaxed);
        if found.is_null() {
            // SAFETY: the name ends with a zero byte; the lookup has no other condition.
            found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) };
            self.found.store(found, Ordering::Relaxed);
        }
        (!found.is_null()).then_some(found)
    }
}

/// Calls libc's definition of a symbol with this signature, or evaluates to the last expression where there is none.
macro_rules! next {
    ($name:literal as fn($($argument:ident: $type:ty),*) -> $result:ty, else $otherwise:expr) => {{
        static NEXT: $crate::linux::raw::Next = $crate::linux::raw::Next::new($name);
        type Function = unsafe extern "C" fn($($type),*) -> $result;
        match NEXT.address() {
            Some(address) => {
                // SAFETY: libc's symbol of this name has this signature.
                let function = unsafe { std::mem::transmute::<*mut std::ffi::c_void, Function>(address) };
                // SAFETY: the arguments are the caller's, handed on unchanged.
                unsafe { function($($argument),*) }
            }
            None => $otherwise,
        }
    }};
}
pub(super) use next;
