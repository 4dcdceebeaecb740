//! Nobody walks through a randomly seeded map: its order differs in every process.
//!
//! What it is: a search, file by file, for names declared as `HashMap` or `HashSet` whose items are then
//! visited by method; loops over them are clippy's (`iter_over_hash_type`). What it is NOT: a type checker. A
//! map that is only looked up is fine.

use std::collections::BTreeSet;

use crate::{Tree, Violation, code};

const RULE: &str = "nobody visits the items of a randomly seeded map";

const MAPS: [&str; 2] = ["HashMap", "HashSet"];

/// Methods that visit in the map's order.
const VISITS: [&str; 11] = [
    "iter",
    "iter_mut",
    "keys",
    "values",
    "values_mut",
    "into_iter",
    "into_keys",
    "into_values",
    "drain",
    "retain",
    "extract_if",
];

/// Methods that lead from a wrapper to the map inside.
const UNWRAPS: [&str; 12] = [
    "lock",
    "read",
    "write",
    "borrow",
    "borrow_mut",
    "get_mut",
    "as_ref",
    "as_mut",
    "unwrap",
    "expect",
    "unwrap_or_else",
    "clone",
];

/// Where such maps are visited on purpose: tests that play user code, or that show whether entropy is replaced.
const CANARIES: [&str; 2] = ["sim/tests/", "sim/interpose/tests/"];

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.ending(".rs") {
        if CANARIES.iter().any(|folder| path.starts_with(folder)) {
            continue;
        }
        let bare = code::bare(text);
        for name in declared(&bare) {
            for (at, _) in bare.match_indices(&name) {
                let Some(visit) = visit(&bare, at, &name) else { continue };
                let line = bare[..at].matches('\n').count() + 1;
                let what = format!("{name}.{visit}() follows the map's random order");
                let remedy = "use BTreeMap, IndexMap or a Vec";
                found.push(Violation::of(RULE, path, what, remedy).at(line));
            }
        }
    }
    found
}

/// The names that the file gives to randomly seeded maps.
fn declared(bare: &str) -> BTreeSet<String> {
    let lines = bare.lines().filter(|line| MAPS.iter().any(|map| line.contains(map)));
    let lines = lines.filter(|line| !line.trim_start().starts_with("use "));
    lines.filter_map(name_before_map).collect()
}

/// The name in `name: …HashMap<…`, or in `let name = HashMap::…`.
fn name_before_map(line: &str) -> Option<String> {
    let at = MAPS.iter().filter_map(|map| line.find(map)).min()?;
    let left = line[..at].replace("::", "  ");
    let (before, _) = left.split_once(':').or_else(|| left.split_once('='))?;
    let name = before.trim_end().rsplit(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (!name.is_empty()).then(|| name.to_owned())
}

/// The visiting method in the chain of calls after the name at `at`.
fn visit(bare: &str, at: usize, name: &str) -> Option<&'static str> {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    if bare[..at].chars().next_back().is_some_and(in_word) {
        return None;
    }
    let mut rest = bare[at + name.len()..].trim_start();
    loop {
        rest = rest.trim_start_matches('?').trim_start().strip_prefix('.')?.trim_start();
        let end = rest.find(|c| !in_word(c))?;
        let (method, after) = rest.split_at(end);
        if let Some(visit) = VISITS.into_iter().find(|visit| *visit == method) {
            return after.starts_with('(').then_some(visit);
        }
        if !UNWRAPS.contains(&method) {
            return None;
        }
        rest = after_arguments(after)?.trim_start();
    }
}

/// What follows the parenthesis that `text` begins with.
fn after_arguments(text: &str) -> Option<&str> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return Some(&text[at + 1..]),
            ')' => depth -= 1,
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    fn lines(text: &str) -> Vec<usize> {
        let found = check(&Tree::sample(&[("a/src/a.rs", text)]));
        found.into_iter().map(|it| it.line).collect()
    }

    #[test]
    fn visits_are_found_through_locks_and_line_breaks() {
        let text = "struct Peers {\n    pub(crate) asks: Mutex<HashMap<u64, Ask>>,\n}\n\
                    fn f(&self) {\n    self.asks\n        .lock()\n        .expect(g())\n        .values();\n}\n";
        assert_eq!(lines(text), [5]);
        assert_eq!(lines("let mut seen = HashSet::new();\nseen.drain();\n"), [2]);
        assert_eq!(lines("let m: std::collections::HashMap<u8, u8> = x;\nm.iter();\n"), [2]);
    }

    #[test]
    fn canaries_pass() {
        let text = "let m: HashMap<u8, u8> = x;\nm.iter();\n";
        assert!(check(&Tree::sample(&[("sim/tests/a.rs", text)])).is_empty());
    }

    #[test]
    fn look_ups_and_ordered_maps_pass() {
        let text = "let m: HashMap<u8, u8> = x;\nm.get(&1).iter();\nm.len();\nlet b: BTreeMap<u8, u8> = y;\nb.iter();\n";
        assert_eq!(lines(text), [0_usize; 0]);
    }
}
