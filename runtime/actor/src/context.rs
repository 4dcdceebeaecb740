//! What an actor can do besides answering: spawn, watch, stop.
//!
//! A [`Context`] is a handle to the actor's own cell; a suspended handler may hold it while the worker goes on with
//! others, so nothing in it is touched by the worker during a handler. What it is NOT: a mailbox or a scheduler. Read
//! `spawn.rs` for how actors come to be.
#![expect(unsafe_code, reason = "a context refers to the cell that it is in without a count")]

use std::{collections::BTreeMap, fmt, future::Future, ptr::NonNull, sync::Arc};

use crate::{
    Actor, ActorRef, ActorSystem, ExitKind, ExitReason, Identity, Placement, Route, SpawnOptions,
    StartError, WatchId, Watchable,
    bonds::Parent,
    cell::{ActorCell, CellArc, CellPtr, Signals},
    spawn::{self, SetOut},
    watchable::{LocalSpot, Spot},
    watchers::Watcher,
};

/// The surroundings of a running actor.
pub struct Context<A: Actor> {
    /// What it is in, and nobody gets it out of. It came out of a [`CellArc`].
    cell: NonNull<ActorCell<A>>,
    /// Boxed, as most actors want nothing of it.
    wants: Option<Box<Wants>>,
}

// SAFETY: the pointer is as good as a reference to its cell, which is `Sync`; what the actor wants is both.
unsafe impl<A: Actor> Send for Context<A> {}
// SAFETY: as above.
unsafe impl<A: Actor> Sync for Context<A> {}

/// What an actor wants of its life.
#[derive(Default)]
struct Wants {
    /// What it watches.
    watches: BTreeMap<Identity, Watching>,
    /// How it wants to end.
    ending: Option<ExitReason>,
}

const _: () = {
    const fn shared<T: Send + Sync>() {}
    shared::<Wants>();
};

struct Watching {
    token: u64,
    target: Target,
}

enum Target {
    Local(CellPtr),
    Remote(Arc<dyn Route>),
    /// It had ended before; the news is on its way.
    Ended,
}

impl<A: Actor> Context<A> {
    /// The context of an actor.
    ///
    /// # Safety
    /// It is put in `cell` and goes no later than that.
    pub(crate) unsafe fn of(cell: &CellArc<A>) -> Self {
        Self { cell: cell.as_raw(), wants: None }
    }

    /// The reference to this actor.
    #[must_use]
    pub fn self_ref(&self) -> ActorRef<A> {
        ActorRef::local(self.counted())
    }

    /// The node's actors.
    #[must_use]
    pub fn system(&self) -> &ActorSystem {
        self.cell().head.worker.system()
    }

    /// Starts a child, on this actor's worker unless it is [placed](SpawnOptions::placement) elsewhere. It stops when
    /// this actor ends or restarts.
    ///
    /// The future is done when the child has started; its first messages may be sent before.
    ///
    /// # Errors
    /// When the child does not start; see [`StartError`].
    ///
    /// # Cancel safety
    /// A child whose start nobody waits for any more is stopped.
    pub fn spawn<C: Actor>(
        &self,
        args: C::Args,
        options: SpawnOptions,
    ) -> impl Future<Output = Result<ActorRef<C>, StartError>> + Send + use<A, C> {
        let parent = Parent::plain(self.own_cell());
        let own = self.cell().head.worker.clone();
        async move {
            let placement = options.placement.unwrap_or(Placement::Parent);
            let worker = own.system().place(placement, Some(&own))?;
            if worker.is_tired() {
                worker.rest().await;
            }
            match spawn::set_out::<C>(worker, args, &options, Some(parent))? {
                SetOut::Arrived(actor) => Ok(ActorRef::local(actor)),
                waits => waits.arrive().await,
            }
        }
    }

    pub(crate) fn cell(&self) -> &ActorCell<A> {
        // SAFETY: this is in the cell, and only its actor, for whose turn somebody keeps the cell, and its worker have it.
        // Safe code cannot move it out, for it would need another one to put in its place: none can be made, and whoever
        // handles a message has one.
        unsafe { self.cell.as_ref() }
    }

    /// One more reference to the cell.
    fn counted(&self) -> CellArc<A> {
        // SAFETY: it came out of a counted reference, and the cell is alive, as above.
        unsafe { CellArc::share(self.cell) }
    }

    pub(crate) fn own_cell(&self) -> CellPtr {
        CellPtr::new(self.counted())
    }

    /// Asks to be told when an actor is gone, on this node or another: [`Actor::terminated`] is called exactly once,
    /// at once if it is gone already. Watching it again before that changes nothing. A restart is no end.
    pub fn watch(&mut self, actor: &impl Watchable) {
        let who = actor.who();
        if self.wants.as_ref().is_some_and(|wants| wants.watches.contains_key(&who)) {
            return;
        }
        let system = self.system().clone();
        let token = system.next_token();
        let me = self.own_cell();
        me.reserve_watch(token);
        let watcher = Watcher::Actor { cell: me.clone(), token };
        let target = match actor.place() {
            Spot::Local(LocalSpot(cell)) => match cell.add_watcher(watcher) {
                Ok(()) => Target::Local(cell),
                Err((watcher, reason)) => {
                    watcher.tell(who, &reason);
                    Target::Ended
                }
            },
            Spot::Remote(route) => {
                let watch = WatchId(token);
                let to = route.address();
                let key = me.exported();
                system.remote_watches_table().insert(watch, me, to);
                if let Err(reason) = route.watch(watch, key) {
                    system.terminated_from_network(to.node, to.incarnation, watch, reason);
                }
                Target::Remote(route.clone())
            }
            Spot::Gone => {
                watcher.tell(who, &ExitReason::bare(ExitKind::NoActor));
                Target::Ended
            }
        };
        self.wants.get_or_insert_default().watches.insert(who, Watching { token, target });
    }

    /// Takes a watch back: [`Actor::terminated`] is not called for it any more.
    pub fn unwatch(&mut self, actor: &impl Watchable) {
        let watching = self.wants.as_mut().and_then(|wants| wants.watches.remove(&actor.who()));
        if let Some(watching) = watching {
            self.end_watch(watching);
        }
    }

    fn end_watch(&self, watching: Watching) {
        self.cell().head.withdraw_watch(watching.token);
        match watching.target {
            Target::Local(cell) => cell.remove_watcher(watching.token),
            Target::Remote(route) => {
                let watch = WatchId(watching.token);
                if self.system().remote_watches_table().remove(watch, route.address()) {
                    route.unwatch(watch);
                }
            }
            Target::Ended => {}
        }
    }

    /// Ends this actor after the present message, normally: [`Actor::stopped`] runs, queued messages are refused. A
    /// permanent child of a supervisor starts again, with its mailbox.
    pub fn stop(&mut self) {
        self.end_as(ExitReason::stopped());
    }

    /// Ends this actor after the present message, as [`ExitKind::Shutdown`]: a normal end, after which a transient child
    /// is not started again, and that says why.
    pub fn shutdown(&mut self, why: &str) {
        self.end_as(ExitReason::shutdown(why));
    }

    /// How many times a supervisor has started this actor again; 0 in its first life.
    #[must_use]
    pub fn restarts(&self) -> u32 {
        self.cell().head.past().map_or(0, |past| past.restarts)
    }

    /// Whether this is a life after another: what [`Actor::start`] may ask to look for what the last one left.
    #[must_use]
    pub fn is_restart(&self) -> bool {
        self.restarts() > 0
    }

    /// Why the life before this one ended; `None` in the first.
    #[must_use]
    pub fn last_exit(&self) -> Option<ExitReason> {
        self.cell().head.past()?.last_exit
    }

    /// Lets this actor handle what is in its mailbox by now, and what it unstashed, and then end as by [`stop`](Self::stop).
    ///
    /// Its mailbox takes nothing more: senders are told `Stopped`, not delivered, and so are those who wait for room. Only
    /// a supervised actor goes on taking messages, for its next life.
    pub fn drain(&mut self) {
        self.cell().head.signals.set(Signals::DRAIN);
    }

    /// Ends this actor after the present message, as failed: a supervisor may start it again.
    pub fn fail(&mut self, why: &str) {
        self.end_as(ExitReason::new(ExitKind::Failed, why));
    }

    pub(crate) fn end_as(&mut self, reason: ExitReason) {
        self.wants.get_or_insert_default().ending.get_or_insert(reason);
        self.cell().head.signals.set(Signals::LEAVE);
    }

    pub(crate) fn take_ending(&mut self) -> Option<ExitReason> {
        self.wants.as_mut()?.ending.take()
    }

    /// Whether a watch is still wanted; it is over with that.
    pub(crate) fn take_watch(&mut self, who: Identity, token: u64) -> bool {
        let Some(Wants { watches, .. }) = self.wants.as_deref_mut() else { return false };
        let wanted = watches.get(&who).is_some_and(|watching| watching.token == token);
        if wanted {
            watches.remove(&who);
        }
        wanted
    }

    /// A life is over: nothing it asked for happens in the next.
    pub(crate) fn forget_life(&mut self) {
        self.cell().head.withdraw_watches();
        for watching in self.wants.take().into_iter().flat_map(|wants| wants.watches.into_values())
        {
            self.end_watch(watching);
        }
    }
}

impl<A: Actor> fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({:?})", self.self_ref())
    }
}
