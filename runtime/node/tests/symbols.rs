//! The program holds none of the simulator's symbols: they would slow every look at the clock, and lie.
//!
//! Its symbol table is read as ELF has it (System V ABI, "Symbol Table"): what a simulator replaces must come from libc, so
//! it may be named there and must not be defined; and no name of our crates for simulators may be there at all.
#![cfg(all(target_os = "linux", target_endian = "little", target_pointer_width = "64"))]

use std::collections::BTreeSet;

/// The list of the simulator itself, as text: this program must not link it.
const LIST: &str = include_str!("../../../sim/interpose/src/symbols.rs");

const SYMBOLS: u32 = 2;
const DYNAMIC_SYMBOLS: u32 = 11;

fn number(bytes: &[u8], at: usize, length: usize) -> usize {
    let mut word = [0; 8];
    word[..length].copy_from_slice(&bytes[at..at + length]);
    usize::try_from(u64::from_le_bytes(word)).expect("a word of a program of 64 bits")
}

struct Section {
    kind: u32,
    offset: usize,
    bytes: usize,
    /// Of a symbol table: where its names are.
    link: usize,
}

fn sections(program: &[u8]) -> Vec<Section> {
    assert_eq!(&program[..4], b"\x7fELF");
    let (table, size, count) =
        (number(program, 40, 8), number(program, 58, 2), number(program, 60, 2));
    let section = |index| {
        let at = table + index * size;
        Section {
            kind: number(program, at + 4, 4) as u32,
            offset: number(program, at + 24, 8),
            bytes: number(program, at + 32, 8),
            link: number(program, at + 40, 4),
        }
    };
    (0..count).map(section).collect()
}

/// Every name of both symbol tables, and whether it is defined there.
fn symbols(program: &[u8]) -> Vec<(String, bool)> {
    let sections = sections(program);
    let mut found = Vec::new();
    let is_table = |section: &&Section| [SYMBOLS, DYNAMIC_SYMBOLS].contains(&section.kind);
    for table in sections.iter().filter(is_table) {
        let names = sections[table.link].offset;
        for at in (table.offset..table.offset + table.bytes).step_by(24) {
            let name = &program[names + number(program, at, 4)..];
            let end = name.iter().position(|byte| *byte == 0).expect("names end with a zero");
            // Names of dynamic symbols may carry a version behind an @.
            let name = String::from_utf8_lossy(&name[..end]);
            let name = name.split('@').next().unwrap_or_default().to_owned();
            found.push((name, number(program, at + 6, 2) != 0));
        }
    }
    found
}

fn replaced() -> BTreeSet<&'static str> {
    LIST.lines()
        .filter_map(|line| line.trim().strip_prefix("(\"")?.split_once("\", Override::"))
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn the_simulators_symbols_are_not_in_the_program() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_odeon")).unwrap();
    let (symbols, replaced) = (symbols(&program), replaced());
    assert!(replaced.len() > 40, "the list was read: {replaced:?}");
    let names = |part: &str| symbols.iter().any(|(name, _)| name.contains(part));
    assert!(names("odeon_transport"), "the names of linked crates are in the symbol table");
    assert!(!names("odeon_interpose") && !names("odeon_sim"));
    let wanted = symbols.iter().filter(|(name, _)| replaced.contains(name.as_str()));
    let wanted = wanted.collect::<Vec<_>>();
    assert!(wanted.iter().any(|(name, _)| name == "clock_gettime"), "libc's are named");
    let ours = wanted.iter().filter(|(_, defined)| *defined).collect::<Vec<_>>();
    assert!(ours.is_empty(), "defined in the program: {ours:?}");
}
