use odeon_message::message;

#[message(id = "log/Follow", reply = u64, stream = String, crate = odeon_message)]
struct Follow;

fn main() {}
