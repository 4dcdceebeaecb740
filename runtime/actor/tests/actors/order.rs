//! Order, volume, and asks from every kind of executor.

use std::sync::{Arc, Mutex};

use odeon_message::message;

use crate::{
    fixture::{Add, Tally, Threads, Worker, block_on_plain, on_one_thread, read, spawn_thread},
    odeon::{Actor, ActorRef, Context, Handler, SpawnOptions, StartError},
};

/// Sees that each sender's numbers come in order.
struct Sorter {
    next: Vec<u64>,
    bad: u64,
}

#[message(local, crate = crate::odeon)]
struct Number {
    sender: usize,
    value: u64,
}

#[message(local, reply = (u64, u64), crate = crate::odeon)]
struct Verdict;

impl Actor for Sorter {
    type Args = usize;

    async fn start(senders: usize, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { next: vec![0; senders], bad: 0 })
    }
}

impl Handler<Number> for Sorter {
    async fn handle(&mut self, message: Number, _: &mut Context<Self>) {
        let next = &mut self.next[message.sender];
        self.bad += u64::from(*next != message.value);
        *next = message.value + 1;
    }
}

impl Handler<Verdict> for Sorter {
    async fn handle(&mut self, _: Verdict, _: &mut Context<Self>) -> (u64, u64) {
        (self.next.iter().sum(), self.bad)
    }
}

/// Tells numbers to a sorter from its own worker.
struct Pump;

#[message(local, crate = crate::odeon)]
struct Flow {
    to: ActorRef<Sorter>,
    sender: usize,
    count: u64,
}

impl Actor for Pump {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

impl Handler<Flow> for Pump {
    async fn handle(&mut self, message: Flow, _: &mut Context<Self>) {
        let Flow { to, sender, count } = message;
        for value in 0..count {
            to.tell(Number { sender, value }).await.unwrap();
        }
    }
}

#[test]
fn a_million_messages_over_two_workers_keep_each_senders_order() {
    let threads = Threads::new(2);
    threads.block_on(async {
        let system = &threads.system;
        let sorter = system.spawn::<Sorter>(4, SpawnOptions::default()).await.unwrap();
        let mut pumps = Vec::new();
        for sender in 0..2 {
            let pump = system.spawn::<Pump>((), SpawnOptions::default()).await.unwrap();
            pump.tell(Flow { to: sorter.clone(), sender, count: 250_000 }).await.unwrap();
            pumps.push(pump);
        }
        let mut senders = Vec::new();
        for sender in 2..4 {
            let to = sorter.clone();
            senders.push(spawn_thread(move || {
                block_on_plain(async {
                    for value in 0..250_000 {
                        to.tell(Number { sender, value }).await.unwrap();
                    }
                });
            }));
        }
        for sender in senders {
            sender.join().unwrap();
        }
        loop {
            let (seen, bad) = sorter.ask(Verdict).await.unwrap();
            assert_eq!(bad, 0, "messages overtook each other");
            if seen == 1_000_000 {
                break;
            }
        }
    });
    let system = threads.system.clone();
    threads.end();
    assert!(system.stats().handled >= 1_000_000);
}

#[test]
fn asks_are_answered_on_any_executor() {
    let threads = Threads::new(2);
    let worker = threads
        .block_on(threads.system.spawn::<Worker>(Tally::default(), SpawnOptions::default()))
        .unwrap();
    let plain = worker.clone();
    let thread = spawn_thread(move || {
        for _ in 0..2_000 {
            block_on_plain(plain.ask(Add(1)).into_future()).unwrap();
        }
    });
    let tasks = (0..4).map(|_| {
        let worker = worker.clone();
        threads.runtime().spawn(async move {
            for _ in 0..2_000 {
                worker.ask(Add(1)).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        threads.block_on(task).unwrap();
    }
    thread.join().unwrap();
    assert_eq!(threads.block_on(worker.ask(Add(0)).into_future()).unwrap(), 10_000);
    drop(worker);
    threads.end();
}

#[test]
fn actors_on_one_thread_and_several_workers_answer_each_other() {
    on_one_thread(3, |system| async move {
        let mut workers = Vec::new();
        for _ in 0..6 {
            let tally = Tally::default();
            workers.push(system.spawn::<Worker>(tally, SpawnOptions::default()).await.unwrap());
        }
        for round in 1..=50 {
            for worker in &workers {
                assert_eq!(worker.ask(Add(2)).await.unwrap(), round * 2);
            }
        }
        assert_eq!(system.stats().handled, 300);
    });
}

#[test]
fn many_asks_are_in_flight_at_once() {
    on_one_thread(1, |system| async move {
        let tally = Tally::default();
        let worker = system.spawn::<Worker>(tally.clone(), SpawnOptions::default()).await.unwrap();
        let sums = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for _ in 0..3_000 {
            let (worker, sums) = (worker.clone(), sums.clone());
            tasks.push(tokio::task::spawn_local(async move {
                let sum = worker.ask(Add(1)).await.unwrap();
                sums.lock().unwrap().push(sum);
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*sums.lock().unwrap(), (1..=3_000).collect::<Vec<_>>());
        assert_eq!(read(&tally.runs), 3_000);
    });
}
