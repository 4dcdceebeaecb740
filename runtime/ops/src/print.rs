//! `--print-config`: every value with where it came from, as a file that can be read again.
//!
//! Secrets are named and not shown, and stand behind a `#`, so that the file stays readable.

use std::fmt::Write as _;

use crate::layers::Effective;

/// All settings in the order of their table.
pub(crate) fn page(effective: &Effective) -> String {
    let mut page = String::new();
    let mut section = "";
    for setting in effective.table() {
        let (in_section, name) = setting.key.split_once('.').unwrap_or((setting.key, ""));
        if in_section != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            // Writing to a text cannot fail.
            let _ = writeln!(page, "{gap}[{in_section}]");
            section = in_section;
        }
        let live = if setting.live { "; live" } else { "" };
        let _ = writeln!(page, "# {}: {}{live}.", setting.about, setting.kind.bounds());
        let _ = match effective.get(setting.key) {
            None => writeln!(page, "# {name} is not set"),
            Some((_, origin)) if setting.secret => {
                writeln!(page, "# {name} is secret # from {origin}")
            }
            Some((value, origin)) => writeln!(page, "{name} = {value} # from {origin}"),
        };
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{flags::Flags, layers::Given};

    #[test]
    fn the_page_names_places_and_can_be_read_again() {
        let mut flags = Flags::default();
        flags.values.insert("node.name", vec!["a".to_owned()]);
        let variables = [("ODEON_JOIN", "b:1,c:2"), ("ODEON_WORKERS", "3")];
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        let effective = Given::new(flags, variables).resolve().unwrap();
        let text = page(&effective);
        for line in [
            "name = \"a\" # from the flag --name",
            "seeds = [\"b:1\", \"c:2\"] # from the environment variable ODEON_JOIN",
            "within = \"30s\" # from the default",
            "# advertise is not set",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} in\n{text}");
        }
        let path = std::env::temp_dir().join(format!("odeon-ops-page-{}.toml", std::process::id()));
        std::fs::write(&path, &text).unwrap();
        let flags = Flags { config: Some(path.clone()), ..Flags::default() };
        let again = Given::new(flags, std::iter::empty()).resolve();
        std::fs::remove_file(path).unwrap();
        assert_eq!(again.unwrap().config, effective.config);
    }
}
