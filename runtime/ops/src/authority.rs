//! An authority's folder: what `odeon ca` writes, and what a node reads that answers fresh ones.
//!
//! What it is: files with the authority's certificate and key, what it has issued, revoked and promised. What it is NOT: the
//! cryptography, `odeon::Ca`, or the commands, which are the program `odeon`'s. Not documented as an interface: the two
//! programs that use it are of one workspace. Read `authority/folder.rs` next.

mod desk;
mod folder;
mod index;
mod tokens;

pub use desk::Desk;
pub use folder::{Folder, PRIVATE, PUBLIC, read, replace, write_pair};
pub use index::{Index, Issued, UNKNOWN, now, seconds};
pub use tokens::{Token, Tokens, span};
