//! The attributes that describe messages and actors: [`macro@message`], [`macro@data`], [`macro@actor`]; and those that
//! begin a program or a test: [`macro@main`], [`macro@test`].
//!
//! What it is: code that writes trait impls beside the item it stands on, and refuses misuse with an error that says
//! what to do. What it is NOT: it knows no types, so it cannot tell whether a field can be archived; the compiler
//! tells that from what is written here. What is written names everything through one root path, `::odeon` unless
//! `crate = …` says otherwise. Read `options.rs` next, then `message.rs`.

use proc_macro::TokenStream;

mod actor;
mod calls;
mod data;
mod entry;
mod message;
mod options;
mod schema;

/// Makes a struct or an enum a message.
///
/// ```text
/// #[message(id = "bank/Deposit", reply = Balance, error = Refused)]
/// pub struct Deposit {
///     pub cents: u64,
///     pub memo: Memo,      // #[data] struct Memo
/// }
/// ```
///
/// Options:
/// * `id = "…"`: what nodes know the message by; 1 to 128 bytes of `A-Z a-z 0-9 _ . / -`. Never derived from the path
///   of the type, so that moving the type keeps the id. Mandatory unless the message is `local`.
/// * `local`: the message stays on its node: no id, no archive, any `Send + 'static` fields.
/// * `idempotent`: running the message twice does no more than running it once, so that a retried ask may send it again
///   after it may have run.
/// * `reply = Type`: what a caller receives; `()` if left out.
/// * `stream = Type`: the reply is a stream of such items. The handler returns `Items<Type>`, and so does the ask; with
///   an error declared, `Result<Items<Type>, Error>`. In the place of `reply`; not with `idempotent`.
/// * `error = Type`: what a handler may answer instead; without it, a handler returns the bare reply.
/// * `crate = path`: the root to name things through; `::odeon` if left out.
///
/// It derives rkyv's `Archive`, `Serialize` and `Deserialize` with a checked archive, and implements `Schema` and
/// `Message`. A message that crosses nodes has one layout, so it cannot be generic. Fields take rkyv's own attributes
/// (`#[rkyv(with = …)]`), and `#[with(…)]` as in [`macro@data`]. The archive is named `Archived` and the message's name, and
/// is as visible as the message.
#[proc_macro_attribute]
pub fn message(options: TokenStream, item: TokenStream) -> TokenStream {
    options::expand(options, item, message::expand)
}

/// Makes a struct or an enum a part of messages, of replies or of errors.
///
/// ```text
/// #[data]
/// pub enum Tree {
///     Leaf(u64),
///     Fork(Vec<Tree>),
/// }
/// ```
///
/// It derives rkyv's traits and implements `Schema`. Types may contain themselves, by their own name or as `Self`.
/// Where two types contain each other, put `#[rkyv(omit_bounds)]` on the field that closes the circle. Beside its own
/// type such a field may hold only plain data: a reference to an actor gets a field of its own. Type parameters are
/// allowed, lifetimes are not. `crate = path` names another root than `::odeon`.
///
/// An archive nests at most 64 levels, so a long chain of boxes is refused by whoever receives it: send a list.
///
/// A field with `#[with(odeon::AsSerde)]` travels by serde, for types of other crates that have its traits and not rkyv's;
/// `odeon` has it with its feature `serde`. Any wrapper that describes what it writes (`SchemaWith`) can stand there.
///
/// A field with `#[rkyv(with = …)]` enters the layout's fingerprint under the wrapper's and the type's names alone:
/// rename the wrapper when it writes another layout.
#[proc_macro_attribute]
pub fn data(options: TokenStream, item: TokenStream) -> TokenStream {
    options::expand(options, item, data::expand)
}

/// Gives an actor type its id and the list of messages that it takes from other nodes.
///
/// ```text
/// #[actor(id = "bank/Account", handles(Deposit, Close))]
/// impl Actor for Account { … }
/// ```
///
/// Options: `id = "…"` as for [`macro@message`], `handles(Message, …)` and `views(Message, …)` in any order, each once,
/// and `crate = path`. What is not listed cannot be reached from another node. Of what is in `handles` a value is made for
/// the actor's `Handler`; what is in `views` is read where it lies by its `ViewHandler`, without one, when it comes from
/// another node. A message with a `ViewHandler` does not compile in `handles`, nor a read in `views`. An actor that stays
/// on its node needs no attribute.
///
/// On an actor's own `impl` it writes everything else from the methods:
///
/// ```text
/// #[actor(id = "bank/Account")]
/// impl Account {
///     /// Adds to the balance.
///     #[handler("bank/Deposit")]
///     pub async fn deposit(&mut self, cents: u64) -> Result<u64, Refused> { … }
///
///     #[handler(local)]
///     pub fn peek(&mut self) -> u64 { … }
///
///     #[handler("bank/Balance", read)]
///     pub async fn balance(&self) -> u64 { … }
/// }
///
/// account.deposit(5).await?;      // on an `ActorRef<Account>`, a group, a pool, a breaker: on any `Target`
/// ```
///
/// * `#[handler("area/Message")]`: other nodes may send it, under this id. `#[handler(local)]`: only this node. The
///   arguments become the fields of a message called after actor and method, here `AccountDeposit`, or as
///   `message = Name` says; the last argument may be the `&mut Context<Self>`. A return type `Result<Reply, Error>` is
///   reply and error of the message, any other its reply; `Items<Item>` is a stream. The handlers are all as visible as the first. With `read` it
///   takes `&self`, and a `&ReadContext<Self>` if any: it runs beside other reads, never beside what changes the actor.
/// * `views(Message, …)` beside the id lists messages whose `Handler` and `ViewHandler` are written by hand.
/// * The trait `AccountCalls` has a method for each of them that answers with an `Ask`; bring it into scope where
///   actors are called from.
/// * Without `#[start]` the actor starts from its own value, which must be `Clone`. With it, the arguments of that
///   function are what it starts from, and it answers with `Self` or `Result<Self, StartError>`.
/// * `#[stopped]` and `#[terminated]` mark what `Actor::stopped` and `Actor::terminated` do; their arguments may be
///   left out.
#[proc_macro_attribute]
pub fn actor(options: TokenStream, item: TokenStream) -> TokenStream {
    options::expand_or(options, item, actor::expand, calls::plain)
}

/// Makes an async function the beginning of a program.
///
/// ```text
/// #[odeon::main]
/// async fn main() -> Result<(), NodeError> { … }
///
/// #[odeon::main(name = "a")]
/// async fn main(node: Node) { … }
/// ```
///
/// The body runs on a current-thread tokio runtime; actors run on the threads of their node. With an argument there is
/// a node, a cluster of its own that no other node can join, called `main` or as `name = "…"` says; it is stopped when
/// the body is done. `crate = path` names another root than `::odeon`.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    options::expand(options, item, entry::main)
}

/// Makes an async function a test with a node of its own, which fails if an actor ends unexpectedly.
///
/// ```text
/// #[odeon::test]
/// async fn deposits_add_up(node: Node) { … }
///
/// #[odeon::test(exits = 1)]
/// async fn a_panic_is_survived(node: Node) { … }
/// ```
///
/// After the body the node is stopped. An actor that panicked, failed or had to be killed fails the test, also where a
/// supervisor started it again, unless as many were expected with `exits = …`. An actor whose first start fails does
/// not count: whoever spawned it was told. Time is real: use the simulator for tests of what happens after a while.
/// `crate = path` names another root than `::odeon`.
#[proc_macro_attribute]
pub fn test(options: TokenStream, item: TokenStream) -> TokenStream {
    options::expand(options, item, entry::test)
}
