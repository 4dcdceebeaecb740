//! Messages of another node that are read in place: what goes to `view` and what to `handle`, and that all else is as for
//! any message: answers, errors, deadlines, panics, credit.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use odeon_message::{
    AskError, AskId, Certainty, Codec, Credit, FailureKind, Message as _, MessageId, Payload, View,
    message,
};
use tokio::{
    sync::{mpsc, oneshot},
    task::yield_now,
    time::sleep,
};

use crate::{
    fixture::in_world,
    net::Net,
    network::Keep,
    odeon::{
        Actor, ActorRef, ActorSystem, Context, Handler, Inbound, ReplyTo, SpawnOptions, StartError,
        ViewHandler, actor,
    },
};

/// How a message came to its handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Came {
    Value,
    View,
}

#[message(id = "view/Line", reply = u64, error = String, crate = crate::odeon)]
#[derive(Clone, Debug, PartialEq)]
struct Line {
    millis: u64,
    text: String,
}

/// As it was before a line had a length of time.
#[message(id = "view/Note", reply = u64, crate = crate::odeon)]
struct NoteV1 {
    text: String,
}

#[message(id = "view/Note", reply = u64, accepts(NoteV1), crate = crate::odeon)]
struct Note {
    text: String,
    copies: u64,
}

impl From<NoteV1> for Note {
    fn from(old: NoteV1) -> Self {
        Self { text: old.text, copies: 1 }
    }
}

/// Carries a reference, so that a value needs the node.
#[message(id = "view/Call", reply = u64, crate = crate::odeon)]
struct Call {
    other: ActorRef<Reader>,
}

#[message(local, crate = crate::odeon)]
struct LetGo;

struct Reader {
    came: mpsc::Sender<Came>,
    kept: Vec<View<Line>>,
}

#[actor(id = "view/Reader", views(Line, Note, Call), crate = crate::odeon)]
impl Actor for Reader {
    type Args = mpsc::Sender<Came>;

    async fn start(came: Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { came, kept: Vec::new() })
    }
}

impl Handler<Line> for Reader {
    async fn handle(&mut self, line: Line, ctx: &mut Context<Self>) -> Result<u64, String> {
        let _ = self.came.try_send(Came::Value);
        let view = View::of(&line).map_err(|error| error.to_string())?;
        read(&view, ctx).await
    }
}

impl ViewHandler<Line> for Reader {
    async fn view(&mut self, line: View<Line>, ctx: &mut Context<Self>) -> Result<u64, String> {
        let _ = self.came.try_send(Came::View);
        let answer = read(&line, ctx).await;
        if line.text.starts_with("keep") {
            self.kept.push(line);
        }
        answer
    }
}

/// The view is held over an await.
async fn read(line: &View<Line>, ctx: &mut Context<Reader>) -> Result<u64, String> {
    match line.text.as_str() {
        "bad" => return Err("it is bad".to_owned()),
        "panic" => panic!("as it was told"),
        "remaining" => return Ok(ctx.remaining().map_or(0, |time| time.as_millis() as u64)),
        _ => {}
    }
    sleep(Duration::from_millis(line.millis.to_native())).await;
    Ok(line.text.len() as u64)
}

impl Handler<Note> for Reader {
    async fn handle(&mut self, note: Note, _: &mut Context<Self>) -> u64 {
        let _ = self.came.try_send(Came::Value);
        note.text.len() as u64 * note.copies
    }
}

impl ViewHandler<Note> for Reader {
    async fn view(&mut self, note: View<Note>, _: &mut Context<Self>) -> u64 {
        let _ = self.came.try_send(Came::View);
        note.text.len() as u64 * note.copies.to_native()
    }
}

impl Handler<Call> for Reader {
    async fn handle(&mut self, call: Call, _: &mut Context<Self>) -> u64 {
        let line = Line { millis: 0, text: "called".to_owned() };
        call.other.ask(line).await.unwrap_or_default()
    }
}

impl ViewHandler<Call> for Reader {
    async fn view(&mut self, call: View<Call>, ctx: &mut Context<Self>) -> u64 {
        assert!(call.read(&()).is_err(), "a reference is of a node");
        match call.read(ctx.system()) {
            Ok(call) => self.handle(call, ctx).await,
            Err(error) => panic!("{error}"),
        }
    }
}

impl Handler<LetGo> for Reader {
    async fn handle(&mut self, _: LetGo, _: &mut Context<Self>) {
        self.kept.clear();
    }
}

/// Two nodes, a reader on the second, and the first one's reference to it.
struct Pair {
    net: Arc<Net>,
    a: ActorSystem,
    b: ActorSystem,
    reader: ActorRef<Reader>,
    far: ActorRef<Reader>,
    came: mpsc::Receiver<Came>,
}

async fn pair(credit: usize) -> Pair {
    let net = Net::new(credit);
    let (a, b) = (net.join("a"), net.join("b"));
    a.declare::<Reader>().unwrap();
    b.declare::<Reader>().unwrap();
    let (sender, came) = mpsc::channel(64);
    let reader = b.spawn::<Reader>(sender, SpawnOptions::default()).await.unwrap();
    let far = ActorRef::from_address(&a, reader.address().unwrap());
    Pair { net, a, b, reader, far, came }
}

impl Pair {
    fn credit(&self) -> usize {
        self.net.state.lock().unwrap().credit
    }

    async fn end(self) {
        let Self { net, a, b, reader, far, .. } = self;
        drop((reader, far));
        net.clear();
        for system in [a, b] {
            system.stop(Duration::from_secs(60)).await;
            yield_now().await;
            assert_eq!((system.stats().live_actors, system.stats().cells), (0, 0));
        }
    }
}

fn line(text: &str) -> Line {
    Line { millis: 0, text: text.to_owned() }
}

#[test]
fn archives_are_viewed_and_values_are_handled() {
    in_world(|| async {
        let mut pair = pair(16).await;
        assert_eq!(pair.far.ask(line("four")).await.unwrap(), 4);
        assert_eq!(pair.came.try_recv(), Ok(Came::View));
        assert_eq!(pair.reader.ask(line("local")).await.unwrap(), 5);
        assert_eq!(pair.came.try_recv(), Ok(Came::Value));
        pair.far.tell(line("told")).await.unwrap();
        let error = pair.far.ask(line("bad")).await.unwrap_err();
        assert_eq!(error, AskError::Handler("it is bad".to_owned()));
        pair.far.tell(line("bad")).await.unwrap();
        assert_eq!(pair.far.ask(Call { other: pair.far.clone() }).await.unwrap(), 0);
        let own = pair.a.spawn::<Reader>(mpsc::channel(64).0, SpawnOptions::default());
        let own = own.await.unwrap();
        assert_eq!(pair.far.ask(Call { other: own.clone() }).await.unwrap(), 6);
        assert_eq!(pair.b.stats().tell_errors, 1);
        assert_eq!(pair.credit(), 16, "all credit is back");
        drop(own);
        pair.end().await;
    });
}

#[test]
fn an_older_layout_becomes_a_value_and_the_present_one_a_view() {
    in_world(|| async {
        let mut pair = pair(16).await;
        let to = pair.reader.address().unwrap().key;
        let deliver = |layout, archive: Vec<u8>| {
            let inbound = Inbound {
                trace: None,
                to,
                message: MessageId::of("view/Note"),
                layout: Some(layout),
                payload: Payload::copy_from(&archive),
                remaining: None,
                reply: None,
                credit: Credit::new(pair.net.clone(), to, 0),
            };
            pair.b.deliver(inbound).unwrap();
        };
        let (present, former): (Codec<Note>, Codec<NoteV1>) =
            (Note::CODEC.unwrap(), NoteV1::CODEC.unwrap());
        let (mut new, mut old) = (Vec::new(), Vec::new());
        present.encode(&Note { text: "new".to_owned(), copies: 2 }, &mut new).unwrap();
        former.encode(&NoteV1 { text: "old".to_owned() }, &mut old).unwrap();
        deliver(former.fingerprint(), old);
        deliver(present.fingerprint(), new);
        assert_eq!(pair.came.recv().await, Some(Came::Value));
        assert_eq!(pair.came.recv().await, Some(Came::View));
        pair.end().await;
    });
}

#[test]
fn a_view_that_is_kept_holds_its_senders_credit() {
    in_world(|| async {
        let pair = pair(3).await;
        for _ in 0..2 {
            assert_eq!(pair.far.ask(line("keep it")).await.unwrap(), 7);
        }
        assert_eq!(pair.credit(), 1);
        assert_eq!(pair.far.ask(line("one passes")).await.unwrap(), 10);
        pair.far.ask(line("keep another")).await.unwrap();
        assert_eq!(pair.credit(), 0);
        let full = pair.far.try_tell(line("none passes")).unwrap_err();
        assert_eq!(full.failure.kind, FailureKind::Full);
        assert_eq!(full.message.unwrap(), line("none passes"), "the sender is held back");
        let within = Duration::from_millis(100);
        let late = pair.far.tell(line("waits in vain")).within(within).await.unwrap_err();
        assert_eq!(late.failure.kind, FailureKind::Deadline);
        pair.reader.ask(LetGo).await.unwrap();
        assert_eq!(pair.credit(), 3);
        assert_eq!(pair.far.ask(line("goes on")).await.unwrap(), 7);
        // What an actor keeps goes with it.
        pair.far.ask(line("keep it")).await.unwrap();
        assert_eq!(pair.credit(), 2);
        pair.reader.kill();
        while pair.credit() < 3 {
            yield_now().await;
        }
        pair.end().await;
    });
}

#[test]
fn deadlines_cancels_and_panics_are_those_of_any_handler() {
    in_world(|| async {
        let mut pair = pair(16).await;
        let within = Duration::from_millis(700);
        let remaining = pair.far.ask(line("remaining")).within(within).await.unwrap();
        assert!((1..=700).contains(&remaining), "{remaining}");
        assert_eq!(pair.came.try_recv(), Ok(Came::View));
        // Behind one that takes longer than they wait.
        pair.far.tell(Line { millis: 300, text: "slow".to_owned() }).await.unwrap();
        let late = pair.far.ask(line("late")).within(Duration::from_millis(100)).await.unwrap_err();
        assert!(matches!(late, AskError::Deadline(_)), "{late}");
        let quitter = pair.far.ask(line("given up")).within(Duration::from_secs(60));
        let quitter = tokio::time::timeout(Duration::from_millis(10), quitter);
        assert!(quitter.await.is_err());
        assert_eq!(pair.far.ask(line("next")).await.unwrap(), 4);
        assert_eq!(pair.b.stats().skipped, 2);
        assert_eq!(pair.credit(), 16);
        let error = pair.far.ask(line("panic")).await.unwrap_err();
        assert!(matches!(error, AskError::Panicked(_)), "{error}");
        assert_eq!(error.certainty(), Certainty::Ran);
        assert_eq!(pair.credit(), 16, "its view went with it");
        pair.end().await;
    });
}

#[test]
fn a_bad_archive_never_becomes_a_view() {
    in_world(|| async {
        let mut pair = pair(1_000).await;
        pair.far.ask(line("a sound one")).await.unwrap();
        assert_eq!(pair.came.try_recv(), Ok(Came::View));
        let to = pair.reader.address().unwrap().key;
        let sound = pair.net.state.lock().unwrap().last.clone();
        // Cut anywhere else it may be an archive by chance: any eight bytes are a number.
        let cuts = || (0..sound.len()).filter(|cut| *cut < 16 || !cut.is_multiple_of(8));
        for cut in cuts() {
            let (sender, failed) = oneshot::channel();
            let ask = AskId(1_000 + cut as u64);
            let answer = Arc::new(Keep(Mutex::new(Some(sender))));
            pair.net.state.lock().unwrap().asks.insert(ask, answer);
            let inbound = Inbound {
                trace: None,
                to,
                message: MessageId::of("view/Line"),
                layout: None,
                payload: Payload::copy_from(&sound[..cut]),
                remaining: None,
                reply: Some(ReplyTo { ask, path: pair.net.clone() }),
                credit: Credit::new(pair.net.clone(), to, cut as u64),
            };
            pair.b.deliver(inbound).unwrap();
            let failure = failed.await.unwrap().unwrap_err();
            assert_eq!(failure.kind, FailureKind::Decode);
            assert_eq!(failure.certainty, Certainty::NotDelivered);
        }
        assert_eq!(pair.b.stats().decode_failures, cuts().count() as u64);
        assert!(pair.came.try_recv().is_err(), "no handler saw one of them");
        pair.end().await;
    });
}
