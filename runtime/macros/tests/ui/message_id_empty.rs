use odeon_message::message;

#[message(id = "", crate = odeon_message)]
struct Deposit {
    cents: u64,
}

fn main() {}
