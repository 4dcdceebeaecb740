//! Supervisors: actors that start children, start them again when they fail, and stop them in order.
//!
//! [`Supervisor`] has children of its own, each with an id; [`DynamicSupervisor`] has many alike. Both are OTP's, whole:
//! strategies, restart intensity, shutdown times, significant children (Erlang/OTP, `supervisor`). Unlike there, a
//! child that is started again keeps its reference, its mailbox and its names, and a supervisor never waits in a
//! handler: what takes time comes back as news. `strategy.rs` decides, `family.rs` carries out, `calls.rs` is what
//! others may ask of it. What it is NOT: where a panic is caught; that is `life/ending.rs`, which sends a supervisor
//! [`News`] in its system lane.

mod alarm;
mod backoff;
mod calls;
mod children;
mod dynamic;
mod family;
mod intensity;
mod member;
mod spec;
mod stopping;
mod strategy;
mod terms;

pub use backoff::Backoff;
pub use children::{ChildCounts, ChildError, ChildInfo, ChildState};
pub use dynamic::{DynamicSpec, DynamicSupervisor};
pub(crate) use spec::Flags;
pub use spec::{AutoShutdown, SpecError, Strategy, SupervisorSpec};
pub(crate) use terms::Rules;

use std::convert::Infallible;

use odeon_message::{Codec, Message};

use crate::{
    Actor, Context, ExitReason, Handler, StartError, bonds::News, envelope::Envelope,
    supervisor::family::Family,
};

/// An actor that supervises others; spawn it with a [`SupervisorSpec`].
///
/// ```
/// # use odeon_actor as odeon;
/// use odeon::{Actor, ActorRef, ActorSystem, ChildSpec, SpawnOptions, StartError, Supervisor, SupervisorSpec};
///
/// /// Starts an actor, and again whenever it fails; references to it and its mailbox survive that.
/// async fn supervised<A: Actor>(
///     system: &ActorSystem, // `node.system()`; a node has `spawn_with` itself
///     args: A::Args,
/// ) -> Result<Option<ActorRef<A>>, StartError> {
///     let spec = SupervisorSpec::one_for_one().child(ChildSpec::new::<A>("only", args));
///     let supervisor = system.spawn::<Supervisor>(spec, SpawnOptions::default()).await?;
///     Ok(supervisor.child::<A>("only").await)
/// }
/// ```
pub struct Supervisor {
    family: Family,
}

impl Actor for Supervisor {
    type Args = SupervisorSpec;

    const SUPERVISES: bool = true;

    async fn start(spec: SupervisorSpec, ctx: &mut Context<Self>) -> Result<Self, StartError> {
        spec.check().map_err(StartError::new)?;
        let mut family = Family::new(ctx, spec.flags, false);
        for child in spec.children {
            let id = child.id.clone();
            if let Err(error) = family.declare(child).await {
                family.stop_in_order().await;
                return Err(StartError::new(format!("child {id:?}: {error}")));
            }
        }
        Ok(Self { family })
    }

    async fn stopped(&mut self, _: &ExitReason, _: &mut Context<Self>) {
        self.family.stop_in_order().await;
    }
}

/// What both kinds of supervisor are.
trait Supervises: Actor {
    fn family(&mut self) -> &mut Family;
}

impl Supervises for Supervisor {
    fn family(&mut self) -> &mut Family {
        &mut self.family
    }
}

/// What a supervisor hears from below.
struct Heard(Tidings);

enum Tidings {
    /// Of this child.
    Child(u64, News),
    /// That it is time.
    Alarm,
}

/// Makes the message that tells a supervisor of a child.
fn report<S: Supervises>(child: u64, news: News) -> Envelope {
    Envelope::tell::<S, _>(Heard(Tidings::Child(child, news)))
}

/// Makes the message that tells a supervisor that it is time.
fn ring<S: Supervises>() -> Envelope {
    Envelope::tell::<S, _>(Heard(Tidings::Alarm))
}

impl Message for Heard {
    type Reply = ();
    type Error = Infallible;
    type Output = ();
    const NAME: &'static str = "ChildNews";
    const CODEC: Option<Codec<Self>> = None;

    fn answer((): ()) -> Result<(), Infallible> {
        Ok(())
    }
}

impl<S: Supervises> Handler<Heard> for S {
    async fn handle(&mut self, message: Heard, ctx: &mut Context<Self>) {
        match message.0 {
            Tidings::Child(number, news) => self.family().hear(number, news),
            Tidings::Alarm => self.family().tick(),
        }
        self.family().end_if_over(ctx);
    }
}
