//! A message that is read where it lies: a batch of log lines of which only a few are wanted, without a string of its own
//! for each of the others.
//!
//! A message between nodes is an archive. `Handler` makes a value of it; `ViewHandler` reads the archive in the memory
//! that it arrived in, and may keep it there, as long as its sender can do without the credit.

use std::error::Error;

use odeon::{Actor, ActorRef, Context, Handler, StartError, View, ViewHandler, actor, message};
use odeon_examples::{cluster, stop};

/// Its reply is how many errors were seen by now.
#[message(id = "log/Batch", reply = u64)]
struct Batch {
    host: String,
    lines: Vec<String>,
}

/// The last line that was an error; the one string that is made of a batch.
#[message(id = "log/Last", reply = Option<String>)]
struct Last;

#[derive(Clone, Default)]
struct Errors {
    seen: u64,
    last: Option<String>,
}

// What other nodes send: `Last` becomes a value, a batch is read in place.
#[actor(id = "log/Errors", handles(Last), views(Batch))]
impl Actor for Errors {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Errors {
    fn note<'a>(&mut self, host: &str, lines: impl Iterator<Item = &'a str>) -> u64 {
        for line in lines.filter(|line| line.starts_with("error")) {
            self.seen += 1;
            self.last = Some(format!("{host}: {line}"));
        }
        self.seen
    }
}

/// A batch of another node: nothing is copied out of it that is not wanted.
impl ViewHandler<Batch> for Errors {
    async fn view(&mut self, batch: View<Batch>, _: &mut Context<Self>) -> u64 {
        self.note(&batch.host, batch.lines.iter().map(|line| line.as_str()))
    }
}

/// A batch of this node is a value already.
impl Handler<Batch> for Errors {
    async fn handle(&mut self, batch: Batch, _: &mut Context<Self>) -> u64 {
        self.note(&batch.host, batch.lines.iter().map(String::as_str))
    }
}

impl Handler<Last> for Errors {
    async fn handle(&mut self, _: Last, _: &mut Context<Self>) -> Option<String> {
        self.last.clone()
    }
}

fn batch(host: &str, errors: usize) -> Batch {
    let line = |n| match n < errors {
        true => format!("error: disk {n} is full"),
        false => format!("info: request {n} took a moment"),
    };
    Batch { host: host.to_owned(), lines: (0..1000).map(line).collect() }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let nodes = cluster(&["web", "logs"], None, |builder| builder.actor::<Errors>()).await?;
    let [web, logs] = &nodes[..] else { unreachable!("two names are two nodes") };
    let errors = logs.spawn(Errors::default()).await?;
    logs.register("errors", &errors)?;

    let far: ActorRef<Errors> = web.on("logs").lookup("errors").await?.ok_or("it is registered")?;
    assert_eq!(far.ask(batch("web", 3)).await?, 3); // by the view handler
    assert_eq!(errors.ask(batch("logs", 1)).await?, 4); // by the handler
    assert_eq!(far.ask(Last).await?.as_deref(), Some("logs: error: disk 0 is full"));

    // What messages of that node hold here; views that are kept are in it.
    let stats = logs.on("web").stats().ok_or("it has sent something")?;
    assert!(stats.bytes_received > 0 && stats.pinned_bytes < 1 << 20, "{stats:?}");
    drop((errors, far));
    stop(nodes).await;
    Ok(())
}
