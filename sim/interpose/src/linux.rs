//! The symbols themselves, one family a file.
//!
//! They are `#[no_mangle]` functions of an rlib: rustc keeps those of every crate it links into an executable, and a
//! definition in the executable wins over one in a shared library, for all code that is linked statically, std
//! included. It does not win inside libc itself (`fopen` there opens its file directly), which is why the families
//! are complete and not just their lowest call.
//!
//! The order everywhere: is the thread active, count the hit, decide, else pass to the real one. Nothing here may
//! panic: a panic that leaves an `extern "C"` function aborts. Read `linux/raw.rs` next.

mod call;
mod clock;
mod entropy;
mod file;
mod folder;
mod look;
mod machine;
mod program;
mod raw;
mod signal;
mod sleep;
mod socket;
mod thread;
mod variable;
mod wait;

use crate::{
    Refusal,
    hits::{Override, hit},
    record,
    state::ask,
};

/// Counts the hit and tells whether the call is to be refused; records the refusal if so.
fn refused(
    which: Override,
    what: &'static str,
    remedy: &'static str,
    detail: impl FnOnce() -> String,
) -> bool {
    if !ask::active() {
        return false;
    }
    hit(which);
    let Some(seat) = ask::gated() else { return false };
    record(Refusal { node: seat.name().to_owned(), what, detail: detail(), remedy });
    true
}
