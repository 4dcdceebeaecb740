//! Packets of membership, written and read by hand as `packet.rs` describes them: who tells, whom it tells of, and where in
//! a packet the news of others begins.

use std::net::IpAddr;

use odeon_cluster::Member;

/// Members in one packet of at most a thousand bytes, with names of six bytes.
pub(crate) const RECORDS: usize = 30;

const VERSION: u8 = 1;
const GOSSIP: u8 = 8;
const RECORDS_KIND: u8 = 35;

/// Gossip without news: all it says is who speaks.
pub(crate) fn hello(source: &Member, destination: &Member) -> Vec<u8> {
    let mut out = vec![VERSION, GOSSIP];
    put_identity(&mut out, source);
    // No suspicion was refuted yet.
    out.extend(0_u16.to_le_bytes());
    put_identity(&mut out, destination);
    out
}

/// These are members, and have said of themselves what a node says that was told nothing.
pub(crate) fn told(source: &Member, destination: &Member, members: &[Member]) -> Vec<u8> {
    let mut out = vec![VERSION, RECORDS_KIND];
    for Member { node, incarnation, .. } in [source, destination] {
        out.extend(node.0.to_le_bytes());
        out.extend(incarnation.0.to_le_bytes());
    }
    out.push(u8::try_from(members.len()).expect("a packet has a few"));
    for member in members {
        put_identity(&mut out, member);
        out.extend(1_u32.to_le_bytes());
        // It stays; no load, zone, version or roles.
        out.extend([0; 6]);
    }
    out
}

/// How many bytes of a packet are no news of others; all of it, if there are none or it is none of SWIM's.
pub(crate) fn without_news(packet: &[u8]) -> usize {
    let identity = |at: usize| {
        let ip = if packet[at + 8] == 4 { 4 } else { 16 };
        let name = at + 8 + 1 + ip + 2;
        name + 1 + usize::from(packet[name])
    };
    let destination = identity(2) + 2;
    match packet[1] {
        // The number of a probe.
        0 | 1 => identity(destination) + 1,
        // And for whom, or of whom.
        2..=5 => identity(identity(destination) + 1),
        6..=10 => identity(destination),
        _ => packet.len(),
    }
}

fn put_identity(out: &mut Vec<u8>, member: &Member) {
    let IpAddr::V4(ip) = member.addr.ip() else { unreachable!("all of them have such addresses") };
    out.extend(member.incarnation.0.to_le_bytes());
    out.push(4);
    out.extend(ip.octets());
    out.extend(member.addr.port().to_le_bytes());
    let name = member.name.as_str();
    out.push(u8::try_from(name.len()).expect("names are short"));
    out.extend(name.bytes());
}
