//! Messages that are deferred, forwarded, stashed, read and given up at random: each ask ends once, nothing leaks and
//! nothing is dropped twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use odeon_message::message;
use tokio::time::sleep;

use crate::{
    drops::{Token, alive},
    fixture::{Threads, block_on_plain, on_one_thread, spawn_thread},
    odeon::{
        Actor, ActorRef, ActorSystem, ChildSpec, Context, Handler, ReadContext, ReadHandler,
        Responder, SpawnOptions, StartError, Supervisor, SupervisorSpec, reads,
    },
};

/// A little state that makes the next number; good enough to vary what happens (xorshift, G. Marsaglia, 2003).
#[derive(Clone, Copy)]
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % sides
    }
}

struct Juggler {
    dice: Dice,
    held: Vec<(Responder<Toss>, Token)>,
    peer: Option<ActorRef<Self>>,
}

#[message(local, reply = Token, error = &'static str, crate = crate::odeon)]
struct Toss {
    token: Token,
    /// How often it may be passed on.
    hops: u8,
}

#[message(local, reply = Token, crate = crate::odeon)]
struct Look {
    token: Token,
    millis: u64,
}

#[message(local, crate = crate::odeon)]
struct Meet(ActorRef<Juggler>);

impl Actor for Juggler {
    type Args = u64;

    async fn start(seed: u64, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { dice: Dice::new(seed), held: Vec::new(), peer: None })
    }
}

impl Handler<Toss> for Juggler {
    async fn handle(&mut self, toss: Toss, ctx: &mut Context<Self>) -> Result<Token, &'static str> {
        let Toss { token, hops } = toss;
        let again = hops.saturating_sub(1);
        match self.dice.roll(12) {
            0 | 1 => ctx.defer(|responder| self.held.push((responder, token))).await,
            2 | 3 if hops > 0 => {
                let peer = self.peer.clone().unwrap_or_else(|| ctx.self_ref());
                ctx.forward(&peer, Toss { token, hops: again }).await
            }
            4 if hops > 0 => ctx.stash(Toss { token, hops: again }).await,
            5 => {
                ctx.unstash_all();
                for (responder, token) in self.held.drain(..) {
                    responder.reply(Ok(token));
                }
                Ok(token)
            }
            6 => {
                sleep(Duration::from_millis(1)).await;
                Ok(token)
            }
            7 => {
                tokio::select! {
                    () = ctx.cancelled() => {}
                    () = sleep(Duration::from_millis(2)) => {}
                }
                Err("nobody hears it, or it took too long")
            }
            8 => {
                let piped = async move {
                    sleep(Duration::from_millis(1)).await;
                    token
                };
                // Told to itself later, unless it has too many of them.
                let piped = ctx.pipe(None, piped, move |token| Toss { token, hops: 0 });
                piped.map_or(Err("too many"), |()| Err("piped"))
            }
            9 if self.dice.roll(20) == 0 => panic!("dropped a ball"),
            _ => Ok(token),
        }
    }
}

impl ReadHandler<Look> for Juggler {
    async fn read(&self, look: Look, ctx: &ReadContext<Self>) -> Token {
        tokio::select! {
            () = ctx.cancelled() => {}
            () = sleep(Duration::from_millis(look.millis)) => {}
        }
        assert!(self.held.len() < 1 << 20);
        look.token
    }
}

reads!(Juggler: Look);

impl Handler<Meet> for Juggler {
    async fn handle(&mut self, message: Meet, _: &mut Context<Self>) {
        self.peer = Some(message.0);
    }
}

async fn jugglers(system: &ActorSystem, seed: u64) -> Vec<ActorRef<Juggler>> {
    let mut jugglers = Vec::new();
    for n in 0..3 {
        let child = ChildSpec::new::<Juggler>("j", seed + n)
            .options(SpawnOptions::default().mailbox(8))
            .shutdown(Duration::from_millis(1));
        let spec =
            SupervisorSpec::one_for_one().intensity(u32::MAX, Duration::from_secs(1)).child(child);
        let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
        jugglers.push(supervisor.child::<Juggler>("j").await.unwrap());
    }
    for (juggler, peer) in jugglers.iter().zip(jugglers.iter().cycle().skip(1)) {
        juggler.ask(Meet(peer.clone())).await.unwrap();
    }
    jugglers
}

/// Tosses so many tokens, and gives some of them up.
async fn toss(jugglers: &[ActorRef<Juggler>], count: &Arc<AtomicI64>, seed: u64, rounds: u32) {
    let mut dice = Dice::new(seed);
    for _ in 0..rounds {
        let juggler = &jugglers[dice.roll(3) as usize];
        let within = Duration::from_millis(dice.roll(5));
        let token = Token::new(count);
        match dice.roll(4) {
            0 => {
                let look = Look { token, millis: dice.roll(3) };
                drop(juggler.ask(look).within(within).await);
            }
            1 => drop(juggler.try_tell(Toss { token, hops: 5 })),
            _ => drop(juggler.ask(Toss { token, hops: 5 }).within(within).await),
        }
    }
}

#[test]
fn nothing_is_lost_or_dropped_twice_on_one_thread() {
    let restarts = Arc::new(AtomicU64::new(0));
    for seed in 0..20 {
        let count = Arc::new(AtomicI64::new(0));
        let (tokens, all) = (count.clone(), restarts.clone());
        on_one_thread(2, |system| async move {
            let jugglers = jugglers(&system, seed).await;
            let tossers = (0..4).map(|n| {
                let (jugglers, tokens) = (jugglers.clone(), tokens.clone());
                tokio::task::spawn_local(async move {
                    toss(&jugglers, &tokens, 100 * seed + n, 200).await;
                })
            });
            for tosser in tossers.collect::<Vec<_>>() {
                tosser.await.unwrap();
            }
            let stats = system.stats();
            assert!(stats.handled > 400 && stats.skipped > 0, "{stats:?}");
            all.fetch_add(stats.restarts, Ordering::SeqCst);
        });
        assert_eq!(alive(&count), 0, "seed {seed}");
    }
    assert!(restarts.load(Ordering::SeqCst) > 20);
}

#[test]
fn nothing_is_lost_or_dropped_twice_on_threads() {
    let threads = Threads::new(2);
    let count = Arc::new(AtomicI64::new(0));
    for seed in 0..4 {
        let jugglers = threads.block_on(jugglers(&threads.system, seed));
        let tossers = (0..2).map(|n| {
            let (jugglers, count) = (jugglers.clone(), count.clone());
            spawn_thread(move || block_on_plain(toss(&jugglers, &count, 100 * seed + n, 500)))
        });
        for tosser in tossers.collect::<Vec<_>>() {
            tosser.join().unwrap();
        }
    }
    threads.end();
    assert_eq!(alive(&count), 0);
}
