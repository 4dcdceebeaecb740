//! A crowd of actors before one small mailbox, in the order that a seed chooses.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use odeon_message::message;

use crate::{
    fixture::{in_world, system_of},
    odeon::{
        Actor, ActorRef, Context, Handler, Overflow, SpawnOptions, StartError, SystemConfig,
        SystemStats,
    },
    seeded::Seeded,
};

const CRIERS: u32 = 5;
const CRIES: u32 = 40;

/// Who cried what, how urgently, in the order of the handlers.
type Heard = Arc<Mutex<Vec<(u32, u8, u32)>>>;

struct Ear(Heard);

#[message(local, reply = u32, crate = crate::odeon)]
struct Cry {
    crier: u32,
    priority: u8,
    number: u32,
}

impl Actor for Ear {
    type Args = Heard;

    async fn start(heard: Heard, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(heard))
    }
}

impl Handler<Cry> for Ear {
    async fn handle(&mut self, cry: Cry, _: &mut Context<Self>) -> u32 {
        self.0.lock().unwrap().push((cry.crier, cry.priority, cry.number));
        // Sometimes it thinks, and the mailbox fills.
        for _ in 0..cry.number % 4 {
            tokio::task::yield_now().await;
        }
        cry.number
    }
}

struct Crier(ActorRef<Ear>);

impl Actor for Crier {
    type Args = ActorRef<Ear>;

    async fn start(ear: ActorRef<Ear>, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(ear))
    }
}

/// Cries all it has; answers with how many came back.
#[message(local, reply = u32, crate = crate::odeon)]
struct Begin(u32);

impl Handler<Begin> for Crier {
    async fn handle(&mut self, begin: Begin, _: &mut Context<Self>) -> u32 {
        let mut back = 0;
        for number in 0..CRIES {
            // So that many are ready at a time, and the seed has a choice.
            tokio::task::yield_now().await;
            let way = (number * 7 + begin.0) % 5;
            // What is tried without waiting has no priority.
            let priority = if way == 0 { 0 } else { u8::from(number % 3 == 0) };
            let cry = Cry { crier: begin.0, priority, number };
            back += u32::from(match way {
                0 => self.0.try_tell(cry).is_err(),
                1 => self.0.ask(cry).priority(priority).await.is_err(),
                _ => self.0.tell(cry).priority(priority).await.is_err(),
            });
        }
        back
    }
}

fn run(seed: u64, options: SpawnOptions) -> (Vec<(u32, u8, u32)>, u32, SystemStats) {
    let (env, heard) = (Arc::new(Seeded::new(seed)), Heard::default());
    let result = Arc::new(Mutex::new(None));
    let (ears, out) = (heard.clone(), result.clone());
    in_world(|| async move {
        let system = system_of("crowd", env, SystemConfig::default());
        system.start_worker();
        system.start_worker();
        let ear = system.spawn::<Ear>(ears, options).await.unwrap();
        let mut crying = Vec::new();
        for n in 0..CRIERS {
            let crier = system.spawn::<Crier>(ear.clone(), SpawnOptions::default()).await.unwrap();
            crying.push(tokio::task::spawn_local(async move { crier.ask(Begin(n)).await }));
        }
        let mut back = 0;
        for crying in crying {
            back += crying.await.unwrap().unwrap();
        }
        // What is queued is heard before the clock moves on.
        tokio::time::sleep(Duration::from_secs(1)).await;
        drop(ear);
        system.stop(Duration::from_secs(1)).await;
        *out.lock().unwrap() = Some((back, system.stats()));
    });
    let (back, stats) = result.lock().unwrap().take().unwrap();
    assert_eq!((stats.live_actors, stats.cells), (0, 0));
    let heard = std::mem::take(&mut *heard.lock().unwrap());
    (heard, back, stats)
}

#[test]
fn nothing_is_lost_uncounted_and_each_criers_order_is_kept() {
    for overflow in [Overflow::Wait, Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest] {
        for priorities in [1, 2] {
            let options =
                SpawnOptions::default().mailbox(3).overflow(overflow).priorities(priorities);
            let mut orders = Vec::new();
            for seed in 0..8 {
                let (heard, back, stats) = run(seed, options.clone());
                assert_eq!(heard, run(seed, options.clone()).0, "one seed, one order");
                let drops = matches!(overflow, Overflow::DropOldest | Overflow::DropNewest);
                let ended =
                    heard.len() as u64 + if drops { stats.dropped } else { u64::from(back) };
                assert_eq!(ended, u64::from(CRIERS * CRIES), "{overflow:?}: each ends once");
                assert_eq!(stats.dropped > 0, drops, "{overflow:?}");
                for crier in 0..CRIERS {
                    for lane in 0..priorities {
                        let of_lane = |priority| priorities == 1 || priority == lane;
                        let cries = heard.iter().filter(|(c, p, _)| *c == crier && of_lane(*p));
                        let numbers = cries.map(|(.., number)| number).collect::<Vec<_>>();
                        assert!(numbers.is_sorted_by(|a, b| a < b), "{overflow:?}: {numbers:?}");
                    }
                }
                orders.push(heard);
            }
            orders.sort();
            orders.dedup();
            assert!(orders.len() > 4, "{overflow:?}, {priorities} priorities: seeds matter");
        }
    }
}
