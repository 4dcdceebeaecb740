//! How busy this node is, as it says to all others.
//!
//! What it is: one task that takes the share of the last seconds in which the node's workers were at work, from the looks
//! that the watchdog takes anyway, and says it where it has changed by much: so a cluster that is as busy as before gossips
//! nothing. What it is NOT: for programs that know better; whoever says a load that the node has not measured
//! ([`Node::describe`](crate::Node::describe)) is not spoken over from then on. Nor does it measure in a simulation, where
//! nobody looks.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use odeon_actor::ActorSystem;
use odeon_cluster::Profile;
use tokio::{sync::watch, time::sleep};

/// How often it is looked at.
const PERIOD: Duration = Duration::from_secs(5);

/// By how many thousandths it has changed when it is said: three times as much as looks at a worker are off by.
const STEP: u16 = 100;

/// What a node says of itself, whether it is about to leave, and who says how busy it is.
#[derive(Debug)]
pub(crate) struct Own {
    said: watch::Sender<(Profile, bool)>,
    /// The program says it.
    load_is_told: AtomicBool,
}

impl Own {
    /// A program that begins with a load says it itself.
    pub(crate) fn new(profile: Profile) -> Self {
        let load_is_told = AtomicBool::new(profile.load != Profile::default().load);
        Self { said: watch::Sender::new((profile, false)), load_is_told }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<(Profile, bool)> {
        self.said.subscribe()
    }

    pub(crate) fn profile(&self) -> Profile {
        self.said.borrow().0.clone()
    }

    /// The node is about to leave.
    pub(crate) fn leave(&self) {
        self.said.send_modify(|(_, leaving)| *leaving = true);
    }

    /// The program changes what is said, unless it makes something of it that cannot be.
    pub(crate) fn change<E>(
        &self,
        change: impl FnOnce(&mut Profile) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut done = Ok(());
        self.said.send_if_modified(|(profile, _)| {
            let mut next = profile.clone();
            done = change(&mut next);
            if done.is_err() || next == *profile {
                return false;
            }
            if next.load != profile.load {
                self.load_is_told.store(true, Relaxed);
            }
            *profile = next;
            true
        });
        done
    }

    /// The node is this busy; others hear of it where it is worth it.
    fn measured(&self, load: u16) {
        self.said.send_if_modified(|(profile, _)| {
            // Under the lock under which the program speaks.
            let is_told = self.load_is_told.load(Relaxed);
            let is_news = is_news(profile.load, load);
            if is_news && !is_told {
                profile.load = load;
            }
            is_news && !is_told
        });
    }
}

/// Whether a load is worth to be said where another was said before.
fn is_news(said: u16, load: u16) -> bool {
    said.abs_diff(load) >= STEP || load == 0 && said > 0
}

/// Looks for as long as the node lives.
pub(crate) async fn measure(system: ActorSystem, own: Arc<Own>) {
    loop {
        sleep(PERIOD).await;
        let Some(share) = system.busy_share() else { continue };
        own.measured((share * 1e3).round() as u16);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(load: u16) -> (Own, watch::Receiver<(Profile, bool)>) {
        let own = Own::new(Profile { load, ..Profile::default() });
        let mut said = own.subscribe();
        said.mark_unchanged();
        (own, said)
    }

    #[test]
    fn a_load_is_said_where_it_has_changed_by_much() {
        let (own, mut said) = own(0);
        for (load, is_said) in
            [(99, false), (120, true), (219, false), (21, false), (20, true), (0, true)]
        {
            own.measured(load);
            assert_eq!(said.has_changed().unwrap(), is_said, "{load}");
            if is_said {
                assert_eq!(said.borrow_and_update().0.load, load);
            }
        }
        own.measured(1_000);
        own.measured(0);
        assert_eq!(
            own.profile().load,
            0,
            "a node with nothing to do says that it has nothing to do"
        );
    }

    #[test]
    fn a_program_that_says_its_load_keeps_it() {
        let (began_so, _) = own(300);
        began_so.measured(900);
        assert_eq!(began_so.profile().load, 300);

        let (own, _) = own(0);
        let zone = |zone: &'static str| {
            move |profile: &mut Profile| {
                profile.zone = zone.to_owned();
                Ok::<(), ()>(())
            }
        };
        own.change(zone("east")).unwrap();
        own.measured(900);
        own.change(zone("west")).unwrap();
        assert_eq!(own.profile().load, 900, "who says a zone says no load");
        own.change(|profile| {
            profile.load = 450;
            Err(())
        })
        .unwrap_err();
        own.measured(300);
        assert_eq!(own.profile().load, 300, "nothing was said");
        own.change(|profile| {
            profile.load = 450;
            Ok::<(), ()>(())
        })
        .unwrap();
        own.measured(900);
        assert_eq!(own.profile().load, 450);
        assert_eq!(own.profile().zone, "west");
    }
}
