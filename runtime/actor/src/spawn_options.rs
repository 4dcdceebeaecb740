//! How one actor is spawned.
//!
//! What it is: a value that travels by move through the spawn, and is two words and a pointer for that. What it is NOT: what
//! all actors of a node have in common; read `config.rs` for that, and `spawn.rs` next.

use odeon_message::planted::Bug;

use crate::{Overflow, Placement, Shutdown, SystemConfig, lanes::Lanes, load::Bounds};

/// How one actor is spawned; the default suits most.
#[derive(Clone, Debug, Default)]
pub struct SpawnOptions {
    pub(crate) placement: Option<Placement>,
    /// Boxed, as most actors want nothing of it.
    particular: Option<Box<Particular>>,
}

/// What few actors want otherwise than the rest.
#[derive(Clone, Debug, Default)]
struct Particular {
    name: Option<String>,
    mailbox: Option<u32>,
    shutdown: Option<Shutdown>,
    mailbox_bytes: Option<usize>,
    overflow: Overflow,
    priorities: u8,
}

impl SpawnOptions {
    /// Registers the actor under a name before it starts; the name is free again when the actor is gone.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.particular().name = Some(name.into());
        self
    }

    /// Messages its mailbox holds; at least 1. Default: the system's
    /// [`mailbox_messages_max`](SystemConfig::mailbox_messages_max).
    #[must_use]
    pub fn mailbox(mut self, messages_max: u32) -> Self {
        self.particular().mailbox = Some(messages_max);
        self
    }

    /// How its parent stops it: how long it may take before it is ended where it stands, zero for at once. Default 5 s,
    /// as in OTP; a supervisor is waited for, since its children bound the time it takes. An actor without a parent
    /// has the time that [`ActorSystem::stop`](crate::ActorSystem::stop) is given. What a supervisor starts has the
    /// time of its [`ChildSpec`](crate::ChildSpec::shutdown).
    #[must_use]
    pub fn shutdown(mut self, shutdown: impl Into<Shutdown>) -> Self {
        self.particular().shutdown = Some(shutdown.into());
        self
    }

    /// Bytes of the messages that its mailbox holds, counted as in
    /// [`mailbox_bytes_max`](SystemConfig::mailbox_bytes_max), which is the default.
    #[must_use]
    pub fn mailbox_bytes(mut self, bytes_max: usize) -> Self {
        self.particular().mailbox_bytes = Some(bytes_max);
        self
    }

    /// What its mailbox does when it is full. Default: [`Overflow::Wait`]. [`Overflow::DropOldest`] costs a lock a
    /// message.
    #[must_use]
    pub fn overflow(mut self, overflow: Overflow) -> Self {
        self.particular().overflow = overflow;
        self
    }

    /// Lets its mailbox tell so many priorities apart, from 0 to `priorities - 1`: of what is queued, and of what waits
    /// for room, the highest comes first, and within one priority the oldest. Messages without a priority, and those
    /// from other nodes, have 0; a priority beyond the last is taken as the last. Lower ones wait as long as there are
    /// higher ones. At most 8, and at least 1, the default: then priorities are ignored and sending takes no lock.
    ///
    /// ```
    /// # use odeon_actor as odeon;
    /// use odeon::{Overflow, SpawnOptions};
    ///
    /// // An actor that answers its operator before its sensors, and keeps the newest readings.
    /// let options = SpawnOptions::default().mailbox(256).priorities(2).overflow(Overflow::DropOldest);
    /// # let _ = options; // account.tell(Shut).priority(1).await
    /// ```
    #[must_use]
    pub fn priorities(mut self, priorities: u8) -> Self {
        self.particular().priorities = priorities;
        self
    }

    /// On which worker it runs. Default: a child on its parent's, others on one worker after the other.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placement = Some(placement);
        self
    }

    fn particular(&mut self) -> &mut Particular {
        self.particular.get_or_insert_default()
    }

    /// Takes the name off: copies have none.
    pub(crate) fn unnamed(mut self) -> Self {
        self.particular.iter_mut().for_each(|particular| particular.name = None);
        self
    }

    #[inline]
    pub(crate) fn name(&self) -> Option<&str> {
        self.particular.as_ref()?.name.as_deref()
    }

    #[inline]
    pub(crate) fn of_shutdown(&self) -> Option<Shutdown> {
        self.particular.as_ref()?.shutdown
    }

    #[inline]
    pub(crate) fn of_overflow(&self) -> Overflow {
        self.particular.as_ref().map_or(Overflow::default(), |particular| particular.overflow)
    }

    /// The bounds of its mailbox.
    #[inline]
    pub(crate) fn bounds(&self, config: &SystemConfig) -> Bounds {
        let (messages_max, bytes_max) = match &self.particular {
            None => (None, None),
            Some(particular) => (particular.mailbox, particular.mailbox_bytes),
        };
        let messages_max = messages_max.unwrap_or(config.mailbox_messages_max);
        let too_many = u32::from(Bug::MailboxHoldsOneMore.is_planted());
        let bytes_max = bytes_max.unwrap_or(config.mailbox_bytes_max);
        Bounds::new(messages_max.saturating_add(too_many), bytes_max)
    }

    /// The lanes of its mailbox, if it is to have any.
    #[inline]
    pub(crate) fn lanes(&self, bounds: Bounds) -> Option<Box<Lanes>> {
        let Particular { priorities, overflow, .. } = **self.particular.as_ref()?;
        let lanes = priorities > 1 || overflow == Overflow::DropOldest;
        lanes.then(|| Box::new(Lanes::new(priorities, bounds)))
    }
}
