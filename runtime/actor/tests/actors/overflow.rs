//! Full mailboxes that do not let wait, bounds in bytes, and priorities, as senders see them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use odeon_message::{AskError, Certainty, FailureKind, TellError, message};
use tokio::task::{JoinHandle, spawn_local, yield_now};

use crate::{
    fixture::on_one_thread,
    network::{Pay, Till, Wait, pair},
    odeon::{Actor, ActorRef, ActorSystem, Context, Handler, Overflow, SpawnOptions, StartError},
};

type Seen = Arc<Mutex<Vec<u32>>>;

/// Notes what it is told, in order; a note of 0 holds it for a second.
struct Scribe(Seen);

impl Actor for Scribe {
    type Args = Seen;

    async fn start(seen: Seen, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(seen))
    }
}

#[message(local, reply = u32, crate = crate::odeon)]
struct Note(u32);

/// As a note, in 4 KiB.
#[message(local, reply = u32, crate = crate::odeon)]
struct Page(u32, #[expect(dead_code, reason = "it takes up room")] [u8; 4096]);

/// Tells itself twice.
#[message(local, reply = Result<(), FailureKind>, crate = crate::odeon)]
struct Remember(u32);

impl Scribe {
    async fn note(&self, note: u32) -> u32 {
        self.0.lock().unwrap().push(note);
        if note == 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        note
    }
}

impl Handler<Note> for Scribe {
    async fn handle(&mut self, message: Note, _: &mut Context<Self>) -> u32 {
        self.note(message.0).await
    }
}

impl Handler<Page> for Scribe {
    async fn handle(&mut self, message: Page, _: &mut Context<Self>) -> u32 {
        self.note(message.0).await
    }
}

impl Handler<Remember> for Scribe {
    async fn handle(
        &mut self,
        message: Remember,
        ctx: &mut Context<Self>,
    ) -> Result<(), FailureKind> {
        self.note(message.0).await;
        let me = ctx.self_ref();
        me.try_tell(Note(message.0 + 1)).map_err(|error| error.failure.kind)?;
        me.tell(Note(message.0 + 2)).await.map_err(|error| error.failure.kind)
    }
}

/// A scribe that is held, with nothing in its mailbox.
async fn held(system: &ActorSystem, options: SpawnOptions) -> (ActorRef<Scribe>, Seen) {
    let seen = Seen::default();
    let scribe = system.spawn::<Scribe>(seen.clone(), options).await.unwrap();
    scribe.tell(Note(0)).await.unwrap();
    while seen.lock().unwrap().is_empty() {
        yield_now().await;
    }
    (scribe, seen)
}

/// A small mailbox with this overflow.
fn small(overflow: Overflow) -> SpawnOptions {
    SpawnOptions::default().mailbox(3).overflow(overflow)
}

/// What was noted after the hold was over.
async fn noted(scribe: &ActorRef<Scribe>, seen: &Seen) -> Vec<u32> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    scribe.ask(Note(99)).await.unwrap();
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    assert_eq!((seen[0], seen[seen.len() - 1]), (0, 99));
    seen[1..seen.len() - 1].to_vec()
}

fn ask(
    scribe: &ActorRef<Scribe>,
    note: u32,
) -> JoinHandle<Result<u32, AskError<std::convert::Infallible>>> {
    let scribe = scribe.clone();
    spawn_local(async move { scribe.ask(Note(note)).await })
}

fn is_full<M>(error: &TellError<M>) -> bool {
    error.failure.kind == FailureKind::Full && error.certainty() == Certainty::NotDelivered
}

#[test]
fn a_mailbox_that_rejects_answers_at_once_and_gives_back() {
    on_one_thread(1, |system| async move {
        let (scribe, seen) = held(&system, small(Overflow::Reject)).await;
        for note in 1..=3 {
            scribe.tell(Note(note)).await.unwrap();
        }
        let error = scribe.tell(Note(4)).await.unwrap_err();
        assert!(is_full(&error));
        assert_eq!(error.message.unwrap().0, 4);
        assert!(error.failure.detail.contains("3 messages"), "{}", error.failure);
        assert!(is_full(&scribe.try_tell(Note(5)).unwrap_err()));
        let error = scribe.ask(Note(6)).await.unwrap_err();
        assert!(matches!(error, AskError::Full(_)));
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        assert_eq!(noted(&scribe, &seen).await, [1, 2, 3]);
        assert_eq!(system.stats().dropped, 0);
    });
}

#[test]
fn a_mailbox_that_drops_its_newest_keeps_what_it_has() {
    on_one_thread(1, |system| async move {
        let (scribe, seen) = held(&system, small(Overflow::DropNewest)).await;
        for note in 1..=5 {
            scribe.tell(Note(note)).await.unwrap();
        }
        scribe.try_tell(Note(6)).unwrap();
        let error = scribe.ask(Note(7)).await.unwrap_err();
        assert!(matches!(error, AskError::Full(_)));
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        assert_eq!(system.stats().dropped, 4);
        assert_eq!(noted(&scribe, &seen).await, [1, 2, 3]);
    });
}

#[test]
fn a_mailbox_that_drops_its_oldest_has_the_newest_in_order() {
    on_one_thread(1, |system| async move {
        let (scribe, seen) = held(&system, small(Overflow::DropOldest)).await;
        let oldest = ask(&scribe, 1);
        yield_now().await;
        for note in 2..=5 {
            scribe.tell(Note(note)).await.unwrap();
        }
        scribe.try_tell(Note(6)).unwrap();
        let error = oldest.await.unwrap().unwrap_err();
        assert!(matches!(error, AskError::Full(_)));
        assert_eq!(error.certainty(), Certainty::NotDelivered);
        let newest = ask(&scribe, 7);
        assert_eq!(noted(&scribe, &seen).await, [5, 6, 7]);
        assert_eq!(newest.await.unwrap(), Ok(7));
        assert_eq!(system.stats().dropped, 4);
    });
}

#[test]
fn the_more_urgent_comes_first_and_is_dropped_last() {
    on_one_thread(1, |system| async move {
        let options = small(Overflow::DropOldest).priorities(3);
        let (scribe, seen) = held(&system, options).await;
        for (note, priority) in [(10, 0), (30, 2), (20, 1), (31, 2)] {
            scribe.tell(Note(note)).priority(priority).await.unwrap();
        }
        // The least urgent has gone; one that is less urgent than all goes itself.
        scribe.tell(Note(11)).await.unwrap();
        let less = scribe.ask(Note(12)).await.unwrap_err();
        assert!(matches!(less, AskError::Full(_)));
        // A priority beyond the last is the last.
        scribe.tell(Note(32)).priority(9).await.unwrap();
        assert_eq!(noted(&scribe, &seen).await, [30, 31, 32]);
        assert_eq!(system.stats().dropped, 4);
    });
}

#[test]
fn a_recipient_has_priorities_too() {
    on_one_thread(1, |system| async move {
        let options = small(Overflow::DropOldest).priorities(3);
        let (scribe, seen) = held(&system, options).await;
        let recipient = scribe.recipient();
        recipient.tell(Note(10)).await.unwrap();
        recipient.tell(Note(30)).priority(2).await.unwrap();
        let asked = spawn_local(recipient.ask(Note(20)).priority(1).into_future());
        yield_now().await;
        assert_eq!(noted(&scribe, &seen).await, [30, 20, 10]);
        assert_eq!(asked.await.unwrap().unwrap(), 20);
    });
}

#[test]
fn those_who_wait_are_served_by_priority_and_then_in_order() {
    on_one_thread(1, |system| async move {
        let options = SpawnOptions::default().mailbox(1).priorities(2);
        let (scribe, seen) = held(&system, options).await;
        scribe.tell(Note(1)).await.unwrap();
        let mut tells = Vec::new();
        for note in [2, 3, 12, 13, 4, 14] {
            let scribe = scribe.clone();
            let tell = async move { scribe.tell(Note(note)).priority(u8::from(note > 10)).await };
            tells.push(spawn_local(tell));
            yield_now().await;
        }
        assert!(is_full(&scribe.try_tell(Note(77)).unwrap_err()));
        assert_eq!(noted(&scribe, &seen).await, [1, 12, 13, 14, 2, 3, 4]);
        for tell in tells {
            tell.await.unwrap().unwrap();
        }
    });
}

#[test]
fn without_lanes_a_priority_changes_nothing() {
    on_one_thread(1, |system| async move {
        let (scribe, seen) = held(&system, small(Overflow::Wait)).await;
        scribe.tell(Note(1)).await.unwrap();
        scribe.tell(Note(2)).priority(7).await.unwrap();
        assert_eq!(noted(&scribe, &seen).await, [1, 2]);
    });
}

#[test]
fn bytes_are_bounded_as_messages_are() {
    on_one_thread(1, |system| async move {
        let options = SpawnOptions::default().mailbox_bytes(10_000);
        let (scribe, seen) = held(&system, options).await;
        let page = |note| Page(note, [0; 4096]);
        scribe.tell(page(1)).await.unwrap();
        scribe.tell(page(2)).await.unwrap();
        let error = scribe.try_tell(page(3)).unwrap_err();
        assert!(is_full(&error));
        assert!(error.failure.detail.contains("10000 bytes"), "{}", error.failure);
        assert_eq!(error.message.unwrap().0, 3);
        let late = scribe.tell(page(4)).within(Duration::from_millis(10)).await.unwrap_err();
        assert_eq!(late.failure.kind, FailureKind::Deadline);
        // What is small still fits, once nobody waits before it.
        scribe.try_tell(Note(5)).unwrap();
        assert_eq!(noted(&scribe, &seen).await, [1, 2, 5]);
    });
}

#[test]
fn a_small_message_moves_up_when_the_large_one_before_it_leaves() {
    on_one_thread(1, |system| async move {
        let options = SpawnOptions::default().mailbox_bytes(8_000);
        let (scribe, seen) = held(&system, options).await;
        scribe.tell(Page(1, [0; 4096])).await.unwrap();
        let large = scribe.clone();
        let within = Duration::from_millis(100);
        let large = spawn_local(async move { large.tell(Page(2, [0; 4096])).within(within).await });
        yield_now().await;
        // In order, so it waits behind the large one, though it would fit.
        let begun = tokio::time::Instant::now();
        scribe.tell(Note(3)).await.unwrap();
        assert!(begun.elapsed() >= within && begun.elapsed() < 2 * within);
        assert_eq!(large.await.unwrap().unwrap_err().failure.kind, FailureKind::Deadline);
        assert_eq!(noted(&scribe, &seen).await, [1, 3]);
    });
}

#[test]
fn a_message_larger_than_the_bound_enters_an_empty_mailbox() {
    on_one_thread(1, |system| async move {
        for options in [SpawnOptions::default(), SpawnOptions::default().priorities(2)] {
            let (scribe, seen) = held(&system, options.mailbox_bytes(100)).await;
            scribe.try_tell(Page(1, [0; 4096])).unwrap();
            assert!(is_full(&scribe.try_tell(Note(2)).unwrap_err()));
            let waiting = scribe.clone();
            let waiting = spawn_local(async move { waiting.tell(Page(3, [0; 4096])).await });
            assert_eq!(noted(&scribe, &seen).await, [1, 3]);
            waiting.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_tell_to_oneself_never_waits() {
    on_one_thread(1, |system| async move {
        let one = |overflow| SpawnOptions::default().mailbox(1).overflow(overflow);
        for (options, told, then) in [
            (one(Overflow::Wait), Err(FailureKind::Full), 8),
            (one(Overflow::Wait).priorities(2), Err(FailureKind::Full), 8),
            (one(Overflow::Reject), Err(FailureKind::Full), 8),
            (one(Overflow::DropNewest), Ok(()), 8),
            (one(Overflow::DropOldest), Ok(()), 9),
        ] {
            let seen = Seen::default();
            let scribe = system.spawn::<Scribe>(seen.clone(), options).await.unwrap();
            assert_eq!(scribe.ask(Remember(7)).await.unwrap(), told);
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(*seen.lock().unwrap(), [7, then]);
        }
    });
}

#[test]
fn messages_from_other_nodes_obey_and_their_credit_comes_back() {
    for (overflow, sum, dropped) in [
        (Overflow::DropNewest, 1 + 2, 6),
        (Overflow::DropOldest, 7 + 8, 6),
        (Overflow::Reject, 1 + 2, 0),
    ] {
        crate::fixture::in_world(|| async move {
            let pair = pair(100).await;
            let options = SpawnOptions::default().mailbox(2).overflow(overflow);
            let till = pair.b.spawn::<Till>((), options).await.unwrap();
            let far = ActorRef::<Till>::from_address(&pair.a, till.address().unwrap());
            far.tell(Wait { millis: 50 }).await.unwrap();
            yield_now().await;
            let mut asks = Vec::new();
            for cents in 1..=8 {
                let far = far.clone();
                asks.push(spawn_local(async move { far.ask(Pay { cents }).await }));
                yield_now().await;
            }
            let mut failed = 0;
            for ask in asks {
                match ask.await.unwrap() {
                    Ok(_) => {}
                    Err(AskError::Full(cause)) => {
                        assert_eq!(cause.certainty, Certainty::NotDelivered);
                        failed += 1;
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            assert_eq!(failed, 6);
            assert_eq!(till.ask(Pay { cents: 100 }).await.unwrap(), sum + 100);
            assert_eq!(pair.b.stats().dropped, dropped);
            assert_eq!(pair.net.state.lock().unwrap().credit, 100, "all credit is back");
            drop((till, far));
            pair.end().await;
        });
    }
}
