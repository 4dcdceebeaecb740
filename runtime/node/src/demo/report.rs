//! What the demo says at the end: one line of JSON, or a few lines for people.

use std::{io::Write, time::Duration};

use serde::Serialize;

use crate::demo::{
    Kill,
    board::Board,
    verdict::{Findings, Labels},
    words::{BATCH_WORDS_MAX, Words},
};

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
        board: &Board,
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
        let replied = board.replied().len() as u64;
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            ok: findings.is_empty(),
            words: words.total(),
            messages: replied,
            msgs_per_s: (replied as f64 / took.as_secs_f64().max(1e-9)) as u64,
            p50_us: board.latency_us(0.5),
            p99_us: board.latency_us(0.99),
            max_us: board.latency_us(1.0),
            detect_ms: kill.map(|kill| ms(kill.detect)),
            recover_ms: kill.and_then(|kill| kill.recover).map(ms),
            rejoined: kill.map(|kill| kill.rejoined),
            asks: Asks { replied, not_delivered, may_have_run, ran },
            findings,
            took,
        }
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
    pub(crate) fn print(&self, json: bool) {
        for finding in &self.findings {
            tracing::error!("{finding}");
        }
        let text = if json {
            serde_json::to_string(self).expect("numbers and names have a JSON form")
        } else {
            self.text()
        };
        print(&text);
    }

    fn text(&self) -> String {
        let verdict = if self.ok {
            "equal to a plain run, every failed ask honestly labelled"
        } else {
            "NOT equal"
        };
        let mut text = format!(
            "{} words in {} messages of at most {BATCH_WORDS_MAX} words: {verdict}\n\
             {} messages a second over {:.1} s; an ask took {} us (median), {} us (99 %), {} us (longest)",
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
        text
    }
}

/// A run that came to no verdict, as a line of JSON.
pub(crate) fn print_failure(error: &str) {
    print(&serde_json::json!({ "ok": false, "error": error }).to_string());
}

fn print(text: &str) {
    // A reader that has gone away has seen enough.
    let _ = writeln!(std::io::stdout(), "{text}");
}
