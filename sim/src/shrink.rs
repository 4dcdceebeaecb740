//! From a run that fails to the smallest that fails alike.
//!
//! What it is: delta debugging (`shrink/ddmin.rs`) over the faults of a script, then its steps, then its lengths, then
//! what is left of each fault, again and again while something is gained; each candidate is run in a fresh program, two
//! at once. What it is NOT: a proof that nothing smaller fails: it stops when its budget is spent, and it takes a
//! failure for the same one by its place or by the beginning of its text. Read `shrink/lessen.rs` next.

mod ddmin;
mod lessen;

use std::{
    collections::BTreeMap,
    num::NonZero,
    time::{Duration, Instant},
};

use crate::{
    plan::Plan,
    runner::{Case, Lanes, Order, Run, Trial, run_each},
    script::{Script, ScriptError, TimedStep},
    trace::hash_bytes,
    verdict::{NO_VERDICT, Verdict},
};

/// Rounds over everything, at most; most scripts gain nothing after the second.
const ROUNDS_MAX: usize = 4;

/// How much may be spent on one script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spending {
    /// Runs, at most.
    pub(crate) runs_max: usize,
    /// Real time for all of them.
    pub(crate) time_max: Duration,
    /// Real time for each.
    pub(crate) limit: Duration,
    /// Runs at once.
    pub(crate) jobs: NonZero<usize>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Shrunk {
    pub(crate) script: Script,
    /// Of the smallest script.
    pub(crate) run: Run,
    pub(crate) runs: usize,
    /// Whether it ended because the budget was spent.
    pub(crate) spent: bool,
}

/// Who is told of each gain, and of the runs so far.
type Progress<'a> = Box<dyn FnMut(&Script, usize) + 'a>;

/// One search.
pub(crate) struct Shrinker<'a> {
    trial: &'a Trial,
    case: Case,
    spending: Spending,
    /// How the failure that is looked for begins.
    failure: String,
    began: Instant,
    runs: usize,
    /// What is known of candidates, by the hash of their text.
    known: BTreeMap<u64, bool>,
    best: Script,
    best_run: Run,
    progress: Progress<'a>,
}

impl<'a> Shrinker<'a> {
    /// A search from a script whose run failed.
    #[expect(clippy::disallowed_methods, reason = "the budget is real time, outside every world")]
    pub(crate) fn new(
        trial: &'a Trial,
        case: Case,
        (script, run): (Script, Run),
        spending: Spending,
        progress: impl FnMut(&Script, usize) + 'a,
    ) -> Self {
        Self {
            trial,
            case,
            spending,
            failure: class(&run.verdict),
            began: Instant::now(),
            runs: 0,
            known: BTreeMap::new(),
            best: script,
            best_run: run,
            progress: Box::new(progress),
        }
    }

    /// Searches until nothing is gained or the budget is spent.
    pub(crate) fn search(mut self) -> Shrunk {
        for _ in 0..ROUNDS_MAX {
            let before = self.best.clone();
            self.fewer_faults();
            self.fewer_steps();
            lessen::shorten(&mut self);
            lessen::lessen(&mut self);
            if self.best == before || self.is_spent() {
                break;
            }
        }
        let spent = self.is_spent();
        Shrunk { script: self.best, run: self.best_run, runs: self.runs, spent }
    }

    fn fewer_faults(&mut self) {
        let all = self.best.clone();
        let faults = all.faults().faults().to_vec();
        ddmin::ddmin(faults.len(), |candidates| {
            let scripts = candidates.iter().map(|kept| {
                let kept = kept.iter().map(|index| faults[*index].clone()).collect();
                with_faults(&all, Plan::new(kept)?)
            });
            self.first_that_fails(scripts.collect())
        });
    }

    fn fewer_steps(&mut self) {
        let all = self.best.clone();
        ddmin::ddmin(all.steps().len(), |candidates| {
            let scripts = candidates.iter().map(|kept| {
                let kept = kept.iter().map(|index| all.steps()[*index].clone()).collect();
                with_steps(&all, kept)
            });
            self.first_that_fails(scripts.collect())
        });
    }

    /// The index of the first of these scripts that fails alike; it becomes the best. Runs some at once, and none when
    /// the budget is spent.
    fn first_that_fails(&mut self, scripts: Vec<Result<Script, ScriptError>>) -> Option<usize> {
        // A candidate that is no script is not tried: it was cut at a place where it cannot be.
        let scripts = scripts.into_iter().enumerate();
        let scripts: Vec<_> = scripts.filter_map(|(at, script)| Some((at, script.ok()?))).collect();
        scripts.chunks(self.spending.jobs.get()).find_map(|batch| self.try_batch(batch))
    }

    /// Whether this script fails alike; then it becomes the best.
    fn fails(&mut self, script: Result<Script, ScriptError>) -> bool {
        self.first_that_fails(vec![script]).is_some()
    }

    fn try_batch(&mut self, batch: &[(usize, Script)]) -> Option<usize> {
        if self.is_spent() {
            return None;
        }
        let mut fresh = Vec::new();
        for (at, script) in batch {
            let text = script.to_text().ok()?;
            let key = hash_bytes(text.as_bytes());
            if !self.known.contains_key(&key) {
                fresh.push(((*at, script, key), Order::of(self.case, text)));
            }
        }
        self.runs += fresh.len();
        let (mut fresh, mut failed) = (fresh.into_iter(), Vec::new());
        let (arguments, Spending { limit, jobs, .. }) = (&self.trial.arguments, self.spending);
        let (known, failure) = (&mut self.known, &self.failure);
        run_each(
            arguments,
            Lanes::Own(jobs),
            limit,
            || fresh.next(),
            |(at, script, key), run| {
                let alike = !run.verdict.passed() && class(&run.verdict) == *failure;
                known.insert(key, alike);
                if alike {
                    failed.push((at, script, run));
                }
            },
        );
        // Not the fastest but the first: the search takes one way, however long each run was.
        let (at, script, run) = failed.into_iter().min_by_key(|(at, ..)| *at)?;
        (self.best, self.best_run) = (script.clone(), run);
        (self.progress)(&self.best, self.runs);
        Some(at)
    }

    #[expect(clippy::disallowed_methods, reason = "the budget is real time, outside every world")]
    fn is_spent(&self) -> bool {
        self.runs >= self.spending.runs_max
            || Instant::now().duration_since(self.began) >= self.spending.time_max
    }
}

/// By what two failures are taken for the same. Of a panic that is its place, whichever node it was. Of all else it is the
/// beginning of the first problem, without numbers: what follows says which node or value it was, and that may change as
/// the script shrinks. Only that a checker has nothing to say is another failure than that it objects.
pub(crate) fn class(verdict: &Verdict) -> String {
    let Some(problem) = verdict.problems.first() else { return String::new() };
    let text = problem.text.as_str();
    if let Some((who, place)) = panicked(text) {
        let who = if who.starts_with("node ") { "a node" } else { who };
        return format!("{who} panicked at {place}");
    }
    if text.starts_with(NO_VERDICT) {
        return text.to_owned();
    }
    let head = text.split(':').take(2).collect::<Vec<_>>().join(":");
    let unknown = if text.contains(": cannot be said: ") { " cannot be said" } else { "" };
    head.chars().filter(|char| !char.is_ascii_digit()).chain(unknown.chars()).collect()
}

/// Who panicked, and the file, line and column of it, where the text is of a panic.
fn panicked(text: &str) -> Option<(&str, String)> {
    let (who, rest) = text.lines().next()?.split_once(" panicked at ")?;
    let place = rest.split(':').take(3).collect::<Vec<_>>();
    let is_place = place.len() == 3 && place[1..].iter().all(|part| part.parse::<u32>().is_ok());
    is_place.then(|| (who, place.join(":")))
}

fn with_faults(script: &Script, faults: Plan) -> Result<Script, ScriptError> {
    Script::new(faults, script.steps().to_vec(), script.safety(), script.liveness_max())
}

fn with_steps(script: &Script, steps: Vec<TimedStep>) -> Result<Script, ScriptError> {
    Script::new(script.faults().clone(), steps, script.safety(), script.liveness_max())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> String {
        class(&Verdict::missing(1, text.to_owned()))
    }

    #[test]
    fn a_panic_is_known_by_its_place_and_not_by_its_node() {
        let panic = of("node a panicked at sim/src/bank.rs:120:9: no 17 is gone");
        assert_eq!(panic, of("node b2 panicked at sim/src/bank.rs:120:9: no 18 is gone"));
        assert_ne!(panic, of("node a panicked at sim/src/bank.rs:121:9: no 17 is gone"));
        assert_ne!(panic, of("node a panicked at sim/src/bank.rs:12:9: no 17 is gone"));
        assert_ne!(panic, of("the scenario panicked at sim/src/bank.rs:120:9: no 17 is gone"));
    }

    #[test]
    fn another_end_of_the_program_is_another_failure() {
        let ended = |how: &str| of(&format!("the run ended without a verdict: {how}"));
        assert_ne!(ended("signal: 6 (SIGABRT) (core dumped)"), ended("signal: 9 (SIGKILL)"));
        assert_ne!(ended("exit status: 3"), ended("signal: 9 (SIGKILL)"));
    }

    #[test]
    fn of_a_check_the_numbers_may_change() {
        let total = of("the scenario failed: check the total: it is 15 and must be 20");
        assert_eq!(total, of("the scenario failed: check the total: it is 9 and must be 20"));
        assert_ne!(total, of("the scenario failed: check the rooms: it is 15 and must be 20"));
        let bank = |kind| of(&format!("conservation: {kind}: bank: b has -5, and so on"));
        assert_ne!(bank("negative balance"), bank("wrong total"));
        assert_ne!(of("honesty of failures: a -> b no. 3 ran 2 times"), total);
        // With the whole workload taken out there is nothing to be seen, which is not what was looked for.
        let nothing = "cannot be said: the history has no answered operations";
        assert_ne!(
            total,
            of(&format!("the scenario failed: check the total: registers: {nothing}"))
        );
    }
}
