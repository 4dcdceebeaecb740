//! Looking names up: several at a time, and no name twice at a time.
//!
//! What it is: [`Lookups`], the names of one source that are being looked up. A name whose answer does not come soon gives
//! its place to the next one, and its answer counts when it comes, be it in a later look. What it is NOT: an end of a
//! look-up: the system's resolver cannot be told to stop, so that a name that is asked for again before it has answered
//! would take another of its threads each time.

use std::{collections::BTreeMap, io, net::SocketAddr, sync::Arc, time::Duration};

use odeon_env::Env;
use tokio::{
    task::JoinSet,
    time::{Instant, timeout_at},
};

/// Names of one source that are waited for at a time: a page of names is soon done, and no name server is flooded.
const LOOKUPS_MAX: usize = 16;

/// How long a name keeps its place: as long as resolvers wait for their first server.
pub(super) const NAME_WITHIN: Duration = Duration::from_secs(5);

/// How long one look lasts: what it has found by then shall be dialled. The next one goes on where it stopped.
const LOOK_WITHIN: Duration = Duration::from_secs(10);

/// A name, and what it stands for.
pub(super) type Answer = (String, io::Result<Vec<SocketAddr>>);

/// The look-ups of one source.
#[derive(Debug, Default)]
pub(super) struct Lookups {
    answers: JoinSet<Answer>,
    /// Names without an answer, and since when. At most as many as a source has.
    asked: BTreeMap<String, Instant>,
    /// The name that the next look begins with.
    place: usize,
}

impl Lookups {
    /// Looks these names up, and gives what was answered to `take`, also of earlier looks; the last name that has no answer
    /// when the look is over.
    pub(super) async fn look(
        &mut self,
        env: &Arc<dyn Env>,
        names: &[String],
        mut take: impl FnMut(Answer),
    ) -> Option<String> {
        let over = Instant::now() + LOOK_WITHIN;
        let (later, first) = names.split_at(self.place % names.len().max(1));
        let mut waiting = first.iter().chain(later).peekable();
        loop {
            // What was answered since the last look, or in this one.
            while let Some(answered) = self.answers.try_join_next() {
                self.answered(answered, &mut take);
            }
            let now = Instant::now();
            let places = self.asked.values().filter(|since| now < **since + NAME_WITHIN);
            let (taken, first_free) = (places.clone().count(), places.min().copied());
            if now >= over || (taken == 0 && waiting.peek().is_none()) {
                return names.iter().rfind(|name| self.asked.contains_key(*name)).cloned();
            }
            if taken < LOOKUPS_MAX
                && let Some(name) = waiting.next()
            {
                self.place = (self.place + 1) % names.len().max(1);
                self.ask(env, name, now);
                continue;
            }
            let until = first_free.map_or(over, |since| over.min(since + NAME_WITHIN));
            if let Ok(Some(answered)) = timeout_at(until, self.answers.join_next()).await {
                self.answered(answered, &mut take);
            }
        }
    }

    fn ask(&mut self, env: &Arc<dyn Env>, name: &str, now: Instant) {
        if self.asked.contains_key(name) {
            return;
        }
        self.asked.insert(name.to_owned(), now);
        let (env, name) = (Arc::clone(env), name.to_owned());
        self.answers.spawn_local(async move {
            let answer = env.resolve(&name).await;
            (name, answer)
        });
    }

    fn answered(
        &mut self,
        answered: Result<Answer, tokio::task::JoinError>,
        take: &mut impl FnMut(Answer),
    ) {
        match answered {
            Ok((name, answer)) => {
                self.asked.remove(&name);
                take((name, answer));
            }
            // A look-up does not panic; of one that did the name is not known, so that all may be asked for again.
            Err(error) => {
                tracing::error!(%error, "a look-up of a name failed");
                self.asked.clear();
            }
        }
    }
}
