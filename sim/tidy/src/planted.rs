//! The feature `planted`, which puts bugs into our own code, is turned on by nothing but a command line.
//!
//! What it is: a look at the features that manifests ask for. `odeon-sim` passes the feature down under its own name, so
//! that `--workspace` runs and every other build are without it. What it is NOT: proof that a bug is out without it;
//! that is the constant in `odeon-message`.

use crate::{Tree, Violation, feature, manifest::Manifest};

const RULE: &str = "nothing turns the feature `planted` on";

const FEATURE: &str = "planted";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let remedy = "leave the feature to whoever builds: cargo … -p odeon-sim --features planted";
    let mut found = Vec::new();
    let root = Manifest::root(tree);
    for manifest in std::iter::once(&root).chain(&Manifest::members(tree)) {
        let mut say = |what: String| found.push(Violation::of(RULE, manifest.path, what, remedy));
        if feature::is_asked_for(manifest, FEATURE) {
            say("a dependency asks for the feature `planted`".to_owned());
        }
        for name in feature::aliases(manifest, FEATURE) {
            say(format!("the feature `{name}` turns `planted` on"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn whoever_turns_it_on_is_found() {
        let sim =
            "[package]\nname = \"odeon-sim\"\n[features]\nplanted = [\"odeon-message/planted\"]\n";
        let asks = "[package]\nname = \"y\"\n[dev-dependencies]\nodeon-sim = { features = [\"planted\"] }\n";
        let default = "[package]\nname = \"x\"\n[features]\ndefault = [\"planted\"]\n";
        let tree = Tree::sample(&[
            ("Cargo.toml", "[workspace]\nmembers = []\n"),
            ("sim/Cargo.toml", sim),
            ("x/Cargo.toml", default),
            ("y/Cargo.toml", asks),
        ]);
        let found = check(&tree).into_iter().map(|it| it.found).collect::<Vec<_>>();
        let expected = [
            "the feature `default` turns `planted` on",
            "a dependency asks for the feature `planted`",
        ];
        assert_eq!(found, expected);
    }
}
