//! What hosts are for: nodes, clients, services outside; and in which zone they stand.
//!
//! To the world they are all the same: a name, an address, a body, a life. The role says who a scenario may break, and
//! the zone who breaks together. Read `host.rs` next.

use std::{future::Future, sync::Arc};

use super::World;
use crate::{env::SimEnv, outcome::Outcome, problem::report};

/// What a host is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// What is tested.
    Node,
    /// A service outside, which what is tested uses.
    Service,
    /// Somebody who uses what is tested.
    Client,
}

impl World {
    /// Adds a host that plays a service outside: a payment provider, a mail relay, a clock. It is a body like that of
    /// [`node`](Self::node), and does to those who use it what the real one does on a bad day.
    ///
    /// Faults of a [`Swarm`](crate::Swarm) do not hit it, because it is none of the nodes of an outline; the scenario
    /// may crash it, cut it off or slow its links down as any other host.
    ///
    /// # Panics
    /// When the name is taken.
    ///
    /// # Examples
    /// A provider that charges, and now and then answers too late:
    ///
    /// ```no_run
    /// use std::{cell::Cell, io::IoSliceMut, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};
    ///
    /// use odeon_env::{Env as _, udp::{RecvMeta, Transmit}};
    /// use odeon_sim::{SimEnv, World};
    ///
    /// async fn provider(env: Arc<SimEnv>, charged: Rc<Cell<u64>>) -> std::io::Result<()> {
    ///     let socket = env.bind(SocketAddr::new(env.address(), 9000))?;
    ///     loop {
    ///         let (mut bytes, mut metas) = ([0; 64], [RecvMeta::default()]);
    ///         let mut room = [IoSliceMut::new(&mut bytes)];
    ///         std::future::poll_fn(|cx| socket.poll_recv(cx, &mut room, &mut metas)).await?;
    ///         charged.set(charged.get() + 1);
    ///         let mut draw = [0];
    ///         env.entropy(&mut draw);
    ///         if draw[0] < 64 {
    ///             // The money is gone, and nobody hears of it in time.
    ///             tokio::time::sleep(Duration::from_secs(60)).await;
    ///         }
    ///         let (destination, contents) = (metas[0].addr, b"charged".as_slice());
    ///         let answer = Transmit { destination, contents, ecn: None, segment_size: None, src_ip: None };
    ///         socket.try_send(&answer)?;
    ///     }
    /// }
    ///
    /// # fn scenario(world: &mut World) {
    /// let charged = Rc::new(Cell::new(0));
    /// let count = Rc::clone(&charged);
    /// world.service("payments", move |env| provider(env, Rc::clone(&count)));
    /// # }
    /// ```
    pub fn service<F, R>(&mut self, name: &str, body: F)
    where
        F: Fn(Arc<SimEnv>) -> R + 'static,
        R: Future<Output: Outcome> + 'static,
    {
        self.node(name, body);
        self.host_mut(name).role = Role::Service;
    }

    /// Adds a host that plays somebody who uses what is tested. As with [`service`](Self::service), faults of a swarm
    /// do not hit it.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn client<F, R>(&mut self, name: &str, body: F)
    where
        F: Fn(Arc<SimEnv>) -> R + 'static,
        R: Future<Output: Outcome> + 'static,
    {
        self.node(name, body);
        self.host_mut(name).role = Role::Client;
    }

    /// What a host is for.
    #[must_use]
    pub fn role(&self, name: &str) -> Role {
        self.host(name).role
    }

    /// The names of all hosts of this role, in the order in which they were added.
    #[must_use]
    pub fn names(&self, role: Role) -> Vec<&str> {
        let hosts = self.hosts.iter().filter(|host| host.role == role);
        hosts.map(|host| host.name.as_str()).collect()
    }

    /// Puts a host into the zone of this label: a rack, a room, a region. Default: none. It may be said before the host is
    /// added; a node of the runtime that starts on it has the zone in its [`Profile`](odeon::Profile), unless its set-up
    /// gives it another one. A [`Scenario`](crate::Scenario) has the zones of its outline before it is set up. A host that was
    /// never added, such as one whose name is misspelt here, fails the seed at its end.
    pub fn set_zone(&mut self, name: &str, zone: &str) {
        match self.hosts.iter_mut().find(|host| host.name == name) {
            Some(host) => host.zone = Some(zone.to_owned()),
            None => drop(self.zones.insert(name.to_owned(), zone.to_owned())),
        }
    }

    /// Fails the seed where a zone was given to a host that was never added.
    pub(super) fn check_zones(&self) {
        let names = self.hosts.iter().map(|host| host.name.as_str()).collect::<Vec<_>>();
        for (name, zone) in &self.zones {
            report(format!(
                "{name:?} was put into the zone {zone:?}, and no host of this world was ever called so: set_zone has the name \
                 of one of {names:?}"
            ));
        }
    }

    /// The zone of a host.
    #[must_use]
    pub fn zone(&self, name: &str) -> Option<&str> {
        self.host(name).zone.as_deref()
    }

    /// The names of all hosts in a zone, in the order in which they were added.
    #[must_use]
    pub fn names_in_zone(&self, zone: &str) -> Vec<&str> {
        let hosts = self.hosts.iter().filter(|host| host.zone.as_deref() == Some(zone));
        hosts.map(|host| host.name.as_str()).collect()
    }

    /// Kills every host of a zone at one moment, as [`crash`](Self::crash) does; the result names those that were up.
    pub fn crash_zone(&mut self, zone: &str) -> Vec<String> {
        let names = self.names_in_zone(zone).into_iter().filter(|name| self.is_up(name));
        let names: Vec<_> = names.map(str::to_owned).collect();
        names.iter().for_each(|name| self.crash(name));
        names
    }
}
