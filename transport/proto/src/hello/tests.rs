//! Every bound of a hello.

use super::*;
use crate::NameError;

fn accepted(message: u64, fingerprint: u64) -> Accepted {
    Accepted { message: MessageId(message), fingerprint: Fingerprint(fingerprint) }
}

fn hello() -> Hello {
    let name = NodeName::new("a").unwrap();
    Hello {
        revisions: Revisions { min: 1, max: 1 },
        cluster: ClusterName::new("c").unwrap(),
        node: name.id(),
        name,
        incarnation: Incarnation(1),
        dial: 1,
        advertised: "[::1]:7400".parse().unwrap(),
        lanes: 4,
        frame_bytes_max: 1 << 20,
        bulk: Some(BulkTerms { streams: 32, frame_bytes_max: 64 << 20 }),
        credit: InitialCredit::default(),
        guest: false,
        accepted: AcceptedTable::new(vec![accepted(1, 1), accepted(2, 2)]).unwrap(),
    }
}

fn bytes(hello: &Hello) -> Vec<u8> {
    let mut out = Vec::new();
    hello.encode(&mut out);
    out
}

/// A hello with some bytes changed.
fn changed(at: usize, new: &[u8]) -> PayloadError {
    let mut bytes = bytes(&hello());
    bytes[at..at + new.len()].copy_from_slice(new);
    Hello::decode(&bytes).unwrap_err()
}

#[test]
fn hellos_are_read_whole_or_not_at_all() {
    let whole = bytes(&hello());
    assert_eq!(Hello::decode(&whole), Ok(hello()));
    for len in 0..whole.len() {
        let error = Hello::decode(&whole[..len]).unwrap_err();
        assert!(matches!(error, PayloadError::Truncated { .. }), "{len}: {error}");
    }
    let more = [&whole[..], &[0]].concat();
    assert_eq!(Hello::decode(&more), Err(PayloadError::Trailing { bytes: 1 }));
    let welcome = Welcome { revision: 1, hello: hello() };
    let mut out = Vec::new();
    welcome.encode(&mut out);
    assert_eq!(Welcome::decode(&out), Ok(welcome));
    out[2] = 1;
    let error = PayloadError::Value { what: "welcome reserved bytes", found: 1 };
    assert_eq!(Welcome::decode(&out), Err(error));
}

#[test]
fn every_number_has_its_range() {
    let value = |what, found| PayloadError::Value { what, found };
    let many = |what, found, bound| PayloadError::TooMany { what, found, bound };
    assert_eq!(changed(0, &[0, 0]), value("oldest revision", 0));
    assert_eq!(changed(0, &[2, 0]), value("newest revision", 1));
    assert_eq!(changed(4, &[0]), value("lanes", 0));
    assert_eq!(changed(4, &[17]), many("lanes", 17, 16));
    assert_eq!(changed(5, &[0]), value("longest message", 1024));
    assert_eq!(changed(6, &[0, 0]), value("longest message", 0));
    assert_eq!(changed(5, &[129]), many("bulk streams", 129, 128));
    assert_eq!(changed(6, &[1, 16]), many("longest message", (256 << 20) + (64 << 10), 256 << 20));
    assert_eq!(changed(8, &[0xff, 0xff, 1, 0]), value("longest frame", 0x1_ffff));
    assert_eq!(changed(8, &[1, 0, 0, 0x10]), many("longest frame", (256 << 20) + 1, 256 << 20));
    assert_eq!(changed(12, &[0; 4]), value("initial credit in messages", 0));
    assert_eq!(changed(16, &[0; 4]), value("initial credit in bytes", 0));
    assert_eq!(changed(44, &[5]), value("advertised address", 5));
    assert_eq!(changed(45, &[1]), value("advertised address", 1));
    // Family 4 leaves the last twelve bytes of the address zero.
    assert_eq!(changed(44, &[4]), value("advertised address", 1));
}

#[test]
fn names_are_labels() {
    let name = |what, source| PayloadError::Name { what, source };
    let byte = NameError::Byte { byte: b'C', at: 0 };
    assert_eq!(changed(65, b"C"), name("cluster name", byte.clone()));
    let error = name("node name", byte);
    assert_eq!(error.to_string(), "node name: byte 0x43 at 0 of a name is none of a-z, 0-9 and -");
    assert_eq!(changed(67, b"C"), error);
    let long = PayloadError::TooMany { what: "cluster name", found: 64, bound: 63 };
    assert_eq!(changed(64, &[64]), long);
    let none = NameError::Length { len: 0 };
    assert_eq!(changed(64, &[0]), name("cluster name", none));
}

#[test]
fn the_table_ascends_and_is_bounded() {
    let order = PayloadError::Order { what: "accepted message", at: 1 };
    assert_eq!(order.to_string(), "accepted message number 1 is not greater than the one before");
    assert_eq!(changed(70 + 16, &[0]), order);
    // Equal entries are no table either.
    assert_eq!(changed(70, &[2, 0, 0, 0, 0, 0, 0, 0, 2]), order);
    let many = PayloadError::TooMany { what: "accepted messages", found: 4097, bound: 4096 };
    assert_eq!(changed(68, &[1, 0x10]), many);
    let short = PayloadError::Truncated { what: "accepted messages", need: 65_536, have: 32 };
    assert_eq!(changed(68, &[0, 0x10]), short);
}

#[test]
fn tables_sort_themselves() {
    let table =
        AcceptedTable::new(vec![accepted(2, 2), accepted(1, 9), accepted(1, 1), accepted(1, 1)]);
    let table = table.unwrap();
    assert_eq!(table.entries(), [accepted(1, 1), accepted(1, 9), accepted(2, 2)]);
    assert_eq!(table.layouts(MessageId(1)), [accepted(1, 1), accepted(1, 9)]);
    assert_eq!(table.layouts(MessageId(3)), []);
    assert!(table.accepts(MessageId(2), Fingerprint(2)));
    assert!(!table.accepts(MessageId(2), Fingerprint(3)));
    let full: Vec<Accepted> = (0..4096).map(|number| accepted(number, 0)).collect();
    let mut over = full.clone();
    over.push(accepted(4096, 0));
    assert!(AcceptedTable::new(over).is_none());
    let largest = Hello {
        cluster: ClusterName::new(&"c".repeat(63)).unwrap(),
        name: NodeName::new(&"n".repeat(63)).unwrap(),
        accepted: AcceptedTable::new(full).unwrap(),
        ..hello()
    };
    let whole = bytes(&largest);
    let bound = FrameKind::Hello.payload_bytes_max(crate::Purpose::Control);
    assert_eq!(Some(whole.len()), bound);
    assert_eq!(Hello::decode(&whole), Ok(largest));
}

#[test]
fn the_newest_common_revision_is_spoken() {
    let speak = |min, max| Revisions { min, max };
    assert_eq!(speak(1, 3).common(speak(2, 5)), Some(3));
    assert_eq!(speak(2, 5).common(speak(1, 3)), Some(3));
    assert_eq!(speak(1, 1).common(speak(2, 2)), None);
}
