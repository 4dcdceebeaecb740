//! How this machine joins a multicast group.
//!
//! The socket is bound to the group, so that it hears nothing else, and shares the port with other sockets of this
//! machine, each of which hears everything. Read `socket.rs` for what it does from there on.

use std::{io, net::SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};

use crate::{Interface, MulticastGroup};

/// The time to live for groups that no router forwards: who hears it with less knows that it came from afar (RFC
/// 6762, section 11). All others keep the system's 1, and stay on this network too.
const LINK_LOCAL_TTL: u32 = 255;

/// A socket in this group, not yet handed to a runtime.
pub(super) fn join(group: &MulticastGroup) -> io::Result<Socket> {
    let address = group.address();
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    // Linux shares a group's port among all that reuse the address; BSD's descendants ask for this as well.
    #[cfg(all(unix, not(target_os = "linux")))]
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    match (address, group.interface()) {
        (SocketAddr::V4(group), Interface::Address(interface)) => {
            socket.join_multicast_v4(group.ip(), &interface)?;
            socket.set_multicast_if_v4(&interface)?;
            socket.set_multicast_loop_v4(true)?;
        }
        (SocketAddr::V6(group), Interface::Index(index)) => {
            socket.join_multicast_v6(group.ip(), index)?;
            socket.set_multicast_if_v6(index)?;
            socket.set_multicast_loop_v6(true)?;
        }
        // Its constructors make no other pairs.
        _ => return Err(io::ErrorKind::InvalidInput.into()),
    }
    if group.is_link_local() {
        let is_v4 = address.is_ipv4();
        let set = if is_v4 { Socket::set_multicast_ttl_v4 } else { Socket::set_multicast_hops_v6 };
        set(&socket, LINK_LOCAL_TTL)?;
    }
    Ok(socket)
}
