//! The mailbox: senders that push, reserve and wait, against a receiver that takes, sleeps and closes.

use std::{collections::VecDeque, ptr, ptr::NonNull};

use loom::{
    sync::{
        Arc, Mutex, Notify,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
};

use super::{
    load::{Bounds, Load, Spare},
    model,
    stack::{self, Landed, Linked, Stack},
    sync::{AtomicPtr, UnsafeCell},
};

struct Node {
    link: AtomicPtr<Self>,
    sender: usize,
    /// Written by the sender and read by the receiver: loom sees whether one happens before the other.
    number: UnsafeCell<usize>,
}

// SAFETY: it is always the same field, which only the stack writes.
unsafe impl Linked for Node {
    fn link(&self) -> &AtomicPtr<Self> {
        &self.link
    }
}

/// A mailbox, and how its receiver is woken.
struct Shared {
    stack: Stack<Node>,
    woken: Notify,
    wakes: AtomicUsize,
}

// SAFETY: nodes are pushed by who owns them and read by who took them, which loom checks.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn new() -> Arc<Self> {
        let (stack, woken, wakes) = (Stack::new(), Notify::new(), AtomicUsize::new(0));
        Arc::new(Self { stack, woken, wakes })
    }

    /// Sends one message; `false` if the mailbox was closed and it came back.
    fn send(&self, sender: usize, number: usize) -> bool {
        let link = AtomicPtr::new(ptr::null_mut());
        let node = Box::new(Node { link, sender, number: UnsafeCell::new(0) });
        // SAFETY: nobody else has the node.
        node.number.with_mut(|place| unsafe { *place = number });
        let node = NonNull::from(Box::leak(node));
        // SAFETY: the node is this sender's, and given away.
        match unsafe { self.stack.push(node, || ()) } {
            Landed::Queued => true,
            Landed::Woke => {
                self.wakes.fetch_add(1, Relaxed);
                self.woken.notify();
                true
            }
            Landed::Closed => {
                // SAFETY: it was not taken.
                drop(unsafe { Box::from_raw(node.as_ptr()) });
                false
            }
        }
    }
}

/// Frees a list that was taken, and says who sent what, in order.
fn read(mut first: Option<NonNull<Node>>) -> Vec<(usize, usize)> {
    let mut read = Vec::new();
    while let Some(node) = first {
        // SAFETY: the list is the receiver's.
        first = unsafe { stack::next(node) };
        // SAFETY: as above, and the node has left the list.
        let node = unsafe { Box::from_raw(node.as_ptr()) };
        // SAFETY: the sender does not touch it any more.
        read.push((node.sender, node.number.with(|number| unsafe { *number })));
    }
    read
}

/// Whether each sender's numbers are in order, without repetition.
fn in_order(read: &[(usize, usize)]) -> bool {
    (0..2).all(|sender| {
        let numbers = read.iter().filter(|(from, _)| *from == sender).map(|(_, number)| number);
        numbers.is_sorted_by(|a, b| a < b)
    })
}

#[test]
fn two_senders_lose_nothing_keep_their_order_and_wake_a_sleeper_once() {
    model(3, || {
        let shared = Shared::new();
        let senders = (0..2).map(|sender| {
            let shared = shared.clone();
            thread::spawn(move || {
                for number in 0..2 - sender {
                    assert!(shared.send(sender, number));
                }
            })
        });
        let senders = senders.collect::<Vec<_>>();
        let (mut received, mut slept) = (Vec::new(), 0);
        while received.len() < 3 {
            let taken = read(shared.stack.take().map(|(first, _)| first));
            if taken.is_empty() && shared.stack.sleep() {
                slept += 1;
                // Loom reports a deadlock if nobody wakes it.
                shared.woken.wait();
            }
            received.extend(taken);
        }
        for sender in senders {
            sender.join().unwrap();
        }
        assert!(in_order(&received), "{received:?}");
        // Loom may also end a wait by itself, so there may be more sleeps than wakes.
        assert!(shared.wakes.load(Relaxed) <= slept, "one wake a sleep at most");
    });
}

#[test]
fn a_close_leaves_each_message_in_one_place() {
    model(3, || {
        let shared = Shared::new();
        let senders = (0..2).map(|sender| {
            let shared = shared.clone();
            thread::spawn(move || {
                let sent = (0..2).map(|number| shared.send(sender, number)).collect::<Vec<_>>();
                assert!(sent[0] || !sent[1], "nothing gets in after the close");
                sent.into_iter().filter(|sent| *sent).count()
            })
        });
        let senders = senders.collect::<Vec<_>>();
        let mut received = read(shared.stack.take().map(|(first, _)| first));
        // As an idle actor that is stopped.
        if received.is_empty() {
            shared.stack.sleep();
        }
        received.extend(read(shared.stack.close().map(|(first, _)| first)));
        assert!(shared.stack.is_closed());
        let sent = senders.into_iter().map(|sender| sender.join().unwrap()).sum::<usize>();
        assert_eq!(received.len(), sent, "each message was received or came back");
        assert!(in_order(&received), "{received:?}");
        assert!(shared.stack.take().is_none());
    });
}

/// A mailbox of one place with its waiting room, as `room.rs` has it.
struct Full {
    load: Load,
    /// Who waits.
    room: Mutex<VecDeque<usize>>,
    /// Who is in, and was not taken yet.
    inside: Mutex<VecDeque<usize>>,
    arrived: Notify,
}

impl Full {
    fn put(&self, sender: usize) {
        let mut inside = self.inside.lock().unwrap();
        inside.push_back(sender);
        assert_eq!(inside.len(), 1, "past the bound");
        drop(inside);
        self.arrived.notify();
    }

    fn send(&self, sender: usize) {
        if self.load.reserve(1) {
            return self.put(sender);
        }
        let mut room = self.room.lock().unwrap();
        self.load.mark_waiting();
        if room.is_empty() && self.load.reserve_waiting(1) {
            self.load.clear_waiting();
            drop(room);
            return self.put(sender);
        }
        room.push_back(sender);
    }

    fn receive(&self) -> Option<usize> {
        let taken = self.inside.lock().unwrap().pop_front()?;
        if self.load.release(self.load.bounds().charge(1)) {
            let mut room = self.room.lock().unwrap();
            while !room.is_empty() && self.load.reserve_waiting(1) {
                let sender = room.pop_front().unwrap();
                self.put(sender);
            }
            if room.is_empty() {
                self.load.clear_waiting();
            }
        }
        Some(taken)
    }
}

#[test]
fn who_waits_for_room_is_let_in_and_the_bound_holds() {
    model(2, || {
        let load = Load::new(Bounds::new(1, 1 << 10));
        let (room, inside) = (Mutex::default(), Mutex::default());
        let full = Arc::new(Full { load, room, inside, arrived: Notify::new() });
        let senders = (0..2).map(|sender| {
            let full = full.clone();
            thread::spawn(move || full.send(sender))
        });
        let senders = senders.collect::<Vec<_>>();
        let mut received = Vec::new();
        while received.len() < 2 {
            match full.receive() {
                Some(sender) => received.push(sender),
                None => full.arrived.wait(),
            }
        }
        for sender in senders {
            sender.join().unwrap();
        }
        received.sort_unstable();
        assert_eq!(received, [0, 1]);
        assert!(full.load.has_room(1), "nothing is held, and nobody is said to wait");
    });
}

/// The receiver's thread hands a message over and sends another, while somebody else takes all the room there is: at most
/// what was handed over goes beyond the bound, and nothing is left of it in the end.
#[test]
fn what_is_handed_over_is_all_that_goes_beyond_the_bound() {
    model(3, || {
        let bounds = Bounds::new(128, 1 << 20);
        let (all, spare) = ((1 << 16) - 1, Spare::default());
        let load = Arc::new(Load::new(bounds));
        assert!(load.reserve_near(&spare, 1, true));
        assert!(load.is_empty(), "it takes up no room");
        let far = {
            let load = load.clone();
            thread::spawn(move || load.reserve(all))
        };
        let near = load.reserve_near(&spare, 1, true);
        let far = far.join().unwrap();
        assert!(near || far, "there is room for one of them");
        let (one, large) = (bounds.charge(1), bounds.charge(all));
        let mut sum = one;
        if near {
            sum = sum.plus(one);
        }
        if far {
            sum = sum.plus(large);
        }
        assert_eq!(load.held(&spare), sum);
        let (counted, last) = (sum.minus(spare.owed()), if far { large } else { one });
        assert!(bounds.fit(counted.minus(last), last), "past the bound");
        // All of them are taken.
        spare.add(one);
        if near {
            spare.add(one);
        }
        if far {
            spare.add(large);
        }
        load.release(spare.take());
        assert!(load.is_empty() && spare.is_none());
    });
}
