//! What ARCHITECTURE.md repeats from a table is made from the table.
//!
//! What it is: a comparison of the text between `<!-- name:begin -->` and `<!-- name:end -->` with what the
//! tables in `layers.rs` and `owners.rs` say. What it is NOT: a generator. The failure prints the block to
//! paste.

use crate::{
    Tree, Violation,
    layers::{self, ROOMS},
    owners,
};

const RULE: &str = "ARCHITECTURE.md repeats the tables truly";
const FILE: &str = "ARCHITECTURE.md";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let text = tree.text(FILE).unwrap_or_default();
    let picture = format!("```text\n{}```\n", layers::picture());
    let mut found = Vec::new();
    for (name, expected) in [("layers", picture), ("owners", owners::table())] {
        let what = match block(text, name) {
            None => format!("there is no block {name}"),
            Some(block) if block.trim() == expected.trim() => continue,
            Some(_) => format!("the block {name} differs from its table"),
        };
        let remedy = format!(
            "put this between the marks:\n\n<!-- {name}:begin -->\n{expected}<!-- {name}:end -->\n"
        );
        found.push(Violation::of(RULE, FILE, what, remedy));
    }
    found.extend(unmapped(text));
    found
}

/// The text between a block's two marks.
fn block<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("<!-- {name}:begin -->"))?;
    Some(after.split_once(&format!("<!-- {name}:end -->"))?.0)
}

/// Crates of the table that the document has no line for.
fn unmapped(text: &str) -> impl Iterator<Item = Violation> {
    let missing = ROOMS.iter().filter(|room| !text.contains(&format!("`{}`", room.name)));
    missing.map(|room| {
        let what = format!("the code map does not name `{}`", room.name);
        Violation::of(RULE, FILE, what, "give it a line: its folder, what it is, what it is not")
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::{Tree, layers, owners};

    #[test]
    fn a_stale_block_and_an_unmapped_crate_are_found() {
        let whole = format!(
            "<!-- layers:begin -->\n```text\n{}```\n<!-- layers:end -->\n<!-- owners:begin -->\n{}<!-- owners:end -->\n",
            layers::picture(),
            owners::table()
        );
        let names =
            layers::ROOMS.iter().map(|room| format!("`{}`\n", room.name)).collect::<String>();
        let count = |text: &str| check(&Tree::sample(&[("ARCHITECTURE.md", text)])).len();
        assert_eq!(count(&format!("{whole}{names}")), 0);
        assert_eq!(count(&format!("{whole}{}", names.replace("`odeon-wire`\n", ""))), 1);
        assert_eq!(count(&format!("{}{names}", whole.replace("transport\n", "\n"))), 1);
        assert_eq!(count(&names), 2);
    }
}
