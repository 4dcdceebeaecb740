use odeon_message::message;

#[message(id = "bank/Deposit", crate = odeon_message)]
fn deposit() {}

fn main() {}
