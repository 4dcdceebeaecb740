//! The program holds none of the simulator's symbols: they would slow every look at the clock.

#[test]
fn the_simulators_symbols_are_not_in_the_program() {
    let program = std::fs::read(env!("CARGO_BIN_EXE_odeon")).unwrap();
    let holds = |name: &[u8]| program.windows(name.len()).any(|window| window == name);
    assert!(holds(b"odeon_transport"), "the names of linked crates are in the symbol table");
    assert!(!holds(b"odeon_interpose"));
    assert!(!holds(b"odeon_sim"));
}
