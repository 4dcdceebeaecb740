use odeon_message::data;

#[data(id = "bank/Memo", crate = odeon_message)]
struct Memo {
    text: String,
}

fn main() {}
