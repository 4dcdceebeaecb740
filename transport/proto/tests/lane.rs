//! The books of a lane against a list that remembers the fate of every frame.

use odeon_wire::{LaneState, Position};
use proptest::{collection::vec, prelude::*};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Fate {
    Waits,
    Handed,
    Dropped,
}

fn change(frames: &mut [(Position, Fate)], to: Fate) -> u64 {
    let waiting = frames.iter_mut().filter(|(_, fate)| *fate == Fate::Waits);
    waiting.map(|(_, fate)| *fate = to).count() as u64
}

proptest! {
    #[test]
    fn not_handed_is_always_true(acts in vec((0..8_u8, 1..500_usize), 0..600)) {
        let mut lane = LaneState::new(1000);
        let mut frames: Vec<(Position, Fate)> = Vec::new();
        let mut waiting = std::collections::VecDeque::new();
        let mut losses = 0;
        for (act, bytes) in acts {
            match act {
                0..=4 if lane.fits(bytes) => {
                    frames.push((lane.write(bytes), Fate::Waits));
                    waiting.push_back(bytes);
                }
                5 => {
                    let handed: Vec<usize> = waiting.drain(..waiting.len().min(bytes % 5)).collect();
                    lane.hand(handed.len() as u64, handed.iter().sum());
                    let first = frames.len() - waiting.len() - handed.len();
                    change(&mut frames[first..first + handed.len()], Fate::Handed);
                }
                6 => lane.taken(bytes),
                7 => {
                    let dropped = lane.lose();
                    prop_assert_eq!(dropped, change(&mut frames, Fate::Dropped));
                    losses += u64::from(dropped > 0);
                    waiting.clear();
                }
                _ => {}
            }
            prop_assert!(lane.bytes() <= 1000);
        }
        prop_assert!(frames.is_sorted_by_key(|(position, _)| *position));
        for (position, fate) in frames {
            let handed = lane.handed(position);
            match fate {
                Fate::Handed => prop_assert!(handed),
                Fate::Waits => prop_assert!(!handed),
                Fate::Dropped => prop_assert!(!handed || losses > 64),
            }
        }
    }
}
