//! The report that CI systems read: JUnit's XML, in the form that the Apache Ant task writes.
//!
//! One suite a scenario, in which each seed that failed is a case of its own, and all that passed are one.

use std::fmt::Write as _;

use super::tally::{Failure, Tally};

/// The report.
pub(super) fn report(tallies: &[Tally]) -> String {
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    tallies.iter().for_each(|tally| suite(&mut xml, tally));
    xml.push_str("</testsuites>\n");
    xml
}

fn suite(xml: &mut String, tally: &Tally) {
    let name = escaped(&tally.name);
    let (time, failures) = (tally.real_time.as_secs_f64(), tally.failures.len());
    let passed = tally.seeds.saturating_sub(tally.failed);
    let (unknown, why) = tally.unknown.as_ref().map_or((0, ""), |(seeds, why)| (*seeds, why));
    let passed = passed.saturating_sub(unknown);
    let untold = tally.failed.saturating_sub(failures as u64);
    let tests =
        failures + usize::from(passed > 0) + usize::from(unknown > 0) + usize::from(untold > 0);
    let skipped = usize::from(unknown > 0);
    let failures = failures + usize::from(untold > 0);
    // Writing to a string does not fail.
    let _ = writeln!(
        xml,
        "  <testsuite name=\"{name}\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{time:.3}\">"
    );
    if passed > 0 {
        let _ = writeln!(
            xml,
            "    <testcase classname=\"{name}\" name=\"{passed} seeds that passed\" time=\"{time:.3}\"/>"
        );
    }
    for Failure { seed, problems, file } in &tally.failures {
        let first = escaped(problems.first().map_or("failed", String::as_str));
        let mut text = problems.join("\n");
        match file {
            Ok(path) => {
                let _ = write!(text, "\nreplay file: {}", path.display());
            }
            Err(why) => {
                let _ = write!(text, "\n{why}");
            }
        }
        let text = escaped(&text);
        let _ = writeln!(
            xml,
            "    <testcase classname=\"{name}\" name=\"seed {seed}\">\n      <failure message=\"{first}\">{text}</failure>\n    </testcase>"
        );
    }
    if unknown > 0 {
        let why = escaped(why);
        let _ = writeln!(
            xml,
            "    <testcase classname=\"{name}\" name=\"{unknown} seeds of which it is not known\">\n      <skipped message=\"{why}\"/>\n    </testcase>"
        );
    }
    if untold > 0 {
        let _ = writeln!(
            xml,
            "    <testcase classname=\"{name}\" name=\"{untold} further seeds that failed\">\n      <failure message=\"only the first {} are told of one by one\"/>\n    </testcase>",
            tally.failures.len()
        );
    }
    xml.push_str("  </testsuite>\n");
}

/// The text as XML 1.0 has it: five characters have names, and most control characters cannot be there at all.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            char if char.is_control() || matches!(char, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}');
            }
            char => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_has_a_case_for_each_failure_and_escapes_what_it_says() {
        let mut tally = Tally { name: "a&b".to_owned(), seeds: 3, ..Tally::default() };
        let problems = vec!["x < \"y\"\n\u{1b}[0m".to_owned(), "second".to_owned()];
        tally.fail(Failure { seed: 7, problems, file: Err("no room".to_owned()) });
        tally.unknown = Some((1, "seed 8: gave up <".to_owned()));
        let xml = report(&[tally.clone()]);
        assert!(xml.contains("<testsuite name=\"a&amp;b\" tests=\"3\" failures=\"1\""), "{xml}");
        assert!(xml.contains("name=\"1 seeds that passed\""), "{xml}");
        assert!(xml.contains("message=\"x &lt; &quot;y&quot;&#10;\u{fffd}[0m\""), "{xml}");
        assert!(xml.contains("second&#10;no room</failure>"), "{xml}");
        assert!(xml.contains("<skipped message=\"seed 8: gave up &lt;\"/>"), "{xml}");
        // One that was kept, and three that found no room.
        (tally.seeds, tally.failed) = (6, 4);
        let xml = report(&[tally]);
        assert!(xml.contains("tests=\"4\" failures=\"2\" errors=\"0\" skipped=\"1\""), "{xml}");
        assert!(xml.contains("name=\"3 further seeds that failed\""), "{xml}");
    }
}
