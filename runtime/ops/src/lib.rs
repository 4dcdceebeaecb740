//! Anybody's actors as a node that can be deployed: one line in `main`.
//!
//! ```no_run
//! # use odeon::{Actor, Context, StartError};
//! # struct Clock;
//! # impl Actor for Clock {
//! #     type Args = ();
//! #     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> { Ok(Self) }
//! # }
//! fn main() -> std::process::ExitCode {
//!     odeon_ops::run("my-node", |node| async move {
//!         node.spawn_with::<Clock>(()).await?;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! What the program has then:
//! * **Values.** Flags over environment (`ODEON_…`) over a TOML file (`--config`) over defaults, one tree, [`Config`].
//!   What cannot be used is refused with its key, its value, where it came from and the remedy ([`ConfigError`]);
//!   `--print-config` shows every value with where it came from, `--help` each with its bounds and its default.
//! * **Values of its own.** [`Program::app`] adds a section to that tree, `[app]`, for a type of the program, with flags,
//!   variables, bounds and refusals alike.
//! * **Signals.** SIGTERM and SIGINT [drain](odeon::Node::drain) the node within `drain.within`, 30 s, and it ends with
//!   status 0; a second one ends it at once. SIGHUP reads the file again, applies the values that are marked live, and
//!   names the others in the log.
//! * **Health.** `/livez`, `/readyz` and, for Prometheus, `/metrics` on a port of their own, where `health.listen` says.
//! * **Operators.** Status, members, names, groups and topics, the tree of actors, peers, figures and the drain, as JSON over
//!   HTTP over mutual TLS, where `admin.listen` says, for those who have a certificate of `odeon ca issue --operator`; and a
//!   dashboard, a page that shows them live. `odeon status`, `members`, `names`, `groups`, `topics`, `actors`, `peers`, `top`,
//!   `dashboard` and `drain` ask it.
//! * **Papers.** Certificates are read again when their files change, and a fresh node gets its own with a join token.
//!
//! What it is NOT: needed. A program that has a `main` of its own starts a node with `odeon::Node::builder`; everything
//! here is made of what the crate `odeon` has. For maintainers: read `life.rs` next.

mod admin;
mod app;
#[doc(hidden)]
pub mod authority;
mod config;
mod crypto_name;
mod dashboard;
mod events;
mod failure;
mod flags;
mod harmless;
mod health;
mod hooks;
mod http;
mod layers;
mod life;
mod logs;
mod metrics;
mod notify;
#[doc(hidden)]
pub mod operator;
mod output;
mod papers;
mod print;
mod program;
mod settings;
mod signals;
mod span;
mod standing;

pub use app::{App, AppSetting};
pub use config::{
    ActorsSection, AdminSection, Config, DrainSection, HealthSection, JoinSection, LogSection,
    MembershipSection, NodeSection, PapersSection, RosterSection, TransportSection,
};
pub use crypto_name::CryptoName;
#[doc(hidden)]
pub use failure::Failed;
pub use flags::Flags;
#[doc(hidden)]
pub use harmless::harmless;
pub use layers::{ConfigError, Origin};
pub use logs::LogFormat;
#[doc(hidden)]
pub use output::print;
pub use program::{Program, Started, run};
pub use span::{NoSpan, Span};

/// The book's page of programs, whose example is a test of this crate.
#[cfg(doctest)]
#[doc = include_str!("../../docs/tutorial/program.md")]
struct PageOfPrograms;
