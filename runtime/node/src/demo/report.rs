//! What the demo says at the end: one line of JSON, or a few lines for people.

use std::time::Duration;

use serde::Serialize;

use crate::demo::{
    Kill,
    board::Board,
    journal::Journal,
    verdict::{Findings, Labels, honesty},
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
}

impl Report {
    pub(crate) fn new(
        board: &Board,
        journal: &Journal,
        words: &Words,
        took: Duration,
        kill: Option<Kill>,
        mut findings: Findings,
    ) -> Self {
        let (labels, dishonest) = honesty(board, journal, kill.is_some());
        findings.extend(dishonest);
        if kill.is_some_and(|kill| !kill.rejoined) {
            findings.push("the killed node was started anew and did not come back".to_owned());
        }
        let Labels { not_delivered, may_have_run } = labels;
        let replied = board.replied();
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
            recover_ms: kill.map(|kill| ms(kill.recover)),
            rejoined: kill.map(|kill| kill.rejoined),
            asks: Asks { replied, not_delivered, may_have_run },
            findings,
            took,
        }
    }

    /// Whether everything was equal and honest.
    pub(crate) fn ok(&self) -> bool {
        self.ok
    }

    /// Says it: what is wrong on standard error, the figures on standard output.
    #[expect(clippy::print_stdout, reason = "the figures are what was asked for")]
    pub(crate) fn print(&self, json: bool, left: bool) {
        for finding in &self.findings {
            tracing::error!("{finding}");
        }
        if !left {
            tracing::error!("a node did not leave by itself when it was asked to");
        }
        if json {
            let line = serde_json::to_string(self).expect("numbers and names have a JSON form");
            println!("{line}");
            return;
        }
        let verdict = if self.ok {
            "equal to a plain run, every failed ask honestly labelled"
        } else {
            "NOT equal"
        };
        println!(
            "{} words in {} messages of at most {BATCH_WORDS_MAX} words: {verdict}",
            self.words, self.messages
        );
        println!(
            "{} messages a second over {:.1} s; an ask took {} us (median), {} us (99 %), {} us (longest)",
            self.msgs_per_s,
            self.took.as_secs_f64(),
            self.p50_us,
            self.p99_us,
            self.max_us
        );
        if let (Some(detect), Some(recover)) = (self.detect_ms, self.recover_ms) {
            println!(
                "a killed node was missed by all after {detect} ms, its counters counted again after {recover} ms; \
                 asks that failed: {} not delivered, {} may have run",
                self.asks.not_delivered, self.asks.may_have_run
            );
        }
    }
}
