//! What the attributes write: every form of item, every option.

#![deny(missing_docs, unreachable_pub)]
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    convert::Infallible,
    sync::Arc,
};

use odeon_message::{Codec, Message, MessageId, Payload, Wire, data, message};

/// A named message with a reply and an error.
#[message(id = "bank/Deposit", reply = Balance, error = Refused, crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
pub struct Deposit {
    /// Cents.
    pub cents: u64,
    memo: Memo,
    #[cfg(any())]
    gone: NoSuchType,
}

/// A part.
#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
pub struct Memo(pub String, BTreeMap<u32, Vec<u8>>);

/// A reply.
#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
pub struct Balance {
    /// Cents.
    pub cents: i64,
}

pub use errors::Refused;

mod errors {
    // Of its own, because rkyv writes a resolver whose named fields have no docs.

    use super::{Memo, data};

    /// An error.
    #[derive(Clone, Debug, PartialEq)]
    #[data(crate = odeon_message)]
    pub enum Refused {
        /// One form.
        Closed,
        /// Another.
        Short {
            /// How much.
            by: u64,
        },
        /// A third.
        Because(String, Option<Memo>),
        /// A form that is not built.
        #[cfg(any())]
        Gone(NoSuchType),
    }
}

#[message(id = "bank/Close", crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Close;

#[message(id = "bank/Any", reply = Tree, crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
enum Any {
    Nothing,
    Tree(Tree),
    Page(Page<Tree, 3>),
    Many(VecDeque<(u8, Memo)>),
}

#[message(local, reply = Arc<str>, crate = odeon_message)]
struct Stay(Box<dyn Fn() + Send>);

#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
enum Tree {
    Leaf(#[rkyv(attr(allow(missing_docs)))] u64),
    Fork(Vec<Tree>),
    Pair { left: Box<Self>, right: Option<Box<Self>> },
    Named(HashMap<String, Self>),
    Sorted(BTreeMap<u8, (Self, String)>),
}

#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Page<T, const N: usize> {
    items: Vec<T>,
    heads: [u16; N],
    next: Option<Box<Self>>,
}

#[data(crate = odeon_message)]
#[derive(Clone, Debug, PartialEq)]
struct Chain {
    next: Box<Option<Self>>,
}

#[data(crate = odeon_message)]
#[derive(Debug, PartialEq)]
struct There {
    #[rkyv(omit_bounds)]
    back: Vec<Back>,
}

#[data(crate = odeon_message)]
#[derive(Debug, PartialEq)]
struct Back {
    there: Option<Box<There>>,
    seen: BTreeSet<String>,
}

fn round_trip<T: Wire + PartialEq + std::fmt::Debug>(value: &T) {
    let mut bytes = Vec::new();
    value.archive(&mut bytes).unwrap();
    assert_eq!(&T::unarchive(Payload::copy_from(&bytes).bytes(), &()).unwrap(), value);
}

#[test]
fn every_form_survives_a_round_trip() {
    round_trip(&Close);
    let memo = Memo("x".into(), BTreeMap::from([(1, vec![1, 2])]));
    round_trip(&Deposit { cents: 1, memo: memo.clone() });
    let tree = Tree::Fork(vec![
        Tree::Leaf(3),
        Tree::Pair { left: Box::new(Tree::Leaf(1)), right: None },
        Tree::Named(HashMap::from([("a".into(), Tree::Leaf(9))])),
        Tree::Sorted(BTreeMap::from([(1, (Tree::Leaf(9), "s".into()))])),
    ]);
    round_trip(&Any::Nothing);
    round_trip(&Any::Tree(tree.clone()));
    round_trip(&Any::Many(VecDeque::from([(3, memo)])));
    let page = Page { items: vec![tree.clone()], heads: [1, 2, 3], next: None };
    round_trip(&Any::Page(Page {
        items: vec![tree],
        heads: [1, 2, 3],
        next: Some(Box::new(page)),
    }));
    round_trip(&Chain { next: Box::new(Some(Chain { next: Box::new(None) })) });
}

fn codec<M: Message>() -> Codec<M> {
    M::CODEC.unwrap()
}

#[test]
fn a_message_has_its_declared_id_and_answers() {
    assert_eq!(codec::<Deposit>().name(), "bank/Deposit");
    assert_eq!(codec::<Deposit>().id(), MessageId::of("bank/Deposit"));
    assert_eq!(Deposit::NAME, "bank/Deposit");
    let refused: Result<Balance, Refused> = Deposit::answer(Err(Refused::Closed));
    assert_eq!(refused, Err(Refused::Closed));
    let closed: Result<(), Infallible> = Close::answer(());
    assert_eq!(closed, Ok(()));
}

#[test]
fn only_what_is_declared_idempotent_is() {
    #[message(local, idempotent, crate = odeon_message)]
    struct Again;
    const { assert!(Again::IDEMPOTENT && !Deposit::IDEMPOTENT && !Stay::IDEMPOTENT) }
}

#[test]
fn a_local_message_has_no_codec_and_takes_any_field() {
    assert!(Stay::CODEC.is_none());
    assert_eq!(Stay::NAME, "Stay");
    Stay(Box::new(|| ())).0();
    assert_eq!(Stay::answer(Arc::from("x")), Ok(Arc::from("x")));
}

#[test]
fn two_types_may_contain_each_other() {
    let inner = There { back: Vec::new() };
    let back = Back { there: Some(Box::new(inner)), seen: BTreeSet::from(["x".to_owned()]) };
    round_trip(&There { back: vec![back] });
}
