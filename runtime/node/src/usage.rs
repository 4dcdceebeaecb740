//! What is said of a command line that cannot be understood: one line with the value, what it must be, and where the
//! flags are listed.
//!
//! What it is NOT: the flags, which each command has beside it. The parser's own text is the start.

use clap::CommandFactory;

use crate::Args;

/// What is wrong with a flag: the value and what it must be, without the usage.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let what = text.split("\n\n").next().unwrap_or(&text).trim_start_matches("error: ");
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    let given: Vec<String> = std::env::args().skip(1).collect();
    format!("{what}; `{} --help` lists the flags", command(&given))
}

/// The command, as far as it was understood.
fn command(given: &[String]) -> String {
    let mut path = "odeon".to_owned();
    let mut at = Args::command();
    for arg in given {
        let Some(found) = at.find_subcommand(arg).filter(|found| !found.is_hide_set()).cloned()
        else {
            break;
        };
        path = format!("{path} {arg}");
        at = found;
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_named_as_far_as_it_was_understood() {
        let path =
            |args: &[&str]| command(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>());
        assert_eq!(path(&["demo", "--nodes", "x"]), "odeon demo");
        assert_eq!(path(&["ca", "issue", "--nam", "a"]), "odeon ca issue");
        assert_eq!(path(&["nod"]), "odeon");
        assert_eq!(path(&[]), "odeon");
    }
}
