//! Senders on several threads at a time, one of which moves between its receiver's thread and another: each sender's
//! numbers come in order, none is lost, and the mailbox never holds more than it may.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use odeon_message::{FailureKind, message};
use tokio::{
    runtime::Builder,
    task::{JoinSet, yield_now},
};

use crate::{
    direct::{act, doer},
    fixture::{Threads, block_on_plain, bump, read, spawn_thread},
    odeon::{Actor, ActorRef, ActorSystem, Context, Handler, Placement, SpawnOptions, StartError},
};

const SECOND: Duration = Duration::from_secs(1);

/// Sees that each sender's numbers come in order.
struct Sorter {
    next: Vec<u64>,
    begun: Arc<AtomicU64>,
}

impl Actor for Sorter {
    type Args = (usize, Arc<AtomicU64>);

    async fn start(
        (senders, begun): Self::Args,
        _: &mut Context<Self>,
    ) -> Result<Self, StartError> {
        Ok(Self { next: vec![0; senders], begun })
    }
}

#[message(local, reply = u64, crate = crate::odeon)]
struct Number {
    sender: usize,
    value: u64,
}

/// How many came from each.
#[message(local, reply = Vec<u64>, crate = crate::odeon)]
struct Seen;

impl Handler<Number> for Sorter {
    async fn handle(&mut self, number: Number, _: &mut Context<Self>) -> u64 {
        bump(&self.begun);
        if number.value.is_multiple_of(13) {
            yield_now().await;
        }
        let next = &mut self.next[number.sender];
        assert_eq!(*next, number.value, "sender {}", number.sender);
        *next += 1;
        *next
    }
}

impl Handler<Seen> for Sorter {
    async fn handle(&mut self, _: Seen, _: &mut Context<Self>) -> Vec<u64> {
        self.next.clone()
    }
}

/// Sends its numbers in all ways there are.
#[derive(Clone)]
struct Sender {
    to: ActorRef<Sorter>,
    number: usize,
    next: u64,
    bound: u64,
    /// Taken of all senders, and begun: read in this order, they never say more than the mailbox holds.
    taken: Arc<AtomicU64>,
    begun: Arc<AtomicU64>,
}

impl Sender {
    async fn send(&mut self, count: u64) {
        for _ in 0..count {
            let value = self.next;
            self.next += 1;
            let message = Number { sender: self.number, value };
            match (value * 7 + value / 5 + self.number as u64) % 4 {
                0 => assert_eq!(self.to.ask(message).within(SECOND * 20).await, Ok(value + 1)),
                1 => {
                    let mut message = Some(message);
                    while let Some(told) = message.take() {
                        if let Err(error) = self.to.try_tell(told) {
                            assert_eq!(error.failure.kind, FailureKind::Full);
                            message = error.message;
                            yield_now().await;
                        }
                    }
                }
                _ => self.to.tell(message).within(SECOND * 20).await.unwrap(),
            }
            let taken = self.taken.fetch_add(1, Ordering::SeqCst) + 1;
            let held = taken.saturating_sub(read(&self.begun));
            // Room of a few is given back just before the handler of the last of them begins.
            assert!(held <= self.bound + 1, "{held} of {}", self.bound);
        }
    }
}

async fn sorter(
    system: &ActorSystem,
    senders: usize,
    bound: u32,
    options: SpawnOptions,
) -> Vec<Sender> {
    let (taken, begun) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
    let args = (senders, begun.clone());
    let to = system.spawn::<Sorter>(args, options.mailbox(bound)).await.unwrap();
    let sender = |number| {
        let (to, taken, begun) = (to.clone(), taken.clone(), begun.clone());
        Sender { to, number, next: 0, bound: bound.into(), taken, begun }
    };
    (0..senders).map(sender).collect()
}

/// It moves: sends a few in a turn on the receiver's worker, then a few on this thread, and so on.
async fn moves(mut sender: Sender, near: ActorRef<crate::direct::Doer>, rounds: u64) {
    for round in 0..rounds {
        let mut moved = sender.clone();
        let sends = act(move |_, _| {
            Box::pin(async move {
                moved.send(1 + round % 4).await;
                moved.next
            })
        });
        sender.next = near.ask(sends).within(SECOND * 20).await.unwrap();
        sender.send(1 + round % 3).await;
    }
}

#[test]
fn each_senders_numbers_come_in_order_from_wherever_it_is() {
    const ROUNDS: u64 = 300;
    for bound in [1, 4, 1024] {
        let threads = Threads::new(1);
        let senders = threads.block_on(sorter(&threads.system, 6, bound, SpawnOptions::default()));
        let last = senders[0].clone();
        let near = threads.block_on(async {
            let mut near = Vec::new();
            for _ in 0..4 {
                near.push(doer(&threads.system).await.0);
            }
            near
        });
        let mut tasks = Vec::new();
        for (at, mut sender) in senders.into_iter().enumerate() {
            let near = near[at % near.len()].clone();
            tasks.push(spawn_thread(move || {
                block_on_plain(async move {
                    match at {
                        // On its receiver's worker alone.
                        0 => {
                            let sends = act(move |_, _| {
                                Box::pin(async move {
                                    sender.send(2 * ROUNDS).await;
                                    0
                                })
                            });
                            near.ask(sends).within(SECOND * 60).await.unwrap();
                        }
                        1 | 2 => sender.send(2 * ROUNDS).await,
                        _ => moves(sender, near, ROUNDS).await,
                    }
                });
            }));
        }
        for task in tasks {
            task.join().unwrap();
        }
        let seen = threads.block_on(async { last.to.ask(Seen).await.unwrap() });
        let moved = (0..ROUNDS).map(|round| 2 + round % 4 + round % 3).sum::<u64>();
        assert_eq!(seen, [2 * ROUNDS, 2 * ROUNDS, 2 * ROUNDS, moved, moved, moved]);
        assert_eq!(read(&last.taken), seen.iter().sum::<u64>());
        drop((last, near));
        threads.end();
    }
}

#[test]
fn tasks_that_the_program_moves_keep_their_order_at_a_stealing_actor() {
    const EACH: u64 = 400;
    for bound in [2, 64] {
        let threads = Threads::new(1);
        let program = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        threads.system.set_stealing(program.handle().clone());
        let options = SpawnOptions::default().placement(Placement::Stealing);
        let senders = threads.block_on(sorter(&threads.system, 8, bound, options));
        let last = senders[0].clone();
        program.block_on(async {
            let mut tasks = JoinSet::new();
            for mut sender in senders {
                tasks.spawn(async move {
                    while sender.next < EACH {
                        sender.send(4).await;
                        yield_now().await;
                    }
                });
            }
            while let Some(done) = tasks.join_next().await {
                done.unwrap();
            }
            assert_eq!(last.to.ask(Seen).await.unwrap(), [EACH; 8]);
        });
        drop(last);
        threads.block_on(threads.system.stop(SECOND * 20));
        while program.metrics().num_alive_tasks() > 0 {
            thread::yield_now();
        }
        drop(program);
        threads.end();
    }
}
