//! The file that a failure leaves, and that replays it.
//!
//! What it is: JSON with one fault and one step a line, whole in itself: it needs the program that wrote it, or one built
//! from the same commit, and nothing else. What it is NOT: a log; the run is made again. The script in it counts, not
//! what the seed would be expanded to, so that it goes on to replay when the expansion changes: for ever, as far as faults
//! and steps go. What happens by chance beside them is that of the program which plays it, so that of later code the run is
//! another one, with another hash, which `replay` says. Files of another version are refused.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use odeon_message::planted::Bug;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;
use thiserror::Error;

use super::case::Case;
use crate::{
    plan::PlannedFault,
    schedule::Schedule,
    script::{SCRIPT_BYTES_MAX, Script, TimedStep},
    trace::Digest,
    verdict::Verdict,
    world::Link,
};

/// The version of the format that is written, and the only one that is read.
pub const REPLAY_VERSION: u32 = 1;

/// The longest file that is read, in bytes: a script as long as one may be, spaces and problems.
pub const REPLAY_BYTES_MAX: u64 = 4 * SCRIPT_BYTES_MAX as u64;

/// Problems that are written, and bytes of each; the run has them all.
const PROBLEMS_MAX: usize = 16;
const PROBLEM_BYTES_MAX: usize = 4_096;

/// One run that can be made again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayFile {
    /// [`REPLAY_VERSION`].
    #[serde(rename = "odeon_replay")]
    pub version: u32,
    /// The name of the scenario.
    pub scenario: String,
    /// The seed, which decides what happens by chance.
    pub seed: u64,
    /// What connections ran on.
    #[serde(default)]
    pub link: Link,
    /// In which order nodes and actors that were ready had their turns.
    #[serde(with = "text")]
    pub schedule: Schedule,
    /// How many of a hundred places that say `buggify!` were on.
    pub buggify_percent: u8,
    /// The bug that was planted in our own code.
    #[serde(default, with = "bug")]
    pub planted: Option<Bug>,
    /// What was wrong; empty where nothing was.
    pub problems: Vec<String>,
    /// The hash of the trace, in hexadecimal digits.
    pub trace_hash: String,
    /// The commit of the folder the run was started in, with `+` where files differed from it; empty where there is
    /// none.
    pub commit: String,
    /// The hash of the program that ran, in hexadecimal digits.
    pub binary_hash: String,
    /// Faults, workload and lengths.
    #[serde(flatten)]
    pub script: Script,
}

/// A replay file that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReplayFileError {
    /// It cannot be read.
    #[error("the replay file {path} cannot be read: {source}")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It cannot be written. The run is done, and its seed replays it.
    #[error("the replay file {path} cannot be written: {source}; name another place")]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is longer than such a file is.
    #[error(
        "{path} is {bytes} bytes long and a replay file has {REPLAY_BYTES_MAX} at most; is it one?"
    )]
    TooLong {
        /// Which one.
        path: PathBuf,
        /// Its length.
        bytes: u64,
    },
    /// It is of another version.
    #[error(
        "{path} is a replay file of version {version} and this program reads {REPLAY_VERSION}; replay it with the program that wrote it"
    )]
    Version {
        /// Which one.
        path: PathBuf,
        /// Its version, as it is written there.
        version: String,
    },
    /// It asks for more than all places.
    #[error(
        "{path} turns {percent} of a hundred places that say buggify! on; write 0 to 100 as its buggify_percent"
    )]
    Buggify {
        /// Which one.
        path: PathBuf,
        /// The number.
        percent: u64,
    },
    /// It says something that this program does not understand, so that the run would be another one.
    #[error(
        "{path} has a field {field:?}, which this program does not know; correct it, or replay the file with the program that wrote it"
    )]
    UnknownField {
        /// Which one.
        path: PathBuf,
        /// The field.
        field: String,
    },
    /// It is no replay file.
    #[error("{path} is no replay file: {source}")]
    Text {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
}

impl ReplayFile {
    /// The file of this run of this scenario, made by this program.
    #[must_use]
    pub fn of(scenario: &str, case: &Case, script: Script, verdict: &Verdict) -> Self {
        let short = |text: &str| text[..text.floor_char_boundary(PROBLEM_BYTES_MAX)].to_owned();
        let problems = verdict.problems.iter().take(PROBLEMS_MAX);
        Self {
            version: REPLAY_VERSION,
            scenario: scenario.to_owned(),
            seed: case.seed,
            link: case.link,
            schedule: case.schedule,
            buggify_percent: case.buggify_percent,
            planted: case.planted,
            problems: problems.map(|problem| short(&problem.text)).collect(),
            trace_hash: format!("{:032x}", verdict.hash),
            commit: commit().to_owned(),
            binary_hash: binary_hash().to_owned(),
            script,
        }
    }

    /// The case of the run.
    #[must_use]
    pub fn case(&self) -> Case {
        Case {
            link: self.link,
            schedule: self.schedule.clamped(),
            buggify_percent: self.buggify_percent.min(100),
            planted: self.planted,
            ..Case::new(self.seed)
        }
    }

    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, or is no replay file of this version.
    pub fn read(path: &Path) -> Result<Self, ReplayFileError> {
        let of = || path.to_owned();
        let read = |source| ReplayFileError::Read { path: of(), source };
        let bytes = fs::metadata(path).map_err(read)?.len();
        if bytes > REPLAY_BYTES_MAX {
            return Err(ReplayFileError::TooLong { path: of(), bytes });
        }
        let text = fs::read_to_string(path).map_err(read)?;
        let no_file = |source| ReplayFileError::Text { path: of(), source };
        let value: Value = serde_json::from_str(&text).map_err(no_file)?;
        let version = value.get("odeon_replay").filter(|version| version.is_number());
        if let Some(version) = version.filter(|it| it.as_u64() != Some(u64::from(REPLAY_VERSION))) {
            return Err(ReplayFileError::Version { path: of(), version: version.to_string() });
        }
        let percent = value.get("buggify_percent").and_then(Value::as_u64);
        if let Some(percent) = percent.filter(|percent| *percent > 100) {
            return Err(ReplayFileError::Buggify { path: of(), percent });
        }
        let file: Self = serde_json::from_str(&text).map_err(no_file)?;
        // What is read is what would be written, with fields that are there in some files only.
        let known = file.to_text().and_then(|text| serde_json::from_str(&text)).map_err(no_file)?;
        match unknown_field(&value, &known) {
            Some(field) => Err(ReplayFileError::UnknownField { path: of(), field }),
            None => Ok(file),
        }
    }

    /// Writes it to this path, by way of another name, so that there is never half a file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ReplayFileError> {
        let write = |source| ReplayFileError::Write { path: path.to_owned(), source };
        let text = self.to_text().map_err(|error| write(error.into()))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(write)?;
        }
        let mut half = path.as_os_str().to_owned();
        half.push(".half");
        fs::write(&half, text).and_then(|()| fs::rename(&half, path)).map_err(write)
    }

    /// Writes it into a folder, under a name made of scenario and seed, of the link where that is not QUIC, and of the
    /// planted bug.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn leave(&self, folder: &Path) -> Result<PathBuf, ReplayFileError> {
        let path = folder.join(format!("{}.json", self.stem()));
        self.write(&path)?;
        Ok(path)
    }

    /// The name of its file: a seed that fails on both links leaves two, and a failure of a planted bug is not taken for one
    /// of ours.
    pub(crate) fn stem(&self) -> String {
        let link = if self.link == Link::Quic { "" } else { &format!("-{}", self.link) };
        let planted = self.planted.map(|bug| format!("-{bug}")).unwrap_or_default();
        format!("{}-{}{link}{planted}", self.scenario.replace("::", "-"), self.seed)
    }

    /// Whether this program is the one that wrote the file.
    #[must_use]
    pub fn same_binary(&self) -> bool {
        self.binary_hash == binary_hash()
    }

    /// One fault, and one step, a line.
    fn to_text(&self) -> Result<String, serde_json::Error> {
        let mut text = String::from("{\n");
        let mut field = |name: &str, value: Result<String, serde_json::Error>| {
            let value = value?;
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {name:?}: {value},");
            Ok::<_, serde_json::Error>(())
        };
        field("odeon_replay", serde_json::to_string(&self.version))?;
        field("scenario", serde_json::to_string(&self.scenario))?;
        field("seed", serde_json::to_string(&self.seed))?;
        field("link", serde_json::to_string(&self.link))?;
        field("schedule", serde_json::to_string(&self.schedule.to_string()))?;
        field("buggify_percent", serde_json::to_string(&self.buggify_percent))?;
        if let Some(planted) = self.planted {
            field("planted", serde_json::to_string(planted.name()))?;
        }
        field("problems", serde_json::to_string(&self.problems))?;
        field("trace_hash", serde_json::to_string(&self.trace_hash))?;
        field("commit", serde_json::to_string(&self.commit))?;
        field("binary_hash", serde_json::to_string(&self.binary_hash))?;
        let ms = |time: std::time::Duration| Ok(time.as_millis().to_string());
        field("safety_ms", ms(self.script.safety()))?;
        field("liveness_max_ms", ms(self.script.liveness_max()))?;
        list(&mut text, "faults", self.script.faults().faults())?;
        text.push_str(",\n");
        list(&mut text, "steps", self.script.steps())?;
        text.push_str("\n}\n");
        Ok(text)
    }
}

/// The first field of a file that has a value and does not stand in what was read of it. Faults and steps are read one by
/// one, because those of a file need not be in order.
fn unknown_field(file: &Value, read: &Value) -> Option<String> {
    let list = |name| file.get(name).and_then(Value::as_array).into_iter().flatten();
    let faults = list("faults").find_map(unknown_in::<PlannedFault>);
    let steps = || list("steps").find_map(unknown_in::<TimedStep>);
    added(file, read).or(faults).or_else(steps)
}

fn unknown_in<T: Serialize + DeserializeOwned>(item: &Value) -> Option<String> {
    let read = serde_json::from_value::<T>(item.clone()).ok()?;
    added(item, &serde_json::to_value(read).ok()?)
}

/// The first field that only the first of these objects has.
fn added(item: &Value, read: &Value) -> Option<String> {
    let mut fields = item.as_object()?.iter();
    fields.find_map(|(name, value)| {
        let is_added = !value.is_null() && read.get(name).is_none();
        is_added.then(|| name.clone())
    })
}

/// A schedule as its text.
mod text {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Schedule;

    pub(super) fn serialize<S: Serializer>(schedule: &Schedule, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(schedule)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Schedule, D::Error> {
        String::deserialize(input)?.parse().map_err(D::Error::custom)
    }
}

/// A planted bug as its name.
mod bug {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use super::Bug;

    pub(super) fn serialize<S: Serializer>(bug: &Option<Bug>, out: S) -> Result<S::Ok, S::Error> {
        match bug {
            Some(bug) => out.serialize_some(bug.name()),
            None => out.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Bug>, D::Error> {
        let name = Option::<String>::deserialize(input)?;
        name.map(|name| name.parse().map_err(D::Error::custom)).transpose()
    }
}

fn list(text: &mut String, name: &str, items: &[impl Serialize]) -> Result<(), serde_json::Error> {
    let _ = write!(text, "  {name:?}: [");
    for (index, item) in items.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(text, "{comma}\n    {}", serde_json::to_string(item)?);
    }
    text.push_str(if items.is_empty() { "]" } else { "\n  ]" });
    Ok(())
}

/// Where files are left by default: beside what cargo built, where this program is part of that; else in the folder it
/// was started in.
pub(crate) fn folder() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let built = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    built.unwrap_or(Path::new(".")).join("odeon-replays")
}

/// The hash of this program's file.
fn binary_hash() -> &'static str {
    static HASH: OnceLock<String> = OnceLock::new();
    HASH.get_or_init(|| {
        let bytes = std::env::current_exe().and_then(fs::read).unwrap_or_default();
        let mut digest = Digest::new();
        digest.bytes(&bytes);
        format!("{:032x}", digest.finish())
    })
}

/// The commit of the folder this program was started in.
fn commit() -> &'static str {
    static COMMIT: OnceLock<String> = OnceLock::new();
    COMMIT.get_or_init(|| {
        let git = |arguments: &[&str]| {
            let output = Command::new("git").args(arguments).output().ok()?;
            output
                .status
                .success()
                .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        };
        let Some(commit) = git(&["rev-parse", "HEAD"]) else { return String::new() };
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]);
        let mark = if changed.is_some_and(|changed| !changed.is_empty()) { "+" } else { "" };
        format!("{commit}{mark}")
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn file() -> ReplayFile {
        let plan = "{\"at_ms\":1,\"for_ms\":900,\"fault\":\"crash\",\"node\":\"b\"}\n".repeat(2);
        let step = serde_json::json!({ "write": { "key": "k\n", "value": u64::MAX } });
        let steps = vec![TimedStep { at: Duration::from_millis(5), step }];
        let second = Duration::from_secs(1);
        let script = Script::new(plan.parse().unwrap(), steps, second, second).unwrap();
        let schedule = Schedule::Pct { depth: 3, steps: 500 };
        let case =
            Case { link: Link::Frames, schedule, buggify_percent: 25, ..Case::new(u64::MAX) };
        let verdict = Verdict::missing(u64::MAX, "it \"failed\"".to_owned());
        ReplayFile::of("tests::a", &case, script, &verdict)
    }

    /// A folder of its own for each test.
    fn scratch(name: &str) -> PathBuf {
        let folder =
            std::env::temp_dir().join(format!("odeon-replay-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn a_file_goes_both_ways_and_has_a_line_for_each_fault() {
        let (folder, file) = (scratch("both"), file());
        let path = file.leave(&folder).unwrap();
        assert!(path.ends_with(format!("tests-a-{}-frames.json", u64::MAX)));
        // On the other link it is another file.
        let other = ReplayFile { link: Link::Quic, ..file.clone() };
        assert!(other.leave(&folder).unwrap().ends_with(format!("tests-a-{}.json", u64::MAX)));
        assert_eq!(ReplayFile::read(&path).unwrap(), file);
        assert!(file.same_binary());
        assert_eq!(file.case().schedule.to_string(), "pct:3:500");
        assert_eq!(file.case().link, Link::Frames);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().filter(|line| line.contains("\"crash\"")).count(), 2);
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_is_no_replay_file_is_refused_and_named() {
        let folder = scratch("no");
        let path = folder.join("x.json");
        let said = |text: &str| {
            fs::write(&path, text).unwrap();
            ReplayFile::read(&path).expect_err("it is none").to_string()
        };
        assert!(said("{\"odeon_replay\": 2}").contains("version 2"));
        assert!(said("{\"odeon_replay\": -1}").contains("version -1"));
        assert!(said("{\"odeon_replay\": 1.5}").contains("version 1.5"));
        assert!(said("{}").contains("no replay file"));
        assert!(said("not JSON").contains("x.json"));
        let text = file().to_text().unwrap();
        assert!(
            said(&text.replace("\"for_ms\":900", "\"for_ms\":2000")).contains("the last repair")
        );
        for percent in [101, 200, 256] {
            let other = format!("\"buggify_percent\": {percent}");
            let other = text.replace("\"buggify_percent\": 25", &other);
            assert_ne!(other, text);
            assert!(said(&other).contains(&format!("turns {percent} of")), "{}", said(&other));
        }
        // A fault or a schedule that is not read would make the run another one.
        for (known, other) in [("\"link\"", "\"lnik\""), ("\"for_ms\"", "\"fro_ms\"")] {
            let said = said(&text.replace(known, other));
            assert!(said.contains(other) || said.contains("for_ms"), "{said}");
        }
        // Whoever writes one by hand need not sort it.
        let cut = "{\"at_ms\":0,\"for_ms\":5,\"fault\":\"cut\",\"from\":\"a\",\"to\":\"b\"}";
        let unsorted = text.replacen("\n  ],", &format!(",\n    {cut}\n  ],"), 1);
        assert_ne!(unsorted, text);
        fs::write(&path, &unsorted).unwrap();
        let first = ReplayFile::read(&path).unwrap().script.faults().faults()[0].fault.to_string();
        assert_eq!(first, "b no longer hears a");
        let more = text.replacen("\"node\"", "\"zone\":\"z\",\"node\"", 1);
        assert!(said(&more).contains("a field \"zone\""), "{}", said(&more));
        assert!(said(&" ".repeat(REPLAY_BYTES_MAX as usize + 1)).contains("bytes long"));
        fs::remove_file(&path).unwrap();
        assert!(
            ReplayFile::read(&path).expect_err("it is gone").to_string().contains("cannot be read")
        );
        fs::remove_dir_all(folder).unwrap();
    }
}
