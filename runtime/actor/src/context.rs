//! What an actor can do besides answering: spawn, watch, stop.
//!
//! A [`Context`] is a handle to the actor's own cell; a suspended handler may hold it while the worker goes on with
//! others, so nothing in it is touched by the worker during a handler. What it is NOT: a mailbox or a scheduler. Read
//! `spawn.rs` for how actors come to be.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc};

use crate::{
    Actor, ActorRef, ActorSystem, ExitKind, ExitReason, Identity, Placement, Route, SpawnOptions,
    StartError, WatchId, Watchable,
    bonds::Parent,
    cell::{ActorCell, CellPtr, Signals},
    spawn,
    watchable::{LocalSpot, Spot},
    watchers::Watcher,
};

/// The surroundings of a running actor.
#[expect(clippy::box_collection, reason = "an empty map is three words, and idle actors are many")]
pub struct Context<A: Actor> {
    cell: Arc<ActorCell<A>>,
    /// What it watches; boxed, as most actors watch nobody.
    watches: Option<Box<BTreeMap<Identity, Watching>>>,
    /// How it wants to end; boxed, as few are ending at any time.
    ending: Option<Box<ExitReason>>,
}

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
    pub(crate) fn new(cell: Arc<ActorCell<A>>) -> Self {
        Self { cell, watches: None, ending: None }
    }

    /// The reference to this actor.
    #[must_use]
    pub fn self_ref(&self) -> ActorRef<A> {
        ActorRef::local(self.cell.clone())
    }

    /// The node's actors.
    #[must_use]
    pub fn system(&self) -> &ActorSystem {
        self.cell.head.worker.system()
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
        let own = self.cell.head.worker.clone();
        async move {
            let placement = options.placement.unwrap_or(Placement::Parent);
            let worker = own.system().place(placement, Some(&own))?;
            spawn::spawn(worker, args, options, Some(parent)).await
        }
    }

    pub(crate) fn cell(&self) -> &Arc<ActorCell<A>> {
        &self.cell
    }

    pub(crate) fn own_cell(&self) -> CellPtr {
        CellPtr::new(self.cell.clone())
    }

    /// Asks to be told when an actor is gone, on this node or another: [`Actor::terminated`] is called exactly once,
    /// at once if it is gone already. Watching it again before that changes nothing. A restart is no end.
    pub fn watch(&mut self, actor: &impl Watchable) {
        let who = actor.who();
        if self.watches.as_ref().is_some_and(|watches| watches.contains_key(&who)) {
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
        self.watches.get_or_insert_default().insert(who, Watching { token, target });
    }

    /// Takes a watch back: [`Actor::terminated`] is not called for it any more.
    pub fn unwatch(&mut self, actor: &impl Watchable) {
        let watching = self.watches.as_mut().and_then(|watches| watches.remove(&actor.who()));
        if let Some(watching) = watching {
            self.end_watch(watching);
        }
    }

    fn end_watch(&self, watching: Watching) {
        self.cell.head.withdraw_watch(watching.token);
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
        self.cell.head.past().map_or(0, |past| past.restarts)
    }

    /// Whether this is a life after another: what [`Actor::start`] may ask to look for what the last one left.
    #[must_use]
    pub fn is_restart(&self) -> bool {
        self.restarts() > 0
    }

    /// Why the life before this one ended; `None` in the first.
    #[must_use]
    pub fn last_exit(&self) -> Option<ExitReason> {
        self.cell.head.past()?.last_exit
    }

    /// Lets this actor handle what is in its mailbox by now, and what it unstashed, and then end as by [`stop`](Self::stop).
    ///
    /// Its mailbox takes nothing more: senders are told `Stopped`, not delivered, and so are those who wait for room. Only
    /// a supervised actor goes on taking messages, for its next life.
    pub fn drain(&mut self) {
        self.cell.head.signals.set(Signals::DRAIN);
    }

    /// Ends this actor after the present message, as failed: a supervisor may start it again.
    pub fn fail(&mut self, why: &str) {
        self.end_as(ExitReason::new(ExitKind::Failed, why));
    }

    pub(crate) fn end_as(&mut self, reason: ExitReason) {
        self.ending.get_or_insert_with(|| Box::new(reason));
        self.cell.head.signals.set(Signals::LEAVE);
    }

    pub(crate) fn take_ending(&mut self) -> Option<ExitReason> {
        self.ending.take().map(|reason| *reason)
    }

    /// Whether a watch is still wanted; it is over with that.
    pub(crate) fn take_watch(&mut self, who: Identity, token: u64) -> bool {
        let Some(watches) = &mut self.watches else { return false };
        let wanted = watches.get(&who).is_some_and(|watching| watching.token == token);
        if wanted {
            watches.remove(&who);
        }
        wanted
    }

    /// A life is over: nothing it asked for happens in the next.
    pub(crate) fn forget_life(&mut self) {
        self.ending = None;
        self.cell.head.withdraw_watches();
        for watching in self.watches.take().into_iter().flat_map(|watches| watches.into_values()) {
            self.end_watch(watching);
        }
    }
}

impl<A: Actor> fmt::Debug for Context<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({:?})", self.self_ref())
    }
}
