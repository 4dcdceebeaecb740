use odeon_message::message;

#[message(id = "bank/Deposit", crate = odeon_message)]
struct Deposit {
    cents: u64,
    #[with(odeon_message::rkyv::with::Skip)]
    memo: String,
}

fn main() {}
