//! Operations of clients: a call and its end, put together from their two events.
//!
//! What it is NOT: a judgement about their order; `linearizability.rs` has that.

use std::{collections::BTreeMap, fmt, time::Duration};

use crate::{
    call::Call,
    checker::Objection,
    event::{Event, Seq, What},
    text::{Party, Text},
    value::Value,
};

/// One operation.
#[derive(Clone, Copy, Debug)]
pub struct Operation<'h> {
    /// Who called it.
    pub client: &'h Party,
    /// What it called.
    pub call: &'h Call,
    /// The event of the call.
    pub invoked: &'h Event,
    /// The event of the end, if there is one.
    pub ended: Option<&'h Event>,
    /// What became of it.
    pub end: End<'h>,
}

/// What became of an operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End<'h> {
    /// It was answered.
    Done(&'h Value),
    /// It had no effect and will have none.
    Failed(&'h Text),
    /// It may have had its effect, or may have it later; why, if that was told.
    Unknown(Option<&'h Text>),
}

impl Operation<'_> {
    /// The answer, if it was answered.
    #[must_use]
    pub fn answer(&self) -> Option<&Value> {
        if let End::Done(answer) = self.end { Some(answer) } else { None }
    }
}

/// From when to when, who, what and with which end.
impl fmt::Display for Operation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = |at: Duration| format!("{:.6}", at.as_secs_f64());
        let until = match (self.ended, self.end) {
            (Some(event), End::Done(_) | End::Failed(_)) => secs(event.at),
            _ => "open".to_owned(),
        };
        let (from, seq) = (secs(self.invoked.at), self.invoked.seq.to_string());
        let call = self.call.to_string();
        write!(f, "{from:>12}..{until:<12} {seq:>6} {:<8} {call:<24} ", self.client)?;
        match self.end {
            End::Done(answer) => write!(f, "-> {answer}"),
            End::Failed(why) => write!(f, "failed: {why}"),
            End::Unknown(Some(why)) => write!(f, "may have happened: {why}"),
            End::Unknown(None) => f.write_str("has not ended"),
        }
    }
}

/// Puts the operations of these events together.
pub(crate) fn operations(events: &[Event]) -> Result<Vec<Operation<'_>>, Objection> {
    let mut found = Vec::new();
    let mut open = BTreeMap::new();
    for event in events {
        let (of, end) = match &event.what {
            What::Invoke { client, call } => {
                open.insert(event.seq, found.len());
                let end = End::Unknown(None);
                found.push(Operation { client, call, invoked: event, ended: None, end });
                continue;
            }
            What::Done { of, answer } => (of, End::Done(answer)),
            What::Failed { of, why } => (of, End::Failed(why)),
            What::Unknown { of, why } => (of, End::Unknown(Some(why))),
            _ => continue,
        };
        let operation = open.remove(of).ok_or_else(|| stray(*of, event))?;
        found[operation].ended = Some(event);
        found[operation].end = end;
    }
    Ok(found)
}

fn stray(of: Seq, event: &Event) -> Objection {
    let text =
        "ends an operation that is not open; record one end of each operation, after its call";
    Objection::Unknown(format!("{text}: {of}\n  {event}"))
}
