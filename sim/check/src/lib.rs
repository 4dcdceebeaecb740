//! Checkers over histories: what a run recorded, and whether it is as it must be.
//!
//! What it is: a [`Recorder`] that clients, actors and drivers write into while a system runs, the [`History`] that comes
//! of it, and [`Checker`]s that judge it afterwards, a file each, with a counterexample in words. They are the same for
//! the simulator and for real clusters: this crate reads no clock and starts nothing. What it is NOT: a driver; what runs,
//! and what breaks, is somebody else's.
//!
//! | checker | says |
//! |---|---|
//! | [`Linearizability`] | one order of the operations explains all answers (registers, maps, queues, models of yours) |
//! | [`Conservation`] | what is moved between accounts is neither made nor lost |
//! | [`PairFifo`] | messages of each pair run in the order in which they were sent |
//! | [`OneAnswer`] | each ask is answered exactly once, with its own answer |
//! | [`Honesty`] | what was not delivered never ran, what ran did, and nothing ran twice |
//! | [`SupervisionTable`] | children are started again as Erlang/OTP says, and no more often |
//! | [`WatchOnce`] | each watcher is told of an end exactly once |
//! | [`Convergence`] | after the last disturbance all live nodes see the live nodes |
//! | [`PresentLives`] | a later life of a node replaces an earlier one, everywhere and for good |
//! | [`OneHolder`] | no two hold a name at one time |
//! | [`NoLeaks`] | in the end there is no more of anything than in the beginning |
//!
//! A checker that finds nothing to check is not content either: it says [`Objection::Unknown`].
//!
//! ```
//! use std::time::Duration;
//!
//! use odeon_check::{Call, History, Linearizability, Recorder};
//!
//! let recorder = Recorder::new(|| Duration::ZERO);
//! let put = recorder.invoke("c1", Call::put("stock", "apples", 5));
//! recorder.done(put, ());
//! let sold = recorder.invoke("c2", Call::look_up("stock", "apples"));
//! recorder.done(sold, 5);
//!
//! let history = recorder.history();
//! history.check(&Linearizability::of_maps()).unwrap();
//! assert!(history.to_string().contains("c1 calls put stock[\"apples\"] 5"));
//! // It can be kept, and checked again.
//! let kept = serde_json::to_string(&history).unwrap();
//! assert_eq!(serde_json::from_str::<History>(&kept).unwrap(), history);
//! ```
//!
//! Read `event.rs` next, then `history.rs` and `checker.rs`; [`Checker`] shows how to write one.

mod answers;
mod bank;
mod call;
mod checker;
mod convergence;
mod event;
mod fifo;
mod history;
mod holding;
mod honesty;
mod leaks;
mod letters;
mod linearizability;
mod lives;
mod operation;
mod patience;
mod recorder;
mod supervision;
mod text;
mod value;
mod watching;

pub use answers::OneAnswer;
pub use bank::Conservation;
pub use call::{Call, Verb};
pub use checker::{Checker, Objection, Report, Violation};
pub use convergence::Convergence;
pub use event::{Event, Exit, Letter, Resource, Seq, What};
pub use fifo::PairFifo;
pub use history::{History, OutOfOrder};
pub use holding::OneHolder;
pub use honesty::Honesty;
pub use leaks::NoLeaks;
pub use linearizability::{
    Linearizability, MapModel, Model, Part, QueueModel, RegisterModel, SearchBudget,
};
pub use lives::PresentLives;
pub use odeon_message::Certainty;
pub use operation::{End, Operation};
pub use patience::Patience;
pub use recorder::{Recorder, Room};
pub use supervision::{EndsAfter, RestartRule, RestartStrategy, SupervisionTable, WhenSpent};
pub use text::{Party, Text};
pub use value::Value;
pub use watching::WatchOnce;
