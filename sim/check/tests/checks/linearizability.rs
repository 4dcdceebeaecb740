//! Linearizability: against correct objects, broken ones, and a check by brute force.

use std::{collections::VecDeque, time::Duration};

use odeon_check::{
    Call, Checker, End, Event, History, Linearizability, Model, Objection, Operation, Part,
    Patience, Recorder, RegisterModel, SearchBudget, Seq, Value, Verb, What,
};
use proptest::prelude::*;

use crate::{
    chance::Chance,
    clients::{Habits, run},
};

/// A correct register, key of a map, or queue, whichever it is used for.
fn correct() -> impl FnMut(&Call, &mut Chance) -> Value {
    let mut state = Value::Nil;
    let mut queue = VecDeque::new();
    move |call: &Call, _: &mut Chance| match &call.verb {
        Verb::Read | Verb::Get(_) => state.clone(),
        Verb::Write(value) | Verb::Put(_, value) => {
            state = value.clone();
            Value::Nil
        }
        Verb::Swap { expected, value } => {
            let swaps = state == *expected;
            if swaps {
                state = value.clone();
            }
            swaps.into()
        }
        Verb::Remove(_) => (std::mem::take(&mut state) != Value::Nil).into(),
        Verb::Enqueue(value) => {
            queue.push_back(value.clone());
            Value::Nil
        }
        Verb::Dequeue => queue.pop_front().unwrap_or_default(),
        other => panic!("{other:?} is not called here"),
    }
}

fn register_call(chance: &mut Chance, number: usize) -> Call {
    let value = number as i64;
    match chance.below(4) {
        0 => Call::write("r", value),
        1 => Call::swap("r", value - 1 - chance.below(4) as i64, value),
        _ => Call::read("r"),
    }
}

fn map_call(chance: &mut Chance, number: usize) -> Call {
    match chance.below(4) {
        0 => Call::put("m", 7, number as i64),
        1 => Call::remove("m", 7),
        _ => Call::look_up("m", 7),
    }
}

fn queue_call(chance: &mut Chance, number: usize) -> Call {
    if chance.once_in(2) { Call::enqueue("q", number as i64) } else { Call::dequeue("q") }
}

const HABITS: Habits = Habits { clients: 4, operations: 60, lost_one_in: 12 };

/// The same history with one answer changed to something that was never there.
fn with_a_lie(
    history: &History,
    chance: &mut Chance,
    is_told: impl Fn(&Call) -> bool,
) -> Option<History> {
    let operations = history.operations().expect("it is well formed");
    let ends = operations.iter().filter(|it| is_told(it.call) && it.answer().is_some());
    let ends = ends.filter_map(|it| it.ended.map(|end| end.seq)).collect::<Vec<_>>();
    let lie = *ends.get(chance.below(ends.len().max(1)))?;
    let mut events = history.events().to_vec();
    for event in &mut events {
        if event.seq == lie
            && let What::Done { answer, .. } = &mut event.what
        {
            *answer = Value::Int(-1);
        }
    }
    Some(History::new(events, 0).expect("they are in order"))
}

fn violated(history: &History, checker: &dyn Checker) -> String {
    match history.check(checker) {
        Err(report) if report.violation().is_some() => report.to_string(),
        other => panic!("not found: {other:?}\n{history}"),
    }
}

proptest! {
    #[test]
    fn correct_objects_pass_and_a_lie_is_found(seed: u64) {
        let register = run(seed, HABITS, register_call, &mut correct());
        let map = run(seed, HABITS, map_call, &mut correct());
        // Each lost operation on a queue leads to other states for ever after, and none of them can be let out.
        let few = Habits { lost_one_in: 30, ..HABITS };
        let queue = run(seed, few, queue_call, &mut correct());
        let checks: [(&History, Box<dyn Checker>); 3] = [
            (&register, Box::new(Linearizability::of_registers())),
            (&map, Box::new(Linearizability::of_maps())),
            (&queue, Box::new(Linearizability::of_queues())),
        ];
        for (history, checker) in checks {
            history.check(&checker).unwrap_or_else(|report| panic!("{report}\n{history}"));
            let is_told = |call: &Call| matches!(call.verb, Verb::Read | Verb::Get(_) | Verb::Dequeue);
            if let Some(lie) = with_a_lie(history, &mut Chance::new(seed), is_told) {
                let text = violated(&lie, &checker);
                prop_assert!(text.contains("-1"), "{}", text);
            }
        }
    }

    /// Any small history whatever: the search and all orders one by one must agree.
    #[test]
    fn the_search_agrees_with_brute_force(seed: u64) {
        let registers = arbitrary(&mut Chance::new(seed), register_guess);
        agree(&registers, &RegisterModel, &Linearizability::of_registers(), &Value::Nil);
        let once = arbitrary(&mut Chance::new(seed), queue_guess);
        agree(&once, &PlainQueue, &Linearizability::of_queues(), &VecDeque::new());
        let again = arbitrary(&mut Chance::new(seed), |chance, begun| queue_guess(chance, begun % 3));
        agree(&again, &PlainQueue, &Linearizability::of_queues(), &VecDeque::new());
    }
}

fn agree<M: Model>(history: &History, model: &M, checker: &dyn Checker, begin: &M::State) {
    let operations = history.operations().expect("it is well formed");
    let expected = brute_force(model, &operations, begin);
    match history.check(checker) {
        Ok(()) => assert!(expected, "it has no order:\n{history}"),
        Err(report) if report.violation().is_some() => {
            assert!(!expected, "it has one: {report}\n{history}")
        }
        // No answer at all.
        Err(report) => assert!(operations.iter().all(|it| it.answer().is_none()), "{report}"),
    }
}

/// A queue without foresight.
struct PlainQueue;

impl Model for PlainQueue {
    type State = VecDeque<Value>;

    fn name(&self) -> &str {
        "plain queues"
    }

    fn part(&self, call: &Call) -> Option<Part> {
        Some(Part { object: call.object.clone(), key: None })
    }

    fn begin(&self, _: &Part, _: &[Operation<'_>]) -> Self::State {
        VecDeque::new()
    }

    fn step(
        &self,
        state: &Self::State,
        call: &Call,
        answer: Option<&Value>,
    ) -> Option<Self::State> {
        let mut state = state.clone();
        let truth = match &call.verb {
            Verb::Enqueue(value) => {
                state.push_back(value.clone());
                Value::Nil
            }
            _ => state.pop_front().unwrap_or_default(),
        };
        answer.is_none_or(|answer| *answer == truth).then_some(state)
    }

    fn describe(&self, state: &Self::State) -> String {
        format!("{state:?}")
    }
}

fn register_guess(chance: &mut Chance, _: usize) -> (Call, Value) {
    let value = 1 + chance.below(2) as i64;
    match chance.below(4) {
        0 => (Call::write("r", value), Value::Nil),
        1 => (Call::swap("r", 3 - value, value), chance.once_in(2).into()),
        2 => (Call::add("r", value), Value::Int(value + chance.below(3) as i64)),
        _ => (Call::read("r"), Some(chance.below(4) as i64).filter(|it| *it > 0).into()),
    }
}

fn queue_guess(chance: &mut Chance, value: usize) -> (Call, Value) {
    if chance.once_in(2) {
        return (Call::enqueue("q", value as i64), Value::Nil);
    }
    let seen = chance.below(value + 2) as i64;
    (Call::dequeue("q"), Some(seen).filter(|seen| *seen <= value as i64).into())
}

/// At most seven operations of three clients with any answers.
fn arbitrary(chance: &mut Chance, guess: impl Fn(&mut Chance, usize) -> (Call, Value)) -> History {
    let recorder = Recorder::new(|| Duration::ZERO);
    let mut open = [const { None }; 3];
    let mut begun = 0;
    for _ in 0..20 {
        let client = chance.below(3);
        match open[client].take() {
            None if begun < 7 => {
                let (call, answer) = guess(chance, begun);
                begun += 1;
                open[client] = Some((recorder.invoke(format!("c{client}"), call), answer));
            }
            None => {}
            Some((seq, answer)) => match chance.below(8) {
                0 => recorder.unknown(seq, "lost"),
                1 => recorder.failed(seq, "refused"),
                _ => recorder.done(seq, answer),
            },
        }
    }
    recorder.history()
}

/// Whether some order fits: takes any operation that nothing left out precedes, and goes on with the rest.
fn brute_force<M: Model>(model: &M, left: &[Operation<'_>], state: &M::State) -> bool {
    let ended =
        |it: &Operation<'_>| it.ended.filter(|_| it.answer().is_some()).map(|event| event.seq);
    if left.iter().all(|it| it.answer().is_none()) {
        return true;
    }
    let can_be_next =
        |it: &&Operation<'_>| left.iter().filter_map(ended).all(|end| it.invoked.seq < end);
    let ways = left.iter().filter(|it| !matches!(it.end, End::Failed(_)));
    ways.filter(can_be_next).any(|way| {
        let others = left.iter().filter(|it| it.invoked.seq != way.invoked.seq);
        let rest = others.copied().collect::<Vec<_>>();
        let next = model.step(state, way.call, way.answer());
        next.is_some_and(|next| brute_force(model, &rest, &next))
    })
}

/// How many of these seeds are found.
fn found(seeds: u64, checker: &dyn Checker, mut history: impl FnMut(u64) -> History) -> u64 {
    (0..seeds).filter(|seed| history(*seed).check(checker).is_err()).count() as u64
}

#[test]
fn reads_of_a_replica_that_lags_are_found() {
    let count = found(50, &Linearizability::of_registers(), |seed| {
        let (mut leader, mut replica) = (Value::Nil, Value::Nil);
        let mut object = |call: &Call, chance: &mut Chance| {
            if chance.once_in(3) {
                replica = leader.clone();
            }
            match &call.verb {
                Verb::Write(value) => leader = value.clone(),
                _ => return replica.clone(),
            }
            Value::Nil
        };
        let call = |chance: &mut Chance, number: usize| {
            if chance.once_in(2) { Call::write("r", number as i64) } else { Call::read("r") }
        };
        run(seed, Habits { lost_one_in: 1000, ..HABITS }, call, &mut object)
    });
    assert!(count >= 45, "found in {count} of 50 seeds");
}

#[test]
fn lost_updates_are_found() {
    let count = found(50, &Linearizability::of_registers(), |seed| {
        let mut sum = 0;
        let mut object = |call: &Call, chance: &mut Chance| {
            let Verb::Add(amount) = call.verb else { panic!("only sums here") };
            // Read, and write what was read before somebody else wrote.
            if chance.once_in(10) {
                return (sum + amount).into();
            }
            sum += amount;
            sum.into()
        };
        run(seed, Habits { lost_one_in: 1000, ..HABITS }, |_, _| Call::add("r", 1), &mut object)
    });
    assert!(count >= 45, "found in {count} of 50 seeds");
}

#[test]
fn queues_that_lose_repeat_or_reorder_are_found() {
    for bug in ["lose", "repeat", "reorder"] {
        let count = found(50, &Linearizability::of_queues(), |seed| {
            let mut queue = VecDeque::new();
            let mut object = |call: &Call, chance: &mut Chance| {
                let strikes = chance.once_in(6);
                match &call.verb {
                    Verb::Enqueue(_) if strikes && bug == "lose" => Value::Nil,
                    Verb::Enqueue(value) => {
                        queue.push_back(value.clone());
                        Value::Nil
                    }
                    _ if strikes && bug == "repeat" => queue.front().cloned().unwrap_or_default(),
                    _ if strikes && bug == "reorder" => queue.pop_back().unwrap_or_default(),
                    _ => queue.pop_front().unwrap_or_default(),
                }
            };
            run(seed, Habits { lost_one_in: 1000, ..HABITS }, queue_call, &mut object)
        });
        assert!(count >= 40, "{bug}: found in {count} of 50 seeds");
    }
}

#[test]
fn removed_keys_that_come_back_are_found_in_their_key_alone() {
    let recorder = Recorder::new(|| Duration::from_millis(3));
    for (call, answer) in [
        (Call::put("m", "a", 1), Value::Nil),
        (Call::put("m", "b", 2), Value::Nil),
        (Call::remove("m", "a"), true.into()),
        (Call::look_up("m", "b"), 2.into()),
        (Call::look_up("m", "a"), 1.into()),
    ] {
        let seq = recorder.invoke("c1", call);
        recorder.done(seq, answer);
    }
    let text = violated(&recorder.history(), &Linearizability::of_maps());
    assert!(text.starts_with("linearizability of maps: m[\"a\"]: no order"), "{text}");
    assert!(text.contains("then it holds absent, and these fit nowhere:"), "{text}");
    assert!(!text.contains("m[\"b\"]"), "{text}");
}

#[test]
fn what_a_queue_does_wrong_is_told_in_few_events() {
    let text = |calls: &[(Call, Option<Value>)]| {
        let recorder = Recorder::new(|| Duration::ZERO);
        for (call, answer) in calls {
            let seq = recorder.invoke("c", call.clone());
            if let Some(answer) = answer {
                recorder.done(seq, answer.clone());
            }
        }
        violated(&recorder.history(), &Linearizability::of_queues())
    };
    let put = |value: i64| (Call::enqueue("q", value), Some(Value::Nil));
    let take = |value: Value| (Call::dequeue("q"), Some(value));
    let wrong = [
        (vec![take(1.into()), put(1)], "q: 1 was taken out before anybody put it in", 4),
        (
            vec![put(1), take(1.into()), take(1.into())],
            "q: 1 was put in 1 times and taken out 2 times",
            6,
        ),
        (
            vec![put(1), put(2), take(2.into()), take(1.into())],
            "q: 2 was taken out before 1, which had been put in before it\n",
            8,
        ),
        (
            vec![put(1), put(2), take(2.into())],
            "q: 2 was taken out before 1, which had been put in before it; that never came out",
            6,
        ),
        (
            vec![put(1), take(Value::Nil)],
            "q: no order of the operations explains that dequeue q was answered nil",
            0,
        ),
    ];
    for (calls, says, events) in wrong {
        let text = text(&calls);
        assert!(text.contains(says), "{text}");
        assert_eq!(
            text.matches(" #").count(),
            if events == 0 { 2 } else { events + events / 2 },
            "{text}"
        );
    }
    let lost = (Call::dequeue("q"), None);
    let recorder = Recorder::new(|| Duration::ZERO);
    for (call, answer) in [put(1), lost, put(2), take(2.into())] {
        let seq = recorder.invoke("c", call);
        answer.into_iter().for_each(|answer| recorder.done(seq, answer));
    }
    recorder.history().check(&Linearizability::of_queues()).expect("the lost one took 1");
}

/// The example of the documentation of many such checkers: a read may see a concurrent write, and none after it may not.
#[test]
fn a_counterexample_can_be_read() {
    let recorder = Recorder::new(|| Duration::from_micros(1500));
    let one = recorder.invoke("c1", Call::write("r", 1));
    recorder.done(one, ());
    let two = recorder.invoke("c1", Call::write("r", 2));
    let new = recorder.invoke("c2", Call::read("r"));
    recorder.done(new, 2);
    let old = recorder.invoke("c3", Call::read("r"));
    recorder.done(old, 1);
    recorder.done(two, ());
    let text = violated(&recorder.history(), &Linearizability::of_registers());
    let expected = "\
linearizability of registers: r: no order of the operations explains that read r was answered 1
  in order, 3 operations fit:
      0.001500..0.001500         #0 c1       write r 1                -> nil   [1]
      0.001500..0.001500         #2 c1       write r 2                -> nil   [2]
      0.001500..0.001500         #3 c2       read r                   -> 2   [2]
  then it holds 2, and these fit nowhere:
      0.001500..0.001500         #5 c3       read r                   -> 1";
    assert_eq!(text, expected);
}

#[test]
fn an_unknown_operation_may_happen_late_and_a_failed_one_never() {
    let write_then_read = |end: fn(&Recorder, Seq)| {
        let recorder = Recorder::new(|| Duration::ZERO);
        let write = recorder.invoke("c1", Call::write("r", 1));
        end(&recorder, write);
        for answer in [Value::Nil, 1.into()] {
            let read = recorder.invoke("c2", Call::read("r"));
            recorder.done(read, answer);
        }
        recorder.history().check(&Linearizability::of_registers())
    };
    write_then_read(|recorder, write| recorder.unknown(write, "deadline")).expect("it may be late");
    write_then_read(|_, _| ()).expect("one that never ends may be late");
    write_then_read(|recorder, write| recorder.failed(write, "full"))
        .expect_err("it never happened");
    write_then_read(|recorder, write| recorder.done(write, ())).expect_err("it had happened");
}

#[test]
fn a_spent_budget_and_an_empty_history_prove_nothing() {
    let unknown = |history: &History, checker: &dyn Checker| match history.check(checker) {
        Err(report) if report.violation().is_none() => report.to_string(),
        other => panic!("{other:?}"),
    };
    let history = run(1, HABITS, register_call, &mut correct());
    let with = |budget| Linearizability::of_registers().budget(budget);
    let text = unknown(&history, &with(SearchBudget { steps_max: 10, ..SearchBudget::default() }));
    assert!(text.contains("r, ") && text.contains("the budget of 10 steps is spent"), "{text}");
    let text =
        unknown(&history, &with(SearchBudget { memory_bytes_max: 100, ..SearchBudget::default() }));
    assert!(text.contains("fills its 100 bytes"), "{text}");
    let give_up: Option<std::sync::Arc<dyn Fn() -> bool + Send + Sync>> =
        Some(std::sync::Arc::new(|| true));
    let text = unknown(&history, &with(SearchBudget { give_up, ..SearchBudget::default() }));
    assert!(text.contains("told to give up"), "{text}");
    let text = unknown(&history, &Linearizability::of_queues());
    assert!(text.contains("no answered operations of queues"), "{text}");
}

#[test]
fn a_search_that_is_out_of_time_says_how_far_it_came() {
    let history = run(1, HABITS, register_call, &mut correct());
    let checker = Linearizability::of_registers();
    let asked = std::cell::Cell::new(0);
    let never = || {
        asked.set(asked.get() + 1);
        None
    };
    history.check_within(&checker, &Patience::until(&never)).expect("there is time");
    assert!(asked.get() > 0, "patience was never asked");
    let over = || Some(Duration::from_millis(45_000));
    let report = history.check_within(&checker, &Patience::until(&over)).expect_err("it is over");
    assert!(matches!(report.objection, Objection::GaveUp(_)), "{report}");
    let text = report.to_string();
    assert!(text.contains("not known: r: gave up after 45.0 s of real time, 0 of "), "{text}");
    assert!(text.contains("operations placed"), "{text}");
}

#[test]
fn operations_that_end_twice_are_the_recorders_fault() {
    let event = |seq, what| Event { seq: Seq(seq), at: Duration::ZERO, what };
    let invoke = What::Invoke { client: "c".into(), call: Call::read("r") };
    let done = What::Done { of: Seq(0), answer: Value::Nil };
    let events = vec![event(0, invoke), event(1, done.clone()), event(2, done)];
    let history = History::new(events, 0).expect("they are in order");
    let report = history.check(&Linearizability::of_registers()).expect_err("it ends twice");
    assert!(
        matches!(&report.objection, Objection::Unknown(why) if why.contains("not open")),
        "{report}"
    );
}
