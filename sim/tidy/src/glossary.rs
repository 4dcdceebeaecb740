//! The glossary is sorted, and has each word once.
//!
//! What it is: a check of the entries `* **word**: …` under the heading `Glossary` of ARCHITECTURE.md. What it
//! is NOT: a check that every noun of the code is there.

use crate::{Tree, Violation};

const RULE: &str = "the glossary is sorted";
const FILE: &str = "ARCHITECTURE.md";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let words = words(tree.text(FILE).unwrap_or_default());
    if words.is_empty() {
        let remedy = "write `## Glossary` with entries `* **word**: what it means`";
        return vec![Violation::of(RULE, FILE, "there is no glossary", remedy)];
    }
    let wrong = words.windows(2).filter(|pair| pair[0].1 >= pair[1].1);
    let say = |pair: &[(usize, String)]| {
        let what = format!("{:?} stands after {:?}", pair[1].1, pair[0].1);
        Violation::of(RULE, FILE, what, "move it, or join the two").at(pair[1].0)
    };
    wrong.map(say).collect()
}

/// The words with their lines, in lower case.
fn words(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().enumerate().skip_while(|(_, line)| *line != "## Glossary").skip(1);
    let lines = lines.take_while(|(_, line)| !line.starts_with("## "));
    let word = |(at, line): (usize, &str)| {
        let word = line.strip_prefix("* **")?.split_once("**")?.0;
        Some((at + 1, word.to_lowercase()))
    };
    lines.filter_map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    fn lines(text: &str) -> Vec<usize> {
        let found = check(&Tree::sample(&[("ARCHITECTURE.md", text)]));
        found.into_iter().map(|it| it.line).collect()
    }

    #[test]
    fn disorder_repetition_and_absence_are_found() {
        assert_eq!(
            lines("## Glossary\n* **ask**: x\n* **Lane**: y\n\n## Next\n* **a**: z\n"),
            [0_usize; 0]
        );
        assert_eq!(lines("## Glossary\n* **lane**: x\n* **ask**: y\n* **Ask**: z\n"), [3, 4]);
        assert_eq!(lines("# Nothing\n"), [0]);
    }
}
