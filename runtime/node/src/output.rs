//! What a command prints on standard output, as every program of `odeon-ops`.

pub(crate) use odeon_ops::print;
