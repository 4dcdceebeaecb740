//! Whose a certificate is, as the command line and the authority's index say it.

use std::fmt;

use odeon::Holder;
use odeon_ops::authority::UNKNOWN;
use serde::Serialize;

use crate::failure::Failed;

/// The name of the authority's files, which nobody else can have.
pub(super) const AUTHORITY: &str = "ca";

/// What stands before an operator's name in the index, where no node can have such a name.
const OPERATOR: &str = "operator:";

/// Whose a certificate is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub(super) enum Subject {
    Node(String),
    Operator(String),
    /// Revoked by its number, and issued before there was an index.
    Unknown,
}

impl Subject {
    /// By the flags `--name` and `--operator`, of which the parser takes one.
    pub(super) fn given(name: Option<String>, operator: Option<String>) -> Result<Self, Failed> {
        let subject = match operator {
            Some(operator) => Self::Operator(operator),
            None => Self::Node(name.unwrap_or_default()),
        };
        if subject.name() != AUTHORITY {
            return Ok(subject);
        }
        Err(Failed::input(format!(
            "nobody can be named {AUTHORITY}: the files would have the names of the authority's; choose another name"
        )))
    }

    /// As it stands in the index.
    pub(super) fn listed(text: &str) -> Self {
        match text.strip_prefix(OPERATOR) {
            Some(operator) => Self::Operator(operator.to_owned()),
            None if text == UNKNOWN => Self::Unknown,
            None => Self::Node(text.to_owned()),
        }
    }

    /// What the index calls it.
    pub(super) fn as_listed(&self) -> String {
        match self {
            Self::Node(name) => name.clone(),
            Self::Operator(name) => format!("{OPERATOR}{name}"),
            Self::Unknown => UNKNOWN.to_owned(),
        }
    }

    pub(super) fn name(&self) -> &str {
        match self {
            Self::Node(name) | Self::Operator(name) => name,
            Self::Unknown => UNKNOWN,
        }
    }

    /// The flag that names it.
    pub(super) fn flag(&self) -> String {
        match self {
            Self::Operator(name) => format!("--operator {name}"),
            _ => format!("--name {}", self.name()),
        }
    }

    /// Whether a certificate is its own.
    pub(super) fn is(&self, holder: &Holder) -> bool {
        match (self, holder) {
            (Self::Node(name), Holder::Node(held)) => name == held,
            (Self::Operator(name), Holder::Operator(held)) => name == held,
            _ => false,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node {name}"),
            Self::Operator(name) => write!(f, "operator {name}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_survives_the_index() {
        for subject in
            [Subject::Node("a".to_owned()), Subject::Operator("a".to_owned()), Subject::Unknown]
        {
            assert_eq!(Subject::listed(&subject.as_listed()), subject);
        }
    }

    #[test]
    fn a_node_is_no_operator_of_its_name() {
        let (node, operator) = (Subject::Node("a".to_owned()), Subject::Operator("a".to_owned()));
        assert!(node.is(&Holder::Node("a".to_owned())));
        assert!(!node.is(&Holder::Operator("a".to_owned())));
        assert!(!operator.is(&Holder::Node("a".to_owned())));
        assert!(!operator.is(&Holder::Operator("b".to_owned())));
    }
}
