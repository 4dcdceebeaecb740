//! What an actor starts from is copied for each start, and stays whatever becomes of a copy.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
};

use odeon_message::message;

use crate::{
    fixture::on_one_thread,
    kin::{settle, supervise},
    odeon::{Actor, ChildSpec, Context, Handler, StartError, SupervisorSpec},
};

/// Counts those that are there; the next copy panics if that is wanted.
struct Fragile {
    breaks: Arc<AtomicBool>,
    there: Arc<AtomicU32>,
}

impl Fragile {
    fn new(breaks: &Arc<AtomicBool>, there: &Arc<AtomicU32>) -> Self {
        there.fetch_add(1, SeqCst);
        Self { breaks: breaks.clone(), there: there.clone() }
    }
}

impl Clone for Fragile {
    fn clone(&self) -> Self {
        assert!(!self.breaks.swap(false, SeqCst), "this copy is to fail");
        Self::new(&self.breaks, &self.there)
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        self.there.fetch_sub(1, SeqCst);
    }
}

struct Child;

impl Actor for Child {
    type Args = Fragile;

    async fn start(_: Fragile, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self)
    }
}

#[message(local, crate = crate::odeon)]
struct Fail;

impl Handler<Fail> for Child {
    async fn handle(&mut self, _: Fail, ctx: &mut Context<Self>) {
        ctx.fail("as it was told");
    }
}

#[message(local, reply = u32, crate = crate::odeon)]
struct Restarts;

impl Handler<Restarts> for Child {
    async fn handle(&mut self, _: Restarts, ctx: &mut Context<Self>) -> u32 {
        ctx.restarts()
    }
}

#[test]
fn a_copy_that_panics_costs_a_start_and_not_what_it_was_to_be_a_copy_of() {
    on_one_thread(1, |system| async move {
        let (breaks, there) = (Arc::<AtomicBool>::default(), Arc::<AtomicU32>::default());
        let args = Fragile::new(&breaks, &there);
        let spec = SupervisorSpec::one_for_one()
            .intensity(9, std::time::Duration::from_secs(60))
            .child(ChildSpec::new::<Child>("a", args));
        let supervisor = supervise(&system, spec).await;
        let child = supervisor.child::<Child>("a").await.unwrap();
        assert_eq!(child.ask(Restarts).await, Ok(0));
        let kept = there.load(SeqCst);
        for (restarts, copy_breaks) in [(1, false), (3, true), (4, false)] {
            breaks.store(copy_breaks, SeqCst);
            child.tell(Fail).await.unwrap();
            settle().await;
            assert_eq!(child.ask(Restarts).await, Ok(restarts));
            assert!(!breaks.load(SeqCst) && there.load(SeqCst) == kept);
        }
        supervisor.stop();
        settle().await;
        drop((supervisor, child));
        assert_eq!(there.load(SeqCst), 0, "they go with the actor");
    });
}

#[test]
fn what_an_actor_starts_from_goes_where_it_is_ended_before_it_starts() {
    on_one_thread(1, |system| async move {
        let there = Arc::<AtomicU32>::default();
        let args = || Fragile::new(&Arc::default(), &there);
        let named = || crate::odeon::SpawnOptions::default().named("one");
        let first = system.spawn::<Child>(args(), named()).await.unwrap();
        assert_eq!(there.load(SeqCst), 0, "it started from it");
        let refused = system.spawn::<Child>(args(), named()).await;
        assert!(matches!(refused, Err(StartError::Name(_))), "{refused:?}");
        assert_eq!(there.load(SeqCst), 0);
        drop(first);
    });
}
