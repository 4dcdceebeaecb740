//! Metrics for people: a line for each actor type, and one for each worker.

use std::{fmt, time::Duration};

use super::{Metrics, Spread, TypeMetrics, WorkerMetrics};
use crate::HotActor;

/// The narrowest column of names.
const KIND_MIN: usize = 10;

/// A time in three digits.
struct Short(Duration);

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match (self.0.as_nanos(), self.0.as_secs_f64()) {
            (0..1_000, _) => format!("{}ns", self.0.as_nanos()),
            (1_000..1_000_000, secs) => format!("{:.1}us", secs * 1e6),
            (1_000_000..1_000_000_000, secs) => format!("{:.1}ms", secs * 1e3),
            (_, secs) => format!("{secs:.1}s"),
        };
        f.pad(&text)
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.samples == 0 {
            return f.pad("-");
        }
        let Self { p50, p90, p99, max, .. } = *self;
        f.pad(&format!("{}/{}/{}/{}", Short(p50), Short(p90), Short(p99), Short(max)))
    }
}

fn line(f: &mut fmt::Formatter<'_>, of_type: &TypeMetrics, width: usize) -> fmt::Result {
    let TypeMetrics { kind, live, started, restarts, failures, handled, .. } = of_type;
    let TypeMetrics { skipped, dropped, undelivered, handler, queue, depth, depth_max, .. } =
        of_type;
    let age = of_type.age_max.map_or_else(|| "-".to_owned(), |age| Short(age).to_string());
    writeln!(
        f,
        "{kind:<width$} {live:>8} {started:>8} {restarts:>8} {failures:>8} {handled:>12} {skipped:>8} {dropped:>8} \
         {undelivered:>8} {depth:>8} {depth_max:>8} {age:>8}  {handler:<32} {queue}"
    )
}

impl fmt::Display for WorkerMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}: ", self.number)?;
        match self.busy_share() {
            Some(share) => write!(f, "{:.0} % busy", share * 100.0)?,
            None => f.write_str("not looked at")?,
        }
        write!(f, ", blocked {} times", self.blocked)
    }
}

impl fmt::Display for HotActor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(id) = &self.id {
            write!(f, "{id}: ")?;
        }
        write!(f, "{} #{}", self.kind, self.number)?;
        for name in &self.names {
            write!(f, " {name:?}")?;
        }
        f.write_str(": ")?;
        if let Some(busy) = self.busy {
            write!(f, "{:.0} % busy, ", busy * 100.0)?;
        }
        write!(f, "{} wait", self.waiting)?;
        if let Some(age) = self.age {
            write!(f, ", for {}", Short(age))?;
        }
        write!(f, ", on worker {}", self.worker)
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.types.iter().map(|of_type| of_type.kind.chars().count());
        let width = width.max().unwrap_or(0).max(KIND_MIN);
        writeln!(
            f,
            "{:<width$} {:>8} {:>8} {:>8} {:>8} {:>12} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8}  {:<32} queue p50/p90/p99/max",
            "actor type",
            "live",
            "started",
            "restarts",
            "failures",
            "handled",
            "skipped",
            "dropped",
            "undeliv.",
            "waiting",
            "most",
            "age",
            "handler p50/p90/p99/max"
        )?;
        self.types.iter().try_for_each(|of_type| line(f, of_type, width))?;
        self.workers.iter().try_for_each(|worker| writeln!(f, "{worker}"))?;
        self.hot.iter().try_for_each(|actor| writeln!(f, "{actor}"))?;
        if self.silent_workers > 0 {
            writeln!(
                f,
                "without the times and mailboxes of {} workers that do not answer",
                self.silent_workers
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints_as_a_table() {
        let ms = Duration::from_millis;
        let handler = Spread {
            samples: 4,
            p50: Duration::from_nanos(640),
            p90: Duration::from_micros(12),
            p99: ms(250),
            max: ms(61_000),
        };
        let of_type = TypeMetrics {
            kind: "bank/Account",
            live: 3,
            handled: 1_000_000,
            handler,
            depth: 7,
            age_max: Some(ms(1_500)),
            ..TypeMetrics::default()
        };
        let worker = |number, looks| WorkerMetrics {
            number,
            looks,
            busy: looks / 4,
            blocked: 2,
            recent_looks: 0,
            recent_busy: 0,
        };
        let hot = HotActor {
            number: 9,
            kind: "bank/Account",
            id: None,
            names: vec!["first".into()],
            worker: 1,
            busy: Some(0.5),
            waiting: 7,
            age: Some(ms(1_500)),
            restarts: 0,
        };
        let metrics = Metrics {
            types: vec![of_type],
            workers: vec![worker(1, 8), worker(2, 0)],
            hot: vec![hot],
            silent_workers: 1,
        };
        let text = metrics.to_string();
        let lines = text.lines().collect::<Vec<_>>();
        assert!(lines[0].starts_with("actor type       live"), "{text}");
        assert!(lines[1].starts_with("bank/Account        3"), "{text}");
        assert!(lines[1].contains("1.5s  640ns/12.0us/250.0ms/61.0s"), "{text}");
        assert!(lines[1].ends_with('-'), "{text}");
        assert_eq!(lines[2], "worker 1: 25 % busy, blocked 2 times");
        assert_eq!(lines[3], "worker 2: not looked at, blocked 2 times");
        assert_eq!(lines[4], "bank/Account #9 \"first\": 50 % busy, 7 wait, for 1.5s, on worker 1");
        assert!(lines[5].contains("1 workers"), "{text}");
        assert_eq!(metrics.of("bank/Account").unwrap().depth, 7);
        assert!(metrics.of("bank/Audit").is_none());
    }
}
