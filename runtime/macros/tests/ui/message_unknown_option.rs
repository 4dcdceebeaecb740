use odeon_message::message;

#[message(id = "bank/Deposit", replies = u64, crate = odeon_message)]
struct Deposit {
    cents: u64,
}

fn main() {}
