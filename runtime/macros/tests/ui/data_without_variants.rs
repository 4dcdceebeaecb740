use odeon_message::data;

#[data(crate = odeon_message)]
enum Never {}

fn main() {}
