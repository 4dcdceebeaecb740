//! The bytes of joining: one example of each fixed for ever, and what is refused.

use odeon_wire::{EnrolAnswer, EnrolRefusal, EnrolRequest, NodeName, PayloadError, format};

const REQUEST: &str = "4f444a31 000102030405060708090a0b0c0d0e0f 0300 6e2d37 0400 30020500";
const GRANTED: &str = "4f444a31 0000 0300 300100";
const REFUSED: &str = "4f444a31 0200 0400 75736564";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        hex.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn request() -> EnrolRequest {
    EnrolRequest {
        secret: std::array::from_fn(|at| at as u8),
        name: NodeName::new("n-7").expect("a good name"),
        csr: vec![0x30, 2, 5, 0],
    }
}

fn answers() -> [(EnrolAnswer, &'static str); 2] {
    let refused = EnrolAnswer::Refused { reason: EnrolRefusal::Used, text: "used".into() };
    [(EnrolAnswer::Granted(vec![0x30, 1, 0]), GRANTED), (refused, REFUSED)]
}

#[test]
fn a_request_and_its_answers_have_their_golden_bytes() {
    let mut out = Vec::new();
    request().encode(&mut out);
    assert_eq!(out, bytes(REQUEST));
    assert_eq!(EnrolRequest::decode(&out).unwrap(), request());
    for (answer, golden) in answers() {
        let mut out = Vec::new();
        answer.encode(&mut out);
        assert_eq!(out, bytes(golden));
        assert_eq!(EnrolAnswer::decode(&out).unwrap(), answer);
    }
}

#[test]
fn what_is_cut_longer_or_something_else_is_refused() {
    for golden in [REQUEST, GRANTED, REFUSED].map(bytes) {
        let decode = |bytes: &[u8]| match golden.len() {
            31.. => EnrolRequest::decode(bytes).err(),
            _ => EnrolAnswer::decode(bytes).err(),
        };
        assert_eq!(decode(&golden), None);
        for cut in 0..golden.len() {
            assert!(matches!(decode(&golden[..cut]), Some(PayloadError::Truncated { .. })));
        }
        let longer = [&golden[..], &[0]].concat();
        assert_eq!(decode(&longer), Some(PayloadError::Trailing { bytes: 1 }));
        let mut other = golden.clone();
        other[3] = b'2';
        assert!(matches!(decode(&other), Some(PayloadError::Value { what: "magic", .. })));
    }
    let mut named = bytes(REQUEST);
    named[22] = b'N';
    assert!(matches!(EnrolRequest::decode(&named), Err(PayloadError::Name { .. })));
    let mut long = bytes(REQUEST);
    long[25..27].copy_from_slice(&2049_u16.to_le_bytes());
    let too_many = PayloadError::TooMany {
        what: "signing request",
        found: 2049,
        bound: format::ENROL_CSR_BYTES_MAX,
    };
    assert_eq!(EnrolRequest::decode(&long), Err(too_many));
}

#[test]
fn a_reason_of_a_later_revision_is_kept() {
    let mut later = bytes(REFUSED);
    later[4] = 99;
    let EnrolAnswer::Refused { reason, .. } = EnrolAnswer::decode(&later).unwrap() else {
        panic!("it is a refusal");
    };
    assert_eq!(reason, EnrolRefusal::Other(99));
    let secret = format!("{:?}", request());
    assert!(!secret.contains("0, 1, 2"), "{secret}");
}
