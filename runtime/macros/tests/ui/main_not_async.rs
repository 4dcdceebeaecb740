use odeon_macros::main;

#[main]
fn main() {}
