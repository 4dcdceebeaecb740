//! The page that shows one run: a lane for each node, arrows between them, faults, log lines.
//!
//! What it is: one HTML file without anything outside of it, put together from the files in `page/` and the data of the
//! run. What it is NOT: a program that reads traces; the run comes recorded. The data stands in the page as JSON in which
//! no `<` is left, and the script of the page puts texts of the run nowhere but into text nodes and the canvas, so that
//! no name and no log line can become markup. Read `page/model.js` for what is made of the data.

mod bands;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use serde::Serialize;
use thiserror::Error;

use crate::{
    recording::{
        Arrow, Dot, DotKind, LeftOut, RECORDED_DATAGRAMS_MAX, RECORDED_STORY_MAX,
        RECORDED_TRAFFIC_MAX, Recording,
    },
    runner::Case,
    script::Script,
    verdict::Verdict,
};
use bands::{Band, bands};

const HEAD: &str = include_str!("page/head.html");
const STYLE: &str = include_str!("page/style.css");
const BODY: &str = include_str!("page/body.html");

/// The script, in the order in which its parts need each other.
const SCRIPT: [&str; 5] = [
    include_str!("page/errors.js"),
    include_str!("page/model.js"),
    include_str!("page/draw.js"),
    include_str!("page/controls.js"),
    include_str!("page/main.js"),
];

/// A page that cannot be written. The run is done, and can be done again.
#[derive(Debug, Error)]
#[error("the page {path} cannot be written: {source}; name a file in a folder that is there")]
pub(crate) struct PageError {
    path: PathBuf,
    source: io::Error,
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    scenario: String,
    seed: u64,
    schedule: String,
    passed: bool,
    problems: Vec<String>,
    hash: String,
    /// How long the world existed, in nanoseconds.
    end: u64,
    hosts: Vec<String>,
    dots: Vec<Dot>,
    arrows: Vec<Arrow>,
    bands: Vec<Band>,
    left_out: LeftOut,
    kept: Kept,
}

/// How many events of each sort are kept.
#[derive(Debug, Serialize)]
struct Kept {
    story: usize,
    traffic: usize,
    datagrams: usize,
}

impl Page {
    /// The page of a run of this script.
    pub(crate) fn new(
        scenario: &str,
        case: &Case,
        script: &Script,
        verdict: &Verdict,
        recording: Recording,
    ) -> Self {
        let Recording { hosts, mut dots, arrows, left_out, .. } = recording;
        let bands = bands(&dots, &hosts, script.faults().faults());
        let end = u64::try_from(verdict.virtual_time.as_nanos()).unwrap_or(u64::MAX);
        let problems: Vec<_> =
            verdict.problems.iter().map(|problem| problem.text.clone()).collect();
        // Each problem ends the run, so its time is the end.
        let problem = |text: &String| Dot {
            kind: DotKind::Problem,
            at: end,
            host: None,
            actor: None,
            text: text.clone(),
        };
        dots.extend(problems.iter().map(problem));
        Self {
            scenario: scenario.to_owned(),
            seed: case.seed,
            schedule: case.schedule.to_string(),
            passed: verdict.passed(),
            problems,
            hash: format!("{:032x}", verdict.hash),
            end,
            hosts,
            dots,
            arrows,
            bands,
            left_out,
            kept: Kept {
                story: RECORDED_STORY_MAX,
                traffic: RECORDED_TRAFFIC_MAX,
                datagrams: RECORDED_DATAGRAMS_MAX,
            },
        }
    }

    /// How much is on it.
    pub(crate) fn in_words(&self) -> String {
        let LeftOut { story, traffic, datagrams, .. } = self.left_out;
        let (lanes, dots, arrows) = (self.hosts.len(), self.dots.len(), self.arrows.len());
        let left_out = story + traffic + datagrams;
        format!("{lanes} lanes, {arrows} arrows, {dots} other events, {left_out} left out")
    }

    /// The page as text.
    pub(crate) fn html(&self) -> io::Result<String> {
        // In JSON `<` stands in strings only, and there it may be written as its number.
        let data = serde_json::to_string(self)?.replace('<', "\\u003c");
        let script = SCRIPT.concat();
        Ok(format!(
            "{HEAD}<style>\n{STYLE}</style>\n{BODY}<script id=\"data\" type=\"application/json\">{data}</script>\n\
             <script>\n(() => {{\n\"use strict\";\n{script}}})();\n</script>\n</body>\n</html>\n"
        ))
    }

    /// Writes it to this path, by way of another name, so that there is never half a page.
    pub(crate) fn write(&self, path: &Path) -> Result<(), PageError> {
        let failed = |source| PageError { path: path.to_owned(), source };
        let part = path.with_added_extension("part");
        let written = self.html().and_then(|text| fs::write(&part, text));
        written.and_then(|()| fs::rename(&part, path)).map_err(|source| {
            // What failed already is told; half a page is of no use.
            let _ = fs::remove_file(&part);
            failed(source)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::plan::Plan;

    /// What would leave a string, a script or a comment if nobody took care.
    const HOSTILE: &str =
        "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)> \" \\ \u{2028} &";

    fn page() -> Page {
        let dot = Dot {
            kind: DotKind::Info,
            at: 1,
            host: Some(0),
            actor: None,
            text: HOSTILE.to_owned(),
        };
        let recording =
            Recording { hosts: vec![HOSTILE.to_owned()], dots: vec![dot], ..Recording::default() };
        let script = Script::new(Plan::default(), Vec::new(), Duration::ZERO, Duration::ZERO);
        let verdict = Verdict::missing(7, HOSTILE.to_owned());
        Page::new(HOSTILE, &Case::new(7), &script.expect("it is empty"), &verdict, recording)
    }

    #[test]
    fn a_hostile_text_stays_a_text() {
        let html = page().html().expect("it is text");
        assert_eq!(html.matches("</script>").count(), 2, "of the data and of the script");
        assert!(!html.contains("<img") && !html.contains("<!--"));
        let data = html.split_once("type=\"application/json\">").expect("there is data").1;
        let data = data.split_once("</script>").expect("it ends").0;
        let read: serde_json::Value = serde_json::from_str(data).expect("it is JSON");
        assert_eq!(read["dots"][0]["text"], HOSTILE);
        assert_eq!(read["problems"][0], HOSTILE);
    }

    #[test]
    fn the_script_makes_no_markup_and_nothing_comes_from_outside() {
        for part in SCRIPT {
            for way in ["innerHTML", "outerHTML", "insertAdjacent", "document.write", "eval(", "</"]
            {
                assert!(!part.contains(way), "{way}");
            }
        }
        for part in SCRIPT.into_iter().chain([HEAD, STYLE, BODY]) {
            for way in ["http:", "https:", "src=", "url(", "@import", "fetch("] {
                assert!(!part.contains(way), "{way}");
            }
        }
    }

    #[test]
    fn a_page_that_cannot_be_written_says_where() {
        let error = page().write(Path::new("/nowhere/page.html")).expect_err("no such folder");
        assert!(error.to_string().contains("/nowhere/page.html"), "{error}");
        let folder = std::env::temp_dir().join(format!("odeon-page-{}", std::process::id()));
        fs::create_dir_all(folder.join("taken")).expect("it can be made");
        page().write(&folder.join("taken")).expect_err("it is a folder");
        let left = fs::read_dir(&folder).expect("it is there").count();
        fs::remove_dir_all(&folder).expect("it can be removed");
        assert_eq!(left, 1, "half a page is left beside it");
    }
}
