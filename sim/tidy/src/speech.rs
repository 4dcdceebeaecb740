//! The project speaks of itself alone.
//!
//! What it is: a search for what means nothing to a reader elsewhere: folders of one machine, hosts of package
//! registries, papers that are not in the tree. What it is NOT: a spelling check. Lock files and licences are
//! not ours to word.

use crate::{Tree, Violation};

const RULE: &str = "the project speaks of itself alone";

/// What is not said, and why. Written in two halves, so that this file does not carry it.
const UNSAID: [(&str, &str); 13] = [
    (concat!("/wo", "rk/"), "a folder of one machine"),
    (concat!("/ro", "ot/"), "a folder of one machine"),
    (concat!("/ho", "me/"), "a folder of one machine"),
    (concat!("/Us", "ers/"), "a folder of one machine"),
    (concat!("index.", "crates.io"), "a package host"),
    (concat!("static.", "crates.io"), "a package host"),
    (concat!("static.rust", "-lang.org"), "a package host"),
    (concat!("pypi", ".org"), "a package host"),
    (concat!("registry.", "npmjs.org"), "a package host"),
    (concat!("DESIGN", ".md"), "a paper that is not in the tree"),
    (concat!("DESIGN ", "section"), "a paper that is not in the tree"),
    (concat!("FACTS", ".md"), "a paper that is not in the tree"),
    (concat!("FACTS ", "section"), "a paper that is not in the tree"),
];

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    let ours = tree.files().filter(|(path, _)| {
        !path.ends_with(".lock") && !path.starts_with("LICENSE") && !path.ends_with(".pem")
    });
    for (path, text) in ours {
        for (at, line) in text.lines().enumerate() {
            // What the compiler says has tickets of its own.
            let ticket = || ticket(line).filter(|_| !path.ends_with(".stderr"));
            if let Some(what) = unsaid(line).or_else(ticket) {
                let remedy = "say it in terms of the project: a path from its root, a section of its own documents, the reason \
                              itself";
                found.push(Violation::of(RULE, path, what, remedy).at(at + 1));
            }
        }
    }
    found
}

/// The place or paper that a line should not have named.
fn unsaid(line: &str) -> Option<String> {
    let whole =
        |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-}".contains(c));
    let phrase = |(text, why): &(&str, &str)| {
        let at = line.match_indices(text).find(|(at, _)| whole(*at));
        at.map(|_| format!("{text:?}, {why}"))
    };
    UNSAID.iter().find_map(phrase)
}

/// The number of a ticket, which only its own tracker explains.
fn ticket(line: &str) -> Option<String> {
    let lower = line.to_lowercase();
    let mut after = lower.match_indices("issue ").map(|(at, word)| &lower[at + word.len()..]);
    let number =
        |rest: &str| rest.trim_start_matches('#').starts_with(|c: char| c.is_ascii_digit());
    after.any(number).then(|| "the number of a ticket".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{UNSAID, check};
    use crate::Tree;

    fn found(line: &str) -> usize {
        check(&Tree::sample(&[("a/notes.md", line)])).len()
    }

    #[test]
    fn everything_unsaid_is_found() {
        for (text, _) in UNSAID {
            assert_eq!(found(&format!("see `{text}x`")), 1, "{text}");
        }
        let number = 12;
        assert_eq!(found(&format!("as issue {number} asks")), 1);
        assert_eq!(found(&format!("as Issue #{number} asks")), 1);
    }

    #[test]
    fn paths_of_the_project_pass() {
        for (text, _) in &UNSAID[..4] {
            assert_eq!(found(&format!("the folder frame{text}x")), 0, "{text}");
        }
        assert_eq!(found("a known issue, two of them"), 0);
    }
}
