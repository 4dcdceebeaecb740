#![expect(unsafe_code, reason = "definitions of libc symbols")]
//! Sockets and names of hosts: a node talks through its environment only.

use std::{
    ffi::{c_char, c_int, c_long},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    ptr,
};

use libc::{addrinfo, hostent, sa_family_t, sockaddr, sockaddr_in, sockaddr_in6, socklen_t};

use super::{
    raw::{self, fail, next, text},
    refused,
};
use crate::hits::Override;

const REMEDY: &str =
    "open sockets with Env::bind, and write outside services as hosts of the world";
const NAME_REMEDY: &str = "resolve names with Env::resolve";

/// The address in words.
///
/// # Safety
/// `address` is null or valid for reads of `length` bytes.
unsafe fn spell(address: *const sockaddr, length: socklen_t) -> String {
    let length = length as usize;
    if address.is_null() || length < size_of::<sa_family_t>() {
        return "without an address".to_owned();
    }
    // SAFETY: valid for the length of a family, and read unaligned.
    let family = c_int::from(unsafe { ptr::read_unaligned(address.cast::<sa_family_t>()) });
    match family {
        libc::AF_INET if length >= size_of::<sockaddr_in>() => {
            // SAFETY: the family says what it is, and the length suffices.
            let address = unsafe { ptr::read_unaligned(address.cast::<sockaddr_in>()) };
            let ip = Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr));
            SocketAddr::from((ip, u16::from_be(address.sin_port))).to_string()
        }
        libc::AF_INET6 if length >= size_of::<sockaddr_in6>() => {
            // SAFETY: the family says what it is, and the length suffices.
            let address = unsafe { ptr::read_unaligned(address.cast::<sockaddr_in6>()) };
            let ip = Ipv6Addr::from(address.sin6_addr.s6_addr);
            SocketAddr::from((ip, u16::from_be(address.sin6_port))).to_string()
        }
        libc::AF_UNIX => "of a local path".to_owned(),
        other => format!("of address family {other}"),
    }
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    let spell = || match domain {
        libc::AF_INET | libc::AF_INET6 => "of the internet".to_owned(),
        libc::AF_UNIX => "of this machine".to_owned(),
        other => format!("of address family {other}"),
    };
    if refused(Override::Socket, "opened a socket", REMEDY, spell) {
        return fail(libc::EPERM);
    }
    let arguments = [c_long::from(domain), c_long::from(kind), c_long::from(protocol), 0, 0, 0];
    // SAFETY: the caller's arguments, handed on unchanged.
    unsafe { raw::call(libc::SYS_socket, arguments) as c_int }
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn connect(socket: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the contract of connect(2).
    if refused(Override::Connect, "connected to", REMEDY, || unsafe { spell(address, length) }) {
        return fail(libc::EPERM);
    }
    let arguments = [c_long::from(socket), address as c_long, c_long::from(length), 0, 0, 0];
    // SAFETY: the caller's arguments, handed on unchanged.
    unsafe { raw::call(libc::SYS_connect, arguments) as c_int }
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn bind(socket: c_int, address: *const sockaddr, length: socklen_t) -> c_int {
    // SAFETY: the contract of bind(2).
    if refused(Override::Bind, "bound a socket to", REMEDY, || unsafe { spell(address, length) }) {
        return fail(libc::EPERM);
    }
    let arguments = [c_long::from(socket), address as c_long, c_long::from(length), 0, 0, 0];
    // SAFETY: the caller's arguments, handed on unchanged.
    unsafe { raw::call(libc::SYS_bind, arguments) as c_int }
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn getaddrinfo(
    host: *const c_char,
    port: *const c_char,
    hints: *const addrinfo,
    found: *mut *mut addrinfo,
) -> c_int {
    // SAFETY: the contract of getaddrinfo(3).
    let name = unsafe { text(host) };
    if refused(Override::Name, "resolved the name", NAME_REMEDY, || {
        name.to_string_lossy().into_owned()
    }) {
        return libc::EAI_FAIL;
    }
    next!(
        c"getaddrinfo" as fn(
            host: *const c_char,
            port: *const c_char,
            hints: *const addrinfo,
            found: *mut *mut addrinfo
        ) -> c_int,
        else libc::EAI_FAIL
    )
}

#[unsafe(no_mangle)]
#[inline(never)]
unsafe extern "C" fn gethostbyname(host: *const c_char) -> *mut hostent {
    // SAFETY: the contract of gethostbyname(3).
    let name = unsafe { text(host) };
    if refused(Override::Name, "resolved the name", NAME_REMEDY, || {
        name.to_string_lossy().into_owned()
    }) {
        return ptr::null_mut();
    }
    next!(c"gethostbyname" as fn(host: *const c_char) -> *mut hostent, else ptr::null_mut())
}
