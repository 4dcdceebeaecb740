//! The book is one book, in the repository and in rustdoc.
//!
//! What it is: a check that each page under `runtime/docs` stands in its SUMMARY.md and among the modules of
//! `runtime/src/guide.rs`; that links go by label and each label leads to the same page on both sides; and that Rust
//! which is no doctest, in a block marked `rs`, stands in a file that is compiled. What it is NOT: a compiler or a check
//! of headings; `links.rs` follows the links of the repository, rustdoc those of its own. The runbook's words are
//! `runbook.rs`'s.

use crate::{Tree, Violation, links::prose};

const RULE: &str = "the book's pages, lists, labels and samples agree";

/// Where the pages are.
pub(crate) const FOLDER: &str = "runtime/docs/";
const SUMMARY: &str = "runtime/docs/SUMMARY.md";
const GUIDE: &str = "runtime/src/guide.rs";
const LABELS: &str = "runtime/src/guide/links.txt";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let summary = tree.text(SUMMARY).unwrap_or_default();
    let guide = tree.text(GUIDE).unwrap_or_default();
    let labels = tree.text(LABELS).unwrap_or_default();
    let modules = labels.lines().filter_map(definition).collect::<Vec<_>>();
    for (path, text) in pages(tree) {
        let page = &path[FOLDER.len()..];
        let listed = [
            (SUMMARY, summary.contains(&format!("({page})"))),
            (
                GUIDE,
                guide.contains(&format!("\"{page}\"")) || guide.contains(&format!("/{page}\"")),
            ),
        ];
        for (list, _) in listed.into_iter().filter(|(_, is_there)| !is_there) {
            let what = format!("it is not in {list}");
            found.push(Violation::of(RULE, path, what, "list it there, or take the page away"));
        }
        found.extend(links(path, text, &modules));
        found.extend(samples(tree, path, text));
    }
    found
}

/// The pages: path and text.
fn pages(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    tree.ending(".md").filter(|(path, _)| path.starts_with(FOLDER) && *path != SUMMARY)
}

/// `[label]: target`.
fn definition(line: &str) -> Option<(&str, &str)> {
    let (label, target) = line.strip_prefix('[')?.split_once("]: ")?;
    Some((label, target.trim()))
}

/// Links that a page and rustdoc would not follow alike.
fn links(path: &str, text: &str, modules: &[(&str, &str)]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut say = |line: usize, what: String, remedy: &str| {
        found.push(Violation::of(RULE, path, what, remedy).at(line));
    };
    for (line, words) in prose(text) {
        if let Some((label, target)) = definition(words).filter(|(_, target)| is_inside(target)) {
            let remedy = "give the label the module of that page in runtime/src/guide/links.txt";
            match modules.iter().find(|(known, _)| *known == label) {
                None => say(line, format!("rustdoc does not know the label {label}"), remedy),
                Some((_, module)) if !leads_to(path, target, module) => {
                    say(
                        line,
                        format!("{label} leads to {target} here and to {module} there"),
                        remedy,
                    );
                }
                Some(_) => {}
            }
            continue;
        }
        let inline = words.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        for target in inline.filter(|target| is_inside(target) && words.matches("](").count() > 0) {
            let remedy = "write [words][label], and define the label at the end of the page";
            say(line, format!("the link to {target} leads nowhere in rustdoc"), remedy);
        }
        let used = words.split("][").skip(1).filter_map(|rest| rest.split(']').next());
        for label in used.filter(|label| !text.contains(&format!("\n[{label}]: "))) {
            let what = format!("the label {label} is defined nowhere on the page");
            say(line, what, "define it at the end of the page");
        }
    }
    found
}

fn is_inside(target: &str) -> bool {
    !target.starts_with("https://") && !target.starts_with("http://")
}

/// Whether `target`, as seen from the page at `path`, is the page of that module. What is no page of the book is told of
/// in its papers.
fn leads_to(path: &str, target: &str, module: &str) -> bool {
    let mut parts = path.split('/').collect::<Vec<_>>();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let page = parts.join("/");
    let Some(page) = page.strip_prefix(FOLDER).and_then(|page| page.strip_suffix(".md")) else {
        return module == "crate::guide#papers";
    };
    let page = page.strip_suffix("/README").unwrap_or(page);
    module == format!("crate::guide::{}", page.replace('/', "::").replace('-', "_"))
}

/// Rust that is no doctest and stands in no file.
fn samples<'a>(tree: &'a Tree, path: &'a str, text: &'a str) -> impl Iterator<Item = Violation> {
    let ignored = fenced(text).filter(|(_, kind, _)| *kind == "rs");
    let loose =
        ignored.filter(|(_, _, block)| !tree.ending(".rs").any(|(_, text)| text.contains(block)));
    loose.map(move |(line, ..)| {
        let remedy = "copy it from a test or an example, or let it be a doctest";
        Violation::of(RULE, path, "this block is compiled nowhere", remedy).at(line)
    })
}

/// The fenced blocks: line of the fence, what it says, and the text.
pub(crate) fn fenced(text: &str) -> impl Iterator<Item = (usize, &str, &str)> {
    let mut inside = false;
    let mut start = 0;
    let mut kind = "";
    let mut at = 0;
    text.split_inclusive('\n').enumerate().filter_map(move |(number, line)| {
        let begin = at;
        at += line.len();
        let said = line.trim().strip_prefix("```")?;
        inside = !inside;
        if inside {
            (start, kind) = (at, said);
            return None;
        }
        let lines = text[start..begin].lines().count();
        Some((number + 1 - lines, kind, &text[start..begin]))
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    fn found(page: &str, labels: &str) -> Vec<String> {
        let tree = Tree::sample(&[
            ("runtime/docs/SUMMARY.md", "[A](a.md)\n[B](c/b-b.md)\n"),
            ("runtime/docs/a.md", page),
            ("runtime/docs/c/b-b.md", "# B\n"),
            ("runtime/src/guide.rs", "//! Pages.\nx(\"a.md\", \"c/b-b.md\")\n"),
            ("runtime/src/guide/links.txt", labels),
            ("examples/src/x.rs", "fn here() {}\n"),
        ]);
        check(&tree).into_iter().map(|it| it.found).collect()
    }

    #[test]
    fn pages_that_are_not_listed_are_found() {
        let tree = Tree::sample(&[("runtime/docs/a.md", "# A\n")]);
        assert_eq!(check(&tree).len(), 2);
        assert_eq!(found("# A\n", ""), [""; 0]);
    }

    #[test]
    fn labels_lead_to_one_page_on_both_sides() {
        let page = "# A\nSee [b][b].\n\n[b]: c/b-b.md\n";
        assert_eq!(found(page, "[b]: crate::guide::c::b_b\n"), [""; 0]);
        assert_eq!(found(page, ""), ["rustdoc does not know the label b"]);
        let other = found(page, "[b]: crate::guide::a\n");
        assert_eq!(other, ["b leads to c/b-b.md here and to crate::guide::a there"]);
        let paper = "# A\n[p][p]\n\n[p]: ../../README.md\n";
        assert_eq!(found(paper, "[p]: crate::guide#papers\n"), [""; 0]);
        assert_eq!(found("# A\n[b](c/b-b.md)\n", "").len(), 1);
        assert_eq!(found("# A\n[b][b] [w](https://example.org)\n", "").len(), 1);
    }

    #[test]
    fn rust_that_is_compiled_nowhere_is_found() {
        let block =
            |code: &str| format!("# A\n```rs\n{code}```\n```rust\nfn doctest() {{}}\n```\n");
        assert_eq!(found(&block("fn here() {}\n"), ""), [""; 0]);
        assert_eq!(found(&block("fn gone() {}\n"), ""), ["this block is compiled nowhere"]);
    }
}
