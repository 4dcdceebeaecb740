//! The bodies of the fuzz targets on stable Rust: seeded noise, and golden frames bent in every way.
//!
//! A bounded stand-in for real fuzzing, so that every test run does some. A failure prints its input; put it into
//! the corpus of the target in `fuzz/` and make a test of it.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

#[path = "../fuzz/archives.rs"]
mod archives;
#[path = "../fuzz/bodies.rs"]
mod bodies;
#[path = "sample/frames.rs"]
mod frames;

use std::panic::{AssertUnwindSafe, catch_unwind};

/// SplitMix64 (Steele, Lea, Flood 2014): small, seeded, the same everywhere.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn bytes(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// Some golden frames in a row, then a few bytes changed, cut, doubled or set to an edge.
fn bent(noise: &mut Noise, golden: &[Vec<u8>]) -> Vec<u8> {
    let mut input = Vec::new();
    for _ in 0..=noise.below(4) {
        input.extend_from_slice(&golden[noise.below(golden.len())]);
    }
    for _ in 0..noise.below(5) {
        let at = noise.below(input.len());
        match noise.below(6) {
            0 if at < input.len() => input[at] ^= 1 << noise.below(8),
            1 if at < input.len() => input[at] = [0, 1, 0x7f, 0x80, 0xff][noise.below(5)],
            2 => input.truncate(at),
            3 => {
                let (len, noisy) = (noise.below(40), noise.below(input.len().max(1)));
                let extra = noise.bytes(len);
                input.splice(noisy.min(input.len()).., extra);
            }
            4 => {
                // Head bytes decide most: bend one of the first header.
                let head = noise.below(8).min(input.len().saturating_sub(1));
                if let Some(byte) = input.get_mut(head) {
                    *byte = noise.next() as u8;
                }
            }
            _ => {
                let copy = input[at.min(input.len())..].to_vec();
                input.extend_from_slice(&copy);
            }
        }
    }
    input
}

fn run(name: &str, input: &[u8], body: impl Fn(&[u8])) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(input))) {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        eprintln!("{name} fails on {hex}");
        std::panic::resume_unwind(panic);
    }
}

#[test]
fn frames_survive_any_bytes() {
    let golden: Vec<Vec<u8>> = frames::all().into_iter().map(|(_, _, bytes)| bytes).collect();
    let mut noise = Noise(1);
    for round in 0..200_000 {
        let mut input = noise.bytes(2);
        if round % 4 == 0 {
            let len = noise.below(200);
            input.extend(noise.bytes(len));
        } else {
            input.extend(bent(&mut noise, &golden));
        }
        run("frame", &input, bodies::frame);
    }
}

#[test]
fn handshakes_survive_any_bytes() {
    let control = frames::all();
    let control: Vec<Vec<u8>> = control
        .into_iter()
        .filter(|(_, purpose, _)| *purpose == odeon_wire::Purpose::Control)
        .map(|(_, _, bytes)| bytes)
        .collect();
    let payloads: Vec<Vec<u8>> = control.iter().map(|bytes| bytes[32..].to_vec()).collect();
    let local = frames::hello();
    let mut noise = Noise(2);
    for round in 0..200_000 {
        let input = match round % 4 {
            0 => {
                let len = noise.below(120);
                noise.bytes(len)
            }
            1 => bent(&mut noise, &payloads),
            _ => bent(&mut noise, &control),
        };
        run("handshake", &input, |input| bodies::handshake(&local, input));
    }
}

#[test]
fn enrolments_survive_any_bytes() {
    let mut request = Vec::new();
    let name = odeon_wire::NodeName::new("n-7").expect("a good name");
    odeon_wire::EnrolRequest { secret: [7; 16], name, csr: vec![3; 40] }.encode(&mut request);
    let mut granted = Vec::new();
    odeon_wire::EnrolAnswer::Granted(vec![3; 40]).encode(&mut granted);
    let golden = [request, granted];
    let mut noise = Noise(3);
    for round in 0..100_000 {
        let input = match round % 4 {
            0 => {
                let len = noise.below(120);
                noise.bytes(len)
            }
            _ => bent(&mut noise, &golden),
        };
        run("enrol", &input, bodies::enrol);
    }
}

/// Noise, and good archives of which some bytes are others.
#[test]
fn archives_survive_any_bytes() {
    let mut noise = Noise(4);
    for round in 0..100_000 {
        let mut input = vec![noise.next() as u8 & 0x7f];
        if round % 4 > 0 {
            input[0] |= 0x80;
        }
        let len = noise.below(if round % 4 > 0 { 24 } else { 200 });
        input.extend(noise.bytes(len));
        run("archive", &input, archives::archive);
    }
}
