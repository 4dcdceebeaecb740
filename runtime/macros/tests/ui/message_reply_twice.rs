use odeon_message::message;

#[message(id = "bank/Deposit", reply = u64, reply = u32, crate = odeon_message)]
struct Deposit {
    cents: u64,
}

fn main() {}
