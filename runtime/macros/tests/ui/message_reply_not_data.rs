use odeon_message::message;

struct Balance(u64);

#[message(id = "bank/Deposit", reply = Balance, crate = odeon_message)]
struct Deposit {
    cents: u64,
}

fn main() {}
