//! The feature `simulation`, which opens the window to unencrypted frame connections, is turned on by the simulator alone.
//!
//! What it is: a look at the features that manifests ask for. Two crates pass the feature down under its own name, so
//! that it is off unless somebody names it; `odeon-sim` names it. What it is NOT: proof that the window is shut
//! without it; that is the compiler's, because the method is not there.

use crate::{Tree, Violation, feature, manifest::Manifest};

const RULE: &str = "only the simulator turns the feature `simulation` on";

const FEATURE: &str = "simulation";

/// The crate that may name it.
const SIMULATOR: &str = "odeon-sim";

pub(crate) fn check(tree: &Tree) -> Vec<Violation> {
    let remedy = "leave the feature to odeon-sim: with it a program could be given connections without encryption";
    let mut found = Vec::new();
    let root = Manifest::root(tree);
    for manifest in std::iter::once(&root).chain(&Manifest::members(tree)) {
        let mut say = |what: String| found.push(Violation::of(RULE, manifest.path, what, remedy));
        if manifest.name() != SIMULATOR && feature::is_asked_for(manifest, FEATURE) {
            say("a dependency asks for the feature `simulation`".to_owned());
        }
        for name in feature::aliases(manifest, FEATURE) {
            say(format!("the feature `{name}` turns `simulation` on"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::Tree;

    #[test]
    fn whoever_else_turns_it_on_is_found() {
        let down =
            "[package]\nname = \"odeon\"\n[features]\nsimulation = [\"odeon-env/simulation\"]\n";
        let asking = |name: &str| {
            format!(
                "[package]\nname = \"{name}\"\n[dependencies]\nodeon = {{ features = [\"simulation\"] }}\n"
            )
        };
        let (sim, node) = (asking("odeon-sim"), asking("odeon-node"));
        let default = "[package]\nname = \"x\"\n[features]\ndefault = [\"odeon/simulation\"]\n";
        let tree = Tree::sample(&[
            ("Cargo.toml", "[workspace]\nmembers = []\n"),
            ("runtime/Cargo.toml", down),
            ("sim/Cargo.toml", &sim),
            ("node/Cargo.toml", &node),
            ("x/Cargo.toml", default),
        ]);
        let found = check(&tree).into_iter().map(|it| it.found).collect::<Vec<_>>();
        let expected = [
            "a dependency asks for the feature `simulation`",
            "the feature `default` turns `simulation` on",
        ];
        assert_eq!(found, expected);
    }
}
