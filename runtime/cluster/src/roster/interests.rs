//! Which nodes listen to a topic.
//!
//! What it is: topics and patterns of them, as NATS has them: words with `.` between, where `*` stands for one word and
//! `>` at the end for one or more; and a tree of words in which patterns are found that a topic matches. What it is NOT:
//! who listens on this node; the runtime keeps that in another tree of this kind.

use std::collections::{BTreeMap, BTreeSet};

use odeon_message::{MessageId, NodeId};

use super::entry::SUBJECT_BYTES_MAX;

/// Most words of a topic or a pattern.
pub const TOPIC_WORDS_MAX: usize = 32;

/// A topic or a pattern of topics cannot be used.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TopicError {
    /// There is nothing between two dots, at the start or at the end, or there is white space.
    #[error(
        "the topic {topic:?} has a word that is empty or has a space in it: use words with one dot between, as in orders.eu.new"
    )]
    Word {
        /// The topic or pattern.
        topic: Box<str>,
    },
    /// It is too long.
    #[error(
        "a topic has at most {SUBJECT_BYTES_MAX} bytes in {TOPIC_WORDS_MAX} words: {topic:?} has more"
    )]
    TooLong {
        /// The topic or pattern.
        topic: Box<str>,
    },
    /// Something is published to a pattern.
    #[error(
        "messages are published to one topic, and {topic:?} is a pattern: leave out `*` and `>`"
    )]
    Pattern {
        /// The pattern.
        topic: Box<str>,
    },
    /// The message never leaves its node.
    #[error("{message} is declared local: give it an id to publish it")]
    Local {
        /// The message.
        message: &'static str,
    },
    /// `>` stands elsewhere than at the end.
    #[error("`>` stands for all further words, so that nothing may follow it in {topic:?}")]
    Rest {
        /// The pattern.
        topic: Box<str>,
    },
}

/// Whether messages can be published to this topic.
///
/// # Errors
/// See [`TopicError`].
pub fn check_topic(topic: &str) -> Result<(), TopicError> {
    check_words(topic)?;
    if topic.split('.').any(|word| matches!(word, "*" | ">")) {
        return Err(TopicError::Pattern { topic: topic.into() });
    }
    Ok(())
}

/// Whether topics can be listened to by this pattern.
///
/// # Errors
/// See [`TopicError`].
pub fn check_pattern(pattern: &str) -> Result<(), TopicError> {
    check_words(pattern)?;
    let mut words = pattern.split('.');
    let has_rest = words.any(|word| word == ">");
    if has_rest && words.next().is_some() {
        return Err(TopicError::Rest { topic: pattern.into() });
    }
    Ok(())
}

fn check_words(topic: &str) -> Result<(), TopicError> {
    if topic.len() > SUBJECT_BYTES_MAX || topic.split('.').count() > TOPIC_WORDS_MAX {
        // Not all of it, which may be long.
        let topic = topic.chars().take(64).collect::<String>().into();
        return Err(TopicError::TooLong { topic });
    }
    let is_bad = |word: &str| word.is_empty() || word.chars().any(char::is_whitespace);
    if topic.split('.').any(is_bad) {
        return Err(TopicError::Word { topic: topic.into() });
    }
    Ok(())
}

/// Values by the pattern that they are under, found by the topics that match it.
#[derive(Debug)]
pub struct PatternTree<T: Ord> {
    words: BTreeMap<Box<str>, Self>,
    /// Under patterns that end here.
    values: BTreeSet<T>,
}

impl<T: Ord> Default for PatternTree<T> {
    fn default() -> Self {
        Self { words: BTreeMap::new(), values: BTreeSet::new() }
    }
}

impl<T: Ord> PatternTree<T> {
    /// Puts a value under a pattern; `false` if it was there.
    pub fn insert(&mut self, pattern: &str, value: T) -> bool {
        let mut at = self;
        for word in pattern.split('.') {
            at = at.words.entry(word.into()).or_default();
        }
        at.values.insert(value)
    }

    /// Takes a value from under a pattern; `false` if it was not there.
    pub fn remove(&mut self, pattern: &str, value: &T) -> bool {
        let (word, rest) = match pattern.split_once('.') {
            Some((word, rest)) => (word, Some(rest)),
            None => (pattern, None),
        };
        let Some(below) = self.words.get_mut(word) else { return false };
        let removed = match rest {
            Some(rest) => below.remove(rest, value),
            None => below.values.remove(value),
        };
        if below.words.is_empty() && below.values.is_empty() {
            self.words.remove(word);
        }
        removed
    }

    /// Calls `found` with each value under a pattern that the topic matches; with one that is under several, for each of
    /// them.
    pub fn matching<'a>(&'a self, topic: &str, found: &mut dyn FnMut(&'a T)) {
        let (word, rest) = match topic.split_once('.') {
            Some((word, rest)) => (word, Some(rest)),
            None => (topic, None),
        };
        if let Some(all) = self.words.get(">") {
            all.values.iter().for_each(&mut *found);
        }
        // Each part of the tree is looked at once at most, and none is deeper than a pattern has words. A topic has no
        // stars; a pattern in its place would double the way at each of them.
        let any = (word != "*").then_some("*");
        for word in [Some(word), any].into_iter().flatten() {
            let Some(below) = self.words.get(word) else { continue };
            match rest {
                Some(rest) => below.matching(rest, found),
                None => below.values.iter().for_each(&mut *found),
            }
        }
    }

    /// Calls `found` with each value and the pattern that it is under, pattern by pattern.
    pub fn each<'a>(&'a self, found: &mut dyn FnMut(&str, &'a T)) {
        self.each_below(&mut String::new(), found);
    }

    /// `pattern` are the words above, and are the same afterwards. None is deeper than a pattern has words.
    fn each_below<'a>(&'a self, pattern: &mut String, found: &mut dyn FnMut(&str, &'a T)) {
        self.values.iter().for_each(|value| found(pattern, value));
        for (word, below) in &self.words {
            let above = pattern.len();
            if above > 0 {
                pattern.push('.');
            }
            pattern.push_str(word);
            below.each_below(pattern, found);
            pattern.truncate(above);
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }
}

/// The patterns of all nodes.
#[derive(Default, Debug)]
pub(super) struct Interests(PatternTree<(NodeId, MessageId)>);

impl Interests {
    pub(super) fn add(&mut self, pattern: &str, message: MessageId, node: NodeId) {
        self.0.insert(pattern, (node, message));
    }

    pub(super) fn remove(&mut self, pattern: &str, message: MessageId, node: NodeId) {
        self.0.remove(pattern, &(node, message));
    }

    /// All patterns, each with the type of its messages and the nodes that listen by it, in their order.
    pub(super) fn all(&self) -> BTreeMap<(Box<str>, MessageId), Vec<NodeId>> {
        let mut all = BTreeMap::<_, Vec<NodeId>>::new();
        self.0.each(&mut |pattern, (node, message)| {
            all.entry((pattern.into(), *message)).or_default().push(*node);
        });
        all
    }

    /// The nodes that listen to messages of this type on a topic.
    pub(super) fn nodes(&self, topic: &str, message: MessageId) -> BTreeSet<NodeId> {
        let mut nodes = BTreeSet::new();
        self.0.matching(topic, &mut |(node, of)| {
            if *of == message {
                nodes.insert(*node);
            }
        });
        nodes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A pattern matches a topic word by word, as the definition says.
    fn matches(pattern: &str, topic: &str) -> bool {
        let (mut pattern, mut topic) = (pattern.split('.'), topic.split('.'));
        loop {
            match (pattern.next(), topic.next()) {
                (None, None) => return true,
                (Some(">"), Some(_)) => return true,
                (Some("*"), Some(_)) => {}
                (Some(word), Some(other)) if word == other => {}
                _ => return false,
            }
        }
    }

    #[test]
    fn patterns_match_as_those_of_nats() {
        for (pattern, topic, expected) in [
            ("a.*", "a.b", true),
            ("a.*", "a", false),
            ("a.*", "a.b.c", false),
            ("a.>", "a.b.c", true),
            ("a.>", "a", false),
            (">", "a", true),
            ("*.b", "a.b", true),
            ("a.b", "a.b", true),
            ("a.b", "a.bb", false),
        ] {
            assert_eq!(matches(pattern, topic), expected, "{pattern} {topic}");
        }
    }

    #[test]
    fn what_is_no_topic_says_why() {
        for good in ["a", "orders.eu.new", "ä.b-c.D_1"] {
            assert_eq!(check_topic(good), Ok(()));
        }
        for bad in ["", ".", "a.", ".a", "a..b", "a b", "a.\tb"] {
            assert!(matches!(check_topic(bad), Err(TopicError::Word { .. })), "{bad:?}");
            assert!(check_pattern(bad).is_err(), "{bad:?}");
        }
        assert!(matches!(check_topic("a.*"), Err(TopicError::Pattern { .. })));
        assert!(matches!(check_pattern("a.>.b"), Err(TopicError::Rest { .. })));
        assert_eq!(check_pattern("*.b.>"), Ok(()));
        let words = vec!["a"; TOPIC_WORDS_MAX + 1].join(".");
        assert!(matches!(check_topic(&words), Err(TopicError::TooLong { .. })));
        assert!(matches!(check_topic(&"a".repeat(257)), Err(TopicError::TooLong { .. })));
    }

    #[test]
    fn a_pattern_in_the_place_of_a_topic_is_looked_for_once() {
        let pattern = ["*"; 20].join(".");
        let mut tree = PatternTree::default();
        tree.insert(&pattern, ());
        let mut found = 0;
        tree.matching(&pattern, &mut |()| found += 1);
        assert_eq!(found, 1);
    }

    fn word() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec!["a", "b", "c", "*"])
    }

    fn pattern() -> impl Strategy<Value = String> {
        (prop::collection::vec(word(), 1..5), any::<bool>()).prop_map(|(mut words, rest)| {
            if rest {
                words.push(">");
            }
            words.join(".")
        })
    }

    fn topic() -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..6)
            .prop_map(|words| words.join("."))
    }

    proptest! {
        #[test]
        fn the_tree_finds_what_matches_and_forgets_what_is_removed(
            patterns in prop::collection::btree_set(pattern(), 0..12),
            topics in prop::collection::vec(topic(), 1..8),
            removed in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut left: Vec<String> = patterns.into_iter().collect();
            let mut tree = PatternTree::default();
            for pattern in &left {
                prop_assert!(check_pattern(pattern).is_ok());
                prop_assert!(tree.insert(pattern, pattern.clone()));
            }
            for at in removed {
                if !left.is_empty() {
                    let gone = left.remove(at.index(left.len()));
                    prop_assert!(tree.remove(&gone, &gone));
                    prop_assert!(!tree.remove(&gone, &gone));
                }
            }
            let mut all = BTreeSet::new();
            tree.each(&mut |pattern, value: &String| {
                assert_eq!(pattern, value);
                assert!(all.insert(value.clone()), "{pattern} comes twice");
            });
            prop_assert_eq!(all, left.iter().cloned().collect());
            for topic in topics {
                let mut found = BTreeSet::new();
                tree.matching(&topic, &mut |pattern: &String| {
                    found.insert(pattern.clone());
                });
                let expected = left.iter().filter(|it| matches(it, &topic)).cloned().collect();
                prop_assert_eq!(found, expected);
            }
            left.iter().for_each(|pattern| { tree.remove(pattern, pattern); });
            prop_assert!(tree.is_empty());
        }
    }
}
