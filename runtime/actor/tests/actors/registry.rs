//! Names: who has them, who waits for them, when they are free.

use std::time::Duration;

use tokio::{task::yield_now, time::timeout};

use crate::{
    fixture::{Add, Tally, Worker, on_one_thread},
    kin::{Diary, How, Kid, end, get, kid, supervise},
    odeon::{
        ActorIdentity, ActorSystem, NameChange, NameChanges, NameTaken, SpawnOptions, Supervisor,
        SupervisorSpec,
    },
};

async fn named(system: &ActorSystem, name: &str) -> crate::odeon::ActorRef<Worker> {
    let options = SpawnOptions::default().named(name);
    system.spawn::<Worker>(Tally::default(), options).await.unwrap()
}

async fn next(changes: &mut NameChanges) -> Option<ActorIdentity> {
    match changes.next().await.unwrap() {
        NameChange::Registered(actor) => Some(actor.identity()),
        NameChange::Free => None,
    }
}

#[test]
fn a_name_leads_to_one_actor_until_it_is_gone() {
    on_one_thread(1, |system| async move {
        let first = named(&system, "first").await;
        assert_eq!(system.lookup::<Worker>("first"), Some(first.clone()));
        assert!(system.lookup::<Supervisor>("first").is_none(), "another type");
        assert!(system.lookup_any("second").is_none());
        let options = SpawnOptions::default().named("first");
        let error = system.spawn::<Worker>(Tally::default(), options).await.unwrap_err();
        assert!(error.to_string().contains("\"first\""), "{error}");
        assert_eq!(system.recent_failures(), [""; 0], "its spawner was told");
        assert_eq!(system.stats().failures, 0);
        system.register("alias", &first).unwrap();
        system.register("alias", &first).unwrap();
        first.stop();
        while system.lookup_any("first").is_some() {
            yield_now().await;
        }
        assert!(system.lookup_any("alias").is_none());
        let gone = system.register("alias", &first).unwrap_err();
        assert!(matches!(gone, NameTaken::NotHere { .. }));
        assert!(system.lookup_any("alias").is_none());
        let second = named(&system, "first").await;
        assert_eq!(second.ask(Add(1)).await.unwrap(), 1);
    });
}

#[test]
fn a_subscription_sees_the_present_and_each_change() {
    on_one_thread(1, |system| async move {
        let mut changes = system.subscribe("it").unwrap();
        assert_eq!(next(&mut changes).await, None);
        let first = named(&system, "it").await;
        assert_eq!(next(&mut changes).await, Some(first.identity()));
        let mut late = system.subscribe("it").unwrap();
        assert_eq!(next(&mut late).await, Some(first.identity()));
        first.stop();
        assert_eq!(next(&mut changes).await, None);
        // A slow subscriber sees the latest only.
        let second = named(&system, "it").await;
        assert_eq!(next(&mut late).await, Some(second.identity()));
        drop((changes, late));
        let third = system.subscribe("it").unwrap();
        drop(third);
        second.stop();
        while system.lookup_any("it").is_some() {
            yield_now().await;
        }
        let mut fourth = system.subscribe("it").unwrap();
        assert_eq!(next(&mut fourth).await, None);
    });
}

#[test]
fn later_states_of_a_name_have_greater_versions_on_every_way() {
    on_one_thread(1, |system| async move {
        let mut changes = system.subscribe("till").unwrap();
        let free = changes.next_state().await.unwrap();
        let till = named(&system, "till").await;
        let held = changes.next_state().await.unwrap();
        assert!(free.holder.is_none() && held.holder.is_some() && held.version > free.version);
        let _other = named(&system, "other").await;
        let asked = system.name_state("till");
        assert!(asked.holder.is_some() && asked.version >= held.version);
        till.stop();
        let freed = changes.next_state().await.unwrap();
        assert!(freed.holder.is_none() && freed.version > asked.version);
        assert_eq!(system.name_state("till").version, freed.version);
    });
}

#[test]
fn a_name_survives_restarts_and_follows_its_child() {
    on_one_thread(1, |system| async move {
        let diary = Diary::default();
        let mut changes = system.subscribe("kid").unwrap();
        assert_eq!(next(&mut changes).await, None);
        let named = kid('a', &diary).options(SpawnOptions::default().named("kid"));
        let spec = SupervisorSpec::one_for_all().intensity(9, Duration::from_secs(5));
        let supervisor = supervise(&system, spec.child(named).child(kid('b', &diary))).await;
        let first = get(&supervisor, "a").await;
        let change = changes.next().await.unwrap();
        assert_eq!(change.holder::<Kid>(), Some(first.clone()));
        assert_eq!(change.holder::<Worker>(), None);
        for name in ["a", "b"] {
            for how in [How::Panic, How::Kill, How::Normal] {
                end(&get(&supervisor, name).await, how).await;
                assert_eq!(system.lookup::<Kid>("kid"), Some(first.clone()));
            }
        }
        let silent = timeout(Duration::from_secs(60), changes.next()).await;
        assert!(silent.is_err(), "a restart is no change of the name");
        supervisor.terminate_child("a").await.unwrap();
        assert_eq!(next(&mut changes).await, None);
        supervisor.restart_child("a").await.unwrap();
        let second = get(&supervisor, "a").await;
        assert_eq!(next(&mut changes).await, Some(second.identity()));
        assert_ne!(first, second);
    });
}
