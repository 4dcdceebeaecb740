//! Bugs that were planted in our own code, for the simulator to find: each is off unless a run names it.
//!
//! A simulator that finds nothing may be blind. So a few places ask [`Bug::is_planted`], and one that hears yes does what
//! a tired author might have written: counts one too many, forgets a wake-up, answers twice. Without the feature `planted`
//! the answer is the constant `false` and the compiler takes the bug out; with it, a run plants one bug by name before
//! its world begins, and every node of that run has it. It stands at the bottom because every layer has bugs.
//!
//! What it is NOT: `buggify!`, which takes rare paths that are right; and no switch of a real node, which is built without
//! the feature and has nobody who plants. Only `odeon-sim` may name the feature, and not by default (rule `planted`).

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicUsize, Ordering},
};

use thiserror::Error;

/// Whether this build has the bugs in it.
const IS_BUILT: bool = cfg!(feature = "planted");

/// The place of the planted bug in [`Bug::ALL`], plus one; 0 is none. For the whole program, which runs one seed.
static PLANTED: AtomicUsize = AtomicUsize::new(0);

macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident: $name:literal, $about:literal;)+) => {
        /// A bug that can be planted. Whoever adds one says where it is looked for: `odeon-sim` matches all of them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $($(#[$doc])* #[doc = $about] $bug,)+
        }

        impl Bug {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$bug),+];

            /// What a command line calls it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$bug => $name,)+
                }
            }

            /// What it is, in one line.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$bug => $about,)+
                }
            }
        }
    };
}

bugs! {
    AskNumberReused: "ask-number-reused", "an ask takes the least number that is free, and the late answer of an earlier one";
    CancelledAskRuns: "cancelled-ask-runs", "an ask that is given up once it was written is called withdrawn, and still runs";
    CreditNotGivenBack: "credit-not-given-back", "a message that is skipped, for its time is up or its asker gave up, keeps its sender's credit";
    FramesOutliveConnection: "frames-outlive-connection", "what was written last on a lost connection is written once more on the next one";
    HealLooksOnce: "heal-looks-once", "members that are down are looked after once, and then no more";
    IncarnationReused: "incarnation-reused", "a life is numbered by the hour, so that one after a restart has the number of the one before";
    IntensityOffByOne: "intensity-off-by-one", "a supervisor bears one restart more than its intensity";
    LostAskNotDelivered: "lost-ask-not-delivered", "an ask whose connection is lost is called not delivered, though it was written";
    LostWakeUp: "lost-wake-up", "an actor whose turn is used up by its last message is not asleep, and nobody wakes it any more";
    MailboxHoldsOneMore: "mailbox-holds-one-more", "a mailbox takes one message more than its bound";
    NameOutlivesActor: "name-outlives-actor", "the name of an actor that has failed for good stays taken";
    OlderLifeWins: "older-life-wins", "news of an earlier life of a member are taken for those of a later one";
    PanicNotDelivered: "panic-not-delivered", "an ask whose handler panicked is called not delivered";
    PiecesSwapped: "pieces-swapped", "of the batches that wait in a lane the youngest full one goes out first";
    ReplacedNotDown: "replaced-not-down", "a member whose next life comes before it is missed is not said to be down";
    ReplySentTwice: "reply-sent-twice", "the answer to an ask of another node is sent twice";
    RestForOneTooFew: "rest-for-one-too-few", "rest_for_one leaves out the last child";
    RestartEmptiesMailbox: "restart-empties-mailbox", "an actor that is started again has lost the messages that waited";
    RetryForgetsDoubt: "retry-forgets-doubt", "an ask that was tried again reports what its last attempt knows, not all of them";
    SiblingsStopInOrder: "siblings-stop-in-order", "a group is stopped from the first to the last, not from the last on";
    TimeForgottenOnTheWay: "time-forgotten-on-the-way", "an ask from another node runs though its time is up";
    TransientComesBack: "transient-comes-back", "a transient child is started again after a normal end";
    WatchMissesRace: "watch-misses-race", "a watch that arrives after its target has ended is not answered";
    WatchesNotResent: "watches-not-resent", "watches are not sent again when a connection is there again";
}

/// A bug that cannot be planted. Nothing was.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlantError {
    /// There is no bug of this name.
    #[error("there is no bug {0:?} to plant; there are {names}", names = names())]
    Unknown(String),
    /// This build has no bugs in it.
    #[error("{0} cannot be planted in this build; build odeon-sim with `--features planted`")]
    NotBuilt(Bug),
}

fn names() -> String {
    Bug::ALL.iter().map(|bug| bug.name()).collect::<Vec<_>>().join(", ")
}

impl Bug {
    /// Whether this run has the bug: `false` as a constant without the feature `planted`, else one relaxed load.
    ///
    /// ```
    /// # use odeon_message::planted::Bug;
    /// # let (restarts, restarts_max) = (3, 3);
    /// let spare = if Bug::IntensityOffByOne.is_planted() { 1 } else { 0 };
    /// assert!(restarts >= restarts_max + spare, "nobody has planted it");
    /// ```
    #[inline(always)]
    #[must_use]
    pub fn is_planted(self) -> bool {
        IS_BUILT && PLANTED.load(Ordering::Relaxed) == self as usize + 1
    }

    /// Whether it could be planted in this build.
    ///
    /// # Errors
    /// [`PlantError::NotBuilt`] where the feature `planted` is off.
    pub const fn check(self) -> Result<Self, PlantError> {
        if IS_BUILT { Ok(self) } else { Err(PlantError::NotBuilt(self)) }
    }

    /// Plants it in this program until the result is dropped. For simulators only, before their world begins.
    ///
    /// # Errors
    /// [`PlantError::NotBuilt`] where the feature `planted` is off.
    ///
    /// # Panics
    /// When a bug is planted already.
    pub fn plant(self) -> Result<Planted, PlantError> {
        self.check()?;
        let place = self as usize + 1;
        let before = PLANTED.compare_exchange(0, place, Ordering::Relaxed, Ordering::Relaxed);
        assert!(before.is_ok(), "a bug is planted in this program already");
        Ok(Planted(()))
    }
}

impl fmt::Display for Bug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Bug {
    type Err = PlantError;

    fn from_str(text: &str) -> Result<Self, PlantError> {
        let found = Self::ALL.iter().find(|bug| bug.name() == text);
        found.copied().ok_or_else(|| PlantError::Unknown(text.to_owned()))
    }
}

/// The bug is in this program until this is dropped.
#[derive(Debug)]
#[must_use = "the bug is gone when this is dropped"]
pub struct Planted(());

impl Drop for Planted {
    fn drop(&mut self) {
        PLANTED.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_go_both_ways_and_a_wrong_one_hears_all() {
        for bug in Bug::ALL {
            assert_eq!(bug.name().parse(), Ok(*bug));
            assert!(bug.name().bytes().all(|byte| byte == b'-' || byte.is_ascii_lowercase()));
            assert!(bug.name().len() <= 32, "the text form of a case has room for 32 bytes");
        }
        assert!(Bug::ALL.is_sorted_by_key(|bug| bug.name()), "a reader looks for a name");
        let said = "no-such".parse::<Bug>().expect_err("there is none").to_string();
        assert!(said.contains("\"no-such\"") && said.contains(Bug::ALL[0].name()), "{said}");
    }

    #[test]
    fn a_bug_is_there_only_while_it_is_planted_and_only_in_its_build() {
        let [bug, other] = [Bug::CancelledAskRuns, Bug::IntensityOffByOne];
        let planted = bug.plant();
        assert_eq!(planted.is_ok(), IS_BUILT);
        assert_eq!((bug.is_planted(), other.is_planted()), (IS_BUILT, false));
        drop(planted);
        assert!(!bug.is_planted());
        if !IS_BUILT {
            let said = bug.check().expect_err("it is not in here").to_string();
            assert!(said.contains("--features planted"), "{said}");
        }
    }
}
