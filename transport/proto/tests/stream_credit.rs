//! Sender and asker of a streamed reply under every interleaving: the credit is never exceeded, the asker holds no more
//! than its window and a frame, and nobody waits for ever.

use std::collections::VecDeque;

use odeon_wire::{ItemsBook, ItemsWindow, StreamCredit};
use proptest::{collection::vec, prelude::*};

struct Stream {
    book: ItemsBook,
    window: ItemsWindow,
    unsent: VecDeque<usize>,
    lane: VecDeque<usize>,
    held: VecDeque<usize>,
    grants: VecDeque<StreamCredit>,
}

impl Stream {
    fn new(window: StreamCredit, items: &[usize]) -> Self {
        let window = ItemsWindow::new(window);
        Self {
            book: ItemsBook::new(window.granted()),
            window,
            unsent: items.iter().copied().collect(),
            lane: VecDeque::new(),
            held: VecDeque::new(),
            grants: VecDeque::new(),
        }
    }

    /// Does one of four things, if there is something to do; whether there was.
    fn step(&mut self, which: u8) -> bool {
        match which {
            0 => {
                if !self.book.has_room() {
                    return false;
                }
                let Some(bytes) = self.unsent.pop_front() else { return false };
                self.book.take(bytes);
                self.lane.push_back(bytes);
            }
            1 => {
                let Some(bytes) = self.lane.pop_front() else { return false };
                self.window.arrive(bytes).expect("the sender keeps to its credit");
                self.held.push_back(bytes);
            }
            2 => {
                let Some(bytes) = self.held.pop_front() else { return false };
                self.grants.extend(self.window.consume(bytes));
            }
            _ => {
                let Some(total) = self.grants.pop_front() else { return false };
                assert!(self.book.grant(total), "each grant is more than the one before");
                assert!(!self.book.grant(total), "twice the same is once");
            }
        }
        true
    }
}

proptest! {
    #[test]
    fn all_items_pass_and_the_bound_holds(
        items in 1_u64..20,
        bytes in 1_u64..2_000,
        sizes in vec(prop_oneof![Just(48_usize), 32_usize..4_000], 0..60),
        steps in vec(0_u8..4, 0..400),
    ) {
        let window = StreamCredit { items, bytes };
        let mut stream = Stream::new(window, &sizes);
        let longest = sizes.iter().copied().max().unwrap_or(0) as u64;
        let rest = (0..).map(|n: u64| (n % 4) as u8);
        let mut idle = 0;
        for step in steps.into_iter().chain(rest) {
            idle = if stream.step(step) { 0 } else { idle + 1 };
            let out: Vec<_> = stream.lane.iter().chain(&stream.held).collect();
            prop_assert!(out.len() as u64 <= items);
            let out_bytes = out.iter().map(|bytes| **bytes as u64).sum::<u64>();
            prop_assert!(out_bytes < bytes + longest.max(1));
            // Idle for long in the random part, it may go on in the other.
            if idle > 400 {
                break;
            }
        }
        prop_assert!(stream.unsent.is_empty() && stream.held.is_empty() && stream.lane.is_empty());
    }

    #[test]
    fn what_comes_beyond_the_credit_is_seen(items in 1_u64..20, bytes in 1_u64..500, size in 32_usize..300) {
        let mut window = ItemsWindow::new(StreamCredit { items, bytes });
        let fits = items.min(bytes.div_ceil(size as u64));
        for _ in 0..fits {
            prop_assert!(window.arrive(size).is_ok());
        }
        let overrun = window.arrive(size).unwrap_err();
        prop_assert_eq!(overrun.item, fits + 1);
        prop_assert_eq!(overrun.granted, StreamCredit { items, bytes });
    }
}
