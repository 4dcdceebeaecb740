use odeon_message::message;

#[message(local, id = "bank/Deposit", crate = odeon_message)]
struct Deposit {
    cents: u64,
}

fn main() {}
