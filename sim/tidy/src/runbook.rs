//! Errors and the runbook name each other, in the words of the code.
//!
//! What it is: a check that each `see runbook: page` in the sources names a page, that each page is in the runbook's
//! list, and that log lines, error texts and metrics which the book quotes stand in the sources. A quoted text is a line
//! of a block marked `log`, in which `…` stands for what differs; a metric is inline code. What it is NOT: a check that a
//! text is printed where the page says so.

use std::collections::BTreeSet;

use crate::{
    Tree, Violation,
    book::{FOLDER, fenced},
    links::prose,
};

const RULE: &str = "errors and the runbook name each other";
const PAGES: &str = "runtime/docs/runbook/";
const LIST: &str = "runtime/docs/runbook/README.md";

/// In two halves, so that this file names no page.
const MARK: &str = concat!("see run", "book: ");

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let sources = tree.ending(".rs").filter(|(path, _)| !path.starts_with("sim/"));
    for (path, text) in sources {
        let text = joined(text);
        for page in text.split(MARK).skip(1).map(name).filter(|page| !is_page(tree, page)) {
            let what = format!("there is no page {page:?}");
            let remedy = format!("write {PAGES}{page}.md, or name another page");
            found.push(Violation::of(RULE, path, what, remedy));
        }
    }
    let list = tree.text(LIST).unwrap_or_default();
    for page in
        tree.ending(".md").filter_map(|(path, _)| path.strip_prefix(PAGES)?.strip_suffix(".md"))
    {
        if page != "README" && !list.contains(&format!("| [{page}][runbook-{page}] |")) {
            let what = format!("the page {page} is not in the list");
            found.push(Violation::of(RULE, LIST, what, "give it a row: page, and what one sees"));
        }
    }
    found.extend(quotes(tree));
    found
}

fn name(rest: &str) -> &str {
    let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '-');
    &rest[..end.unwrap_or(rest.len())]
}

fn is_page(tree: &Tree, page: &str) -> bool {
    tree.text(&format!("{PAGES}{page}.md")).is_some()
}

/// What the book says that the code prints, and the code does not.
fn quotes(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let code = printed(tree);
    let metrics = metrics(tree);
    for (path, text) in tree.ending(".md").filter(|(path, _)| path.starts_with(FOLDER)) {
        for (fence, _, block) in fenced(text).filter(|(_, kind, _)| *kind == "log") {
            for (at, line) in block.lines().enumerate() {
                let pieces =
                    line.trim().split('…').map(str::trim).filter(|piece| !piece.is_empty());
                for piece in pieces.filter(|piece| !code.contains(piece)) {
                    let what = format!("nothing prints {piece:?}");
                    let remedy = "quote the code as it is, with … for what differs";
                    found.push(Violation::of(RULE, path, what, remedy).at(fence + at + 1));
                }
            }
        }
        for (line, words) in prose(text) {
            for metric in words.split('`').skip(1).step_by(2).filter_map(metric) {
                if !metrics.contains(metric) {
                    let what = format!("there is no metric {metric}");
                    found.push(
                        Violation::of(RULE, path, what, "name one that /metrics has").at(line),
                    );
                }
            }
        }
    }
    found
}

/// The sources whose texts people see.
fn printed(tree: &Tree) -> String {
    let sources = tree.ending(".rs").filter(|(path, _)| {
        (path.starts_with("runtime/") || path.starts_with("transport/"))
            && !path.contains("/tests/")
    });
    sources.map(|(_, text)| joined(text)).collect()
}

/// Code whose texts over several lines are joined as the compiler joins them.
fn joined(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.lines().map(str::trim_start) {
        match line.strip_suffix('\\') {
            Some(more) => code.push_str(more),
            None => {
                code.push_str(line);
                code.push('\n');
            }
        }
    }
    code
}

/// The names that the page of metrics writes.
fn metrics(tree: &Tree) -> BTreeSet<&str> {
    let sources =
        tree.ending(".rs").filter(|(path, _)| path.starts_with("runtime/ops/src/metrics"));
    let names = sources.flat_map(|(_, text)| text.split('"').skip(1).step_by(2));
    names.filter(|name| name.starts_with("odeon_")).collect()
}

/// The name in a code span that is a metric, without its labels.
fn metric(code: &str) -> Option<&str> {
    let name = code.split('{').next()?;
    let is_name = name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    (is_name && name.starts_with("odeon_")).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{MARK, check};
    use crate::Tree;

    fn found(page: &str, code: &str) -> Vec<String> {
        let tree = Tree::sample(&[
            ("runtime/docs/runbook/README.md", "| [full][runbook-full] | it is full |\n"),
            ("runtime/docs/runbook/full.md", page),
            ("runtime/src/a.rs", code),
            ("runtime/ops/src/metrics/b.rs", "family(\"odeon_things_total\")"),
        ]);
        check(&tree).into_iter().map(|it| it.found).collect()
    }

    #[test]
    fn pages_and_names_are_held_against_each_other() {
        assert_eq!(found("", &format!("\"no room; {MARK}full\"")), [""; 0]);
        assert_eq!(found("", &format!("\"no room; {MARK}empty\"")), ["there is no page \"empty\""]);
        let tree = Tree::sample(&[("runtime/docs/runbook/full.md", "")]);
        assert_eq!(check(&tree).len(), 1);
    }

    #[test]
    fn what_nobody_prints_is_found() {
        let code = "\"a {thing} is \\\n     full: {why}\"";
        let page = |line: &str| format!("```log\n{line}\n```\n");
        assert_eq!(found(&page("a … is full: …"), code), [""; 0]);
        assert_eq!(found(&page("a … is empty"), code), ["nothing prints \"is empty\""]);
        assert_eq!(found("see `odeon_things_total{peer=\"a\"}`", ""), [""; 0]);
        assert_eq!(found("see `odeon_thing_total`", ""), ["there is no metric odeon_thing_total"]);
    }
}
