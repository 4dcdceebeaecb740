//! Every test runs.
//!
//! What it is: a search for tests that are switched off. What it is NOT: about how long a test takes. A test of
//! a known bug asserts today's behaviour and says why it is wrong.

use crate::{Tree, Violation, code};

const RULE: &str = "no test is switched off";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.ending(".rs") {
        for (at, line) in code::bare(text).lines().enumerate() {
            if line.contains("#[ignore") || line.contains("cfg_attr") && line.contains("ignore") {
                let remedy = "assert today's behaviour and say why it is wrong, or delete the test";
                let violation = Violation::of(RULE, path, "an ignored test", remedy);
                found.push(violation.at(at + 1));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn ignored_tests_are_found() {
        let text =
            "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[cfg_attr(miri, ignore)]\n// #[ignore]\n";
        let found = check(&Tree::sample(&[("a/src/a.rs", text)]));
        let lines = found.iter().map(|it| it.line).collect::<Vec<_>>();
        assert_eq!(lines, [2, 4]);
    }
}
