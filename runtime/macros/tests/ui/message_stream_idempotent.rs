use odeon_message::message;

#[message(id = "log/Follow", idempotent, stream = String, crate = odeon_message)]
struct Follow;

fn main() {}
