//! Packets survive the way there, and no bytes whatever do harm.

use std::net::SocketAddr;

use foca::Codec;
use odeon_message::Incarnation;
use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{NodeName, Profile};

fn member() -> impl Strategy<Value = Member> + Clone {
    let name = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?".prop_map(|name| NodeName::new(&name).unwrap());
    (name, any::<u64>(), any::<SocketAddr>())
        .prop_map(|(name, incarnation, addr)| Member::new(name, Incarnation(incarnation), addr))
}

fn identity() -> impl Strategy<Value = Identity> + Clone {
    member().prop_map(Identity)
}

fn message() -> impl Strategy<Value = Message<Identity>> {
    let peer = (identity(), any::<u8>());
    prop_oneof![
        any::<u8>().prop_map(Message::Ping),
        any::<u8>().prop_map(Message::Ack),
        peer.clone().prop_map(|(target, probe_number)| Message::PingReq { target, probe_number }),
        peer.clone()
            .prop_map(|(origin, probe_number)| Message::IndirectPing { origin, probe_number }),
        peer.clone()
            .prop_map(|(target, probe_number)| Message::IndirectAck { target, probe_number }),
        peer.prop_map(|(origin, probe_number)| Message::ForwardedAck { origin, probe_number }),
        Just(Message::Announce),
        Just(Message::Feed),
        Just(Message::Gossip),
        Just(Message::Broadcast),
        Just(Message::TurnUndead),
    ]
}

fn header() -> impl Strategy<Value = Header<Identity>> {
    (identity(), any::<u16>(), identity(), message()).prop_map(
        |(src, src_incarnation, dst, message)| Header { src, src_incarnation, dst, message },
    )
}

fn news() -> impl Strategy<Value = foca::Member<Identity>> {
    let state = prop::sample::select(vec![State::Alive, State::Suspect, State::Down]);
    (identity(), any::<u16>(), state)
        .prop_map(|(id, round, state)| foca::Member::new(id, round, state))
}

fn edition() -> impl Strategy<Value = Edition> + Clone {
    (any::<u64>(), any::<u32>())
        .prop_map(|(life, number)| Edition { incarnation: Incarnation(life), number })
}

fn record() -> impl Strategy<Value = Record> + Clone {
    let text = "[a-z0-9äöü ]{0,20}";
    let profile = (text, vec("[a-z]{1,20}", 0..6), text, any::<u16>())
        .prop_map(|(zone, roles, version, load)| Profile { zone, roles, version, load });
    (member(), any::<u32>(), any::<bool>(), profile)
        .prop_map(|(member, number, leaving, profile)| Record { member, number, leaving, profile })
}

fn about() -> impl Strategy<Value = About> + Clone {
    let node = any::<u64>().prop_map(odeon_message::NodeId);
    prop_oneof![
        vec(record(), 0..20).prop_map(|records| {
            let fitting = fitting(records.iter());
            About::Records(records.into_iter().take(fitting).collect())
        }),
        vec(node.clone(), 0..=ASKED_MAX).prop_map(About::Question),
        (any::<u64>(), vec((node, edition()), 0..=LISTED_MAX))
            .prop_map(|(sum, known)| About::List(sum, known)),
    ]
}

/// All that equality of members leaves out.
fn whole(member: &Member) -> (Incarnation, SocketAddr, String) {
    (member.incarnation, member.addr, member.name.to_string())
}

proptest! {
    #[test]
    fn headers_survive(header in header(), tail in vec(any::<u8>(), 0..9)) {
        let mut codec = PacketCodec::default();
        let mut bytes = Vec::new();
        codec.encode_header(&header, &mut bytes).unwrap();
        bytes.extend(&tail);
        let mut rest = &bytes[..];
        let read = codec.decode_header(&mut rest).unwrap();
        prop_assert_eq!(whole(&read.src.0), whole(&header.src.0));
        prop_assert_eq!(whole(&read.dst.0), whole(&header.dst.0));
        prop_assert_eq!(read, header);
        prop_assert_eq!(rest, &tail[..]);
    }

    #[test]
    fn news_survive(news in news(), tail in vec(any::<u8>(), 0..9)) {
        let mut codec = PacketCodec::default();
        let mut bytes = Vec::new();
        codec.encode_member(&news, &mut bytes).unwrap();
        bytes.extend(&tail);
        let mut rest = &bytes[..];
        let read = codec.decode_member(&mut rest).unwrap();
        prop_assert_eq!(whole(&read.id().0), whole(&news.id().0));
        prop_assert_eq!(read, news);
        prop_assert_eq!(rest, &tail[..]);
    }

    #[test]
    fn a_full_buffer_stays_clean(news in news(), room in 0_usize..15) {
        let mut buf = bytes::BytesMut::new().limit(room);
        let written = PacketCodec::default().encode_member(&news, &mut buf);
        prop_assert_eq!(written, Err(PacketError::NoRoom));
        prop_assert!(buf.get_ref().is_empty());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..1_200)) {
        let _ = read(&bytes);
        let _ = PacketCodec::default().decode_header(&bytes[..]);
        let _ = PacketCodec::default().decode_member(&bytes[..]);
    }

    #[test]
    fn cut_and_flipped_packets_are_read_or_refused(
        header in header(),
        about in vec(news(), 0..8),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        bit in 0..8_u8,
    ) {
        let mut packet = Vec::new();
        write_header(&mut packet, &header);
        packet.put_u16(about.len() as u16);
        for news in &about {
            write_update(&mut packet, news);
        }
        let _ = read(&packet[..cut.index(packet.len())]);
        let flip = flip.index(packet.len());
        packet[flip] ^= 1 << bit;
        let _ = read(&packet);
    }

    #[test]
    fn tellings_survive_and_fit(a in member(), b in member(), about in about(), cut in any::<prop::sample::Index>()) {
        let telling = Telling::new(&a, &b, about);
        let bytes = telling.write();
        prop_assert!(bytes.len() <= PACKET_BYTES_MAX, "{}", bytes.len());
        let Ok(Packet::Telling(read)) = super::read(&bytes) else { panic!("not a telling") };
        prop_assert_eq!(read, telling);
        prop_assert!(super::read(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn touches_survive(a in member(), b in member()) {
        for kind in [TouchKind::Touch, TouchKind::Probe, TouchKind::Answer] {
            let touch = Touch::new(kind, &a, &b);
            let Ok(Packet::Touch(read)) = read(&touch.write()) else { panic!("not a touch") };
            prop_assert_eq!(read, touch);
        }
    }
}

/// Every byte of version 1: a change here is a change of the wire format.
#[test]
fn golden_bytes() {
    let a = Member::new(NodeName::new("a").unwrap(), Incarnation(1), "1.2.3.4:5".parse().unwrap());
    let b = Member::new(NodeName::new("b").unwrap(), Incarnation(2), "[::1]:6".parse().unwrap());
    let mut expected = vec![1, 8];
    expected.extend([1, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4, 5, 0, 1, b'a', 0, 0]);
    expected.extend([2, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    expected.extend([6, 0, 1, b'b']);
    expected.extend([0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4, 5, 0, 1, b'a', 7, 0, 2]);
    assert_eq!(write_leave(&a, &b, 7), expected);

    let touch = Touch::new(TouchKind::Probe, &a, &b).write();
    assert_eq!(touch.len(), 34);
    assert_eq!(touch[..2], [1, 33]);
    assert_eq!(touch[2..10], a.node.0.to_le_bytes());
    assert_eq!(touch[26..], [2, 0, 0, 0, 0, 0, 0, 0]);
}

/// Every byte of what is told of profiles.
#[test]
fn golden_bytes_of_a_profile() {
    let a = Member::new(NodeName::new("a").unwrap(), Incarnation(1), "1.2.3.4:5".parse().unwrap());
    let b = Member::new(NodeName::new("b").unwrap(), Incarnation(2), "[::1]:6".parse().unwrap());
    let edition = Edition { incarnation: Incarnation(1), number: 3 };
    let profile = Profile {
        zone: "z".to_owned(),
        roles: vec!["r".to_owned(), "s".to_owned()],
        version: "1".to_owned(),
        load: 0x0102,
    };
    let record = Record { member: a.clone(), number: 3, leaving: true, profile };
    let told = |about| Telling::new(&a, &b, about).write();
    let records = told(About::Records(vec![record]));
    let mut head = a.node.0.to_le_bytes().to_vec();
    head.extend(1_u64.to_le_bytes());
    head.extend(b.node.0.to_le_bytes());
    head.extend(2_u64.to_le_bytes());
    let mut listed = a.node.0.to_le_bytes().to_vec();
    listed.extend(1_u64.to_le_bytes());
    listed.extend(3_u32.to_le_bytes());
    let mut said = 1_u64.to_le_bytes().to_vec();
    said.extend([4, 1, 2, 3, 4, 5, 0, 1, b'a', 3, 0, 0, 0]);
    said.extend([1, 2, 1, 1, b'z', 1, b'1', 2, 1, b'r', 1, b's']);
    assert_eq!(records, [&[1, 35], &head[..], &[1], &said].concat());
    let question = told(About::Question(vec![a.node]));
    assert_eq!(question, [&[1, 36], &head[..], &[1], &a.node.0.to_le_bytes()].concat());
    let list = told(About::List(9, vec![(a.node, edition)]));
    assert_eq!(list, [&[1, 37], &head[..], &[1], &9_u64.to_le_bytes(), &listed].concat());
}

#[test]
fn a_profile_beyond_its_bounds_is_refused() {
    let a = Member::new(NodeName::new("a").unwrap(), Incarnation(1), "1.2.3.4:5".parse().unwrap());
    let profile = Profile { zone: "zone".to_owned(), ..Profile::default() };
    let record = Record { member: a.clone(), number: 1, leaving: false, profile };
    let bytes = Telling::new(&a, &a, About::Records(vec![record])).write();
    assert!(read(&bytes).is_ok());
    let zone = bytes.len() - 6;
    assert_eq!(bytes[zone..], *b"zone\0\0");
    let with = |at: usize, byte: u8| {
        let mut bytes = bytes.clone();
        bytes[at] = byte;
        read(&bytes).map(drop)
    };
    assert_eq!(with(zone, b'\n'), Err(PacketError::Profile));
    assert_eq!(with(zone, 0xff), Err(PacketError::Profile));
    assert_eq!(with(zone + 5, 17), Err(PacketError::Profile), "too many roles");
    assert_eq!(with(zone + 5, 2), Err(PacketError::Truncated));
    assert_eq!(with(1, 38), Err(PacketError::Kind(38)));
}

#[test]
fn the_longest_header_leaves_room_for_seven_members() {
    let name = NodeName::new(&"n".repeat(odeon_message::NAME_BYTES_MAX)).unwrap();
    let member = Member::new(name, Incarnation(u64::MAX), "[1::2]:3".parse().unwrap());
    let id = Identity(member);
    let mut packet = Vec::new();
    let message = Message::PingReq { target: id.clone(), probe_number: 0 };
    let header = Header { src: id.clone(), src_incarnation: 0, dst: id.clone(), message };
    write_header(&mut packet, &header);
    packet.put_u16(7);
    for _ in 0..7 {
        write_update(&mut packet, &foca::Member::alive(id.clone()));
    }
    assert!(packet.len() <= PACKET_BYTES_MAX, "{}", packet.len());
}

/// What no certificate can carry was a member's name here.
#[test]
fn a_name_that_is_no_dns_label_is_refused() {
    let a = NodeName::new("a").unwrap();
    let member = Member::new(a, Incarnation(1), "1.2.3.4:5".parse().unwrap());
    let read = |name: &[u8]| {
        let mut bytes = Vec::new();
        write_identity(&mut bytes, &member);
        bytes.truncate(bytes.len() - 2);
        bytes.push(u8::try_from(name.len()).unwrap());
        bytes.extend_from_slice(name);
        super::identity(&mut Reader::new(&bytes))
    };
    assert!(read(b"a-1").is_ok());
    for name in ["", "A", "a_b", "a.b", "-a", "a-", "ä", &"a".repeat(64)] {
        assert!(matches!(read(name.as_bytes()), Err(PacketError::Name)), "{name}");
    }
}
