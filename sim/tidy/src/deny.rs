//! The walls in `deny.toml` are those of the owners' table.
//!
//! What it is: a comparison in both directions, so that cargo-deny, where it is installed, and `owners.rs` say
//! the same. What it is NOT: cargo-deny. Foreign crates among the wrappers are its business.

use toml::Value;

use crate::{
    Tree, Violation,
    owners::{self, OWNERS, Owners},
};

const RULE: &str = "deny.toml repeats the owners' table";
const FILE: &str = "deny.toml";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let say = |what: String| {
        Violation::of(RULE, FILE, what, "make `[[bans.deny]]` agree with sim/tidy/src/owners.rs")
    };
    let Some(walls) = walls(tree) else {
        return vec![say("there is no list `[[bans.deny]]`".to_owned())];
    };
    let mut found = Vec::new();
    for (name, owners) in OWNERS {
        if matches!(owners, Owners::Walled(_)) && !walls.iter().any(|(walled, _)| walled == name) {
            found.push(say(format!("{name} has no wall")));
        }
    }
    for (name, wrappers) in &walls {
        match owners::find(name) {
            Some(Owners::Walled(who)) if wrappers == who => {}
            Some(Owners::Walled(who)) => {
                found.push(say(format!("{name} is open to {wrappers:?}, its owners are {who:?}")));
            }
            _ => found.push(say(format!("{name} has a wall here and none in the table"))),
        }
    }
    found
}

/// Each walled crate with the wrappers that are of this house, sorted.
fn walls(tree: &Tree) -> Option<Vec<(String, Vec<String>)>> {
    let file: toml::Table = tree.text(FILE)?.parse().ok()?;
    let entry = |entry: &Value| {
        let name = entry.get("crate")?.as_str()?.to_owned();
        let wrappers = entry.get("wrappers")?.as_array()?.iter().filter_map(Value::as_str);
        let ours = wrappers.filter(|name| *name == "odeon" || name.starts_with("odeon-"));
        let mut ours = ours.map(str::to_owned).collect::<Vec<_>>();
        ours.sort();
        Some((name, ours))
    };
    file.get("bans")?.get("deny")?.as_array()?.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn missing_wrong_and_surplus_walls_are_found() {
        let text = "[[bans.deny]]\ncrate = \"foca\"\nwrappers = [\"odeon\"]\n\
                    [[bans.deny]]\ncrate = \"bytes\"\nwrappers = []\n\
                    [[bans.deny]]\ncrate = \"rcgen\"\nwrappers = [\"odeon-transport\", \"elsewhere\"]\n";
        let found = check(&Tree::sample(&[("deny.toml", text)]));
        let has = |text: &str| found.iter().any(|it| it.found.contains(text));
        assert!(has("quinn has no wall"));
        assert!(has("foca is open to"));
        assert!(has("bytes has a wall here"));
        assert!(!has("rcgen"));
        assert!(!check(&Tree::sample(&[])).is_empty());
    }
}
