//! The error queue of a Linux socket: which of our datagrams was answered with "nobody listens here".
//!
//! With `IP_RECVERR` (ip(7)) the kernel keeps ICMP errors in a queue of the socket, each with the address the failed
//! datagram went to. This file turns the option on and takes errors off the queue, one at a time. It is NOT the
//! place that decides what follows from them; that is `socket.rs`. Elsewhere than on Linux it does nothing.

#![cfg_attr(
    target_os = "linux",
    expect(unsafe_code, reason = "the error queue is reached by setsockopt and recvmsg only")
)]

/// One error taken off the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(
    not(target_os = "linux"),
    expect(dead_code, reason = "there is no queue to take errors from")
)]
pub(super) enum QueuedError {
    /// Nobody listens at this address (ICMP port unreachable).
    PortUnreachable(std::net::SocketAddr),
    /// Anything else: a datagram too large, no route, a filter.
    Other,
}

#[cfg(target_os = "linux")]
pub(super) use linux::{enable, next};

#[cfg(not(target_os = "linux"))]
pub(super) use elsewhere::{enable, next};

#[cfg(target_os = "linux")]
mod linux {
    use std::{
        io, mem,
        net::{IpAddr, SocketAddr},
        os::fd::{AsFd, AsRawFd, BorrowedFd},
        ptr,
    };

    use socket2::{SockAddr, SockAddrStorage};

    use super::QueuedError;

    /// Room for the control messages of one error: the error itself with the offender's address (64 bytes), packet
    /// info and traffic class of both families.
    const CONTROL_BYTES: usize = 512;

    /// Asks the kernel to queue errors for this socket.
    pub(in crate::real) fn enable(socket: &impl AsFd, ipv6: bool) -> io::Result<()> {
        let socket = socket.as_fd();
        if ipv6 {
            set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR)?;
            // For IPv4 peers of a socket that serves both; refused on one that does not.
            let _ = set(socket, libc::IPPROTO_IP, libc::IP_RECVERR);
            Ok(())
        } else {
            set(socket, libc::IPPROTO_IP, libc::IP_RECVERR)
        }
    }

    fn set(socket: BorrowedFd<'_>, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
        let on: libc::c_int = 1;
        // SAFETY: the descriptor is open as long as it is borrowed, and the value points to a live integer of the
        // length given.
        let code = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                level,
                option,
                (&raw const on).cast(),
                mem::size_of_val(&on) as libc::socklen_t,
            )
        };
        if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Takes one error off the queue; `None` when it is empty or cannot be read.
    pub(in crate::real) fn next(socket: &impl AsFd) -> Option<QueuedError> {
        let mut control = [0_u8; CONTROL_BYTES];
        let (failed, control_len) = recv(socket.as_fd(), &mut control)?;
        let error = ControlMessages(&control[..control_len]).find_map(extended_error);
        Some(match (error, failed.as_socket()) {
            (Some(error), Some(to)) if is_port_unreachable(&error) => {
                QueuedError::PortUnreachable(canonical(to))
            }
            _ => QueuedError::Other,
        })
    }

    /// Receives one error: where the failed datagram went, and how much of `control` was filled.
    fn recv(socket: BorrowedFd<'_>, control: &mut [u8]) -> Option<(SockAddr, usize)> {
        let mut name = SockAddrStorage::zeroed();
        // SAFETY: a msghdr is integers and pointers, for which all zeroes is a valid value.
        let mut header: libc::msghdr = unsafe { mem::zeroed() };
        header.msg_name = ptr::from_mut(&mut name).cast();
        header.msg_namelen = name.size_of();
        header.msg_control = control.as_mut_ptr().cast();
        header.msg_controllen = control.len() as _;
        loop {
            // SAFETY: the descriptor is open as long as it is borrowed; name and control outlive the call and are
            // as long as the header says; there is no payload buffer, so the payload is cut off.
            let received = unsafe {
                libc::recvmsg(
                    socket.as_raw_fd(),
                    &raw mut header,
                    libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT,
                )
            };
            if received >= 0 {
                break;
            }
            if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
                return None;
            }
        }
        let name_len = header.msg_namelen.min(name.size_of());
        // SAFETY: the kernel wrote an address of that length, or nothing into zeroed storage.
        let failed = unsafe { SockAddr::new(name, name_len) };
        Some((failed, (header.msg_controllen as usize).min(control.len())))
    }

    /// One control message: level, kind, data.
    type ControlMessage<'a> = (libc::c_int, libc::c_int, &'a [u8]);

    /// Walks what `CMSG_FIRSTHDR` and `CMSG_NXTHDR` walk, with every length checked.
    struct ControlMessages<'a>(&'a [u8]);

    impl<'a> Iterator for ControlMessages<'a> {
        type Item = ControlMessage<'a>;

        fn next(&mut self) -> Option<Self::Item> {
            let header: libc::cmsghdr = read(self.0)?;
            // Data and the next header start at multiples of the machine's word, as `CMSG_ALIGN` says.
            let start = mem::size_of::<libc::cmsghdr>().next_multiple_of(mem::size_of::<usize>());
            let len: usize = header.cmsg_len as _;
            let data = self.0.get(start..len)?;
            let step = len.next_multiple_of(mem::size_of::<usize>());
            self.0 = self.0.get(step..).unwrap_or(&[]);
            Some((header.cmsg_level, header.cmsg_type, data))
        }
    }

    fn extended_error((level, kind, data): ControlMessage<'_>) -> Option<libc::sock_extended_err> {
        match (level, kind) {
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                read(data)
            }
            _ => None,
        }
    }

    fn is_port_unreachable(error: &libc::sock_extended_err) -> bool {
        let from_network =
            matches!(error.ee_origin, libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6);
        from_network && error.ee_errno == libc::ECONNREFUSED as u32
    }

    /// The address as it is written by people: IPv4 where it is IPv4, without a flow label.
    fn canonical(addr: SocketAddr) -> SocketAddr {
        match addr {
            SocketAddr::V6(mut v6) => match v6.ip().to_canonical() {
                IpAddr::V4(v4) => (v4, v6.port()).into(),
                IpAddr::V6(_) => {
                    v6.set_flowinfo(0);
                    v6.into()
                }
            },
            SocketAddr::V4(_) => addr,
        }
    }

    /// What may be read out of bytes from the kernel.
    ///
    /// # Safety
    /// Every bit pattern must be a valid value of the type.
    unsafe trait Plain: Copy {}

    // SAFETY: a cmsghdr is integers only.
    unsafe impl Plain for libc::cmsghdr {}
    // SAFETY: a sock_extended_err is integers only.
    unsafe impl Plain for libc::sock_extended_err {}

    fn read<T: Plain>(bytes: &[u8]) -> Option<T> {
        if bytes.len() < mem::size_of::<T>() {
            return None;
        }
        // SAFETY: there are enough bytes, any bytes are a `T` because it is `Plain`, and alignment is not assumed.
        Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn cut_control_messages_end_the_walk() {
            let mut bytes = [0_u8; 64];
            let header = mem::size_of::<libc::cmsghdr>();
            bytes[..8].copy_from_slice(&(header as u64 + 4).to_ne_bytes());
            assert_eq!(ControlMessages(&bytes).count(), 1, "the second header is all zeroes");
            bytes[..8].copy_from_slice(&u64::MAX.to_ne_bytes());
            assert_eq!(ControlMessages(&bytes).count(), 0);
            assert_eq!(ControlMessages(&bytes[..7]).count(), 0);
        }

        #[test]
        fn mapped_addresses_become_ipv4() {
            let mapped: SocketAddr = "[::ffff:10.0.0.1]:7400".parse().unwrap();
            assert_eq!(canonical(mapped), "10.0.0.1:7400".parse().unwrap());
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::{io, os::fd::AsFd};

    use super::QueuedError;

    /// There is no error queue here.
    pub(in crate::real) fn enable(_: &impl AsFd, _: bool) -> io::Result<()> {
        Ok(())
    }

    /// There is no error queue here.
    pub(in crate::real) fn next(_: &impl AsFd) -> Option<QueuedError> {
        None
    }
}
