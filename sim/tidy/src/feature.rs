//! Who turns a feature on: what the rules `simulation` and `planted` have in common.
//!
//! What it is: a look at what one manifest says. What it is NOT: cargo's resolver; a feature that is passed down under its
//! own name is off unless somebody names it.

use toml::Value;

use crate::manifest::Manifest;

/// Whether any dependency, in whatever table, has the feature in its list.
pub(crate) fn is_asked_for(manifest: &Manifest<'_>, feature: &str) -> bool {
    asks(&manifest.table, feature)
}

/// The features under other names that turn it on.
pub(crate) fn aliases<'a>(
    manifest: &'a Manifest<'_>,
    feature: &'a str,
) -> impl Iterator<Item = &'a str> {
    let features = manifest.get(&["features"]).and_then(Value::as_table);
    let turns_on = move |parts: &Value| {
        let parts = parts.as_array().into_iter().flatten().filter_map(Value::as_str);
        parts.into_iter().any(|part| part.rsplit('/').next() == Some(feature))
    };
    let found = features.into_iter().flatten();
    found
        .filter(move |(name, parts)| *name != feature && turns_on(parts))
        .map(|(name, _)| name.as_str())
}

fn asks(table: &toml::Table, feature: &str) -> bool {
    table.iter().filter(|(key, _)| *key != "features").any(|(_, value)| {
        let Some(table) = value.as_table() else { return false };
        let listed = table.get("features").and_then(Value::as_array);
        let has = |name: &Value| name.as_str() == Some(feature);
        listed.is_some_and(|listed| listed.iter().any(has)) || asks(table, feature)
    })
}
