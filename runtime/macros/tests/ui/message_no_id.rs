use odeon_message::message;

#[message(reply = u64, crate = odeon_message)]
struct Deposit {
    cents: u64,
}

fn main() {}
