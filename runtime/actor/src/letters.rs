//! Messages of two sizes for the unit tests of mailboxes, and the actor that nobody runs.
//!
//! What it is NOT: the fixture of the integration tests, which run real actors (`tests/actors/fixture.rs`).

#![expect(unsafe_code, reason = "the tests open envelopes whose type they know")]

use std::{convert::Infallible, sync::Arc};

use odeon_message::{Codec, Message};
use proptest::test_runner::Config;

use crate::{Actor, Context, Handler, StartError, envelope::Envelope};

/// Few cases under Miri, which is slow, and nothing written to the disk, which it does not see.
pub(crate) fn config() -> Config {
    let config = Config::default();
    let cases = if cfg!(miri) { 8 } else { config.cases };
    Config { cases, failure_persistence: None, ..config }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Size {
    Small,
    Large,
}

/// A letter, as it was and as it comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Letter {
    pub(crate) number: u64,
    pub(crate) size: Size,
}

/// One of so many words, the first of which is its number.
struct Sheet<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Message for Sheet<WORDS> {
    type Reply = ();
    type Error = Infallible;
    type Output = ();
    const NAME: &'static str = "Sheet";
    const CODEC: Option<Codec<Self>> = None;

    fn answer((): ()) -> Result<(), Infallible> {
        Ok(())
    }
}

/// One that shares something, so that it can be seen when it goes.
pub(crate) struct Counted(
    #[expect(dead_code, reason = "it is dropped, which is what is looked at")] pub(crate) Arc<()>,
);

impl Message for Counted {
    type Reply = ();
    type Error = Infallible;
    type Output = ();
    const NAME: &'static str = "Counted";
    const CODEC: Option<Codec<Self>> = None;

    fn answer((): ()) -> Result<(), Infallible> {
        Ok(())
    }
}

pub(crate) struct Nobody;

impl Actor for Nobody {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

impl<const WORDS: usize> Handler<Sheet<WORDS>> for Nobody {
    async fn handle(&mut self, _: Sheet<WORDS>, _: &mut Context<Self>) {}
}

impl Handler<Counted> for Nobody {
    async fn handle(&mut self, _: Counted, _: &mut Context<Self>) {}
}

type Small = Sheet<1>;
type Large = Sheet<16>;

pub(crate) fn envelope(letter: Letter) -> Envelope {
    match letter.size {
        Size::Small => Envelope::tell::<Nobody, _>(Sheet([letter.number; 1])),
        Size::Large => Envelope::tell::<Nobody, _>(Sheet([letter.number; 16])),
    }
}

pub(crate) fn counted(kept: &Arc<()>) -> Envelope {
    Envelope::tell::<Nobody, _>(Counted(kept.clone()))
}

pub(crate) fn units_of(size: Size) -> u32 {
    match size {
        Size::Small => Envelope::tell_units::<Small>(),
        Size::Large => Envelope::tell_units::<Large>(),
    }
}

/// Opens what [`envelope`] closed.
pub(crate) fn open(envelope: Envelope) -> Letter {
    if envelope.units() == units_of(Size::Small) {
        // SAFETY: the tests close letters only, and those of this size are small ones.
        Letter { number: unsafe { envelope.reclaim::<Small>() }.0[0], size: Size::Small }
    } else {
        // SAFETY: as above, large ones.
        Letter { number: unsafe { envelope.reclaim::<Large>() }.0[0], size: Size::Large }
    }
}
