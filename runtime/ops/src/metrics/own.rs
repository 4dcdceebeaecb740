//! Figures of the program's own, behind those of the node.
//!
//! What it is: a check that what a program gives is the text format of Prometheus, version 0.0.4, as far as a scraper would
//! refuse the whole page for it. What is not is left out as a whole, counted and logged; the node's own figures are there
//! all the same. What it is NOT: a check of the conventions for names, which are the program's affair.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

/// Bytes of a program's own figures: some ten thousand samples.
pub(super) const OWN_BYTES_MAX: usize = 1 << 20;

/// What a scraper takes for blank; other such letters are none to it.
const BLANKS: [char; 2] = [' ', '\t'];

/// Why the figures are left out, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Refused {
    Long {
        bytes: usize,
    },
    /// The function that gives them did.
    Panicked,
    /// The line, from 1, and what is wrong with it.
    Line(usize, &'static str),
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Long { bytes } => {
                write!(f, "they have {bytes} bytes where {OWN_BYTES_MAX} are allowed: give fewer")
            }
            Self::Panicked => {
                write!(f, "the function that gives them panicked: see standard error")
            }
            Self::Line(line, what) => write!(f, "line {line}: {what}"),
        }
    }
}

/// Checks a program's own figures.
pub(super) fn check(text: &str) -> Result<(), Refused> {
    if text.len() > OWN_BYTES_MAX {
        return Err(Refused::Long { bytes: text.len() });
    }
    let mut seen = Seen::default();
    for (at, line) in text.split('\n').enumerate() {
        seen.take(line.trim_start_matches(BLANKS)).map_err(|what| Refused::Line(at + 1, what))?;
    }
    Ok(())
}

/// What stood in the lines before.
#[derive(Default)]
struct Seen<'a> {
    /// Families with a type, and which.
    types: BTreeMap<&'a str, &'a str>,
    /// Families that are over, and the one that is not.
    families: BTreeSet<&'a str>,
    family: &'a str,
    samples: BTreeSet<&'a str>,
}

impl<'a> Seen<'a> {
    fn take(&mut self, line: &'a str) -> Result<(), &'static str> {
        if line.contains(['\r', '\0']) {
            return Err("a line ends with \\n alone, and has neither \\r nor a zero byte");
        }
        let Some(comment) = line.strip_prefix('#') else {
            return if line.is_empty() { Ok(()) } else { self.sample(line) };
        };
        let mut words = words(comment);
        let (keyword, name, kind) = (words.next(), words.next().unwrap_or_default(), words.next());
        match keyword {
            Some("HELP") => self.of(name),
            Some("TYPE") => {
                let known = ["counter", "gauge", "histogram", "summary", "untyped"];
                // A scraper takes all behind one blank for the type, to the end of the line.
                let kind = kind
                    .filter(|kind| known.contains(kind) && line.ends_with(&format!("{name} {kind}")))
                    .ok_or("a TYPE is a name, a blank, and counter, gauge, histogram, summary or untyped")?;
                self.of(name)?;
                match self.types.insert(name, kind) {
                    None => Ok(()),
                    Some(_) => Err("a family has one TYPE"),
                }
            }
            _ => Ok(()),
        }
    }

    fn sample(&mut self, line: &'a str) -> Result<(), &'static str> {
        let named = line.find(['{', ' ', '\t']).unwrap_or(line.len());
        let (name, rest) = line.split_at(named);
        let labelled = labels(rest)?;
        let mut words = words(&rest[labelled..]);
        let value = words.next().ok_or("a sample is a name, labels in braces, and a value")?;
        let number = value.parse::<f64>().map_err(|_| "the value of a sample is a number")?;
        if number.is_infinite() && value.contains(|c: char| c.is_ascii_digit()) {
            return Err("the value of a sample is a number below 1.8e308");
        }
        let is_time = |time: &str| !time.starts_with(['+', '-']) && time.parse::<i64>().is_ok();
        if words.next().is_some_and(|time| !is_time(time)) {
            return Err("what stands behind the value is a time in whole milliseconds");
        }
        if words.next().is_some() {
            return Err("nothing stands behind a value and its time");
        }
        self.of(self.family_of(name))?;
        match self.samples.insert(&line[..named + labelled]) {
            true => Ok(()),
            false => Err("a sample with these labels was there before"),
        }
    }

    /// The family of a sample, whose name has an ending in some of them.
    fn family_of(&self, name: &'a str) -> &'a str {
        let parts = |kind: &str| match kind {
            "histogram" => &["_bucket", "_count", "_sum"][..],
            "summary" => &["_count", "_sum"][..],
            _ => &[],
        };
        let family = self.types.get(self.family).and_then(|kind| {
            parts(kind).iter().find(|part| name.strip_suffix(**part) == Some(self.family))
        });
        family.map_or(name, |_| self.family)
    }

    /// A line of this family.
    fn of(&mut self, name: &'a str) -> Result<(), &'static str> {
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(fine)
        {
            return Err("a name has letters, digits, _ and :, and begins with no digit");
        }
        if name.starts_with("odeon_") {
            return Err("names that begin with odeon_ are the node's own: choose another prefix");
        }
        if name == self.family {
            return Ok(());
        }
        self.family = name;
        match self.families.insert(name) {
            true => Ok(()),
            false => Err("the lines of a family stand together"),
        }
    }
}

/// What stands between blanks.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(BLANKS).filter(|word| !word.is_empty())
}

/// How long the labels are that a text begins with.
fn labels(text: &str) -> Result<usize, &'static str> {
    const WRONG: &str = "labels are {name=\"text\",…}, with \\\\, \\\" and \\n in a text";
    let Some(mut rest) = text.strip_prefix('{') else { return Ok(0) };
    let mut names = BTreeSet::from(["__name__"]);
    loop {
        rest = rest.trim_start_matches(BLANKS);
        if let Some(after) = rest.strip_prefix('}') {
            return Ok(text.len() - after.len());
        }
        let (name, value) = rest.split_once('=').ok_or(WRONG)?;
        let fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let name = name.trim_end_matches(BLANKS);
        if name.is_empty()
            || name.starts_with(|c: char| c.is_ascii_digit())
            || !name.chars().all(fine)
        {
            return Err(WRONG);
        }
        if !names.insert(name) {
            return Err("a sample has a label once, and __name__ never");
        }
        let value = value.trim_start_matches(BLANKS).strip_prefix('"').ok_or(WRONG)?;
        let mut letters = value.char_indices();
        let end = loop {
            match letters.next().ok_or(WRONG)? {
                (at, '"') => break at,
                (_, '\\') => match letters.next() {
                    Some((_, '\\' | '"' | 'n')) => {}
                    _ => return Err(WRONG),
                },
                _ => {}
            }
        };
        rest = value[end + 1..].trim_start_matches(BLANKS);
        rest = match rest.strip_prefix(',') {
            Some(more) => more,
            None if rest.starts_with('}') => rest,
            None => return Err(WRONG),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_format_allows_is_taken() {
        for text in [
            "",
            "shop_orders_total 3\n",
            "# anything\n\nshop_orders_total{till=\"one\"} 3 1700000000000\nshop_orders_total{till=\"two\",} +Inf",
            "# HELP shop_orders_total Orders.\n# TYPE shop_orders_total counter\nshop_orders_total{a=\"q \\\" b \\\\ n \\n\"} NaN\n",
            "# TYPE wait histogram\nwait_bucket{le=\"0.1\"} 1\nwait_bucket{le=\"+Inf\"} 2\nwait_sum 0.2\nwait_count 2\nother -1e3\n",
            "# TYPE wait summary\nwait{quantile=\"0.5\"} 1\nwait_sum 0.2\nwait_count 2\n",
            "with{ spaces = \"fine\" , more=\"}\" }   4",
            "\twith{\tblanks\t=\"any\u{a0}\u{b}\" }\t4\t \n# HELP with What\u{a0}ever.\n",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_a_scraper_would_refuse_is_named_with_its_line() {
        for (text, line, says) in [
            ("a 1\nb\n", 2, "a value"),
            ("a 1\n\n# c\nb one", 4, "a number"),
            ("a 1 soon", 1, "milliseconds"),
            ("a 1 2 3", 1, "nothing stands behind"),
            ("1a 1", 1, "no digit"),
            ("a-b 1", 1, "letters, digits"),
            ("a{b} 1", 1, "labels are"),
            ("a{b=\"c} 1", 1, "labels are"),
            ("a{b=\"\\t\"} 1", 1, "labels are"),
            ("a{b=\"c\" d=\"e\"} 1", 1, "labels are"),
            ("a{1b=\"c\"} 1", 1, "labels are"),
            ("a{", 1, "labels are"),
            ("a{b=\"1\",b=\"2\"} 1", 1, "a label once"),
            ("a{__name__=\"b\"} 1", 1, "a label once"),
            ("a 1\r\nb 1\r\n", 1, "neither"),
            ("a{b=\"\r\"} 1", 1, "neither"),
            ("# c\0\na 1", 1, "neither"),
            ("a 1\u{a0}", 1, "a number"),
            ("a 1 7\u{b}", 1, "milliseconds"),
            ("\u{a0}\n", 1, "a value"),
            ("a\u{a0}1", 1, "a value"),
            ("a\u{3000}b 1", 1, "letters, digits"),
            ("a{\u{a0}b=\"c\"} 1", 1, "labels are"),
            ("a{b=\u{b}\"c\"} 1", 1, "labels are"),
            ("# TYPE a counter\u{a0}\na 1", 1, "counter, gauge"),
            ("a 1\na 2", 2, "was there before"),
            ("a 1\nb 1\na{c=\"d\"} 1", 3, "stand together"),
            ("# TYPE a counter\n# TYPE a counter\na 1", 2, "one TYPE"),
            ("# TYPE a  counter\na 1", 1, "counter, gauge"),
            ("# TYPE a counter more\na 1", 1, "counter, gauge"),
            ("# TYPE a counter \na 1", 1, "counter, gauge"),
            ("a 1e999", 1, "below"),
            ("a 1 -5", 1, "milliseconds"),
            ("# TYPE a number\na 1", 1, "counter, gauge"),
            ("odeon_members 7", 1, "another prefix"),
            ("# HELP odeon_members None.", 1, "another prefix"),
        ] {
            let Err(Refused::Line(at, what)) = check(text) else { panic!("{text} is taken") };
            assert!(at == line && what.contains(says), "{text}: line {at}: {what}");
        }
        let long = "a".repeat(OWN_BYTES_MAX + 1);
        assert_eq!(check(&long), Err(Refused::Long { bytes: OWN_BYTES_MAX + 1 }));
    }
}
