//! The program's own values: those under `[app]`, as a type of the program.
//!
//! What it is: [`AppSetting`], a row of the program's own for the table of settings, and [`App`], what became of all of
//! them. They have flags, variables, a section of the file, bounds and refusals as the runtime's values have. What it is
//! NOT: the layers, which are `layers.rs`'s for all values alike.

use std::{fmt, ops::RangeInclusive, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use tokio::sync::watch;
use toml::Table;

use crate::{
    layers::{ConfigError, Effective},
    settings::{Kind, Setting},
};

/// The section of the program's own values.
pub(crate) const SECTION: &str = "app";

/// One value of a program's own: `greeting` is `greeting` under `[app]` in the file, the flag `--app-greeting` and the
/// variable `ODEON_APP_GREETING`.
///
/// The text about it says what it is, in which unit, and why its default is what it is; `--help` and `--print-config` show
/// it. It has no full stop at its end.
///
/// # Panics
/// Each constructor, where the name is not made of `a-z`, `0-9` and `_` or does not begin with a letter.
#[derive(Clone, Debug)]
#[must_use = "it is a row of a table, see Program::app"]
pub struct AppSetting(Setting);

impl AppSetting {
    fn new(name: &'static str, kind: Kind, about: &'static str) -> Self {
        let is_letter = |c: char| c.is_ascii_lowercase();
        let is_good = name.starts_with(is_letter)
            && name.chars().all(|c| is_letter(c) || c.is_ascii_digit() || c == '_');
        assert!(is_good, "{name:?} is no name of a setting: use a-z, 0-9 and _, a letter first");
        // Once a setting and program; all others are constants.
        let key = format!("{SECTION}.{name}").leak();
        let flag = format!("{SECTION}-{}", name.replace('_', "-")).leak();
        Self(Setting::new(key, flag, kind, about))
    }

    /// A text, not empty.
    pub fn text(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Text, about)
    }

    /// A list of texts without commas.
    pub fn texts(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Texts, about)
    }

    /// The path of a file.
    pub fn path(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Path, about)
    }

    /// An IP address and a port.
    pub fn addr(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Addr, about)
    }

    /// Yes or no.
    pub fn switch(name: &'static str, about: &'static str) -> Self {
        Self::new(name, Kind::Switch, about)
    }

    /// A whole number within these bounds, at most 2^63 - 1.
    pub fn number(name: &'static str, bounds: RangeInclusive<u64>, about: &'static str) -> Self {
        let (min, max) = bounds.into_inner();
        Self::new(name, Kind::Number { min, max: max.min(i64::MAX as u64) }, about)
    }

    /// A span of time within these bounds, in whole milliseconds; the field is a [`Span`](crate::Span).
    pub fn span(name: &'static str, bounds: RangeInclusive<Duration>, about: &'static str) -> Self {
        let millis = |time: &Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (min_millis, max_millis) = (millis(bounds.start()), millis(bounds.end()));
        Self::new(name, Kind::Span { min_millis, max_millis }, about)
    }

    /// What it is if nobody says, as a flag would say it. Without it the field must be an `Option`, or somebody must say.
    ///
    /// # Panics
    /// When it is out of the setting's own bounds.
    pub fn default(self, text: &'static str) -> Self {
        let read = self.0.kind.read_text(&[text]);
        assert!(read.is_ok(), "the default of {} is {text:?}: {read:?}", self.0.key);
        Self(self.0.default(text))
    }

    /// SIGHUP applies a change of it; others wait for a restart.
    pub fn live(self) -> Self {
        Self(self.0.live())
    }

    /// It is shown to nobody.
    pub fn secret(self) -> Self {
        Self(self.0.secret())
    }
}

/// The program's own values, as they are now. Cheap to clone.
pub struct App<T>(watch::Receiver<Option<Arc<T>>>);

impl<T> Clone for App<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for App<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("App")
    }
}

impl<T> App<T> {
    /// The values in force.
    ///
    /// # Panics
    /// Before the program runs: they are known when its actors start.
    #[must_use]
    pub fn now(&self) -> Arc<T> {
        let now = self.0.borrow().clone();
        now.expect("the program runs: Program::run reads its values before anything starts")
    }

    /// Waits until SIGHUP has applied other values, and gives them; `None` when the program ends.
    ///
    /// # Cancel safety
    /// Nothing is lost: the next call gives the newest that this handle has not given.
    pub async fn changed(&mut self) -> Option<Arc<T>> {
        self.0.changed().await.ok()?;
        self.0.borrow_and_update().clone()
    }
}

/// Reads the values as the program's type; what it gives publishes them.
type Reader = Box<dyn Fn(Table) -> Result<Publish, toml::de::Error>>;
type Publish = Box<dyn FnOnce()>;

/// The section of a program: its rows, and its type.
pub(crate) struct AppSection {
    pub(crate) settings: Vec<Setting>,
    read: Reader,
}

impl fmt::Debug for AppSection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppSection").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl AppSection {
    pub(crate) fn new<T>(settings: impl IntoIterator<Item = AppSetting>) -> (Self, App<T>)
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let settings: Vec<Setting> = settings.into_iter().map(|it| it.0).collect();
        for (at, setting) in settings.iter().enumerate() {
            let twice = settings[at + 1..].iter().any(|it| it.flag == setting.flag);
            assert!(!twice, "{} is there twice: each value has a name of its own", setting.key);
        }
        let (sender, values) = watch::channel(None);
        let sender = Arc::new(sender);
        let read: Reader = Box::new(move |table| {
            let (values, sender) = (Arc::new(table.try_into::<T>()?), Arc::clone(&sender));
            Ok(Box::new(move || {
                sender.send_replace(Some(values));
            }))
        });
        (Self { settings, read }, App(values))
    }

    /// Reads the values in force; what it gives publishes them.
    pub(crate) fn read(&self, effective: &Effective) -> Result<Publish, ConfigError> {
        let mut table = Table::new();
        for setting in &self.settings {
            if let Some((value, _)) = effective.get(setting.key) {
                table.insert(name(setting).to_owned(), value.clone());
            }
        }
        (self.read)(table).map_err(|error| self.refusal(&error, effective))
    }

    /// Says which value it was, where the type says so.
    fn refusal(&self, error: &toml::de::Error, effective: &Effective) -> ConfigError {
        // The path of the value in the last line, or the name of a field that is missing.
        let text = error.to_string();
        let named = text.rsplit('`').nth(1).unwrap_or_default();
        let cause = error.message().to_owned();
        let Some(setting) = self.settings.iter().find(|it| name(it) == named) else {
            return ConfigError::App { cause };
        };
        let key = setting.key.to_owned();
        match effective.get(setting.key) {
            Some(_) if setting.secret => {
                ConfigError::App { cause: format!("{key} is not what it reads") }
            }
            Some((value, origin)) => {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                ConfigError::Value { key, value, origin: origin.clone(), remedy: cause }
            }
            None => ConfigError::Needed { key, flag: setting.flag },
        }
    }
}

/// The name of a value in its section.
fn name(setting: &Setting) -> &'static str {
    setting.key.split_once('.').map_or(setting.key, |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use serde::Deserialize;

    use super::*;
    use crate::{Span, flags::Flags, layers::Given};

    #[derive(Deserialize, PartialEq, Debug)]
    #[serde(deny_unknown_fields)]
    struct Shop {
        greeting: String,
        tables: NonZeroU16,
        patience: Span,
        menu: Option<String>,
    }

    fn rows() -> [AppSetting; 4] {
        let minute = Duration::ZERO..=Duration::from_secs(60);
        [
            AppSetting::text("greeting", "What guests hear").default("hello").live(),
            AppSetting::number("tables", 0..=100, "How many guests sit at a time"),
            AppSetting::span("patience", minute, "How long a guest waits").default("5s"),
            AppSetting::path("menu", "What there is"),
        ]
    }

    fn given(
        section: &AppSection,
        flags: &[(&'static str, &str)],
        variables: &[(&str, &str)],
    ) -> Given {
        let mut said = Flags::default();
        for (key, text) in flags {
            said.values.insert(key, vec![(*text).to_owned()]);
        }
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        Given::new(said, variables).with(&section.settings)
    }

    #[test]
    fn values_of_a_program_come_from_all_layers() {
        let (section, app) = AppSection::new::<Shop>(rows());
        let variables = [("ODEON_APP_GREETING", "good evening"), ("ODEON_APP_TABLES", "7")];
        let effective = given(&section, &[("app.tables", "8")], &variables).resolve().unwrap();
        assert!(effective.strange.is_empty(), "{:?}", effective.strange);
        section.read(&effective).unwrap()();
        let shop = Shop {
            greeting: "good evening".to_owned(),
            tables: NonZeroU16::new(8).unwrap(),
            patience: "5s".parse().unwrap(),
            menu: None,
        };
        assert_eq!(*app.now(), shop);
    }

    #[test]
    fn what_the_table_or_the_type_refuses_is_named_with_its_place() {
        let (section, _) = AppSection::new::<Shop>(rows());
        let refused = |flags: &[(&'static str, &str)]| {
            let given = given(&section, flags, &[]).resolve();
            let read = given.and_then(|effective| section.read(&effective).map(drop));
            read.unwrap_err().to_string()
        };
        for (flags, says) in [
            (&[("app.tables", "101")][..], ["app.tables is \"101\"", "--app-tables", "0 to 100"]),
            // The table lets it pass, the type does not.
            (&[("app.tables", "0")], ["app.tables is \"0\"", "--app-tables", "nonzero"]),
            (&[], ["app.tables is needed", "--app-tables", "ODEON_APP_TABLES"]),
            (&[("app.patience", "2m")], ["app.patience", "--app-patience", "0s to 1m"]),
        ] {
            let said = refused(flags);
            assert!(says.iter().all(|it| said.contains(it)), "{said}");
        }
    }

    #[test]
    fn a_type_that_wants_what_no_row_has_is_a_mistake_of_the_program() {
        let (section, _) = AppSection::new::<Shop>(rows().into_iter().take(1));
        let effective = given(&section, &[], &[]).resolve().unwrap();
        let said = section.read(&effective).map(drop).unwrap_err().to_string();
        assert!(said.contains("[app]") && said.contains("tables"), "{said}");
    }

    #[test]
    fn names_and_defaults_that_are_none_are_refused_at_once() {
        for make in [
            || drop(AppSetting::text("Greeting", "")),
            || drop(AppSetting::text("", "")),
            || drop(AppSetting::text("a-b", "")),
            || drop(AppSetting::number("a", 1..=2, "").default("3")),
            || {
                drop(AppSection::new::<Shop>([
                    AppSetting::text("a", ""),
                    AppSetting::path("a", ""),
                ]))
            },
        ] {
            assert!(std::panic::catch_unwind(make).is_err());
        }
    }
}
