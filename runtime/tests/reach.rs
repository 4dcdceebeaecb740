//! What other nodes cannot reach or be sent, and what is said of it: a type that was not declared, a message that is
//! not listed, one that is too long, one with a reference that is of no use elsewhere.

use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use odeon::{
    Actor, ActorRef, AskError, Ca, Certainty, Context, ExportError, Handler, LookupError, Node,
    SpawnOptions, StartError, Validity, actor,
    env::{Env, RealEnv},
    message,
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span,
};

const LONG: Duration = Duration::from_secs(20);

#[message(id = "reach/Listed", reply = u64)]
struct Listed {
    text: String,
}

#[message(id = "reach/Unlisted")]
struct Unlisted;

#[message(id = "reach/Grow", reply = String)]
struct Grow {
    bytes: u64,
}

#[message(id = "reach/Meet")]
struct Meet {
    who: ActorRef<Undeclared>,
}

#[derive(Clone, Default)]
struct Known;

#[actor(id = "reach/Known", handles(Listed, Grow, Meet))]
impl Actor for Known {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Listed> for Known {
    async fn handle(&mut self, listed: Listed, _: &mut Context<Self>) -> u64 {
        listed.text.len() as u64
    }
}

impl Handler<Unlisted> for Known {
    async fn handle(&mut self, _: Unlisted, _: &mut Context<Self>) {}
}

impl Handler<Grow> for Known {
    async fn handle(&mut self, grow: Grow, _: &mut Context<Self>) -> String {
        "x".repeat(grow.bytes as usize)
    }
}

impl Handler<Meet> for Known {
    async fn handle(&mut self, _: Meet, _: &mut Context<Self>) {}
}

/// Has an id, and no node declares it.
#[derive(Clone, Default)]
struct Undeclared;

#[actor(id = "reach/Undeclared", handles(Listed))]
impl Actor for Undeclared {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Listed> for Undeclared {
    async fn handle(&mut self, _: Listed, _: &mut Context<Self>) -> u64 {
        0
    }
}

/// The warnings of all nodes of this program.
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn warnings() -> MutexGuard<'static, Vec<String>> {
    WARNINGS.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Warnings;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!("{field}={value:?} ");
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        warnings().push(text.0);
    }

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

async fn pair() -> (Node, Node) {
    let ca = Ca::in_memory("reach").expect("the name is good");
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(24 * 3600));
    let builder = |name: &str| {
        let identity = ca.issue(name, validity).expect("the name is good");
        Node::builder(name).identity(identity).actor::<Known>()
    };
    let a = builder("a").alone().start().await.expect("a starts");
    let b = builder("b").seed(a.addr().to_string()).start().await.expect("b starts");
    assert!(b.joined().await);
    (a, b)
}

#[odeon::main]
async fn names() {
    let (a, b) = pair().await;
    let options = SpawnOptions::default().named("hidden");
    let hidden = a.spawn_opts::<Undeclared>(Undeclared, options).await.expect("it starts");
    a.register("hidden too", &hidden).expect("the name is free");
    let error = b.on("a").lookup::<Undeclared>("hidden").await.expect_err("it has no address");
    let LookupError::Hidden { why, .. } = &error else { panic!("{error}") };
    assert_eq!(*why, ExportError::Undeclared);
    let text = error.to_string();
    assert!(text.contains("hidden is there on a") && text.contains("NodeBuilder::actor"), "{text}");
    let free = b.on("a").lookup::<Known>("free").await.expect("a answers");
    assert!(free.is_none(), "nobody has that name");
    let warnings = warnings().clone();
    let said = |text: &&String| text.contains("reach/Undeclared") && text.contains("hidden");
    assert_eq!(warnings.iter().filter(said).count(), 1, "{warnings:?}");
    a.stop(LONG).await;
    b.stop(LONG).await;
}

/// It was `Ok(None)`, and nothing said why.
#[test]
fn a_named_actor_of_an_undeclared_type_is_there_and_says_so() {
    tracing::subscriber::set_global_default(Warnings).expect("no other test sets one");
    names();
}

#[odeon::main]
async fn messages() {
    let (a, b) = pair().await;
    let options = SpawnOptions::default().named("known");
    a.spawn_opts::<Known>(Known, options).await.expect("it starts");
    let known = b.on("a").lookup::<Known>("known").await.expect("a answers").expect("it is there");

    let error = known.ask(Unlisted).await.expect_err("it is not listed");
    assert!(matches!(error, AskError::Incompatible(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("reach/Unlisted") && text.contains("handles(…)"), "{text}");
    assert!(!text.contains("layout"), "{text}");

    let long = Listed { text: "x".repeat(65 << 20) };
    let error = known.ask(long).await.expect_err("it is too long");
    assert!(matches!(error, AskError::Unsendable(_)), "{error}");
    assert_eq!(error.certainty(), Certainty::NotDelivered);
    assert!(error.to_string().contains("67108864"), "{error}");

    let error = known.ask(Grow { bytes: 65 << 20 }).await.expect_err("the reply is too long");
    assert!(matches!(error, AskError::Unsendable(_)), "{error}");
    assert_eq!(error.certainty(), Certainty::Ran);

    let who = b.spawn(Undeclared).await.expect("it starts");
    let error = known.ask(Meet { who }).await.expect_err("a could not use the reference");
    assert!(matches!(error, AskError::Unsendable(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("Undeclared") && text.contains("NodeBuilder::actor"), "{text}");
    assert!(!text.contains("could not be read"), "{text}");
    a.stop(LONG).await;
    b.stop(LONG).await;
}

#[test]
fn what_cannot_be_sent_says_what_is_the_matter() {
    messages();
}
