//! The children of a supervisor as cells: carries out what the plan decides, and tells the plan what happened.
//!
//! Data comes in as [`News`] from the children and as the alarm, and from the calls of `calls.rs` and `dynamic.rs`; it
//! goes on as signals to cells. What it is NOT: a decision; those are in `strategy.rs`. Nothing waits here; the
//! end of the supervisor does, in `stopping.rs`.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use tokio::{sync::oneshot, time::Instant};

use super::{
    ChildCounts, ChildError, ChildInfo, Supervises,
    alarm::{ALARMS_MAX, Alarm},
    member::{Member, StartReply, StopReply},
    report, ring,
    spec::Flags,
    strategy::Plan,
    terms::{Action, Event, Place, State},
};
use crate::{
    Actor, AnyRef, ChildSpec, Context, Placement, Restart, SpawnOptions, SpecError, StartError,
    bonds::{News, Parent},
    cell::{CellPtr, Signals},
    child_spec::Birth,
    envelope::Envelope,
    life::Starter,
    worker::Worker,
};

pub(super) struct Family {
    plan: Plan,
    pub(super) members: BTreeMap<Place, Member>,
    numbers: BTreeMap<u64, Place>,
    ids: BTreeMap<Arc<str>, Place>,
    pub(super) me: CellPtr,
    report: fn(u64, News) -> Envelope,
    pub(super) alarm: Alarm,
    /// Children are spread over the workers, and nothing is kept of those that have ended.
    dynamic: bool,
    /// Why the supervisor is to end.
    over: Option<String>,
}

impl Family {
    pub(super) fn new<S: Supervises>(ctx: &Context<S>, flags: Flags, dynamic: bool) -> Self {
        let mut seed = [0; 8];
        ctx.system().env().entropy(&mut seed);
        let me = ctx.own_cell();
        me.reserve_messages(ALARMS_MAX);
        Self {
            plan: Plan::new(flags, dynamic, u64::from_le_bytes(seed)),
            members: BTreeMap::new(),
            numbers: BTreeMap::new(),
            ids: BTreeMap::new(),
            alarm: Alarm::new(me.clone(), ring::<S>),
            me,
            report: report::<S>,
            dynamic,
            over: None,
        }
    }

    fn worker(&self, options: &SpawnOptions) -> Result<Arc<Worker>, StartError> {
        let default = if self.dynamic { Placement::Spread } else { Placement::Parent };
        let placement = options.placement.unwrap_or(default);
        self.me.worker.system().place(placement, Some(&self.me.worker))
    }

    /// Makes the cell of a member.
    fn bear(
        &self,
        member: &Member,
        starter: Option<oneshot::Sender<Result<(), StartError>>>,
    ) -> Result<CellPtr, StartError> {
        let make = member.make.as_ref().ok_or(StartError::Stopped)?;
        let parent = Parent {
            cell: self.me.clone(),
            report: Some(self.report),
            id: member.id.clone(),
            restarts: member.rules.restart != Restart::Temporary,
            past: member.past.clone(),
        };
        let options = member.options.clone().shutdown(member.rules.shutdown);
        make(Birth {
            worker: self.worker(&options)?,
            options,
            parent,
            starter: starter.map(Starter::Task),
        })
    }

    fn keep(&mut self, place: Place, mut member: Member) {
        if let Some(cell) = &member.cell {
            self.numbers.insert(cell.number, place);
            if member.rules.restart == Restart::Temporary {
                member.make = None;
            }
        }
        if let Some(id) = &member.id {
            self.ids.insert(id.clone(), place);
        }
        self.members.insert(place, member);
    }

    /// Starts a child that was declared with the supervisor, and waits for it.
    pub(super) async fn declare(&mut self, spec: ChildSpec) -> Result<(), StartError> {
        let mut member = Member::from(spec);
        let (starter, started) = oneshot::channel();
        let cell = self.bear(&member, Some(starter))?;
        // Its worker ended before it had a turn.
        let answer = started.await.unwrap_or(Err(StartError::Stopped));
        let since = match answer {
            Ok(()) => {
                member.cell = Some(cell);
                Some(Instant::now())
            }
            Err(error) => {
                cell.signal(Signals::RELEASE);
                match error {
                    StartError::Ignored if member.rules.restart == Restart::Temporary => {
                        return Ok(());
                    }
                    StartError::Ignored => None,
                    error => return Err(error),
                }
            }
        };
        let place = self.plan.declared(member.rules.clone(), since);
        self.keep(place, member);
        Ok(())
    }

    /// Starts a new child; `reply` hears of it.
    pub(super) fn add(&mut self, member: Member, reply: StartReply) {
        let max = self.plan.flags().children_max;
        let refused = match member.id.as_deref().map(|id| (id, self.find(id))) {
            Some((id, Ok(place))) => Some(self.present(id, place)),
            _ if self.plan.len() >= max as usize => Some(SpecError::TooMany { max }.into()),
            _ => None,
        };
        let name = member.id.clone();
        let checked = member.rules.check(name.as_deref().unwrap_or(member.kind), self.plan.flags());
        if let Some(error) = refused.or_else(|| checked.err().map(ChildError::from)) {
            // Whoever gave up waiting misses nothing.
            let _ = reply.send(Err(error));
            return;
        }
        let mut member = member;
        member.starters.push(reply);
        let (place, actions) = self.plan.add(member.rules.clone(), Instant::now());
        self.keep(place, member);
        self.carry_out(actions);
    }

    fn present(&self, id: &str, place: Place) -> ChildError {
        let id = id.into();
        match self.members.get(&place).and_then(|member| member.cell.clone()) {
            Some(cell) => ChildError::AlreadyRuns { id, actor: AnyRef(cell) },
            None => ChildError::AlreadyPresent { id },
        }
    }

    /// The place of the child with this id.
    pub(super) fn find(&self, id: &str) -> Result<Place, ChildError> {
        let place = self.ids.get(id).copied();
        place.ok_or_else(|| ChildError::NotFound { id: format!("{id:?}").into() })
    }

    /// The place of the child with this number.
    pub(super) fn find_number(&self, number: u64) -> Option<Place> {
        self.numbers.get(&number).copied()
    }

    pub(super) fn member(&self, place: Place) -> Option<&Member> {
        self.members.get(&place)
    }

    /// Stops a child; `reply` hears when it is gone.
    pub(super) fn terminate(&mut self, place: Place, reply: StopReply) {
        if let Some(member) = self.members.get_mut(&place) {
            member.stoppers.push(reply);
        }
        let actions = self.plan.terminate(place, Instant::now());
        self.carry_out(actions);
        self.answer_stoppers(place);
    }

    /// Starts a child again that has ended; `reply` hears of it.
    pub(super) fn restart(&mut self, place: Place, reply: StartReply) {
        let Some(member) = self.members.get_mut(&place) else { return };
        match self.plan.restart(place, Instant::now()) {
            Ok(actions) => {
                member.starters.push(reply);
                self.carry_out(actions);
            }
            Err(busy) => {
                // Whoever gave up waiting misses nothing.
                let _ = reply.send(Err(busy.into_error(member.name())));
            }
        }
    }

    /// Forgets a child that has ended.
    pub(super) fn delete(&mut self, place: Place) -> Result<(), ChildError> {
        let Some(member) = self.members.get(&place) else { return Ok(()) };
        let actions = self.plan.delete(place).map_err(|busy| busy.into_error(member.name()))?;
        if let Some(id) = member.id.clone() {
            self.ids.remove(&id);
        }
        self.carry_out(actions);
        Ok(())
    }

    pub(super) fn which(&self) -> Vec<ChildInfo> {
        let info = |(place, member): (&Place, &Member)| ChildInfo {
            id: member.id.clone(),
            actor: member.cell.clone().map(AnyRef),
            state: self.plan.state(*place).unwrap_or(State::Gone).into(),
            kind: member.kind,
            supervisor: member.supervises,
        };
        self.members.iter().map(info).collect()
    }

    pub(super) fn count(&self) -> ChildCounts {
        let specs = self.members.len();
        let supervisors = self.members.values().filter(|member| member.supervises).count();
        let active = |place: &&Place| {
            !matches!(self.plan.state(**place), None | Some(State::Gone | State::Down))
        };
        let active = self.members.keys().filter(active).count();
        ChildCounts { specs, active, supervisors, workers: specs - supervisors }
    }

    /// A child has news.
    pub(super) fn hear(&mut self, number: u64, news: News) {
        let Some(place) = self.find_number(number) else { return };
        let Some(member) = self.members.get_mut(&place) else { return };
        let event = match &news {
            News::Started => {
                member.started = None;
                if let Some(cell) = &member.cell {
                    for reply in member.starters.drain(..) {
                        // Whoever gave up waiting misses nothing.
                        let _ = reply.send(Ok(AnyRef(cell.clone())));
                    }
                }
                Event::Started
            }
            News::Down(reason) => {
                member.past.last_exit = Some(reason.clone());
                Event::Ended { normal: reason.is_normal(), gone: false }
            }
            News::Gone(reason) => {
                member.past.last_exit = Some(reason.clone());
                self.numbers.remove(&number);
                member.cell = None;
                Event::Ended { normal: reason.is_normal(), gone: true }
            }
        };
        let actions = self.plan.on(place, event, Instant::now());
        self.carry_out(actions);
        self.answer_stoppers(place);
    }

    /// It is time for something.
    pub(super) fn tick(&mut self) {
        self.alarm.rang();
        let actions = self.plan.tick(Instant::now());
        self.carry_out(actions);
    }

    fn carry_out(&mut self, actions: Vec<Action>) {
        let mut rest = VecDeque::from(actions);
        while let Some(action) = rest.pop_front() {
            match action {
                Action::Start(place) => rest.extend(self.start(place)),
                Action::Stop { place, again } => {
                    self.signal(place, if again { Signals::HALT } else { Signals::STOP });
                }
                Action::Kill { place, again } => {
                    let how = if again { Signals::HALT } else { Signals::STOP };
                    self.signal(place, how | Signals::KILL);
                }
                Action::Release(place) => self.signal(place, Signals::RELEASE),
                Action::Abandon(place) => {
                    if let Some(cell) = self.lose(place) {
                        self.leave_behind(&cell);
                    }
                }
                Action::Refused(place) => self.refused(place),
                Action::Gone(place) => {
                    self.lose(place);
                    self.answer_stoppers(place);
                    let member = self.members.get_mut(&place);
                    for reply in member.into_iter().flat_map(|member| member.starters.drain(..)) {
                        // Whoever gave up waiting misses nothing.
                        let _ = reply.send(Err(ChildError::Start(StartError::Stopped)));
                    }
                }
                Action::Removed(place) => self.forget(place),
                Action::GiveUp(place) => self.give_up(place),
                Action::GiveUpChild(place) => {
                    let (child, why) = self.spent(place);
                    tracing::error!(
                        child,
                        why,
                        "too many restarts: the child stays down; see runbook: restart-storm"
                    );
                }
                Action::ShutDown(place) => {
                    let name = self.members.get(&place).map_or("", Member::name);
                    self.over = Some(format!("significant child {name:?} has ended"));
                }
            }
        }
        self.alarm.set(self.plan.next_due());
    }

    fn signal(&self, place: Place, bits: u16) {
        if let Some(cell) = self.members.get(&place).and_then(|member| member.cell.as_ref()) {
            cell.signal(bits);
        }
    }

    /// The cell of a child is not its own any more.
    fn lose(&mut self, place: Place) -> Option<CellPtr> {
        let cell = self.members.get_mut(&place)?.cell.take()?;
        self.numbers.remove(&cell.number);
        Some(cell)
    }

    fn forget(&mut self, place: Place) {
        self.lose(place);
        let Some(id) = self.members.remove(&place).and_then(|member| member.id) else { return };
        if self.ids.get(&id) == Some(&place) {
            self.ids.remove(&id);
        }
    }

    /// Starts a child: its cell that waits, or a new one. What follows at once comes back.
    fn start(&mut self, place: Place) -> Vec<Action> {
        let Some(mut member) = self.members.remove(&place) else { return Vec::new() };
        let again = member.starters.is_empty();
        if again {
            let (child, reason) = (member.name(), &member.past.last_exit);
            let reason = reason.as_ref().map(tracing::field::display);
            tracing::warn!(child, reason, "child is started again");
        }
        if let Some(cell) = &member.cell {
            // A halt was meant for the life that has ended.
            cell.signals.take(Signals::HALT);
            cell.signal(Signals::RESTART);
            self.members.insert(place, member);
            return Vec::new();
        }
        if again {
            member.past.restarts = member.past.restarts.saturating_add(1);
        }
        let starter = (!again).then(|| {
            let (starter, started) = oneshot::channel();
            member.started = Some(started);
            starter
        });
        let born = self.bear(&member, starter);
        let failed = match born {
            Ok(cell) => {
                member.cell = Some(cell);
                false
            }
            Err(error) => {
                tracing::warn!(child = member.name(), %error, "a child could not be spawned");
                member.start_error = Some(error);
                true
            }
        };
        self.keep(place, member);
        if failed {
            return self.plan.on(place, Event::Unspawned, Instant::now());
        }
        Vec::new()
    }

    /// The start that somebody asked for has failed.
    fn refused(&mut self, place: Place) {
        let Some(member) = self.members.get_mut(&place) else { return };
        let told = member.started.take().and_then(|mut started| started.try_recv().ok());
        let mut error = member.start_error.take().or(told.and_then(Result::err));
        for reply in member.starters.drain(..) {
            let last = member.past.last_exit.as_ref();
            let text = || last.map_or_else(String::new, ToString::to_string);
            let error = error.take().unwrap_or_else(|| StartError::new(text()));
            // Whoever gave up waiting misses nothing.
            let _ = reply.send(Err(ChildError::Start(error)));
        }
    }

    fn answer_stoppers(&mut self, place: Place) {
        if matches!(self.plan.state(place), Some(State::Stopping { .. })) {
            return;
        }
        let Some(member) = self.members.get_mut(&place) else { return };
        for reply in member.stoppers.drain(..) {
            // Whoever gave up waiting misses nothing.
            let _ = reply.send(Ok(()));
        }
    }

    fn spent(&self, place: Place) -> (&str, String) {
        let bound = self.plan.bound(place);
        let Some(member) = self.members.get(&place) else { return ("", bound) };
        let reason = member.past.last_exit.as_ref().map(ToString::to_string);
        let (name, reason) = (member.name(), reason.unwrap_or_default());
        (name, format!("child {name:?} ended ({reason}) after {bound}"))
    }

    fn give_up(&mut self, place: Place) {
        let (child, why) = self.spent(place);
        tracing::error!(
            child,
            why,
            "too many restarts: the supervisor gives up; see runbook: restart-storm"
        );
        self.over = Some(why);
    }

    /// Ends the supervisor if that was decided.
    pub(super) fn end_if_over<S: Actor>(&mut self, ctx: &mut Context<S>) {
        if let Some(why) = self.over.take() {
            ctx.shutdown(&why);
        }
    }
}
