//! The text format of Prometheus, version 0.0.4.
//!
//! A family is its help, its type and its samples, in this order and in one piece; whoever writes begins the next when all
//! samples of one are there.

use std::fmt::Write as _;

/// What a family counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// It goes up and down.
    Gauge,
    /// It only grows, and ends with `_total`.
    Counter,
    /// Values in quantiles, and how many there were.
    Summary,
}

/// A page to be.
#[derive(Default)]
pub(super) struct Page {
    text: String,
    family: &'static str,
}

impl Page {
    /// Begins a family.
    pub(super) fn family(&mut self, name: &'static str, kind: Kind, help: &str) {
        let kind = match kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Summary => "summary",
        };
        // Writing to a text cannot fail.
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
        self.family = name;
    }

    /// A sample of the family that was begun last.
    pub(super) fn sample(&mut self, labels: &[(&str, &str)], value: f64) {
        self.suffixed("", labels, value);
    }

    /// A sample whose name has an ending, as those of a summary.
    pub(super) fn suffixed(&mut self, suffix: &str, labels: &[(&str, &str)], value: f64) {
        self.text.push_str(self.family);
        self.text.push_str(suffix);
        for (at, (name, label)) in labels.iter().enumerate() {
            let _ = write!(self.text, "{}{name}=\"", if at == 0 { '{' } else { ',' });
            for letter in label.chars() {
                match letter {
                    '\\' => self.text.push_str("\\\\"),
                    '"' => self.text.push_str("\\\""),
                    '\n' => self.text.push_str("\\n"),
                    other => self.text.push(other),
                }
            }
            self.text.push('"');
        }
        let _ = writeln!(self.text, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    /// The page.
    pub(super) fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_have_their_labels_escaped() {
        let mut page = Page::default();
        page.family("odeon_things_total", Kind::Counter, "Things.");
        page.sample(&[], 3.0);
        page.sample(&[("type", "a\"b\\c\nd"), ("peer", "x")], 0.25);
        let expected = "# HELP odeon_things_total Things.\n# TYPE odeon_things_total counter\n\
                        odeon_things_total 3\nodeon_things_total{type=\"a\\\"b\\\\c\\nd\",peer=\"x\"} 0.25\n";
        assert_eq!(page.into_text(), expected);
    }
}
