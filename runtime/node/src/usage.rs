//! What is said of a command line that cannot be understood: one line with the value, what it must be, and where the
//! flags are listed.
//!
//! What it is NOT: the flags, which each command has beside it. The parser's own text is the start; a value that came
//! from the environment is called by its variable.

use clap::{CommandFactory, error::ContextKind};

use crate::Args;

/// What is wrong with a flag: the value and what it must be, without the usage.
pub(crate) fn one_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let what = text.split("\n\n").next().unwrap_or(&text).trim_start_matches("error: ");
    let mut what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    let given: Vec<String> = std::env::args().skip(1).collect();
    if let Some(flag) = error.get(ContextKind::InvalidArg) {
        let flag = flag.to_string();
        if let Some(variable) = variable(&flag, &given) {
            what =
                what.replace(&format!("'{flag}'"), &format!("the environment variable {variable}"));
        }
    }
    format!("{what}; `{} --help` lists the flags", command(&given))
}

/// The variable that a value came from which no flag was given for.
fn variable(flag: &str, given: &[String]) -> Option<String> {
    let name = flag.split([' ', '=']).next()?.strip_prefix("--")?;
    let is_flag = |arg: &String| {
        arg.strip_prefix("--").is_some_and(|arg| arg.split('=').next() == Some(name))
    };
    let variable = format!("ODEON_{}", name.to_uppercase().replace('-', "_"));
    (!given.iter().any(is_flag) && std::env::var_os(&variable).is_some()).then_some(variable)
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
