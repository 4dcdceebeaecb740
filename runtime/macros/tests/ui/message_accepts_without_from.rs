use odeon_message::message;

#[message(id = "bank/Deposit", crate = odeon_message)]
struct Old;

#[message(id = "bank/Deposit", accepts(Old), crate = odeon_message)]
struct New;

fn main() {}
