//! One broken rule at one place, with what to do about it.

use std::fmt;

/// A place that breaks a rule.
///
/// Its text has three lines: the rule, the place with what was found there, the remedy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// The rule, as a sentence.
    pub rule: &'static str,
    /// The file, from the root of the project.
    pub path: String,
    /// The line, from 1; 0 where the whole file is meant.
    pub line: usize,
    /// What was found.
    pub found: String,
    /// What to do about it.
    pub remedy: String,
}

impl Violation {
    /// A violation of `rule` by the whole file `path`.
    pub(crate) fn of(
        rule: &'static str,
        path: &str,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { rule, path: path.to_owned(), line: 0, found: found.into(), remedy: remedy.into() }
    }

    /// The same, at a line counted from 1.
    pub(crate) fn at(mut self, line: usize) -> Self {
        self.line = line;
        self
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rule, path, line, found, remedy } = self;
        writeln!(f, "{rule}")?;
        match line {
            0 => writeln!(f, "    {path}: {found}")?,
            line => writeln!(f, "    {path}:{line}: {found}")?,
        }
        write!(f, "    remedy: {remedy}")
    }
}

#[cfg(test)]
mod tests {
    use super::Violation;

    #[test]
    fn the_text_names_rule_place_and_remedy() {
        let violation = Violation::of("no rain", "roof.rs", "a hole", "close it").at(3);
        assert_eq!(violation.to_string(), "no rain\n    roof.rs:3: a hole\n    remedy: close it");
    }
}
