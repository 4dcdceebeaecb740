//! Every rule of credit by itself; `tests/credit.rs` plays whole lanes.

use odeon_message::ActorKey;

use super::*;
use crate::CreditTotal;

const WINDOW: InitialCredit = InitialCredit { messages: 4, bytes: 100 };
const A: ActorKey = ActorKey { slot: 1, generation: 0 };
const B: ActorKey = ActorKey { slot: 2, generation: 0 };

fn book() -> CreditBook {
    CreditBook::new(WINDOW, 2)
}

fn total(messages: u64, bytes: u64) -> CreditTotal {
    CreditTotal { receiver: A, messages, bytes }
}

#[test]
fn credit_counts_messages() {
    let mut book = book();
    for _ in 0..4 {
        assert!(book.has_room(A, 1));
        book.try_take(A, 1).unwrap();
    }
    assert!(!book.has_room(A, 1) && book.has_room(B, 1));
    assert_eq!(book.try_take(A, 0), Err(CreditRefused::Messages));
    assert_eq!(book.grant(total(6, 102)), Ok(true));
    book.try_take(A, 1).unwrap();
}

#[test]
fn room_that_was_found_is_taken_later_or_not() {
    let mut book = book();
    assert!(book.room(A, 1).is_none(), "nothing was ever sent there");
    book.try_take(A, 40).unwrap();
    assert!(book.room(A, 60).is_some());
    book.room(A, 60).unwrap().take();
    assert!(book.room(A, 1).is_none());
    assert_eq!(book.try_take(A, 1), Err(CreditRefused::Bytes { bytes: 1, left: 0 }));
    assert_eq!(book.grant(total(6, 200)), Ok(true));
    book.room(A, 100).unwrap().take();
    book.grant(total(6, 300)).unwrap();
    (0..3).for_each(|_| book.room(A, 1).unwrap().take());
    assert!(book.room(A, 1).is_none() && !book.has_room(A, 1), "six messages were granted");
}

#[test]
fn credit_counts_bytes_and_a_large_message_passes_alone() {
    let mut book = book();
    book.try_take(A, 50).unwrap();
    // Half the window is left: enough for anything.
    book.try_take(A, 5000).unwrap();
    let refused = CreditRefused::Bytes { bytes: 1, left: 0 };
    assert_eq!(refused.to_string(), "the receiver has no room for 1 bytes, 0 are left");
    assert_eq!(book.try_take(A, 1), Err(refused));
    assert_eq!(book.grant(total(6, 5150)), Ok(true));
    book.try_take(A, 51).unwrap();
    assert_eq!(book.try_take(A, 50), Err(CreditRefused::Bytes { bytes: 50, left: 49 }));
    book.try_take(A, 49).unwrap();
}

#[test]
fn late_grants_change_nothing() {
    let mut book = book();
    assert_eq!(book.grant(total(900, 900)), Ok(false), "no entry");
    for _ in 0..4 {
        book.try_take(A, 10).unwrap();
    }
    assert_eq!(book.grant(total(8, 140)), Ok(true));
    assert_eq!(book.grant(total(6, 120)), Ok(false));
    for _ in 0..4 {
        book.try_take(A, 10).unwrap();
    }
}

#[test]
fn grants_beyond_what_was_used_are_an_error() {
    let mut book = book();
    book.try_take(A, 10).unwrap();
    for wrong in [total(6, 110), total(5, 111), total(u64::MAX, 0)] {
        let error = book.grant(wrong).unwrap_err();
        assert_eq!(error, GrantError { total: wrong, messages_max: 5, bytes_max: 110 });
        assert!(error.to_string().contains("5 and 110 are the most"));
    }
    assert_eq!(book.grant(total(5, 110)), Ok(true));
}

#[test]
fn what_was_not_sent_is_given_back() {
    let mut book = book();
    book.give_back(A, 10);
    for _ in 0..9 {
        book.try_take(A, 90).unwrap();
        book.give_back(A, 90);
    }
    // Never used: nobody needs to be told.
    assert_eq!(book.forget_idle(9), []);
    assert_eq!(book.forget_idle(9), []);
    assert_eq!(book.entries(), 0);
}

#[test]
fn only_who_is_square_is_forgotten() {
    let mut book = book();
    book.try_take(A, 10).unwrap();
    book.try_take(B, 10).unwrap();
    let full = CreditRefused::BookFull { entries_max: 2 };
    assert_eq!(book.try_take(ActorKey { slot: 3, generation: 0 }, 1), Err(full));
    assert_eq!(book.forget_idle(9), []);
    assert_eq!(book.forget_idle(9), [], "both hold a message");
    book.grant(total(5, 110)).unwrap();
    assert_eq!(book.forget_idle(9), [A]);
    book.try_take(A, 10).unwrap();
    assert_eq!(book.grant(total(6, 0)).unwrap_err().messages_max, 5, "counting began anew");
}

#[test]
fn windows_grant_at_half() {
    let mut window = Window::new(WINDOW);
    for _ in 0..4 {
        window.deliver(A, 10).unwrap();
    }
    assert_eq!(window.consume(1, 10), None);
    assert_eq!(window.consume(1, 10), Some(Grant { messages: 6, bytes: 120 }));
    assert_eq!(window.held(), Grant { messages: 2, bytes: 20 });
    let mut window = Window::new(WINDOW);
    window.deliver(A, 50).unwrap();
    assert_eq!(window.consume(1, 50), Some(Grant { messages: 5, bytes: 150 }));
}

#[test]
fn overruns_are_found() {
    let mut window = Window::new(WINDOW);
    for _ in 0..4 {
        window.deliver(A, 1).unwrap();
    }
    let delivered = Grant { messages: 4, bytes: 4 };
    let granted = Grant { messages: 4, bytes: 100 };
    let error = Overrun::Credit { receiver: A, delivered, bytes: 1, granted };
    assert_eq!(
        error.to_string(),
        "receiver 1.0 got 1 bytes after 4 messages and 4 bytes, beyond the 4 and 100 it granted"
    );
    assert_eq!(window.deliver(A, 1), Err(error));
    let mut window = Window::new(WINDOW);
    window.deliver(A, 60).unwrap();
    assert!(matches!(window.deliver(A, 41), Err(Overrun::Credit { bytes: 41, .. })));
    window.deliver(A, 40).unwrap();
}

#[test]
fn windows_left_alone_grant_the_rest() {
    let mut table = WindowTable::new(WINDOW);
    table.deliver(A, 10).unwrap();
    assert_eq!(table.settle(9), []);
    assert_eq!(table.settle(9), [], "it holds a message");
    assert_eq!(table.consume(A, 1, 10), None);
    assert_eq!(
        table.forget(A),
        Err(Overrun::ForgotHeld { receiver: A, held: Grant { messages: 0, bytes: 0 } })
    );
    assert_eq!(table.settle(0), []);
    assert_eq!(table.settle(9), [total(5, 110)]);
    assert_eq!(table.settle(9), []);
    assert_eq!(table.forget(A), Ok(()));
    assert_eq!(table.forget(A), Err(Overrun::ForgotUnknown { receiver: A }));
    assert_eq!(table.consume(A, 1, 10), None);
    assert_eq!(table.entries(), 0);
}

#[test]
fn a_lane_reaches_a_bounded_number_of_receivers() {
    let mut table = WindowTable::new(WINDOW);
    let receiver = |slot| ActorKey { slot, generation: 0 };
    for slot in 0..65_536 {
        table.deliver(receiver(slot), 1).unwrap();
    }
    assert_eq!(table.deliver(receiver(65_536), 1), Err(Overrun::Receivers));
    table.deliver(receiver(5), 1).unwrap();
}

#[test]
fn the_smallest_window_passes_everything_one_by_one() {
    let smallest = InitialCredit { messages: 1, bytes: 1 };
    let (mut book, mut table) = (CreditBook::new(smallest, 1), WindowTable::new(smallest));
    for bytes in [0, 1, 1000, 0, 1000] {
        book.try_take(A, bytes).unwrap();
        assert!(!book.has_room(A, 0));
        table.deliver(A, bytes).unwrap();
        book.grant(table.consume(A, 1, bytes as u64).unwrap()).unwrap();
    }
}
