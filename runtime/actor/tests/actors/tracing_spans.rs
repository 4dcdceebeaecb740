//! A span for each handler, and how it follows the sender's.

use std::time::Duration;

use odeon_message::message;
use tokio::time::sleep;
use tracing::{Instrument, field::Empty};

use crate::{
    fixture::{Add, Boom, Leave, Tally, Worker, on_one_thread, read},
    kin::settle,
    odeon::{
        Actor, ActorRef, ActorSystem, Context, Handler, ReadContext, ReadHandler, SpawnOptions,
        StartError, TraceContext, current_trace, in_trace,
    },
    spans::Spans,
};

/// Passes on what it is asked.
struct Clerk(ActorRef<Worker>);

impl Actor for Clerk {
    type Args = ActorRef<Worker>;

    async fn start(worker: ActorRef<Worker>, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(worker))
    }
}

/// Asks the worker, after a second, and tells it.
#[message(local, reply = u64, crate = crate::odeon)]
struct PassOn;

impl Handler<PassOn> for Clerk {
    async fn handle(&mut self, _: PassOn, _: &mut Context<Self>) -> u64 {
        sleep(Duration::from_secs(1)).await;
        tracing::info!("waited");
        self.0.tell(Add(1)).await.unwrap();
        self.0.ask(Add(1)).await.unwrap()
    }
}

/// Looks, for a second.
#[message(local, reply = u64, crate = crate::odeon)]
struct Look(u64);

impl ReadHandler<Look> for Clerk {
    async fn read(&self, look: Look, _: &ReadContext<Self>) -> u64 {
        sleep(Duration::from_secs(1)).await;
        tracing::info!(look = look.0);
        look.0
    }
}

odeon_actor::reads!(Clerk: Look);

async fn staff(system: &ActorSystem) -> (ActorRef<Clerk>, ActorRef<Worker>, Tally) {
    let tally = Tally::default();
    let worker = system.spawn::<Worker>(tally.clone(), SpawnOptions::default()).await.unwrap();
    let clerk = system.spawn::<Clerk>(worker.clone(), SpawnOptions::default()).await.unwrap();
    (clerk, worker, tally)
}

#[test]
fn a_span_of_each_handler_follows_the_span_that_sent_its_message() {
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(spans.subscriber());
    on_one_thread(1, |system| async move {
        let (clerk, worker, _) = staff(&system).await;
        let call = tracing::info_span!("call");
        assert_eq!(clerk.ask(PassOn).into_future().instrument(call).await, Ok(2));
        let noted = spans.noted();
        let call = noted.iter().position(|noted| noted.name == "call").unwrap();
        let [(outer, pass_on)] = &spans.handlers("PassOn")[..] else { panic!("{noted:?}") };
        assert_eq!((pass_on.inside, &pass_on.follows[..]), (None, &[call][..]), "{noted:?}");
        assert!(pass_on.fields.contains("actor=2 "), "{}", pass_on.fields);
        assert!(pass_on.fields.contains("tracing_spans::Clerk"), "{}", pass_on.fields);
        assert!(pass_on.entered >= 2 && pass_on.closed, "entered for each poll: {pass_on:?}");
        let waited = noted.iter().find(|noted| noted.fields.contains("waited")).unwrap();
        assert_eq!(waited.inside, Some(*outer), "what a handler logs is in its span");
        let added = spans.handlers("Add");
        assert_eq!(added.len(), 2);
        for (_, add) in added {
            assert_eq!((add.inside, add.follows), (None, vec![*outer]), "linked, not nested");
        }
        worker.ask(Add(1)).await.unwrap();
        let (_, add) = spans.handlers("Add").pop().unwrap();
        assert_eq!(add.follows, [0; 0], "the sender had no span");
    });
}

#[test]
fn one_trace_goes_through_all_handlers_that_one_span_caused() {
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(spans.subscriber());
    on_one_thread(1, |system| async move {
        let (clerk, _, _) = staff(&system).await;
        let call = tracing::info_span!("call", trace_id = Empty, span_id = Empty);
        assert_eq!(clerk.ask(PassOn).into_future().instrument(call).await, Ok(2));
        let noted = spans.noted();
        let call = noted.iter().find(|noted| noted.name == "call").unwrap();
        let trace = call.field("trace_id").expect("it was told");
        assert!(trace.len() == 32 && trace != "0".repeat(32), "{trace}");
        let (_, pass_on) = spans.handlers("PassOn").pop().unwrap();
        assert_eq!(pass_on.field("trace_id"), Some(trace));
        assert_eq!(pass_on.field("parent_id"), call.field("span_id"));
        for (_, add) in spans.handlers("Add") {
            assert_eq!(add.field("trace_id"), Some(trace));
            assert_eq!(add.field("parent_id"), pass_on.field("span_id"), "also after a wait");
        }
        // A caller without a span, and then one with a trace from elsewhere.
        clerk.ask(PassOn).await.unwrap();
        let (_, alone) = spans.handlers("PassOn").pop().unwrap();
        assert!(alone.field("trace_id") != Some(trace) && alone.field("parent_id").is_none());
        let elsewhere = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let context: TraceContext = elsewhere.parse().unwrap();
        in_trace(context, async { clerk.ask(PassOn).await.unwrap() }).await;
        assert_eq!(current_trace(), None);
        let (_, given) = spans.handlers("PassOn").pop().unwrap();
        assert_eq!(given.field("trace_id"), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(given.field("parent_id"), Some("00f067aa0ba902b7"));
        let traces = spans.handlers("Add").into_iter().map(|(_, add)| add);
        let given_trace = traces.filter(|add| add.field("trace_id") == given.field("trace_id"));
        assert_eq!(given_trace.count(), 2);
    });
}

#[test]
fn reads_have_spans_of_their_own() {
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(spans.subscriber());
    on_one_thread(1, |system| async move {
        let (clerk, _, _) = staff(&system).await;
        let look = async |number: u64| {
            let call = tracing::info_span!("call", number);
            clerk.ask(Look(number)).into_future().instrument(call).await
        };
        let (one, two) = tokio::join!(look(1), look(2));
        assert_eq!((one, two), (Ok(1), Ok(2)));
        let (noted, looked) = (spans.noted(), spans.handlers("Look"));
        assert_eq!(looked.len(), 2);
        for (place, look) in looked {
            let logged = noted.iter().find(|noted| noted.inside == Some(place)).unwrap();
            let number = logged.fields.replace("look=", "");
            let [cause] = look.follows[..] else { panic!("{look:?}") };
            assert_eq!(noted[cause].fields, format!("number={number}"), "each follows its own");
            assert!(look.closed);
        }
    });
}

#[test]
fn whatever_becomes_of_a_message_its_spans_are_closed() {
    let spans = Spans::default();
    let _listening = tracing::subscriber::set_default(spans.subscriber());
    on_one_thread(1, |system| async move {
        let call = tracing::info_span!("call");
        let work = async {
            for later in [false, true] {
                let (_, worker, _) = staff(&system).await;
                worker.tell(Boom { later }).await.unwrap();
                settle().await;
            }
            // Dropped with its future, in the middle of a handler, and in the mailbox behind it.
            let (clerk, worker, tally) = staff(&system).await;
            let asked = clerk.ask(PassOn).into_future();
            assert!(tokio::time::timeout(Duration::from_millis(5), asked).await.is_err());
            clerk.tell(PassOn).await.unwrap();
            clerk.kill();
            // Given back by a full mailbox, and by an actor that is gone.
            let options = SpawnOptions::default().mailbox(1);
            let full = system.spawn::<Clerk>(worker.clone(), options).await.unwrap();
            full.try_tell(PassOn).unwrap();
            settle().await;
            full.try_tell(PassOn).unwrap();
            assert!(full.try_tell(PassOn).unwrap_err().message.is_some());
            let waits = full.tell(PassOn).within(Duration::from_millis(5));
            let given_back = waits.await.unwrap_err().message;
            assert!(given_back.is_some());
            full.kill();
            worker.tell(Leave::Stop).await.unwrap();
            settle().await;
            assert!(worker.tell(Add(1)).await.unwrap_err().message.is_some());
            assert_eq!(read(&tally.runs), 0, "nobody has got as far as the worker");
        };
        work.instrument(call).await;
        settle().await;
        for noted in spans.noted() {
            assert!(noted.name == "event" || noted.closed, "{noted:?}");
        }
        assert!(spans.handlers("Boom").len() == 2 && !spans.handlers("PassOn").is_empty());
    });
}
