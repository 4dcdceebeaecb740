//! Events in words: one line each, for counterexamples and for histories that people read.

use std::fmt;

use super::{Event, Exit, Letter, Resource, What};

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>12.6}s  {:>6}  {}", self.at.as_secs_f64(), self.seq.to_string(), self.what)
    }
}

impl fmt::Display for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {} no. {}", self.from, self.to, self.number)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "normally",
            Self::Failed => "by a failure",
            Self::Ordered => "by order",
            Self::NodeLost => "with its node",
            Self::Refused => "not: the watch was refused",
        })
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tasks => "tasks",
            Self::Sockets => "sockets",
            Self::Slabs => "bytes of slabs",
            Self::Actors => "actors",
            Self::Cells => "cells",
            Self::Held => "held messages",
            Self::Surplus => "surplus answers",
        })
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invoke { client, call } => write!(f, "{client} calls {call}"),
            Self::Done { of, answer } => write!(f, "{of} is answered {answer}"),
            Self::Failed { of, why } => write!(f, "{of} failed: {why}"),
            Self::Unknown { of, why } => write!(f, "{of} may have happened: {why}"),
            Self::Sent { letter, ask: true } => write!(f, "ask  {letter} is sent"),
            Self::Sent { letter, ask: false } => write!(f, "tell {letter} is sent"),
            Self::Began { letter } => write!(f, "     {letter} begins to run"),
            Self::Answered { letter, echo: Some(echo) } => {
                write!(f, "     {letter} is answered as no. {echo}")
            }
            Self::Answered { letter, echo: None } => write!(f, "     {letter} is answered"),
            Self::Taken { letter } => write!(f, "     {letter} is taken"),
            Self::Refused { letter, certainty, why } => {
                write!(f, "     {letter} is refused, {certainty}: {why}")
            }
            Self::GaveUp { letter } => write!(f, "     {letter} is given up"),
            Self::Ended { party, exit } => write!(f, "{party} ends {exit}"),
            _ => self.fmt_of_groups(f),
        }
    }
}

impl What {
    /// The events of supervisors, watchers, nodes and names.
    fn fmt_of_groups(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Watched { watcher, target, watch } => {
                write!(f, "{watcher} watches {target}, watch {watch}")
            }
            Self::Unwatched { watcher, watch } => write!(f, "{watcher} takes watch {watch} back"),
            Self::Told { watcher, watch, exit } => {
                write!(f, "{watcher} is told by watch {watch}: it ended {exit}")
            }
            Self::ChildStarted { supervisor, child } => write!(f, "{supervisor}/{child} starts"),
            Self::ChildStartFailed { supervisor, child } => {
                write!(f, "{supervisor}/{child} fails to start")
            }
            Self::ChildEnded { supervisor, child, exit } => {
                write!(f, "{supervisor}/{child} ends {exit}")
            }
            Self::Up { node } => write!(f, "node {node} is up"),
            Self::Down { node } => write!(f, "node {node} is down"),
            Self::Fault { text } => write!(f, "fault: {text}"),
            Self::View { node, members } => {
                let members = members.iter().map(|member| &**member).collect::<Vec<_>>();
                write!(f, "{node} sees {{{}}}", members.join(", "))
            }
            Self::Lives { node, life, members } => {
                let members = members.iter().map(|(member, life)| format!("{member} {life}"));
                let members = members.collect::<Vec<_>>().join(", ");
                write!(f, "{node} is in life {life} and sees {{{members}}}")
            }
            Self::Superseded { node, life } => write!(f, "life {life} of {node} is superseded"),
            Self::Claimed { name, holder } => write!(f, "{holder} holds {name}"),
            Self::Released { name, holder } => write!(f, "{holder} releases {name}"),
            Self::Counted { place, resource, count } => write!(f, "{place} has {count} {resource}"),
            Self::Note { party, name, value } => write!(f, "{party}: {name} {value}"),
            _ => Ok(()),
        }
    }
}
