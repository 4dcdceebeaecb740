#[odeon_macros::main(name = "a")]
async fn begin() {}

fn main() {}
