//! The packets: a question for nodes, and an answer with the records of one.
//!
//! `_odeon._udp.local` points to an instance a node, which has an SRV record with its port and host, a TXT record with its
//! cluster, and its host an address. What is read is anybody's: packets that say they have many records are left alone, and
//! what is said is only believed to be an address to dial, of one host.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, ResourceRecord, TYPE,
    rdata::{A, AAAA, PTR, RData, SRV, TXT},
};

/// Most questions and records of a packet that is read: an answer of ours has four, and most that others send a dozen.
const RECORDS_MAX: usize = 64;

/// What all nodes are instances of.
const SERVICE: &str = "_odeon._udp.local";

/// Most places that one packet tells; the rest is ignored.
const PLACES_MAX: usize = 64;

/// Where a node is, for others of its cluster.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) node: String,
    pub(crate) addr: SocketAddr,
}

/// What a packet says.
#[derive(PartialEq, Eq, Debug)]
pub(super) enum Said {
    /// Somebody looks for nodes.
    Question,
    /// Nodes of this cluster are there, for so long.
    Places(Vec<(SocketAddr, Duration)>),
}

/// The question who is there.
pub(super) fn question() -> Vec<u8> {
    let mut packet = Packet::new_query(0);
    let kind = QTYPE::TYPE(TYPE::PTR);
    packet.questions.push(Question::new(service(), kind, QCLASS::CLASS(CLASS::IN), false));
    written(&packet)
}

/// That this node is there, for so long.
pub(super) fn answer(place: &Place, cluster: &str, time_to_live: Duration) -> Vec<u8> {
    let Place { node, addr } = place;
    let seconds = u32::try_from(time_to_live.as_secs()).unwrap_or(u32::MAX);
    let instance = instance(node, cluster);
    let host = format!("{node}.{cluster}.odeon.local");
    let (instance, host) = (name(&instance), name(&host));
    let record = |name: &Name<'_>, data| {
        ResourceRecord::new(name.clone().into_owned(), CLASS::IN, seconds, data)
    };
    let mut txt = TXT::new();
    let cluster = format!("cluster={cluster}");
    txt.add_string(&cluster).expect("a cluster's name has at most 63 bytes");
    let srv = SRV { priority: 0, weight: 0, port: addr.port(), target: host.clone() };
    let address = match addr.ip() {
        IpAddr::V4(ip) => RData::A(A { address: ip.into() }),
        IpAddr::V6(ip) => RData::AAAA(AAAA { address: ip.into() }),
    };
    let mut packet = Packet::new_reply(0);
    packet.set_flags(PacketFlag::RESPONSE | PacketFlag::AUTHORITATIVE_ANSWER);
    packet.answers.push(record(&service(), RData::PTR(PTR(instance.clone()))));
    packet.answers.push(record(&instance, RData::SRV(srv)).with_cache_flush(true));
    packet.answers.push(record(&instance, RData::TXT(txt)).with_cache_flush(true));
    packet.answers.push(record(&host, address).with_cache_flush(true));
    written(&packet)
}

/// Whether it is of one host: who dials a group or all hosts of a network asks all of them.
fn is_one_host(ip: IpAddr) -> bool {
    let is_broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    !(ip.is_multicast() || ip.is_unspecified() || is_broadcast)
}

/// Reads a packet of anybody; `None` if it is about something else.
pub(super) fn read(bytes: &[u8], cluster: &str) -> Option<Said> {
    // The four counts of a header (RFC 1035, section 4.1.1).
    let counts = bytes.get(4..12)?.chunks_exact(2);
    let count: usize = counts.map(|two| usize::from(u16::from_be_bytes([two[0], two[1]]))).sum();
    if count > RECORDS_MAX {
        return None;
    }
    let packet = Packet::parse(bytes).ok()?;
    if !packet.has_flags(PacketFlag::RESPONSE) {
        let asks = |question: &Question<'_>| lower(&question.qname) == SERVICE;
        return packet.questions.iter().any(asks).then_some(Said::Question);
    }
    let records = || packet.answers.iter().chain(&packet.additional_records);
    let (mut hosts, mut ours) = (BTreeMap::<String, Vec<IpAddr>>::new(), BTreeSet::new());
    for record in records() {
        let ip = match &record.rdata {
            RData::A(A { address }) => IpAddr::from(Ipv4Addr::from(*address)),
            RData::AAAA(AAAA { address }) => IpAddr::from(Ipv6Addr::from(*address)),
            RData::TXT(text) if names(text, cluster) => {
                ours.insert(lower(&record.name));
                continue;
            }
            _ => continue,
        };
        if is_one_host(ip) {
            hosts.entry(lower(&record.name)).or_default().push(ip);
        }
    }
    let mut places = Vec::new();
    for record in records() {
        let RData::SRV(srv) = &record.rdata else { continue };
        let name = lower(&record.name);
        if srv.port == 0 || !ours.contains(&name) || !name.ends_with(SERVICE) {
            continue;
        }
        let time_to_live = Duration::from_secs(record.ttl.into());
        let ips = hosts.get(&lower(&srv.target)).into_iter().flatten();
        let room = PLACES_MAX - places.len();
        places.extend(ips.take(room).map(|ip| (SocketAddr::new(*ip, srv.port), time_to_live)));
    }
    (!places.is_empty()).then_some(Said::Places(places))
}

/// Whether a text says that its node is of this cluster.
fn names(text: &TXT<'_>, cluster: &str) -> bool {
    let is_it = |(key, value): (&[u8], Option<&[u8]>)| {
        key.eq_ignore_ascii_case(b"cluster") && value == Some(cluster.as_bytes())
    };
    text.iter_raw().any(is_it)
}

/// One label for a node of a cluster, which is its own also beside other clusters.
fn instance(node: &str, cluster: &str) -> String {
    let label = format!("{node}-of-{cluster}");
    if label.len() <= 63 {
        return format!("{label}.{SERVICE}");
    }
    let of = odeon_message::NodeId::of(&label).0;
    format!("{of:016x}.{SERVICE}")
}

fn service() -> Name<'static> {
    name(SERVICE).into_owned()
}

fn name(name: &str) -> Name<'_> {
    Name::new(name).expect("names of nodes and clusters are labels of at most 63 bytes")
}

fn lower(name: &Name<'_>) -> String {
    name.to_string().to_ascii_lowercase()
}

fn written(packet: &Packet<'_>) -> Vec<u8> {
    packet.build_bytes_vec().expect("a few records are less than 64 KiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(addr: &str) -> Place {
        Place { node: "a".into(), addr: addr.parse().unwrap() }
    }

    #[test]
    fn an_answer_leads_to_its_node_in_its_own_cluster_alone() {
        let day = Duration::from_secs(100);
        for addr in ["10.0.0.1:7400", "[fd00::1]:7400"] {
            let bytes = answer(&place(addr), "shop", day);
            assert!(bytes.len() < 512, "{}", bytes.len());
            let found = Said::Places(vec![(addr.parse().unwrap(), day)]);
            assert_eq!(read(&bytes, "shop"), Some(found));
            assert_eq!(read(&bytes, "other"), None);
        }
        let gone = answer(&place("10.0.0.1:7400"), "shop", Duration::ZERO);
        let found = Said::Places(vec![("10.0.0.1:7400".parse().unwrap(), Duration::ZERO)]);
        assert_eq!(read(&gone, "shop"), Some(found));
    }

    #[test]
    fn a_question_is_known_and_others_are_not() {
        assert_eq!(read(&question(), "shop"), Some(Said::Question));
        let mut packet = Packet::new_query(0);
        let kind = QTYPE::TYPE(TYPE::PTR);
        let name = Name::new("_ipp._tcp.local").unwrap();
        packet.questions.push(Question::new(name, kind, QCLASS::CLASS(CLASS::IN), false));
        assert_eq!(read(&packet.build_bytes_vec().unwrap(), "shop"), None);
    }

    #[test]
    fn addresses_of_many_hosts_are_no_places() {
        let day = Duration::from_secs(100);
        for addr in ["224.0.0.251:7400", "255.255.255.255:7400", "0.0.0.0:7400", "[ff02::1]:7400"] {
            assert_eq!(read(&answer(&place(addr), "shop", day), "shop"), None, "{addr}");
        }
    }

    #[test]
    fn packets_with_many_records_are_left_alone() {
        let mut bytes = question();
        let name = Name::new(SERVICE).unwrap();
        let mut packet = Packet::new_query(0);
        let kind = QTYPE::TYPE(TYPE::PTR);
        for _ in 0..=RECORDS_MAX {
            let class = QCLASS::CLASS(CLASS::IN);
            packet.questions.push(Question::new(name.clone(), kind, class, false));
        }
        assert_eq!(read(&packet.build_bytes_vec().unwrap(), "shop"), None);
        // Also those that only say so.
        bytes[6] = 0xff;
        assert_eq!(read(&bytes, "shop"), None);
    }

    #[test]
    fn names_of_any_length_have_an_instance() {
        let long = "n".repeat(63);
        let addr = "10.0.0.1:1".parse().unwrap();
        let place = Place { node: long.clone(), addr };
        let bytes = answer(&place, &long, Duration::from_secs(9));
        assert!(matches!(read(&bytes, &long), Some(Said::Places(_))));
    }

    #[test]
    fn cut_and_flipped_packets_do_no_harm() {
        let bytes = answer(&place("10.0.0.1:7400"), "shop", Duration::from_secs(9));
        for at in 0..bytes.len() {
            let _ = read(&bytes[..at], "shop");
            for bit in 0..8 {
                let mut flipped = bytes.clone();
                flipped[at] ^= 1 << bit;
                let _ = read(&flipped, "shop");
            }
        }
    }
}
