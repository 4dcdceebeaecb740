use odeon_message::message;

#[message(id = "bank/Deposit", crate = odeon_message)]
union Deposit {
    cents: u64,
    euros: u32,
}

fn main() {}
