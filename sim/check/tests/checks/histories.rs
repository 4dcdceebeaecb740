//! Histories: bounds, their forms in text and in serde, and one of many.

use std::time::Duration;

use odeon_check::{
    Call, Certainty, Exit, History, Letter, Linearizability, Recorder, Resource, Room, Seq, Text,
    Value, What,
};
use proptest::prelude::*;

/// One event of each kind.
fn one_of_each() -> History {
    let recorder = Recorder::new(|| Duration::from_millis(1));
    let letter = Letter::new("a", "b", 7);
    let read = recorder.invoke("c", Call::balances("bank"));
    recorder.done(read, Value::table([("x", Value::from(vec![1, 2])), ("y", Value::from(true))]));
    let transfer = recorder.invoke("c", Call::transfer("bank", "x", "y", 5));
    recorder.refused(transfer, Certainty::NotDelivered, "full");
    let add = recorder.invoke("c", Call::add("sum", -5));
    recorder.refused(add, Certainty::Ran, "panicked");
    recorder.ask(&letter);
    recorder.tell(&letter);
    recorder.began(&letter);
    recorder.answered(&letter, 7);
    recorder.answered(&letter, None);
    recorder.taken(&letter);
    recorder.send_failed(&letter, Certainty::MayHaveRun, "lost");
    for what in [
        What::GaveUp { letter },
        What::Ended { party: "b".into(), exit: Exit::Failed },
        What::Watched { watcher: "a".into(), target: "b".into(), watch: 1 },
        What::Unwatched { watcher: "a".into(), watch: 1 },
        What::Told { watcher: "a".into(), watch: 1, exit: Exit::NodeLost },
        What::ChildStarted { supervisor: "s".into(), child: "one".into() },
        What::ChildStartFailed { supervisor: "s".into(), child: "one".into() },
        What::ChildEnded { supervisor: "s".into(), child: "one".into(), exit: Exit::Ordered },
        What::Up { node: "n".into() },
        What::Down { node: "n".into() },
        What::Fault { text: "n is cut off".into() },
        What::View { node: "n".into(), members: ["n".into(), "m".into()].into() },
        What::Lives { node: "n".into(), life: 2, members: [("m".into(), 7)].into() },
        What::Superseded { node: "n".into(), life: 2 },
        What::Claimed { name: "leader".into(), holder: "n".into() },
        What::Released { name: "leader".into(), holder: "n".into() },
        What::Counted { place: "n".into(), resource: Resource::Cells, count: 3 },
        What::Note { party: "n".into(), name: "mood".into(), value: "fine".into() },
    ] {
        recorder.record(what);
    }
    recorder.history()
}

#[test]
fn every_event_goes_through_serde_and_has_a_line() {
    let history = one_of_each();
    let text = serde_json::to_string(&history).expect("it is plain data");
    assert_eq!(serde_json::from_str::<History>(&text).expect("it was written so"), history);
    let lines = history.to_string();
    assert_eq!(lines.lines().count(), history.events().len());
    assert!(lines.lines().all(|line| line.len() > "    0.001000s      #1  ".len()), "{lines}");
    assert!(lines.contains("0.001000s      #0  c calls balances bank"), "{lines}");
    assert!(lines.contains("a -> b no. 7 is refused, may have run: lost"), "{lines}");
}

#[test]
fn what_is_no_history_is_refused_by_its_fault() {
    let text = serde_json::to_string(&one_of_each()).expect("it is plain data");
    let swapped = text.replacen("\"seq\":1,", "\"seq\":99,", 1);
    let error = serde_json::from_str::<History>(&swapped).expect_err("out of order");
    assert!(error.to_string().contains("event #2 stands after event #99"), "{error}");
    let strange = text.replacen("\"certainty\":1", "\"certainty\":9", 1);
    let error = serde_json::from_str::<History>(&strange).expect_err("no such certainty");
    assert!(error.to_string().contains("certainty 9 is none of"), "{error}");
}

#[test]
fn a_full_history_passes_no_check() {
    for room in
        [Room { events_max: 3, ..Room::default() }, Room { bytes_max: 700, ..Room::default() }]
    {
        let recorder = Recorder::with_room(|| Duration::ZERO, room);
        for _ in 0..4 {
            let read = recorder.invoke("c", Call::read("r"));
            recorder.done(read, ());
        }
        let history = recorder.history();
        assert_eq!(history.events().len() as u64 + history.missed(), 8);
        assert!(history.missed() > 0 && history.events().len() >= 2, "{history}");
        let report = history.check(&Linearizability::of_registers()).expect_err("it is not whole");
        assert!(report.violation().is_none());
        let missing = format!("the history was full and {} events are missing", history.missed());
        assert!(report.to_string().contains(&missing), "{report}");
    }
}

/// What is kept is a beginning: no small event gets in after a large one did not.
#[test]
fn a_full_history_has_no_holes() {
    let recorder =
        Recorder::with_room(|| Duration::ZERO, Room { bytes_max: 2000, ..Room::default() });
    recorder.invoke("c", Call::write("r", vec![0; 1000]));
    recorder.invoke("c", Call::read("r"));
    assert_eq!((recorder.history().events().len(), recorder.history().missed()), (0, 2));
}

#[test]
fn threads_write_into_one_history() {
    let recorder = Recorder::new(|| Duration::ZERO);
    std::thread::scope(|scope| {
        for client in 0..4 {
            let recorder = recorder.clone();
            scope.spawn(move || {
                for _ in 0..100 {
                    let add = recorder.invoke(format!("c{client}"), Call::read("r"));
                    recorder.done(add, ());
                }
            });
        }
    });
    let history = recorder.history();
    assert_eq!(history.operations().expect("it is well formed").len(), 400);
    history.check(&Linearizability::of_registers()).expect("nobody wrote");
}

/// Two programs whose clocks differ by less than a millisecond: what overlaps because of it counts as concurrent.
#[test]
fn merged_histories_bear_the_error_of_their_clocks() {
    let at = |millis| Duration::from_millis(millis);
    let writes = Recorder::new(|| Duration::ZERO);
    let write = |recorder: &Recorder, from, until, call, answer| {
        let client = if call == Call::read("r") { "reader" } else { "writer" };
        let of = recorder.record_at(at(from), What::Invoke { client: client.into(), call });
        recorder.record_at(at(until), What::Done { of, answer });
    };
    write(&writes, 10, 12, Call::write("r", 1), Value::Nil);
    let reads = Recorder::new(|| Duration::ZERO);
    write(&reads, 14, 15, Call::read("r"), Value::Nil);
    write(&reads, 20, 21, Call::read("r"), Value::Int(1));
    let check = |error| {
        let merged = History::merge(vec![reads.history(), writes.history()], at(error));
        merged.check(&Linearizability::of_registers())
    };
    check(0).expect_err("the first read came after the write");
    check(1).expect("it need not have: both clocks may err by one");
    let merged = History::merge(vec![reads.history(), writes.history()], at(0));
    assert_eq!(merged.events()[0].seq, Seq(0));
    assert_eq!(merged.operations().expect("ends follow their calls").len(), 3);
}

proptest! {
    #[test]
    fn different_texts_stay_different(one in ".{0,400}", other in ".{0,400}") {
        let texts = [Text::from(one.as_str()), Text::from(other.as_str())];
        prop_assert!(texts.iter().all(|text| text.len() <= Text::BYTES_MAX));
        prop_assert_eq!(texts[0] == texts[1], one == other);
    }
}
