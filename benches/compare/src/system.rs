//! What a system must be able to do to be measured: one interface, a file of `systems/` each.
//!
//! The workloads (`workload.rs`) are written once, against [`System`]. A system sets up its threads and runtimes for a
//! [`Mode`] in [`System::run`] and calls the workload inside with a [`World`]. What it is NOT: a judge; how a system is
//! driven, and why that is its best, stands at the top of its file.

use std::{
    fmt,
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
};

use clap::ValueEnum;
use tokio::task::JoinSet;

use crate::{Outcome, counting::Counting, cpus::Cpus, gate::Gate};

/// Which threads a sample has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Mode {
    /// One pinned thread for the driver and the actors.
    St,
    /// The driver on one pinned thread, the actors on another.
    Xt,
    /// A program on tokio's multi-thread runtime with two workers.
    Mt,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::St => "st",
            Self::Xt => "xt",
            Self::Mt => "mt",
        })
    }
}

/// Where the driver's tasks run.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Tasks {
    /// On the driver's `LocalSet`, in `st` and `xt`, for all systems alike: another thread wakes many of its tasks with one
    /// system call, where each task of a runtime's own costs one.
    Local,
    /// On the runtime of a multi-thread program, in `mt`.
    Runtime,
}

impl Tasks {
    /// Starts a task beside the driver.
    pub(crate) fn spawn<T: Send + 'static>(
        self,
        set: &mut JoinSet<T>,
        task: impl Future<Output = T> + Send + 'static,
    ) {
        match self {
            Self::Local => set.spawn_local(task),
            Self::Runtime => set.spawn(task),
        };
    }
}

/// What a workload runs in.
pub(crate) struct World<S> {
    pub(crate) system: S,
    pub(crate) mode: Mode,
    pub(crate) tasks: Tasks,
    pub(crate) cpus: Cpus,
}

/// A system of actors, cheap to clone. Actors are spawned where the mode wants them.
pub(crate) trait System: Clone + Send + Sync + 'static {
    /// A reference to a counter.
    type Counter: Clone + Send + Sync + 'static;
    /// A reference to an actor of a ring.
    type Link: Clone + Send + Sync + 'static;
    /// A reference to an actor that asks a counter.
    type Asker: Clone + Send + Sync + 'static;

    /// Sets the mode's threads and runtimes up and runs a workload in them.
    fn run<F, W>(mode: Mode, cpus: Cpus, workload: F) -> Outcome<f64>
    where
        F: FnOnce(World<Self>) -> W + Send + 'static,
        W: Future<Output = Outcome<f64>> + Send + 'static;

    /// Spawns a counter.
    fn counter(&self, counting: Counting) -> impl Future<Output = Outcome<Self::Counter>> + Send;

    /// Spawns many. A system whose spawn waits for the actor's start begins them [together].
    fn counters(
        &self,
        count: u64,
        counting: &Counting,
    ) -> impl Future<Output = Outcome<Vec<Self::Counter>>> + Send {
        async move {
            let mut counters = Vec::with_capacity(count as usize);
            for _ in 0..count {
                counters.push(self.counter(counting.clone()).await?);
            }
            Ok(counters)
        }
    }

    /// Lets it [add](Counting::add).
    fn tell(counter: &Self::Counter, value: u64) -> impl Future<Output = Outcome<()>> + Send;

    /// Lets it [read](Counting::read).
    fn ask(counter: &Self::Counter, value: u64) -> impl Future<Output = Outcome<u64>> + Send;

    /// Spawns an actor that asks.
    fn asker(&self, counter: Self::Counter) -> impl Future<Output = Outcome<Self::Asker>> + Send;

    /// Lets it ask its counter so often, one ask after the other, and waits until it is done.
    fn let_ask(asker: &Self::Asker, asks: u64) -> impl Future<Output = Outcome<()>> + Send;

    /// Spawns an actor of a ring. It passes the gate with a token that has no hops left.
    fn link(&self, gate: Arc<Gate>) -> impl Future<Output = Outcome<Self::Link>> + Send;

    /// Tells it who is next.
    fn join(link: &Self::Link, next: Self::Link) -> impl Future<Output = Outcome<()>> + Send;

    /// Gives it a token with so many hops left, which it passes on with one less.
    fn pass(link: &Self::Link, hops: u64) -> impl Future<Output = Outcome<()>> + Send;
}

/// Asks one after the other, and checks the answers of a counter that was told nothing.
pub(crate) async fn ask_often<S: System>(counter: &S::Counter, asks: u64) -> Outcome<()> {
    for value in 0..asks {
        let answer = S::ask(counter, value).await?;
        if answer != value {
            return Err(format!("asked with {value}, a counter answered {answer}").into());
        }
    }
    Ok(())
}

/// Begins all futures before it waits for the first.
///
/// # Errors
/// The first that fails; the others are dropped.
pub(crate) async fn together<T, F>(futures: impl Iterator<Item = F>) -> Outcome<Vec<T>>
where
    F: Future<Output = Outcome<T>>,
{
    let mut done = Vec::with_capacity(futures.size_hint().0);
    let mut begun = Vec::new();
    for (future, at) in futures.zip(0_usize..) {
        let mut future = Box::pin(future);
        let polled = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await;
        match polled {
            Poll::Ready(result) => done.push(Some(result?)),
            Poll::Pending => {
                done.push(None);
                begun.push((future, at));
            }
        }
    }
    for (future, at) in begun {
        done[at] = Some(future.await?);
    }
    Ok(done.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{Instant, sleep};

    use super::together;

    #[tokio::test(start_paused = true)]
    async fn all_begin_before_the_first_is_done() {
        let began = Instant::now();
        let waits = [30, 0, 10].map(Duration::from_millis).into_iter().map(async |wait| {
            sleep(wait).await;
            Ok(wait.as_millis())
        });
        assert_eq!(together(waits).await.unwrap(), [30, 0, 10]);
        assert_eq!(began.elapsed().as_millis(), 30);
        let mixed = [true, false]
            .into_iter()
            .map(async |good| if good { Ok(()) } else { Err("no".into()) });
        assert_eq!(together(mixed).await.unwrap_err().to_string(), "no");
    }
}
