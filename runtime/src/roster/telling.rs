//! Telling the other members of this node's entries.
//!
//! What it is: a task that follows the members, and for each of them one that sends pages: one at a time, again when
//! nobody has answered, the next when that one was taken. Whatever is lost on the way is so sent again. What it is NOT:
//! the pages; `odeon-cluster` makes them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use odeon_cluster::{Cursor, Page, Roster};
use odeon_env::buggify::any_order;
use odeon_message::{Incarnation, NodeId};
use tokio::{
    sync::watch,
    task::{AbortHandle, JoinSet},
    time::sleep,
};

use super::{
    RosterHall,
    receptionist::{Receptionist, TakePage},
};
use crate::directory::{Member, MemberEvent, Members};

/// Follows the members until it is dropped; inside of a `LocalSet`.
pub(crate) async fn run(roster: Arc<RosterHall>, mut members: Members) {
    let mut tasks = JoinSet::new();
    let mut told: BTreeMap<(NodeId, Incarnation), AbortHandle> = BTreeMap::new();
    loop {
        let event = tokio::select! {
            biased;
            Some(_) = tasks.join_next() => continue,
            event = members.next() => event,
        };
        match event {
            Some(MemberEvent::Up(member)) => {
                let id = (member.node, member.incarnation);
                let task = any_order(Box::pin(tell(Arc::clone(&roster), member)));
                told.insert(id, tasks.spawn_local(task));
            }
            Some(MemberEvent::Down { member, .. }) => {
                if let Some(task) = told.remove(&(member.node, member.incarnation)) {
                    task.abort();
                }
            }
            // What it says of itself is no part of the roster.
            Some(MemberEvent::Changed(_)) => {}
            // The node has ended, and this task ends with it.
            None => std::future::pending().await,
        }
    }
}

/// Tells one member of everything, until it is gone.
async fn tell(roster: Arc<RosterHall>, member: Member) {
    let receptionist = Receptionist::of(roster.system(), member.node, member.incarnation);
    let config = roster.config().clone();
    let (mut versions, mut waiting) = (roster.versions(), roster.waiting());
    let mut cursor = Cursor::default();
    // Answers in a row that it has not taken what it was told.
    let mut refused: u32 = 0;
    loop {
        let page = match roster.with(|roster| roster.page(&mut cursor)) {
            Some(page) => page,
            None => {
                match news_or_check(&roster, member.node, (&mut versions, &mut waiting)).await {
                    Some(page) => page,
                    None => continue,
                }
            }
        };
        let (of, to, is_last) = (page.incarnation, page.to, page.digest.is_some());
        let answer = receptionist.ask(TakePage { page }).await;
        match answer {
            Ok(reached) => {
                let is_covered = cursor.answered(to, is_last, reached.covered);
                roster.answered(member.node, of, reached);
                if is_covered {
                    refused = 0;
                    continue;
                }
                // It does not know this node as a member yet, or has lost its place; or it takes no more.
                refused = refused.saturating_add(1);
                if refused == REFUSED_PATIENTLY {
                    tracing::warn!(
                        member = member.name,
                        is_member = reached.is_member,
                        entries = roster.with(Roster::own_len),
                        "a member does not take all names, groups and topics of this node:                          give all nodes the same entries_max in RosterConfig, and the right time"
                    );
                }
                sleep(pause_after(refused, config.retry_after)).await;
            }
            Err(error) => {
                tracing::debug!(member = member.name, %error, "a member was not told of names and groups");
                sleep(config.retry_after).await;
            }
        }
    }
}

/// How often a member is told all again at the pace of one that did not answer; then the pause is doubled each time, up
/// to [`DOUBLED_MAX`] times, as who takes no more would be sent everything for ever.
const REFUSED_PATIENTLY: u32 = 8;

/// Most doublings: of 200 ms to some 26 s.
const DOUBLED_MAX: u32 = 7;

/// The pause after so many refusals in a row.
fn pause_after(refused: u32, retry_after: Duration) -> Duration {
    let doubled = refused.saturating_sub(REFUSED_PATIENTLY).min(DOUBLED_MAX);
    retry_after.saturating_mul(1 << doubled)
}

/// Waits for something to tell; or for the time to ask whether all is known, which comes to a member the more rarely the
/// more of them there are, so that a node asks as often in any cluster. While a name of this node waits for that member
/// to be settled, it is asked at once, and then as often as one that does not answer.
async fn news_or_check(
    roster: &RosterHall,
    member: NodeId,
    (versions, waiting): (&mut watch::Receiver<u64>, &mut watch::Receiver<usize>),
) -> Option<Page> {
    let members = roster.with(|roster| roster.peers().count()).max(1);
    let is_awaited = |waiting: usize| waiting > 0 && !roster.with(|it| it.is_settled(member));
    let pause = match is_awaited(*waiting.borrow()) {
        true => roster.config().retry_after,
        false => roster.config().check_every * u32::try_from(members).unwrap_or(u32::MAX),
    };
    // The senders live in the roster.
    tokio::select! {
        biased;
        _ = versions.changed() => None,
        _ = waiting.changed() => {
            let waiting = *waiting.borrow_and_update();
            is_awaited(waiting).then(|| roster.with(Roster::question))
        }
        () = sleep(pause) => match is_awaited(*waiting.borrow()) {
            true => Some(roster.with(Roster::question)),
            false => roster.with(Roster::check_page),
        },
    }
}
