//! Every error of a header, and the bounds of every kind.

use super::*;

fn decode(bytes: [u8; HEADER_BYTES], purpose: Purpose) -> Result<(Header, Lengths), FrameError> {
    Header::decode(&bytes, purpose, 1 << 20)
}

fn changed(header: Header, purpose: Purpose, at: usize, byte: u8) -> FrameError {
    let mut bytes = header.encode(0, 0);
    assert!(decode(bytes, purpose).is_ok());
    bytes[at] = byte;
    decode(bytes, purpose).unwrap_err()
}

#[test]
fn every_wrong_field_is_named() {
    let kind = FrameKind::Ping;
    let wrong = |at, byte| changed(Header::bare(kind), Purpose::Control, at, byte);
    assert_eq!(wrong(0, 2), FrameError::Version { found: 2 });
    assert_eq!(wrong(1, 0), FrameError::Kind { found: 0 });
    assert_eq!(wrong(1, 22), FrameError::Kind { found: 22 });
    let stream = FrameError::WrongStream { kind: FrameKind::Message, purpose: Purpose::Control };
    assert_eq!(wrong(1, 4), stream);
    assert_eq!(wrong(3, 0x80), FrameError::Flags { kind, flags: 0x80 });
    assert_eq!(wrong(8, 1), FrameError::FieldSet { kind, field: Field::Receiver });
    assert_eq!(wrong(12, 1), FrameError::FieldSet { kind, field: Field::Receiver });
    assert_eq!(wrong(23, 1), FrameError::FieldSet { kind, field: Field::Message });
    assert_eq!(wrong(31, 1), FrameError::FieldSet { kind, field: Field::Ask });
    let long = FrameError::PayloadTooLong { kind, bytes: 9, bytes_max: 8 };
    assert_eq!(wrong(4, 9), long);
    assert_eq!(
        long.to_string(),
        "a Ping frame claims 9 bytes of payload, at most 8 have a meaning"
    );
}

#[test]
fn answers_need_their_ask() {
    for kind in [FrameKind::Reply, FrameKind::StreamItem, FrameKind::StreamEnd] {
        let bytes = Header::bare(kind).encode(0, 0);
        let unset = FrameError::FieldUnset { kind, field: Field::Ask };
        assert_eq!(decode(bytes, Purpose::Lane), Err(unset));
    }
    for kind in [FrameKind::Cancel, FrameKind::Probe, FrameKind::ProbeAnswer] {
        let bytes = Header::bare(kind).encode(0, 0);
        assert!(matches!(decode(bytes, Purpose::Control), Err(FrameError::FieldUnset { .. })));
    }
}

#[test]
fn credit_means_one_thing_a_stream() {
    let forget = Header::forget(ActorKey { slot: 1, generation: 0 });
    assert!(decode(forget.encode(0, 0), Purpose::Lane).is_ok());
    let long = FrameError::PayloadTooLong { kind: forget.kind, bytes: 24, bytes_max: 0 };
    assert_eq!(decode(forget.encode(0, 24), Purpose::Lane), Err(long));
    let set = FrameError::FieldSet { kind: forget.kind, field: Field::Receiver };
    assert_eq!(decode(forget.encode(0, 0), Purpose::Control), Err(set));
}

#[test]
fn the_bound_counts_the_whole_frame() {
    let header = Header::message(ActorKey { slot: 0, generation: 0 }, MessageId(1), AskId::NONE);
    let most = (1 << 20) - 32 - 16;
    let (_, lengths) = decode(header.encode(1, most), Purpose::Lane).unwrap();
    assert_eq!(lengths, Lengths { extensions: 16, payload: most as usize, frame: 1 << 20 });
    let large = |bytes| FrameError::TooLarge { kind: header.kind, bytes, bytes_max: 1 << 20 };
    let over = decode(header.encode(1, most + 1), Purpose::Lane);
    assert_eq!(over, Err(large((1 << 20) + 16)));
    let claim = decode(header.encode(255, u32::MAX), Purpose::Lane);
    assert_eq!(claim, Err(large(32 + 4080 + (1 << 32))));
}

#[test]
fn every_kind_has_a_stream() {
    let purposes = [Purpose::Control, Purpose::Lane, Purpose::Bulk];
    for kind in FrameKind::ALL {
        assert!(purposes.iter().any(|purpose| kind.travels_on(*purpose)), "{kind}");
    }
}

#[test]
fn every_control_frame_fits_its_bound() {
    for kind in FrameKind::ALL {
        if kind.travels_on(Purpose::Control) {
            let payload = kind.payload_bytes_max(Purpose::Control).unwrap();
            let bytes = HEADER_BYTES + crate::format::EXTENSION_BYTES_MAX + payload;
            assert!(bytes <= crate::format::CONTROL_FRAME_BYTES_MAX, "{kind}");
        }
    }
}
