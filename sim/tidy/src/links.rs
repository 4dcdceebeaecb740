//! Links in Markdown lead somewhere.
//!
//! What it is: a check that a link to a file, a folder or a heading of this project finds it. What it is NOT: a
//! check of links to other places (that would need a network) or of rustdoc's, which rustdoc checks.

use crate::{Tree, Violation};

const RULE: &str = "links in Markdown lead somewhere";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.ending(".md") {
        for (line, target) in links(text) {
            if let Err(what) = resolve(tree, path, target) {
                let remedy = "correct the link, or write what it should lead to";
                found.push(Violation::of(RULE, path, what, remedy).at(line));
            }
        }
    }
    found
}

/// The lines outside fenced code, with their numbers from 1.
pub(crate) fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(at, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then_some((at + 1, line))
    })
}

/// Every `](target)` and `[name]: target` outside code.
fn links(text: &str) -> impl Iterator<Item = (usize, &str)> {
    prose(text).flat_map(|(number, line)| {
        let inline =
            line.match_indices("](").filter(|(at, _)| line[..*at].matches('`').count() % 2 == 0);
        let inline = inline.filter_map(|(at, _)| line[at + 2..].split([')', ' ']).next());
        let named = line.strip_prefix('[').and_then(|rest| Some(rest.split_once("]: ")?.1.trim()));
        inline.chain(named).map(move |target| (number, target)).collect::<Vec<_>>()
    })
}

fn resolve(tree: &Tree, from: &str, target: &str) -> Result<(), String> {
    if ["https://", "http://", "mailto:"].iter().any(|scheme| target.starts_with(scheme)) {
        return Ok(());
    }
    let (file, heading) = target.split_once('#').unwrap_or((target, ""));
    let file = if file.is_empty() { from.to_owned() } else { joined(from, file)? };
    if !tree.contains(&file) {
        return Err(format!("{target:?} is not in the project"));
    }
    let text = tree.text(&file).unwrap_or_default();
    if heading.is_empty() || prose(text).any(|(_, line)| anchor(line).as_deref() == Some(heading)) {
        return Ok(());
    }
    Err(format!("{file} has no heading #{heading}"))
}

/// `target` as seen from the folder of `from`, from the root.
fn joined(from: &str, target: &str) -> Result<String, String> {
    let mut parts = from.split('/').collect::<Vec<_>>();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return Err(format!("{target:?} leaves the project")),
            ".." => {}
            part => parts.push(part),
        }
    }
    Ok(parts.join("/"))
}

/// The anchor that hosts of Git repositories give to a heading.
fn anchor(line: &str) -> Option<String> {
    let heading = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = heading.trim().to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.map(|c| if c == ' ' { '-' } else { c }).collect())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    fn found(text: &str) -> Vec<String> {
        let tree =
            Tree::sample(&[("doc/a.md", text), ("b.md", "# One two, three\n"), ("src/x.rs", "")]);
        check(&tree).into_iter().map(|it| it.found).collect()
    }

    #[test]
    fn dead_links_are_found() {
        assert_eq!(found("see [b](../c.md)"), ["\"../c.md\" is not in the project"]);
        assert_eq!(found("see [b](../b.md#two)"), ["b.md has no heading #two"]);
        assert_eq!(found("see [b](../../b.md)"), ["\"../../b.md\" leaves the project"]);
        assert_eq!(found("[b]: gone.md"), ["\"gone.md\" is not in the project"]);
    }

    #[test]
    fn live_links_and_code_pass() {
        let text = "# Top\n[b](../b.md#one-two-three) [src](../src) [top](#top) [web](https://example.org/x)\n\
                    ```text\n[x](nowhere)\n```\n`a[0](b)` and `[x](y)`\n";
        assert_eq!(found(text), [""; 0]);
    }
}
