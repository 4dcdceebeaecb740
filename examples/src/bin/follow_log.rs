//! An ask that is answered with a stream: a log on one node, followed from another.
//!
//! What it shows: a message whose reply is a stream, an actor that sends what it has and then what comes, a reader that is
//! slower than the log and holds nobody else back, and its end by dropping the stream. What it does NOT show: what
//! becomes of lines that nobody follows; they are in the log.

use std::{error::Error, time::Duration};

use odeon::{
    Actor, Ca, Context, Handler, Items, Node, NodeBuilder, Outlet, OutletError, StartError,
    Validity, actor,
    env::{Env, RealEnv},
    message,
};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const STOP_WITHIN: Duration = Duration::from_secs(5);

#[message(id = "log/Append", reply = u64)]
struct Append {
    line: String,
}

/// All lines from this one on, those to come among them.
#[message(id = "log/Follow", stream = String)]
struct Follow {
    from: u64,
}

/// Sends a follower the lines that it has not been sent.
#[message(local)]
struct CatchUp;

struct Follower {
    outlet: Outlet<String>,
    next: usize,
}

#[derive(Default)]
struct Log {
    lines: Vec<String>,
    followers: Vec<Follower>,
}

#[actor(id = "log/Log", handles(Append, Follow))]
impl Actor for Log {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self::default())
    }
}

impl Log {
    /// As far as each has room; one that is behind is sent the rest later, one that is gone is forgotten.
    fn catch_up(&mut self, ctx: &mut Context<Self>) {
        let lines = &self.lines;
        self.followers.retain_mut(|it| {
            for line in &lines[it.next..] {
                match it.outlet.try_send(line.clone()) {
                    Ok(()) => it.next += 1,
                    Err(OutletError::Closed(_)) => return false,
                    Err(_) => break,
                }
            }
            true
        });
        if self.followers.iter().any(|it| it.next < lines.len()) {
            // With the name it takes the place of one that is set already.
            let again = ctx.after("catch up", Duration::from_millis(1), CatchUp);
            again.expect("its name has one place among the timers");
        }
    }
}

impl Handler<Append> for Log {
    async fn handle(&mut self, append: Append, ctx: &mut Context<Self>) -> u64 {
        self.lines.push(append.line);
        self.catch_up(ctx);
        self.lines.len() as u64
    }
}

impl Handler<Follow> for Log {
    async fn handle(&mut self, follow: Follow, ctx: &mut Context<Self>) -> Items<String> {
        let next = self.lines.len().min(usize::try_from(follow.from).unwrap_or(usize::MAX));
        let (outlet, items) = ctx.outlet();
        self.followers.push(Follower { outlet, next });
        self.catch_up(ctx);
        items
    }
}

impl Handler<CatchUp> for Log {
    async fn handle(&mut self, _: CatchUp, ctx: &mut Context<Self>) {
        self.catch_up(ctx);
    }
}

fn builder(ca: &Ca, name: &str) -> Result<NodeBuilder, Box<dyn Error>> {
    let identity = ca.issue(name, Validity::from(RealEnv.wall_clock(), DAY))?;
    Ok(Node::builder(name).identity(identity).actor::<Log>())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let ca = Ca::in_memory("shop")?;
    let store = builder(&ca, "store")?.alone().start().await?;
    let desk = builder(&ca, "desk")?.seed(store.addr().to_string()).start().await?;
    assert!(desk.joined().await, "the desk ended before it was part of the cluster");
    store.register("log", &store.spawn_with::<Log>(()).await?)?;
    let log = desk.on("store").lookup::<Log>("log").await?.ok_or("the store has no log")?;

    for number in 0..1_000 {
        log.tell(Append { line: format!("line {number}") }).await?;
    }
    let mut lines = log.ask(Follow { from: 0 }).await?.within(Duration::from_secs(5));
    for number in 0..1_000 {
        assert_eq!(lines.next().await.transpose()?, Some(format!("line {number}")));
    }
    // What comes while it is followed comes at once.
    assert_eq!(log.ask(Append { line: "one more".to_owned() }).await?, 1_001);
    assert_eq!(lines.next().await.transpose()?.as_deref(), Some("one more"));
    // The log sees that nobody reads any more, and goes on.
    drop(lines);
    assert_eq!(log.ask(Append { line: "unread".to_owned() }).await?, 1_002);

    desk.stop(STOP_WITHIN).await;
    store.stop(STOP_WITHIN).await;
    Ok(())
}
