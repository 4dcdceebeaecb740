//! Probes: what tests of other actors are made of.

use std::time::Duration;

use odeon_message::{Certainty, FailureKind, message};
use tokio::{task::spawn_local, task::yield_now, time::Instant};

use crate::{
    fixture::{Add, on_one_thread},
    odeon::{Actor, Context, Handler, Probe, Recipient, SpawnOptions, StartError},
};

const SHORT: Duration = Duration::from_millis(50);

#[derive(Debug, PartialEq)]
#[message(local, crate = crate::odeon)]
struct Line(u64);

/// The actor under test: tells each number's double, and what the bank says to it.
struct Doubler {
    lines: Recipient<Line>,
    bank: Recipient<Add>,
}

impl Actor for Doubler {
    type Args = (Recipient<Line>, Recipient<Add>);

    async fn start((lines, bank): Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { lines, bank })
    }
}

impl Handler<Line> for Doubler {
    async fn handle(&mut self, line: Line, _: &mut Context<Self>) {
        self.lines.tell(Line(line.0 * 2)).await.unwrap();
        let answer = self.bank.ask(Add(line.0)).await.unwrap();
        self.lines.tell(Line(answer)).await.unwrap();
    }
}

#[test]
fn a_probe_catches_and_answers() {
    on_one_thread(2, |system| async move {
        let mut lines = Probe::<Line>::start(&system).await.unwrap();
        let mut bank = Probe::<Add>::start(&system).await.unwrap();
        let args = (lines.recipient(), bank.recipient());
        let doubler = system.spawn::<Doubler>(args, SpawnOptions::default()).await.unwrap();
        for number in [4, 5] {
            doubler.tell(Line(number)).await.unwrap();
            assert_eq!(lines.expect(SHORT).await, Line(number * 2));
            lines.expect_no_message(SHORT).await;
            bank.expect_that(SHORT, |add| add.0 == number).await;
            bank.reply_with(number + 100);
            assert_eq!(lines.expect(SHORT).await, Line(number + 100));
        }
        lines.expect_no_message(SHORT).await;
        bank.expect_no_message(SHORT).await;
    });
}

#[test]
fn what_is_not_as_expected_panics() {
    on_one_thread(1, |system| async move {
        for (case, said) in [
            (0, "no Line came within 50ms"),
            (1, "the next Line is not as expected"),
            (2, "a Line came that was not expected"),
            (3, "no Line waits for an answer"),
        ] {
            let mut probe = Probe::<Line>::start(&system).await.unwrap();
            if case > 0 {
                probe.recipient().tell(Line(1)).await.unwrap();
            }
            let task = spawn_local(async move {
                let begun = Instant::now();
                match case {
                    0 => assert_eq!(probe.expect(SHORT).await, Line(1)),
                    1 => {
                        probe.expect_that(SHORT, |line| line.0 == 2).await;
                    }
                    2 => probe.expect_no_message(SHORT).await,
                    _ => {
                        probe.expect(SHORT).await;
                        probe.reply_with(());
                    }
                }
                panic!("nothing was wrong for {:?}", begun.elapsed());
            });
            let panic = task.await.unwrap_err().into_panic();
            let text = panic.downcast::<String>().unwrap();
            assert!(text.contains(said), "{text}");
        }
    });
}

#[test]
fn a_probe_that_owes_an_answer_says_so_and_ends_when_dropped() {
    on_one_thread(1, |system| async move {
        let mut probe = Probe::<Add>::start(&system).await.unwrap();
        let (first, second) = (probe.recipient(), probe.recipient());
        let first = spawn_local(async move { first.ask(Add(1)).await });
        yield_now().await;
        let second = spawn_local(async move { second.ask(Add(2)).await });
        assert_eq!(probe.expect(SHORT).await.0, 1);
        let task = spawn_local(async move {
            probe.expect(SHORT).await;
        });
        let panic = task.await.unwrap_err().into_panic();
        assert!(panic.downcast::<String>().unwrap().contains("call reply_with first"));
        let begun = Instant::now();
        let first = first.await.unwrap().unwrap_err();
        assert_eq!(
            (first.kind(), first.certainty()),
            (Some(FailureKind::Cancelled), Certainty::Ran)
        );
        second.await.unwrap().unwrap_err();
        assert_eq!(begun.elapsed(), Duration::ZERO, "they are told at once");
        assert_eq!(system.stats().live_actors, 0);
        assert_eq!(system.recent_failures(), [""; 0], "a test that is done is no failure");
    });
}
