use odeon_message::message;

#[message(id = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefx", crate = odeon_message)]
struct Deposit {
    cents: u64,
}

fn main() {}
