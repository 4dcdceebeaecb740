//! How the program ends when something is wrong: one clear line, and an exit status, as every program of `odeon-ops`.

pub(crate) use odeon_ops::Failed;
