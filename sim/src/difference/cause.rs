//! What probably made two runs part, told from the first lines that differ.
//!
//! A guess in words, for whoever has to look; never more than that. Read `../trace/line.rs` for the lines.

use super::Difference;
use crate::verdict::{Replay, Verdict};

/// A line in its parts: when, who, what.
struct Parts<'a> {
    at: &'a str,
    who: &'a str,
    what: &'a str,
}

impl<'a> Parts<'a> {
    fn of(line: &'a str) -> Option<Self> {
        let (at, rest) = line.trim_start().split_once(' ')?;
        let (who, what) = rest.trim_start().split_once(' ')?;
        Some(Self { at, who, what: what.trim_start() })
    }

    fn begins(&self, other: &Self, word: &str) -> bool {
        self.what.starts_with(word) && other.what.starts_with(word)
    }

    /// Without the hash at its end.
    fn without_hash(&self) -> &str {
        self.what.rsplit_once(' ').map_or(self.what, |(what, _)| what)
    }
}

/// What probably made these two part there.
pub(super) fn of(left: &Verdict, right: &Verdict, found: &Difference) -> String {
    let told = guess(found);
    match [left, right].into_iter().find_map(|verdict| match &verdict.replay {
        Replay::NotGuaranteed(why) => Some(why),
        Replay::Guaranteed => None,
    }) {
        Some(why) => format!("replay is not guaranteed here ({why}), which may be all; {told}"),
        None => told,
    }
}

fn guess(found: &Difference) -> String {
    if !found.is_exact {
        return "run them again up to there to see the lines".to_owned();
    }
    let (Some(left), Some(right)) = (&found.left, &found.right) else {
        return "one run ends here and the other goes on: what the scenario waits for, or when it gives up, follows \
                something outside of the seed"
            .to_owned();
    };
    if left == right {
        return format!(
            "the lines look alike: what differs is a turn of a node just before, or what a line does not show, such as \
             the end of a long text; {ORDER}"
        );
    }
    match (Parts::of(left), Parts::of(right)) {
        (Some(left), Some(right)) => differing(&left, &right),
        _ => OUTSIDE.to_owned(),
    }
}

const ORDER: &str = "look for an order that follows addresses or real time: maps and sets keyed by pointers, threads, \
                     statics that outlive a run";

const OUTSIDE: &str = "look for a value from outside of the world: `rdtsc`, `rdrand`, files that were open before, \
                       statics; `odeon_sim::limits` lists what is not seen";

fn differing(left: &Parts<'_>, right: &Parts<'_>) -> String {
    if left.who == right.who && left.what == right.what {
        return format!(
            "{} does the same at another time: a deadline or a delay follows something outside of the seed; {OUTSIDE}",
            left.who
        );
    }
    if left.who != right.who {
        return format!(
            "in one run {} has its turn, in the other {}: {ORDER}",
            left.who, right.who
        );
    }
    let who = left.who;
    if left.begins(right, "buggified") {
        return format!("{who} took another rare path, so its code came another way; {ORDER}");
    }
    if left.begins(right, "handler started") || left.begins(right, "actor started") {
        return format!("another actor of {who} has its turn, or gets another message; {ORDER}");
    }
    if left.begins(right, "frame out") {
        return format!(
            "{who} sends another message, or the same with other contents: a field of it holds a time, a random number, \
             an address or the order of a map; {OUTSIDE}"
        );
    }
    if left.begins(right, "sent") && left.without_hash() == right.without_hash() {
        return format!(
            "{who} sends a datagram of the same length with other bytes: keys or random bytes of QUIC differ, so look for \
             entropy that is not the seed's; {OUTSIDE}"
        );
    }
    format!("{who} does something else at {}: {OUTSIDE}", left.at)
}
