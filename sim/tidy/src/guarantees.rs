//! Every guarantee has a test.
//!
//! What it is: a check that each row of a table in GUARANTEES.md names a test as `file::name`, and that each test named
//! there, in a row or beside it, is a function of a file of that name. What it is NOT: a run of the tests, nor a check of
//! what they assert.

use crate::{Tree, Violation, links::prose};

const RULE: &str = "every guarantee has a test";
const FILE: &str = "GUARANTEES.md";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let (mut rows, mut heading) = (0, 0);
    for (line, text) in prose(tree.text(FILE).unwrap_or_default()) {
        let named = tests(text).collect::<Vec<_>>();
        // A table begins with a heading and a rule below it.
        heading = if text.starts_with('|') { heading + 1 } else { 0 };
        if heading > 2 {
            rows += 1;
            if named.is_empty() {
                let remedy = "name the test that holds it, as `file::name`";
                found.push(Violation::of(RULE, FILE, "a row without a test", remedy).at(line));
            }
        }
        for (file, test) in named.into_iter().filter(|(file, test)| !exists(tree, file, test)) {
            let what = format!("there is no test {file}::{test}");
            let remedy = format!("write it in {file}.rs, or correct the name");
            found.push(Violation::of(RULE, FILE, what, remedy).at(line));
        }
    }
    if rows == 0 {
        let remedy = "write tables of what becomes of what, with the tests that hold it";
        found.push(Violation::of(RULE, FILE, "there is no table of guarantees", remedy));
    }
    found
}

/// Each `file::name` in inline code.
fn tests(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let code = line.split('`').skip(1).step_by(2);
    let is_word = |word: &str| {
        !word.is_empty()
            && word.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    code.filter_map(|code| code.split_once("::"))
        .filter(move |(file, test)| is_word(file) && is_word(test))
}

/// Whether a file of that name has such a test.
fn exists(tree: &Tree, file: &str, test: &str) -> bool {
    let plain = format!("\nfn {test}() {{");
    let simulated = format!("\nasync fn {test}(world: &mut World) {{");
    let last_line = |text: &str| text.rsplit('\n').next().unwrap_or_default().to_owned();
    tree.ending(&format!("/{file}.rs")).any(|(_, text)| {
        text.match_indices(&plain).any(|(at, _)| text[..at].ends_with("#[test]"))
            || text
                .match_indices(&simulated)
                .any(|(at, _)| last_line(&text[..at]).starts_with("#[odeon_sim::test("))
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    fn lines(page: &str) -> Vec<usize> {
        let code = "#[test]\nfn on_a_stop() {}\n\nfn no_test() {}\n\n#[odeon_sim::test(seeds = 0..3)]\nasync fn in_a_world(world: &mut World) {}\n";
        let tree = Tree::sample(&[("GUARANTEES.md", page), ("a/tests/contract.rs", code)]);
        check(&tree).into_iter().map(|it| it.line).collect()
    }

    #[test]
    fn rows_without_a_test_and_tests_that_do_not_exist_are_found() {
        let table = "| state | test |\n|---|---|\n";
        assert_eq!(lines(&format!("{table}| a | `contract::on_a_stop` |\n")), [0_usize; 0]);
        assert_eq!(lines(&format!("{table}| a | `contract::on_a_stop` |\n| b | |\n")), [4]);
        assert_eq!(lines(&format!("{table}| a | `contract::in_a_world` |\n")), [0_usize; 0]);
        assert_eq!(lines(&format!("{table}| a | `contract::no_test` |\n")), [3]);
        assert_eq!(lines(&format!("{table}| a | `other::on_a_stop` |\n")), [3]);
        assert_eq!(lines("Not a table: `contract::gone`.\n"), [1, 0]);
        assert_eq!(lines(""), [0]);
    }
}
