//! Every test runs.
//!
//! What it is: a search for tests and examples of documentation that are switched off. What it is NOT: about how long a test takes. A test of
//! a known bug asserts today's behaviour and says why it is wrong.

use crate::{Tree, Violation, code};

const RULE: &str = "no test is switched off";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.ending(".rs") {
        let bare = code::bare(text);
        for (at, (code, line)) in bare.lines().zip(text.lines()).enumerate() {
            let remedy = if is_off_test(code) {
                "assert today's behaviour and say why it is wrong, or delete the test"
            } else if is_off_example(line) {
                "compile it (`no_run` where it cannot run), or call the block `text` if it is not Rust"
            } else {
                continue;
            };
            found.push(Violation::of(RULE, path, line.trim(), remedy).at(at + 1));
        }
    }
    found
}

fn is_off_test(code: &str) -> bool {
    code.contains("#[ignore") || code.contains("cfg_attr") && code.contains("ignore")
}

/// Whether a line of documentation opens a block that rustdoc leaves out.
fn is_off_example(line: &str) -> bool {
    let line = line.trim_start();
    let fence = line.strip_prefix("///").or_else(|| line.strip_prefix("//!"));
    let words = fence.and_then(|fence| fence.trim_start().strip_prefix("```"));
    words.is_some_and(|words| words.split(',').any(|word| word.trim().starts_with("ignore")))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn ignored_tests_are_found() {
        let text = "#[test]\n#[ignore = \"slow\"]\nfn a() {}\n#[cfg_attr(miri, ignore)]\n// #[ignore]\n/// ```ignore\n/// ```no_run\n";
        let found = check(&Tree::sample(&[("a/src/a.rs", text)]));
        let lines = found.iter().map(|it| it.line).collect::<Vec<_>>();
        assert_eq!(lines, [2, 4, 6]);
    }
}
