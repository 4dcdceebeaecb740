use odeon_message::data;

#[data(crate = odeon_message)]
struct Memo<'a> {
    text: &'a str,
}

fn main() {}
