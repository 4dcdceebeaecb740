//! One trace over nodes on loopback, each with threads of its own: with the ids that nodes make up, and with those of a
//! tracing system, which a propagation gives. The test is alone in its program, for its listener is the program's.

use std::{
    collections::BTreeMap,
    fmt::Debug,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use odeon::{
    Actor, ActorRef, Ca, Context, Handler, Node, StartError, TraceContext, TracePropagation,
    Validity, actor, current_trace,
    env::{Env, RealEnv},
    in_trace, message,
};
use tracing::{
    Instrument, Span, Subscriber,
    field::{Empty, Field, Visit},
    span::{Attributes, Id, Record},
};
use tracing_subscriber::{
    Layer, Registry,
    layer::{Context as LayerContext, SubscriberExt},
    registry::LookupSpan,
};

const LONG: Duration = Duration::from_secs(20);

#[message(id = "traces/Pass", reply = String)]
struct Pass {
    text: String,
}

#[derive(Clone)]
struct Relay {
    next: Option<ActorRef<Self>>,
}

#[actor(id = "traces/Relay", handles(Pass))]
impl Actor for Relay {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Pass> for Relay {
    async fn handle(&mut self, pass: Pass, _: &mut Context<Self>) -> String {
        match &self.next {
            Some(next) => next.ask(pass).within(LONG).await.expect("the next one answers"),
            None => current_trace().map_or_else(|| pass.text, |it| format!("{it} {}", it.state)),
        }
    }
}

type Fields = BTreeMap<&'static str, String>;

#[derive(Clone, Default)]
struct Spans(Arc<Mutex<Vec<Seen>>>);

/// A span, its name and its fields.
type Seen = (Id, &'static str, Fields);

struct Read<'a>(&'a mut Fields);

impl Visit for Read<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl Spans {
    fn lock(&self) -> MutexGuard<'_, Vec<(Id, &'static str, Fields)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the spans of this name have as a field, those of handlers only of `Pass`.
    fn all(&self, name: &str, field: &str) -> Vec<String> {
        let spans = self.lock();
        let is_wanted = |fields: &Fields| {
            name != "handle" || fields.get("message").is_some_and(|it| it.contains("Pass"))
        };
        let of_name = spans.iter().filter(|(_, own, fields)| *own == name && is_wanted(fields));
        of_name.filter_map(|(.., fields)| fields.get(field).cloned()).collect()
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Spans {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, _: LayerContext<'_, S>) {
        let mut fields = Fields::new();
        attributes.record(&mut Read(&mut fields));
        self.lock().push((id.clone(), attributes.metadata().name(), fields));
    }

    fn on_record(&self, id: &Id, record: &Record<'_>, _: LayerContext<'_, S>) {
        let mut spans = self.lock();
        if let Some((.., fields)) = spans.iter_mut().rev().find(|(own, ..)| own == id) {
            record.record(&mut Read(fields));
        }
    }
}

/// As a tracing system would: it knows the context of each span itself, and numbers its own spans.
struct Numbered(TraceContext);

impl TracePropagation for Numbered {
    fn outgoing(&self, _: &Span, around: Option<&TraceContext>) -> Option<TraceContext> {
        Some(around.unwrap_or(&self.0).clone())
    }

    fn incoming(&self, span: &Span, from: Option<&TraceContext>) -> Option<TraceContext> {
        let mut own = from.unwrap_or(&self.0).clone();
        own.parent_id[7] += 1;
        span.record("span_id", own.parent_id_hex());
        Some(own)
    }
}

/// A relay on each of three nodes; that of the first, and the nodes.
async fn three(context: Option<TraceContext>) -> (ActorRef<Relay>, Vec<Node>) {
    let ca = Ca::in_memory("traces").expect("a good name");
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(3600));
    let mut nodes: Vec<Node> = Vec::new();
    let mut next = None;
    for name in ["c", "b", "a"] {
        let identity = ca.issue(name, validity).expect("a good name");
        let mut builder = Node::builder(name).identity(identity).actor::<Relay>().workers(1);
        builder = match nodes.first() {
            Some(first) => builder.seed(first.addr().to_string()),
            None => builder.alone(),
        };
        if let Some(context) = context.clone() {
            builder = builder.trace_propagation(Numbered(context));
        }
        let node = builder.start().await.expect("it starts");
        assert!(node.joined().await);
        let far = match nodes.last() {
            None => None,
            Some(last) => {
                // As soon as this node has heard of that one.
                let mut name =
                    node.on(last.name()).follow::<Relay>("relay").await.expect("it runs");
                let found = tokio::time::timeout(LONG, name.held()).await.expect("it is there");
                Some(found.expect("it runs"))
            }
        };
        let relay = node.spawn(Relay { next: far }).await.expect("it starts");
        node.register("relay", &relay).expect("the name is free");
        next = Some(relay);
        nodes.push(node);
    }
    (next.expect("there are three"), nodes)
}

async fn stop(nodes: Vec<Node>) {
    for node in nodes.into_iter().rev() {
        node.stop(Duration::from_secs(2)).await;
    }
}

#[tokio::test]
async fn one_trace_goes_over_the_threads_of_three_nodes() {
    let spans = Spans::default();
    tracing::subscriber::set_global_default(Registry::default().with(spans.clone()))
        .expect("it is the only one");
    let (first, nodes) = three(None).await;
    let order = tracing::info_span!("order", trace_id = Empty, span_id = Empty);
    let asked = async { first.ask(Pass { text: String::new() }).within(LONG).await };
    let last = asked.instrument(order).await.expect("all are there");
    let traces = spans.all("handle", "trace_id");
    assert_eq!(traces.len(), 3, "{:?}", spans.lock());
    let trace = spans.all("order", "trace_id").pop().expect("it was told");
    assert!(traces.iter().all(|one| *one == trace), "{trace} {traces:?}");
    let own = spans.all("handle", "span_id");
    let parents = [spans.all("order", "span_id"), own[..2].to_vec()].concat();
    assert_eq!(spans.all("handle", "parent_id"), parents);
    assert_eq!(last, format!("00-{trace}-{}-01 ", own[2]));
    // A trace that began elsewhere, with what tracing systems say in it.
    let begun: TraceContext = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
        .parse()
        .expect("it is well formed");
    let state = format!("rojo={},congo=t61", "x".repeat(200));
    let begun = begun.with_state(state.parse().expect("it is well formed"));
    let asked = async { first.ask(Pass { text: String::new() }).within(LONG).await };
    let last = in_trace(begun, asked).await.expect("all are there");
    assert!(last.starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"), "{last}");
    assert!(last.ends_with(&format!("-00 {state}")), "{last}");
    stop(nodes).await;

    spans.lock().clear();
    let begun = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba90200-00";
    let context: TraceContext = begun.parse().expect("it is well formed");
    let state = "rojo=1".parse().expect("it is well formed");
    let (first, nodes) = three(Some(context.with_state(state))).await;
    let asked = async { first.ask(Pass { text: String::new() }).within(LONG).await };
    let last = asked.instrument(tracing::info_span!("order")).await.expect("all are there");
    assert_eq!(last, begun.replace("200-00", "203-00 rojo=1"), "one span a node");
    stop(nodes).await;
}
