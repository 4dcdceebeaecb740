use odeon_message::message;

struct Memo(String);

#[message(id = "bank/Deposit", crate = odeon_message)]
struct Deposit {
    cents: u64,
    #[with(odeon_message::AsSerde)]
    memo: Memo,
}

fn main() {}
