//! Flags over environment over a file over defaults.
//!
//! What it is: what was given ([`Given`]) becomes the values in force and where each came from ([`Effective`]), or a
//! [`ConfigError`] that names key, value, place and remedy. It is done again on SIGHUP, with the file as it is then. What
//! it is NOT: the check of files and addresses that the values name; who uses them does that.

mod error;

pub use error::{ConfigError, Origin};

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::{Table, Value};

use crate::{
    Config,
    flags::Flags,
    settings::{SETTINGS, Setting},
};

/// Longest file that is read: a hundred times what all settings need.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The variable that names the file.
pub(crate) const FILE_VARIABLE: &str = "ODEON_CONFIG";

/// What flags and environment say, which does not change while the program runs.
#[derive(Debug)]
pub(crate) struct Given {
    flags: Flags,
    variables: BTreeMap<String, OsString>,
    /// All that can be set: what every node has, and what this program has of its own.
    table: Arc<[Setting]>,
}

/// The values in force, and where each came from.
#[derive(Clone, Debug)]
pub(crate) struct Effective {
    pub(crate) config: Config,
    values: Values,
    table: Arc<[Setting]>,
    /// Keys of the environment that look like ours and are not: a container may bring them along.
    pub(crate) strange: Vec<String>,
}

impl Given {
    /// What the command line says, and those variables that may be ours.
    pub(crate) fn new(flags: Flags, variables: impl Iterator<Item = (OsString, OsString)>) -> Self {
        let ours = |(name, value): (OsString, OsString)| {
            let name = name.into_string().ok()?;
            (name.starts_with("ODEON_") || name == "RUST_LOG").then_some((name, value))
        };
        let table = SETTINGS.iter().cloned().collect();
        Self { flags, variables: variables.filter_map(ours).collect(), table }
    }

    /// With values of the program's own beside them.
    pub(crate) fn with(mut self, own: &[Setting]) -> Self {
        self.table = SETTINGS.iter().chain(own).cloned().collect();
        self
    }

    /// The file, if one is named.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let named = || self.variables.get(FILE_VARIABLE).filter(|path| !path.is_empty());
        self.flags.config.clone().or_else(|| named().map(PathBuf::from))
    }

    /// The values in force.
    pub(crate) fn resolve(&self) -> Result<Effective, ConfigError> {
        let mut values = Values::new();
        for setting in self.table.iter() {
            if let Some(default) = setting.default {
                let value = self.text(setting, &[default], Origin::Default)?;
                values.insert(setting.key, (value, Origin::Default));
            }
        }
        if let Some(path) = self.file() {
            values.extend(read_file(&path, &self.table)?);
        }
        for setting in self.table.iter() {
            let given = setting.variables().into_iter().find_map(|name| {
                // A variable that is empty is as good as none: many tools cannot take one away.
                let value = self.variables.get(&name).filter(|value| !value.is_empty())?;
                Some((Origin::Variable(name), value.to_string_lossy().into_owned()))
            });
            if let Some((origin, text)) = given {
                let value = self.text(setting, &[&text], origin.clone())?;
                values.insert(setting.key, (value, origin));
            }
            if let Some(texts) = self.flags.values.get(setting.key) {
                let texts = texts.iter().map(String::as_str).collect::<Vec<_>>();
                let origin = Origin::Flag(setting.flag);
                values.insert(setting.key, (self.text(setting, &texts, origin.clone())?, origin));
            }
        }
        together(&values)?;
        let (config, table) = (tree(&values)?, Arc::clone(&self.table));
        Ok(Effective { config, values, table, strange: self.strange() })
    }

    fn text(
        &self,
        setting: &Setting,
        texts: &[&str],
        origin: Origin,
    ) -> Result<Value, ConfigError> {
        let refused = |remedy| {
            let value = if setting.secret { "what was given".to_owned() } else { texts.join(",") };
            ConfigError::Value { key: setting.key.to_owned(), value, origin, remedy }
        };
        setting.kind.read_text(texts).map_err(refused)
    }

    fn strange(&self) -> Vec<String> {
        // Of other programs of ours: the simulator's and the tests'.
        const KNOWN: [&str; 5] =
            [FILE_VARIABLE, "ODEON_SIM", "ODEON_LINK", "ODEON_BROWSER", "ODEON_PROCESSES"];
        let known = |name: &str| {
            KNOWN.contains(&name)
                || self.table.iter().any(|setting| setting.variables().iter().any(|it| it == name))
        };
        self.variables.keys().filter(|name| !known(name)).cloned().collect()
    }
}

impl Effective {
    /// A value, and where it came from; `None` if nobody has set it.
    pub(crate) fn get(&self, key: &str) -> Option<(&Value, &Origin)> {
        self.values.get(key).map(|(value, origin)| (value, origin))
    }

    /// A value as it may be shown; `None` if nobody has set it, or if it is secret.
    pub(crate) fn shown(&self, key: &str) -> Option<String> {
        let is_secret = |setting: &Setting| setting.key == key && setting.secret;
        let (value, _) = self.get(key).filter(|_| !self.table.iter().any(is_secret))?;
        Some(value.to_string())
    }

    /// All settings, in the order in which they are shown.
    pub(crate) fn table(&self) -> &[Setting] {
        &self.table
    }

    /// Takes over the values that are live and differ; says which were taken and which need a restart.
    pub(crate) fn take_live(&mut self, mut next: Self) -> Changes {
        let mut changes = Changes::default();
        for setting in self.table.iter() {
            let (old, new) = (self.values.get(setting.key), next.values.remove(setting.key));
            if old.map(|(value, _)| value) == new.as_ref().map(|(value, _)| value) {
                continue;
            }
            if !setting.live {
                changes.refused.push(setting.key);
                continue;
            }
            changes.applied.push(setting.key);
            match new {
                Some(new) => self.values.insert(setting.key, new),
                None => self.values.remove(setting.key),
            };
        }
        // Each of them was in a tree before.
        if let Ok(config) = tree(&self.values) {
            self.config = config;
        }
        changes
    }
}

/// What became of the values that differ.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Changes {
    /// Keys whose new value is in force.
    pub(crate) applied: Vec<&'static str>,
    /// Keys whose new value needs a restart.
    pub(crate) refused: Vec<&'static str>,
}

impl Changes {
    /// Whether a value with such a key is in force now.
    pub(crate) fn has_one_of(&self, section: &str) -> bool {
        self.applied.iter().any(|key| key.starts_with(section))
    }
}

type Values = BTreeMap<&'static str, (Value, Origin)>;

/// Values that are of no use without others.
fn together(values: &Values) -> Result<(), ConfigError> {
    const NEEDS: [(&str, &[&str]); 5] = [
        ("papers.cert", &["papers.key", "papers.ca_cert"]),
        ("papers.key", &["papers.cert", "papers.ca_cert"]),
        ("papers.crl", &["papers.cert"]),
        ("papers.ca_key", &["papers.enrol_listen"]),
        ("papers.enrol_listen", &["papers.ca_key"]),
    ];
    // What a token brings has places by default.
    const BROUGHT: [&str; 3] = ["papers.cert", "papers.key", "papers.ca_cert"];
    let brings = values.contains_key("papers.join_token");
    for (key, needs) in NEEDS {
        let Some((_, origin)) = values.get(key) else { continue };
        let is_there = |key: &str| values.contains_key(key) || (brings && BROUGHT.contains(&key));
        if let Some(missing) = needs.iter().find(|needed| !is_there(needed)) {
            let flag = find(&SETTINGS, missing).map_or(*missing, |setting| setting.flag);
            return Err(ConfigError::Alone {
                key: key.to_owned(),
                origin: origin.clone(),
                missing,
                flag,
            });
        }
    }
    Ok(())
}

/// The setting with this key.
fn find<'a>(table: &'a [Setting], key: &str) -> Option<&'a Setting> {
    table.iter().find(|setting| setting.key == key)
}

/// The file's values, checked.
fn read_file(path: &Path, table: &[Setting]) -> Result<Values, ConfigError> {
    let unreadable = |cause: String| ConfigError::Unreadable { path: path.to_owned(), cause };
    let found = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?;
    if found.len() > FILE_BYTES_MAX {
        return Err(unreadable(format!("it has more than {FILE_BYTES_MAX} bytes")));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;
    let sections: Table = toml::from_str(&text).map_err(|error: toml::de::Error| {
        let before = |span: std::ops::Range<usize>| {
            text.get(..span.start).map(|it| it.matches('\n').count())
        };
        let line = error.span().and_then(before).map(|lines| lines + 1);
        ConfigError::NotToml { path: path.to_owned(), line, cause: error.message().to_owned() }
    })?;
    let mut values = Values::new();
    for (section, inner) in sections {
        let Value::Table(inner) = inner else {
            return Err(unknown(&section, path, table));
        };
        if inner.is_empty()
            && !table.iter().any(|it| it.key.split('.').next() == Some(section.as_str()))
        {
            return Err(unknown(&section, path, table));
        }
        for (name, value) in inner {
            let key = format!("{section}.{name}");
            let setting = find(table, &key).ok_or_else(|| unknown(&key, path, table))?;
            let origin = Origin::File(path.to_owned());
            let shown = match &value {
                _ if setting.secret => "what was given".to_owned(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let value = setting.kind.check(value).map_err(|remedy| ConfigError::Value {
                key,
                value: shown,
                origin: origin.clone(),
                remedy,
            })?;
            values.insert(setting.key, (value, origin));
        }
    }
    Ok(values)
}

fn unknown(key: &str, path: &Path, table: &[Setting]) -> ConfigError {
    let near = table.iter().map(|setting| setting.key).min_by_key(|known| distance(known, key));
    let near = near.filter(|known| distance(known, key) <= key.len() / 2);
    ConfigError::Unknown { key: key.to_owned(), path: path.to_owned(), near }
}

/// How many letters differ at least (V. Levenshtein, 1966).
fn distance(one: &str, other: &str) -> usize {
    let other = other.chars().take(128).collect::<Vec<_>>();
    let mut row = (0..=other.len()).collect::<Vec<_>>();
    for (at, letter) in one.chars().enumerate() {
        let mut corner = std::mem::replace(&mut row[0], at + 1);
        for (column, found) in other.iter().enumerate() {
            let step = corner + usize::from(letter != *found);
            corner = row[column + 1];
            row[column + 1] = step.min(corner + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// The tree that the values of every node make.
fn tree(values: &Values) -> Result<Config, ConfigError> {
    let mut root = Table::new();
    for setting in SETTINGS.iter() {
        // Every section is there, also one without a value.
        let (section, name) = setting.key.split_once('.').unwrap_or((setting.key, ""));
        let section = root.entry(section).or_insert_with(|| Value::Table(Table::new()));
        if let (Value::Table(section), Some((value, _))) = (section, values.get(setting.key)) {
            section.insert(name.to_owned(), value.clone());
        }
    }
    let tree = Value::Table(root).try_into::<Config>();
    tree.map_err(|error| ConfigError::Tree { cause: error.message().to_owned() })
}

#[cfg(test)]
mod tests;
