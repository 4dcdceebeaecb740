use odeon_message::message;

#[message(id = "bank/Deposit", crate = odeon_message)]
struct Old;

#[message(local, accepts(Old), crate = odeon_message)]
struct New;

impl From<Old> for New {
    fn from(_: Old) -> Self {
        Self
    }
}

fn main() {}
