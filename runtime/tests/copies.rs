//! What a message costs on its way over QUIC on loopback, counted: allocations, and copies of its bytes.
//!
//! A message is archived straight into the buffer that QUIC is given: the addresses say so. On the other side its bytes
//! are copied once, into a slab, where a view handler reads them: the addresses and a counter say so. Allocations are
//! counted by thread: the caller's and the worker's are all ours; those of endpoints' threads are ours and quinn's, and
//! have a bound only. The numbers are those that ARCHITECTURE.md states.

#![expect(unsafe_code, reason = "a counting allocator")]
#![expect(clippy::print_stdout, reason = "the counts are what one looks for")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use odeon::{
    Actor, ActorRef, Ca, Context, Handler, Message as _, Node, NodeBuilder, Placement,
    SpawnOptions, StartError, TransportConfig, Validity, View, ViewHandler, actor,
    env::{BoxFuture, DatagramSocket, Env, Observed, Observer, RealEnv},
    message,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Allocations of a whole slab or more, on any thread.
static LONG: AtomicU64 = AtomicU64::new(0);
const LONG_BYTES: usize = 64 << 10;

/// Bytes that the program holds on its heap.
static LIVE: AtomicI64 = AtomicI64::new(0);

// SAFETY: every call goes to the system's allocator; the counters are constant and have no destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|count| count.set(count.get() + 1));
        LIVE.fetch_add(layout.size() as i64, Relaxed);
        LONG.fetch_add((layout.size() >= LONG_BYTES).into(), Relaxed);
        // SAFETY: the caller's contract is the system allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: `ptr` came from the system's allocator above.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Two words of the heap, if it is a value.
#[message(id = "copies/Line")]
struct Line {
    number: u64,
    text: String,
    more: String,
}

/// The same, not read in place.
#[message(id = "copies/Owned")]
struct Owned {
    number: u64,
    text: String,
    more: String,
}

/// Longer than any slab or batch.
#[message(id = "copies/Large")]
struct Large {
    number: u64,
    bytes: Vec<u8>,
}

#[message(id = "copies/Done", reply = u64)]
struct Done;

#[message(id = "copies/LetGo")]
struct LetGo;

/// What the workers' thread had allocated whenever a handler began, and where each message lay.
#[derive(Default)]
struct Seen {
    allocations: Vec<u64>,
    places: VecDeque<usize>,
    not_in_place: u64,
}

#[derive(Clone, Default)]
struct Sink {
    seen: Arc<Mutex<Seen>>,
}

/// Keeps one view in so many.
struct Hoard {
    every: u64,
    kept: Vec<View<Line>>,
}

#[actor(id = "copies/Sink", handles(Owned, Done), views(Line, Large))]
impl Actor for Sink {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Line> for Sink {
    async fn handle(&mut self, _: Line, _: &mut Context<Self>) {
        panic!("it comes from another node");
    }
}

impl ViewHandler<Line> for Sink {
    async fn view(&mut self, line: View<Line>, _: &mut Context<Self>) {
        let count = ALLOCATIONS.get();
        let mut seen = lock(&self.seen);
        seen.allocations.push(count);
        let place = line.bytes().as_ptr().addr();
        let arrived = seen.places.pop_front();
        seen.not_in_place += u64::from(arrived != Some(place));
    }
}

impl Handler<Large> for Sink {
    async fn handle(&mut self, _: Large, _: &mut Context<Self>) {
        panic!("it comes from another node");
    }
}

impl ViewHandler<Large> for Sink {
    async fn view(&mut self, large: View<Large>, _: &mut Context<Self>) {
        let mut seen = lock(&self.seen);
        assert_eq!(large.number.to_native(), seen.allocations.len() as u64, "they come in order");
        assert!(large.bytes.iter().all(|byte| *byte == 7));
        seen.allocations.push(ALLOCATIONS.get());
    }
}

impl Handler<Owned> for Sink {
    async fn handle(&mut self, owned: Owned, _: &mut Context<Self>) {
        let count = ALLOCATIONS.get();
        lock(&self.seen).allocations.push(count);
        assert!(owned.number == u64::MAX || owned.text.len() + owned.more.len() == 40);
    }
}

impl Handler<Done> for Sink {
    async fn handle(&mut self, _: Done, _: &mut Context<Self>) -> u64 {
        lock(&self.seen).allocations.len() as u64
    }
}

#[actor(id = "copies/Hoard", handles(Done, LetGo), views(Line))]
impl Actor for Hoard {
    type Args = u64;

    async fn start(every: u64, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self { every, kept: Vec::new() })
    }
}

impl Handler<Line> for Hoard {
    async fn handle(&mut self, _: Line, _: &mut Context<Self>) {
        panic!("it comes from another node");
    }
}

impl ViewHandler<Line> for Hoard {
    async fn view(&mut self, line: View<Line>, _: &mut Context<Self>) {
        if line.number.to_native().is_multiple_of(self.every) {
            self.kept.push(line);
        }
    }
}

impl Handler<Done> for Hoard {
    async fn handle(&mut self, _: Done, _: &mut Context<Self>) -> u64 {
        self.kept.len() as u64
    }
}

impl Handler<LetGo> for Hoard {
    async fn handle(&mut self, _: LetGo, _: &mut Context<Self>) {
        self.kept.clear();
    }
}

/// Says what the thread of its node's endpoint has allocated.
#[message(local, reply = u64)]
struct Read;

#[derive(Clone)]
struct Meter;

impl Actor for Meter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Read> for Meter {
    async fn handle(&mut self, _: Read, _: &mut Context<Self>) -> u64 {
        ALLOCATIONS.get()
    }
}

/// Where lines were archived, until they are written.
#[derive(Default)]
struct Sent {
    archived: Vec<usize>,
    in_place: u64,
}

/// Looks on at one node.
#[derive(Default)]
struct Onlooker {
    sent: Mutex<Sent>,
    seen: Arc<Mutex<Seen>>,
}

impl std::fmt::Debug for Onlooker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Onlooker")
    }
}

impl Observer for Onlooker {
    fn observe(&self, event: Observed<'_>) {
        let line = Line::CODEC.map_or(0, |codec| codec.id().0);
        match event {
            Observed::Frame { inbound, message, payload, .. } if message == line => {
                let place = payload.as_ptr().addr();
                // As far as there was room before: it must not count what it allocates itself.
                let (mut seen, mut sent) = (lock(&self.seen), lock(&self.sent));
                if inbound && seen.places.len() < seen.places.capacity() {
                    seen.places.push_back(place);
                }
                if !inbound && sent.archived.len() < sent.archived.capacity() {
                    sent.archived.push(place);
                }
            }
            Observed::Written { bytes } => {
                let whole = bytes.as_ptr_range();
                let whole = whole.start.addr()..whole.end.addr();
                let mut sent = lock(&self.sent);
                let before = sent.archived.len();
                sent.archived.retain(|place| !whole.contains(place));
                sent.in_place += (before - sent.archived.len()) as u64;
            }
            _ => {}
        }
    }
}

#[derive(Debug)]
struct Watched(Arc<Onlooker>);

impl Env for Watched {
    fn bind(&self, addr: SocketAddr) -> io::Result<Arc<dyn DatagramSocket>> {
        RealEnv.bind(addr)
    }

    fn resolve(&self, host: &str) -> BoxFuture<io::Result<Vec<SocketAddr>>> {
        RealEnv.resolve(host)
    }

    fn wall_clock(&self) -> SystemTime {
        RealEnv.wall_clock()
    }

    fn entropy(&self, out: &mut [u8]) {
        RealEnv.entropy(out);
    }

    fn observer(&self) -> Option<Arc<dyn Observer>> {
        Some(self.0.clone())
    }
}

const WARM_UP: u64 = 4_000;
const COUNTED: u64 = 10_000;

fn line(number: u64) -> Line {
    Line { number, text: "a line of text, not so long".into(), more: "and some more".into() }
}

fn owned(number: u64) -> Owned {
    let Line { text, more, .. } = line(number);
    Owned { number, text, more }
}

fn median(mut counts: Vec<u64>) -> u64 {
    counts.sort_unstable();
    counts[counts.len() / 2]
}

struct Pair {
    nodes: [Node; 2],
    meters: [ActorRef<Meter>; 2],
    onlookers: [Arc<Onlooker>; 2],
}

async fn pair(transport: &TransportConfig) -> Pair {
    let ca = Ca::in_memory("copies").expect("the name is good");
    let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(24 * 3600));
    let onlookers: [Arc<Onlooker>; 2] = Default::default();
    let builder = |name: &str, onlooker: &Arc<Onlooker>| -> NodeBuilder {
        let identity = ca.issue(name, validity).expect("the name is good");
        let builder = Node::builder(name).identity(identity).transport(transport.clone());
        let env = Arc::new(Watched(onlooker.clone()));
        builder.env(env).workers(1).actor::<Sink>().actor::<Hoard>()
    };
    let a = builder("a", &onlookers[0]).alone().start().await.expect("a starts");
    let b = builder("b", &onlookers[1]).seed(a.addr().to_string());
    let b = b.start().await.expect("b starts");
    assert!(b.joined().await);
    let mut meters = Vec::new();
    for node in [&a, &b] {
        let options = SpawnOptions::default().placement(Placement::Endpoint);
        let meter = node.system().spawn::<Meter>(Meter, options).await;
        meters.push(meter.expect("it starts"));
    }
    let meters = meters.try_into().unwrap_or_else(|_| unreachable!("there are two"));
    Pair { nodes: [a, b], meters, onlookers }
}

impl Pair {
    async fn endpoints(&self) -> [u64; 2] {
        let mut counts = [0; 2];
        for (count, meter) in counts.iter_mut().zip(&self.meters) {
            *count = meter.ask(Read).await.expect("it answers");
        }
        counts
    }

    /// The first node's reference to an actor of the second.
    fn far<A: Actor>(&self, actor: &ActorRef<A>) -> ActorRef<A> {
        let address = actor.address().expect("its type is declared");
        ActorRef::from_address(self.nodes[0].system(), address)
    }
}

/// What one message cost: on the caller's thread, on the worker's, and on those of the endpoints together.
#[derive(Debug)]
struct Cost {
    sender: u64,
    worker: u64,
    endpoints: [f64; 2],
}

/// Sends so many and counts; `send` sends one, whose value was made before.
async fn count<M>(
    pair: &Pair,
    (seen, far): (&Mutex<Seen>, &ActorRef<Sink>),
    make: impl Fn(u64) -> M,
    send: impl AsyncFn(M),
) -> Cost {
    lock(seen).allocations.clear();
    lock(seen).allocations.reserve((WARM_UP + COUNTED) as usize);
    lock(seen).places.reserve((WARM_UP + COUNTED) as usize);
    let mut sender = Vec::with_capacity(COUNTED as usize);
    let mut before = [0; 2];
    for number in 0..WARM_UP + COUNTED {
        if number == WARM_UP {
            while far.ask(Done).await.expect("it is there") < WARM_UP {}
            before = pair.endpoints().await;
        }
        let message = make(number);
        let allocated = ALLOCATIONS.get();
        send(message).await;
        if number >= WARM_UP {
            sender.push(ALLOCATIONS.get() - allocated);
        }
    }
    while far.ask(Done).await.expect("it is there") < WARM_UP + COUNTED {}
    let after = pair.endpoints().await;
    let seen = lock(seen);
    let counted = &seen.allocations[WARM_UP as usize..];
    let worker = counted.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let endpoint = |at: usize| (after[at] - before[at]) as f64 / COUNTED as f64;
    Cost { sender: median(sender), worker: median(worker), endpoints: [endpoint(0), endpoint(1)] }
}

#[odeon::main]
async fn counted() {
    let pair = pair(&TransportConfig::default()).await;
    let seen = pair.onlookers[1].seen.clone();
    let sink = Sink { seen: seen.clone() };
    let sink = pair.nodes[1].spawn(sink).await.expect("it starts");
    let far = pair.far(&sink);
    let room = (WARM_UP + COUNTED) as usize;
    lock(&pair.onlookers[0].sent).archived.reserve(room);

    let send = async |line| far.tell(line).await.expect("it is taken");
    let viewed = count(&pair, (&seen, &far), line, send).await;
    println!("a line that is viewed: {viewed:?}");
    let send = async |owned| far.tell(owned).await.expect("it is taken");
    let handled = count(&pair, (&seen, &far), owned, send).await;
    println!("a line that becomes a value: {handled:?}");

    assert_eq!((viewed.sender, handled.sender), (0, 0), "archived into the lane's buffer");
    assert_eq!(viewed.worker, 0, "read where it lies");
    assert_eq!(handled.worker, 2, "its two strings");
    for cost in [&viewed, &handled] {
        assert!(cost.endpoints.iter().all(|count| *count < 1.0), "{cost:?}");
    }

    // The sender's side: bytes that QUIC was given lay where they had been archived.
    let (in_place, moved) = {
        let sent = lock(&pair.onlookers[0].sent);
        (sent.in_place, sent.archived.len())
    };
    println!("archived {in_place} in what was written, {moved} not");
    // A buffer that grows is moved, which is rare; how rare depends on how evenly the writer has its turns.
    assert!(in_place > (WARM_UP + COUNTED) / 2, "the median message is not moved");
    // The receiver's side: a view is where its frame was cut from its stream, and that was copied there once.
    assert_eq!(lock(&seen).not_in_place, 0);
    let stats = pair.nodes[1].on("a").stats().expect("it is a member");
    let moved = stats.bytes_moved as f64 / stats.bytes_received as f64;
    println!("{:.2} % of what was received was copied a second time", moved * 100.0);
    // Frames that a packet has cut in two, and how many those are depends on how packets come.
    assert!(moved < 0.25, "{stats:?}");
    for node in &pair.nodes {
        node.stop(Duration::from_secs(5)).await;
    }
}

/// A handler that lets one view in a hundred stay: memory grows by what stays, not by the slabs around it, and all of it
/// is given back.
#[odeon::main]
async fn held() {
    const BOUND: usize = 1 << 20;
    const MESSAGES: u64 = 60_000;
    let config = TransportConfig { pinned_bytes_max: BOUND, ..Default::default() };
    let pair = pair(&config).await;
    let hoard = pair.nodes[1].spawn_with::<Hoard>(100).await.expect("it starts");
    let far = pair.far(&hoard);
    let stats = || pair.nodes[1].on("a").stats().expect("it is a member");
    let mut most = 0;
    let mut half = 0;
    for number in 0..MESSAGES {
        far.tell(line(number)).await.expect("it is taken");
        if number % 1000 == 0 {
            far.ask(Done).await.expect("it is there");
            most = most.max(stats().pinned_bytes);
        }
        if number == MESSAGES / 2 {
            half = LIVE.load(Relaxed);
        }
    }
    let kept = far.ask(Done).await.expect("it is there");
    assert_eq!(kept, MESSAGES / 100);
    let grown = LIVE.load(Relaxed) - half;
    println!("{:?}; {most} bytes pinned at most; grown by {grown} in the second half", stats());
    // What is kept has its own bytes past the bound; beside them are the slabs of the streams and of one burst.
    assert!(most <= (BOUND + (600 << 10)) as u64, "{most}");
    assert!(stats().frames_copied_out > 0);
    // 300 more are kept, which would pin as many slabs; the pool and QUIC's windows may differ by some.
    assert!(grown < 4 << 20, "memory stays flat: {grown}");
    far.ask(LetGo).await.expect("it is there");
    assert!(stats().pinned_bytes <= 600 << 10, "{:?}", stats());
    for node in &pair.nodes {
        node.stop(Duration::from_secs(5)).await;
    }
}

/// Large messages are archived into memory that earlier ones have left, and received into such memory, without a copy more.
#[odeon::main]
async fn large() {
    const LARGE_BYTES: usize = 1 << 20;
    const MESSAGES: u64 = 64;
    let pair = pair(&TransportConfig::default()).await;
    let seen = pair.onlookers[1].seen.clone();
    let sink = pair.nodes[1].spawn(Sink { seen: seen.clone() }).await.expect("it starts");
    let far = pair.far(&sink);
    let stats = || pair.nodes[1].on("a").stats().expect("it is a member");
    let mut rounds = Vec::new();
    for _ in 0..3 {
        lock(&seen).allocations.clear();
        let large = |number| Large { number, bytes: vec![7; LARGE_BYTES] };
        // Made before anything is counted.
        let messages: Vec<_> = (0..MESSAGES).map(large).collect();
        let (long, before) = (LONG.load(Relaxed), stats());
        for message in messages {
            far.tell(message).await.expect("it is taken");
        }
        while far.ask(Done).await.expect("it is there") < MESSAGES {}
        let (long, after) = (LONG.load(Relaxed) - long, stats());
        let moved = (after.bytes_moved - before.bytes_moved) as f64;
        rounds.push((long, moved / (after.bytes_received - before.bytes_received) as f64));
    }
    println!("long allocations, and part of the bytes that was copied a second time: {rounds:?}");
    let (long, moved) = rounds[2];
    // As many as are under way at once may be a few more than in the rounds before.
    assert!(long < MESSAGES / 4, "{long} long allocations for {MESSAGES} messages");
    assert!(moved < 0.1, "{:?}", stats());
    for node in &pair.nodes {
        node.stop(Duration::from_secs(5)).await;
    }
}

/// One after the other: they share what the allocator counts.
#[test]
fn copies_and_allocations_are_what_is_stated() {
    counted();
    large();
    held();
}
