//! Links: who ends with whom, and who is merely told.

use std::sync::{Arc, Mutex};

use odeon_message::{AskError, message};
use tokio::task::yield_now;

use crate::{
    fixture::{Tally, Threads, Worker, block_on_plain, on_one_thread, spawn_thread},
    kin::{seen, settle, witness},
    network::{Till, pair},
    odeon::{
        Actor, ActorIdentity, ActorRef, ActorSystem, ChildSpec, Context, ExitKind, Handler,
        LinkError, SpawnOptions, StartError, Supervisor, SupervisorSpec, Terminated,
    },
};

type News = Arc<Mutex<Vec<(ActorIdentity, ExitKind)>>>;

/// Ends with those it is linked with, or with `News` only writes it down.
struct Partner(Option<News>);

impl Actor for Partner {
    type Args = Option<News>;

    async fn start(news: Option<News>, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(news))
    }

    async fn link_ended(&mut self, ended: Terminated, ctx: &mut Context<Self>) {
        match &self.0 {
            Some(news) => news.lock().unwrap().push((ended.who, ended.reason.kind())),
            None => ctx.end_with_link(&ended),
        }
        yield_now().await;
    }
}

#[message(local, reply = (), error = LinkError, crate = crate::odeon)]
enum Tie {
    With(ActorRef<Partner>),
    Till(ActorRef<Till>),
    Not(ActorRef<Partner>),
}

impl Handler<Tie> for Partner {
    async fn handle(&mut self, message: Tie, ctx: &mut Context<Self>) -> Result<(), LinkError> {
        match message {
            Tie::With(other) => ctx.link(&other),
            Tie::Till(other) => ctx.link(&other),
            Tie::Not(other) => {
                ctx.unlink(&other);
                Ok(())
            }
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum How {
    Stop,
    Shutdown,
    Fail,
    Panic,
    Kill,
}

#[message(local, crate = crate::odeon)]
struct End(How);

impl Handler<End> for Partner {
    async fn handle(&mut self, message: End, ctx: &mut Context<Self>) {
        match message.0 {
            How::Stop => ctx.stop(),
            How::Shutdown => ctx.shutdown("enough"),
            How::Fail => ctx.fail("failed"),
            How::Panic => panic!("partner"),
            How::Kill => ctx.self_ref().kill(),
        }
        yield_now().await;
    }
}

#[message(local, reply = u32, crate = crate::odeon)]
struct Lives;

impl Handler<Lives> for Partner {
    async fn handle(&mut self, _: Lives, ctx: &mut Context<Self>) -> u32 {
        ctx.restarts()
    }
}

async fn partner(system: &ActorSystem, news: Option<&News>) -> ActorRef<Partner> {
    system.spawn::<Partner>(news.cloned(), SpawnOptions::default()).await.unwrap()
}

#[test]
fn an_end_goes_along_links_unless_it_was_its_own_choice() {
    let rows = [
        (How::Stop, None),
        (How::Shutdown, Some(ExitKind::Shutdown)),
        (How::Fail, Some(ExitKind::Linked)),
        (How::Panic, Some(ExitKind::Linked)),
        (How::Kill, Some(ExitKind::Linked)),
    ];
    for (how, expected) in rows {
        for other_way in [false, true] {
            on_one_thread(2, |system| async move {
                let (a, b) = (partner(&system, None).await, partner(&system, None).await);
                let c = partner(&system, None).await;
                b.ask(Tie::With(a.clone())).await.unwrap();
                b.ask(Tie::With(c.clone())).await.unwrap();
                b.ask(Tie::With(c.clone())).await.unwrap();
                b.ask(Tie::With(b.clone())).await.unwrap();
                let (first, last) = if other_way { (&c, &a) } else { (&a, &c) };
                let (mut middle, mut end) =
                    (witness(&system, &b).await, witness(&system, last).await);
                first.tell(End(how)).await.unwrap();
                settle().await;
                match expected {
                    None => {
                        assert!(middle.try_recv().is_err() && end.try_recv().is_err(), "{how:?}");
                        b.ask(Lives).await.unwrap();
                    }
                    Some(kind) => {
                        let reason = middle.try_recv().unwrap();
                        assert_eq!(reason.kind(), kind, "{how:?}");
                        assert!(reason.detail().contains("linked to actor"), "{reason}");
                        assert_eq!(end.try_recv().unwrap().kind(), kind, "all along the chain");
                    }
                }
            });
        }
    }
}

#[test]
fn one_that_traps_is_told_of_every_end_once() {
    on_one_thread(1, |system| async move {
        let news = News::default();
        let trap = partner(&system, Some(&news)).await;
        let mut expected = Vec::new();
        for (how, kind) in [
            (How::Stop, ExitKind::Stopped),
            (How::Shutdown, ExitKind::Shutdown),
            (How::Fail, ExitKind::Failed),
            (How::Panic, ExitKind::Panicked),
            (How::Kill, ExitKind::Killed),
        ] {
            let other = partner(&system, None).await;
            trap.ask(Tie::With(other.clone())).await.unwrap();
            other.ask(Tie::With(trap.clone())).await.unwrap();
            other.tell(End(how)).await.unwrap();
            settle().await;
            expected.push((other.identity(), kind));
            assert_eq!(*news.lock().unwrap(), expected);
            // One that is gone counts as an end.
            trap.ask(Tie::With(other.clone())).await.unwrap();
            settle().await;
            expected.push((other.identity(), ExitKind::NoActor));
            assert_eq!(*news.lock().unwrap(), expected);
        }
    });
}

#[test]
fn a_link_that_was_undone_is_silent_even_if_the_news_is_on_its_way() {
    on_one_thread(1, |system| async move {
        let news = News::default();
        let (trap, other) = (partner(&system, Some(&news)).await, partner(&system, None).await);
        trap.ask(Tie::With(other.clone())).await.unwrap();
        other.ask(Tie::Not(trap.clone())).await.unwrap();
        other.tell(End(How::Panic)).await.unwrap();
        settle().await;
        let gone = partner(&system, None).await;
        gone.stop();
        settle().await;
        // Both in one turn: the link's news is sent by the first, and the second undoes it.
        trap.try_tell(Tie::With(gone.clone())).unwrap();
        trap.try_tell(Tie::Not(gone.clone())).unwrap();
        settle().await;
        assert!(news.lock().unwrap().len() <= 1);
        assert!(!news.lock().unwrap().iter().any(|(who, _)| *who == other.identity()));
    });
}

#[test]
fn links_tie_lives_and_a_restart_has_none() {
    on_one_thread(1, |system| async move {
        let spec = SupervisorSpec::one_for_one()
            .intensity(9, std::time::Duration::from_secs(5))
            .child(ChildSpec::new::<Partner>("a", None))
            .child(ChildSpec::new::<Partner>("b", None));
        let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await.unwrap();
        let a = supervisor.child::<Partner>("a").await.unwrap();
        let b = supervisor.child::<Partner>("b").await.unwrap();
        a.ask(Tie::With(b.clone())).await.unwrap();
        a.tell(End(How::Panic)).await.unwrap();
        settle().await;
        assert_eq!((a.ask(Lives).await.unwrap(), b.ask(Lives).await.unwrap()), (1, 1));
        a.tell(End(How::Panic)).await.unwrap();
        settle().await;
        assert_eq!((a.ask(Lives).await.unwrap(), b.ask(Lives).await.unwrap()), (2, 1));
    });
}

#[test]
fn an_actor_of_another_node_cannot_be_linked() {
    crate::fixture::in_world(|| async {
        let pair = pair(16).await;
        let here = partner(&pair.a, None).await;
        let answer = here.ask(Tie::Till(pair.far.clone())).await;
        let Err(AskError::Handler(error)) = answer else { panic!("{answer:?}") };
        assert!(error.to_string().contains("watch it"), "{error}");
        drop(here);
        pair.end().await;
    });
}

#[test]
fn a_link_that_races_the_end_is_told_exactly_once() {
    let threads = Threads::new(2);
    for round in 0..200 {
        let news = News::default();
        let trap = threads.block_on(partner(&threads.system, Some(&news)));
        let other = threads.block_on(partner(&threads.system, None));
        let (linked, linking) = (other.clone(), trap.clone());
        let linker = spawn_thread(move || {
            block_on_plain(linking.tell(Tie::With(linked))).unwrap();
        });
        if round % 2 == 0 {
            std::thread::yield_now();
        }
        other.stop();
        linker.join().unwrap();
        while news.lock().unwrap().is_empty() {
            std::thread::yield_now();
        }
        threads.block_on(trap.ask(Tie::Not(other.clone())).into_future()).unwrap();
        let told = news.lock().unwrap().clone();
        assert_eq!(told.len(), 1);
        assert!(matches!(told[0].1, ExitKind::Stopped | ExitKind::NoActor), "{told:?}");
        trap.stop();
    }
    threads.end();
}

#[test]
fn links_of_actors_that_end_together_keep_nobody() {
    on_one_thread(1, |system| async move {
        let mut all = Vec::new();
        for _ in 0..10 {
            all.push(partner(&system, None).await);
        }
        for a in &all {
            for b in &all {
                a.ask(Tie::With(b.clone())).await.unwrap();
            }
        }
        let end = witness(&system, &all[9]).await;
        all[0].kill();
        assert_eq!(seen(end).await, ExitKind::Linked);
        settle().await;
        assert_eq!(system.stats().live_actors, 0);
        let worker = system.spawn::<Worker>(Tally::default(), SpawnOptions::default());
        worker.await.unwrap().kill();
    });
}
