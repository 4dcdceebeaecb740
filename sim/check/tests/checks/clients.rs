//! Clients that call operations beside each other on an object that does each of them at one moment.
//!
//! What it is: a correct concurrent system in one thread, from one seed, with answers that get lost. What it is NOT: the
//! checker's model; an object here is a function of a state, and may be a broken one.

use std::time::Duration;

use odeon_check::{Call, History, Recorder, Seq, Value};

use crate::chance::Chance;

/// An object: what a call does and answers.
pub(crate) type Object<'a> = &'a mut dyn FnMut(&Call, &mut Chance) -> Value;

/// How the clients behave.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    pub(crate) clients: usize,
    pub(crate) operations: usize,
    /// One answer in so many is lost: the operation happens at once, later, or never.
    pub(crate) lost_one_in: usize,
}

struct Busy {
    seq: Seq,
    call: Call,
    /// Once it has happened.
    answer: Option<Value>,
    is_lost: bool,
}

/// What these clients saw.
pub(crate) fn run(
    seed: u64,
    habits: Habits,
    next_call: impl Fn(&mut Chance, usize) -> Call,
    object: Object<'_>,
) -> History {
    let mut chance = Chance::new(seed);
    let recorder = Recorder::new(|| Duration::ZERO);
    let mut clients = (0..habits.clients).map(|_| None).collect::<Vec<Option<Busy>>>();
    let mut lost = Vec::new();
    let (mut begun, mut now) = (0, 0);
    while begun < habits.operations || clients.iter().any(Option::is_some) {
        now += 1;
        let client = chance.below(habits.clients);
        let busy = &mut clients[client];
        match busy {
            None if begun < habits.operations => {
                let call = next_call(&mut chance, begun);
                begun += 1;
                let what = odeon_check::What::Invoke {
                    client: format!("c{client}").into(),
                    call: call.clone(),
                };
                let seq = recorder.record_at(Duration::from_millis(now), what);
                let is_lost = chance.once_in(habits.lost_one_in);
                *busy = Some(Busy { seq, call, answer: None, is_lost });
            }
            None => {}
            Some(pending) if pending.is_lost => {
                if chance.once_in(2) {
                    recorder.unknown(pending.seq, "the answer was lost");
                }
                lost.extend(busy.take().map(|busy| busy.call));
            }
            Some(Busy { call, answer: answer @ None, .. }) => {
                *answer = Some(object(call, &mut chance));
            }
            Some(Busy { seq, answer: Some(answer), .. }) => {
                let what = odeon_check::What::Done { of: *seq, answer: answer.clone() };
                recorder.record_at(Duration::from_millis(now), what);
                *busy = None;
            }
        }
        // What was lost happens now, later or never.
        if !lost.is_empty() && chance.once_in(4) {
            let call = lost.swap_remove(chance.below(lost.len()));
            if chance.once_in(2) {
                object(&call, &mut chance);
            }
        }
    }
    recorder.history()
}
