use odeon_message::message;

#[message(id = "bank/Deposit", crate = odeon_message)]
struct Deposit {
    #[with]
    cents: u64,
}

fn main() {}
