//! One trace over many nodes: a tells b, b asks c, and the spans of all three have one trace id, each with the span id of
//! the one before as its parent; forwarded and retried messages too. Where nobody listens, frames are no longer.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use odeon::{
    Actor, ActorRef, Context, Handler, Node, NodeBuilder, RetryPolicy, StartError, SystemConfig,
    TraceContext, TraceState, actor, current_trace, in_trace, message,
};
use odeon_sim::World;
use tracing::{
    Instrument, Subscriber,
    field::{Empty, Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context as LayerContext, SubscriberExt},
    registry::LookupSpan,
};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 3] = ["a", "b", "c"];

/// Passed on over all nodes, by a tell, then by an ask or by forwarding it.
#[message(id = "traces/Pass", idempotent, reply = u64)]
#[derive(Clone)]
struct Pass {
    hops: u64,
    forward: bool,
}

/// Gives a relay the one that comes after it.
#[message(id = "traces/Next")]
struct Next {
    relay: ActorRef<Relay>,
}

thread_local! {
    /// The state of the trace in each handler of `Pass`, in order.
    static STATES: RefCell<Vec<TraceState>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Default)]
struct Relay {
    next: Option<ActorRef<Self>>,
}

#[actor(id = "traces/Relay", handles(Pass, Next))]
impl Actor for Relay {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Next> for Relay {
    async fn handle(&mut self, next: Next, _: &mut Context<Self>) {
        self.next = Some(next.relay);
    }
}

impl Handler<Pass> for Relay {
    async fn handle(&mut self, pass: Pass, ctx: &mut Context<Self>) -> u64 {
        let Pass { hops, forward } = pass;
        STATES.with_borrow_mut(|states| states.extend(current_trace().map(|it| it.state)));
        let Some(next) = self.next.clone().filter(|_| hops > 0) else { return 0 };
        let pass = Pass { hops: hops - 1, forward };
        if forward {
            return ctx.forward(&next, pass).await;
        }
        // What is sent after a wait is sent from the same span.
        tokio::time::sleep(Duration::from_millis(5)).await;
        match next.ask(pass).await {
            Ok(far) => far + 1,
            Err(error) => panic!("{error}"),
        }
    }
}

type Fields = BTreeMap<&'static str, String>;

/// The fields of each span, by its id; ids are not used again in one run of a test.
#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

/// The id of a span, its name and its fields.
type Seen = (u64, &'static str, Fields);

struct Read<'a>(&'a mut Fields);

impl Visit for Read<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Spans {
    fn lock(&self) -> MutexGuard<'_, Vec<(u64, &'static str, Fields)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clear(&self) {
        self.lock().clear();
    }

    /// The spans of handlers of `Pass`, in order.
    fn passes(&self) -> Vec<Fields> {
        let is_pass = |fields: &Fields| fields.get("message").is_some_and(|it| it.contains("Pass"));
        let spans = self.lock();
        let handles = spans.iter().filter(|(_, name, fields)| *name == "handle" && is_pass(fields));
        handles.map(|(.., fields)| fields.clone()).collect()
    }

    /// The fields of the span with this name.
    fn named(&self, name: &str) -> Fields {
        let spans = self.lock();
        let found = spans.iter().find(|(_, found, _)| *found == name);
        found.map(|(.., fields)| fields.clone()).expect("it was made")
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: LayerContext<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Read(&mut fields));
        self.lock().push((id.into_u64(), attributes.metadata().name(), fields));
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, _: LayerContext<'_, S>) {
        let mut spans = self.lock();
        if let Some((.., fields)) = spans.iter_mut().rev().find(|(own, ..)| *own == id.into_u64()) {
            record.record(&mut Read(fields));
        }
    }
}

async fn relay(node: Node) {
    let relay = node.spawn(Relay::default()).await.expect("it starts");
    node.register("relay", &relay).expect("the name is free");
}

/// The relay of a, which passes on to b, which does to c.
async fn three(world: &mut World) -> ActorRef<Relay> {
    let mut config = SystemConfig::default();
    config.retry_percent = 10_000;
    for name in NAMES {
        let config = config.clone();
        let setup = move |builder: NodeBuilder| builder.actor::<Relay>().system(config.clone());
        world.start_member(name, setup, relay);
    }
    world.all_joined(&NAMES, 10 * SECOND).await.expect("they find each other");
    let mut next = None;
    for name in ["c", "b", "a"] {
        let node = world.runtime_node(name).expect("it is up");
        let own = node.lookup::<Relay>("relay").expect("it is registered");
        let other = if name == "a" { "b" } else { "c" };
        if name != "c" {
            let relay = node.on(other).lookup::<Relay>("relay").await.expect("it answers");
            let relay = relay.expect("it is registered");
            own.ask(Next { relay }).await.expect("it is there");
        }
        next = Some(own);
    }
    next.expect("there are three")
}

fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    fields.get(name).map(String::as_str).unwrap_or_else(|| panic!("no {name} in {fields:?}"))
}

/// Each span has the trace of the first, and the one before as its parent.
fn assert_one_trace(passes: &[Fields], trace_id: &str, parent_id: &str) {
    let mut parent_id = parent_id.to_owned();
    for pass in passes {
        assert_eq!(field(pass, "trace_id"), trace_id, "{passes:#?}");
        assert_eq!(field(pass, "parent_id"), parent_id, "{passes:#?}");
        field(pass, "span_id").clone_into(&mut parent_id);
    }
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn one_trace_id_goes_over_three_nodes(world: &mut World) {
    let first = three(world).await;
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(Registry::default().with(spans.clone()));
    for forward in [false, true] {
        spans.clear();
        let order = tracing::info_span!("order", trace_id = Empty, span_id = Empty);
        let asked = async { first.ask(Pass { hops: 2, forward }).await };
        let hops = asked.instrument(order).await.expect("all are there");
        assert_eq!(hops, if forward { 0 } else { 2 });
        let (order, passes) = (spans.named("order"), spans.passes());
        assert_eq!(passes.len(), 3, "{passes:#?}");
        assert_eq!(field(&order, "trace_id").len(), 32);
        assert_one_trace(&passes, field(&order, "trace_id"), field(&order, "span_id"));
    }
    // One that began elsewhere, told and not asked, and not sampled, with what tracing systems say in it.
    spans.clear();
    STATES.take();
    let elsewhere: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
        .parse()
        .expect("it is the example of the specification");
    let state: TraceState = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".parse().expect("so is this");
    in_trace(elsewhere.with_state(state.clone()), async {
        first.tell(Pass { hops: 2, forward: false }).await
    })
    .await
    .expect("it is there");
    world.run_for(SECOND).await;
    let passes = spans.passes();
    assert_eq!(passes.len(), 3, "{passes:#?}");
    assert_one_trace(&passes, "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
    assert_eq!(STATES.take(), vec![state; 3]);
}

#[odeon_sim::test(seeds = 0..5, link = both)]
async fn what_is_sent_again_keeps_its_trace(world: &mut World) {
    let _ = three(world).await;
    let a = world.runtime_node("a").expect("it is up");
    let far = a.on("c").lookup::<Relay>("relay").await.expect("c answers");
    let far = far.expect("it is registered");
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(Registry::default().with(spans.clone()));
    world.cut("a", "c");
    let policy = RetryPolicy::attempts(100)
        .pauses(Duration::from_millis(10), Duration::from_millis(100))
        .attempt_within(Duration::from_millis(120));
    let order = tracing::info_span!("order", trace_id = Empty, span_id = Empty);
    let ask = async move {
        far.ask(Pass { hops: 0, forward: false }).retry(policy).within(60 * SECOND).await
    };
    let asked = tokio::task::spawn_local(ask.instrument(order));
    world.run_for(SECOND).await;
    assert!(!asked.is_finished() && a.stats().retries > 2);
    world.heal();
    asked.await.expect("it does not panic").expect("it came through at last");
    let (order, passes) = (spans.named("order"), spans.passes());
    assert!(!passes.is_empty());
    for pass in &passes {
        assert_one_trace(
            std::slice::from_ref(pass),
            field(&order, "trace_id"),
            field(&order, "span_id"),
        );
    }
}

#[odeon_sim::test(seeds = 0, link = both)]
async fn where_nobody_listens_no_frame_is_longer(world: &mut World) {
    world.set_buggify(0);
    let first = three(world).await;
    let sent = |world: &World| {
        let node = world.runtime_node("a").expect("it is up");
        let b = node.network_metrics().of("b").cloned().expect("they have met");
        b.lanes.iter().map(|lane| lane.stream.bytes_sent).sum::<u64>()
    };
    let mut bytes = Vec::new();
    for listens in [false, true, false] {
        let spans = Spans::default();
        let _listening = listens
            .then(|| tracing::subscriber::set_default(Registry::default().with(spans.clone())));
        let before = sent(world);
        let order = tracing::info_span!("order");
        let asked = async { first.ask(Pass { hops: 1, forward: false }).await };
        asked.instrument(order).await.expect("b answers");
        world.run_for(SECOND).await;
        bytes.push(sent(world) - before);
        assert_eq!(spans.passes().len(), if listens { 2 } else { 0 });
    }
    assert_eq!(bytes[0], bytes[2]);
    // The record has 29 bytes beside the 12 of the time that is left, which are padded to 16 with or without it.
    assert_eq!(bytes[1], bytes[0] + 32);
}
