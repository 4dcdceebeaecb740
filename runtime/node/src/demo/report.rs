//! What the demo says at the end: one line of JSON, or a few lines for people.

use std::time::Duration;

use serde::Serialize;

use crate::{
    demo::{
        job::{
            comparison::{Counts, Findings},
            feeder::WINDOW,
            words::{BATCH_WORDS_MAX, Words},
        },
        meter::Meter,
        stage::Kill,
        verdict::Labels,
    },
    failure::Failed,
    output::print,
};

/// Words that are shown with their counts.
const TOP: usize = 10;

/// The figures of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    ok: bool,
    words: usize,
    messages: u64,
    msgs_per_s: u64,
    p50_us: u64,
    p99_us: u64,
    max_us: u64,
    detect_ms: Option<u64>,
    recover_ms: Option<u64>,
    rejoined: Option<bool>,
    asks: Asks,
    /// The most frequent words with their counts.
    top: Vec<(String, u64)>,
    #[serde(skip)]
    findings: Findings,
    #[serde(skip)]
    took: Duration,
}

/// What became of all asks.
#[derive(Debug, Serialize)]
struct Asks {
    replied: u64,
    not_delivered: u64,
    may_have_run: u64,
    ran: u64,
}

impl Report {
    pub(crate) fn new(
        meter: &Meter,
        words: &Words,
        took: Duration,
        kill: Option<Kill>,
        (labels, mut findings): (Labels, Findings),
    ) -> Self {
        if kill.is_some_and(|kill| !kill.rejoined) {
            findings.push(
                "the killed node was started anew and not everybody saw it come back".to_owned(),
            );
        }
        if kill.is_some_and(|kill| kill.recover.is_none()) {
            findings.push("no counter of the killed node counted again".to_owned());
        }
        let Labels { not_delivered, may_have_run, ran } = labels;
        let replied = meter.replied().len() as u64;
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            ok: findings.is_empty(),
            words: words.total(),
            messages: replied,
            msgs_per_s: (replied as f64 / took.as_secs_f64().max(1e-9)) as u64,
            p50_us: meter.latency_us(0.5),
            p99_us: meter.latency_us(0.99),
            max_us: meter.latency_us(1.0),
            detect_ms: kill.map(|kill| ms(kill.detect)),
            recover_ms: kill.and_then(|kill| kill.recover).map(ms),
            rejoined: kill.map(|kill| kill.rejoined),
            asks: Asks { replied, not_delivered, may_have_run, ran },
            top: Vec::new(),
            findings,
            took,
        }
    }

    /// The same report, with the most frequent words; equally frequent ones in the order of the alphabet.
    pub(crate) fn with_counts(mut self, counts: &Counts) -> Self {
        let mut all: Vec<_> = counts.iter().map(|(word, count)| (word.clone(), *count)).collect();
        all.sort_by(|(word, count), (other, than)| than.cmp(count).then(word.cmp(other)));
        all.truncate(TOP);
        self.top = all;
        self
    }

    /// Whether everything was equal and honest.
    pub(crate) fn ok(&self) -> bool {
        self.ok
    }

    /// Adds something that went wrong after the counting.
    pub(crate) fn find(&mut self, finding: &str) {
        self.findings.push(finding.to_owned());
        self.ok = false;
    }

    /// Says it: what is wrong on standard error, the figures on standard output.
    ///
    /// # Errors
    /// When the figures cannot be written.
    pub(crate) fn print(&self, json: bool) -> Result<(), Failed> {
        for finding in &self.findings {
            tracing::error!("{finding}");
        }
        let text = if json {
            serde_json::to_string(self).expect("numbers and names have a JSON form")
        } else {
            self.text()
        };
        print(&text)
    }

    fn text(&self) -> String {
        let verdict = if self.ok {
            "equal to a plain run, every failed ask honestly labelled"
        } else {
            "NOT equal"
        };
        let mut text = format!(
            "{} words in {} messages of at most {BATCH_WORDS_MAX} words: {verdict}\n\
             {} messages a second over {:.1} s; with up to {WINDOW} asks in flight to each counter, one took {} us \
             (median), {} us (99 %), {} us (longest)",
            self.words,
            self.messages,
            self.msgs_per_s,
            self.took.as_secs_f64(),
            self.p50_us,
            self.p99_us,
            self.max_us
        );
        if let (Some(detect), Some(recover)) = (self.detect_ms, self.recover_ms) {
            text += &format!(
                "\na killed node was missed by all after {detect} ms, its counters counted again after {recover} ms; \
                 asks that failed: {} not delivered, {} may have run",
                self.asks.not_delivered, self.asks.may_have_run
            );
        }
        if self.rejoined == Some(true) {
            text += "\nthe killed node was started again and everybody saw it come back";
        }
        let top: Vec<_> = self.top.iter().map(|(word, count)| format!("{word} {count}")).collect();
        format!("{text}\nmost frequent: {}", top.join(", "))
    }
}

/// A run that came to no verdict, as a line of JSON.
pub(crate) fn print_failure(error: &str) -> Result<(), Failed> {
    print(&serde_json::json!({ "ok": false, "error": error }).to_string())
}
