//! The flags: what a command line says, before anybody has looked at the values.
//!
//! What it is: arguments for clap, made of the table of settings, so that help and completions have what it has. What it is
//! NOT: the check of values; files and variables have the same ones, and `layers.rs` checks them all.

use std::{collections::BTreeMap, path::PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::StyledStr};

use crate::{
    layers::FILE_VARIABLE,
    settings::{Kind, SETTINGS, Setting},
};

/// What the flags of a node say.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    pub(crate) values: BTreeMap<&'static str, Vec<String>>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) print_config: bool,
}

/// The argument of a setting.
pub(crate) fn arg(setting: &Setting) -> Arg {
    let arg = Arg::new(setting.key)
        .long(setting.flag)
        .value_name(setting.kind.placeholder())
        .help(help(setting))
        .allow_negative_numbers(true);
    match setting.kind {
        list if list.is_list() => arg.action(ArgAction::Append),
        Kind::Switch => arg.num_args(0..=1).require_equals(true).default_missing_value("true"),
        _ => arg,
    }
}

fn help(setting: &Setting) -> StyledStr {
    let default = setting.default.filter(|it| !it.is_empty());
    let default = default.map(|it| format!("; default {it}")).unwrap_or_default();
    let live = if setting.live { "; SIGHUP applies a change" } else { "" };
    let bounds = setting.kind.bounds();
    let (key, variables) = (setting.key, setting.variables().join(" or "));
    format!("{}. It is {bounds}{default}{live}. In a file {key}, or {variables}", setting.about)
        .into()
}

impl Flags {
    /// Takes what is said of these settings.
    pub(crate) fn take(&mut self, matches: &ArgMatches, settings: &[Setting]) {
        for setting in settings {
            if let Some(texts) = matches.get_many::<String>(setting.key) {
                self.values.insert(setting.key, texts.cloned().collect());
            }
        }
    }
}

impl clap::Args for Flags {
    fn augment_args(command: Command) -> Command {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help(format!("A TOML file with sections and keys, as --print-config prints them, or {FILE_VARIABLE}"));
        let print = Arg::new("print-config").long("print-config").action(ArgAction::SetTrue).help(
            "Print every value with where it came from, as a file that --config reads, and end",
        );
        command.args(SETTINGS.iter().map(arg)).arg(config).arg(print)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl clap::FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.take(matches, &SETTINGS);
        self.config = matches.get_one::<PathBuf>("config").cloned();
        self.print_config = matches.get_flag("print-config");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::{Args, FromArgMatches};

    use super::*;

    fn read(args: &[&str]) -> Flags {
        let command = Flags::augment_args(Command::new("node").no_binary_name(true));
        Flags::from_arg_matches(&command.get_matches_from(args)).unwrap()
    }

    #[test]
    fn flags_are_read_as_they_are_given() {
        let flags = read(&["--join", "a:1", "--join", "b:2,c:3", "--dev", "--listen", "here"]);
        assert_eq!(flags.values["join.seeds"], ["a:1", "b:2,c:3"]);
        assert_eq!(flags.values["join.dev"], ["true"]);
        assert_eq!(flags.values["node.listen"], ["here"]);
        assert_eq!(flags.values.len(), 3, "what is not given is not there");
        assert_eq!(read(&["--dev=false"]).values["join.dev"], ["false"]);
        assert!(read(&["--print-config"]).print_config);
    }

    #[test]
    fn the_arguments_are_sound() {
        Flags::augment_args(Command::new("node")).debug_assert();
    }
}
