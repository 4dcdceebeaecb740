//! Every kind of fault: some seed draws one that shows, and it shows no more when it has ended.
//!
//! Four nodes that say hello to each other, work on their disks, look names up and pass a place that says `buggify!`.

use std::{
    cell::Cell,
    collections::BTreeMap,
    io::{self, IoSliceMut},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use odeon_env::{DatagramSocket, FileName, OpenMode, udp::RecvMeta};

use super::*;
use crate::{Budget, SimEnv, Site, Swarm};

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const PORT: u16 = 7;
const SECOND: Duration = Duration::from_secs(1);

/// How many seeds are tried for a kind.
const SEEDS: u64 = 20;

/// What nodes do, counted.
#[derive(Debug, Default)]
struct Work {
    /// Rounds of hellos.
    hellos: Cell<u64>,
    /// Rounds on the disk.
    writes: Cell<u64>,
    /// Look-ups that came to an end.
    lookups: Cell<u64>,
    /// Hellos that came late, by more than a good link takes.
    late: Cell<u64>,
}

fn add(count: &Cell<u64>) {
    count.set(count.get() + 1);
}

type Works = Rc<BTreeMap<&'static str, Work>>;

/// Hellos to all others, with the time in them.
async fn greet(env: Arc<SimEnv>, works: Works, peers: Vec<SocketAddr>) {
    let Ok(socket) = env.bind(SocketAddr::new(env.address(), PORT)) else { return };
    let mut text = [0; 1_000];
    loop {
        tokio::time::sleep(MS * 4).await;
        text[..8].copy_from_slice(&(env.now().as_nanos() as u64).to_le_bytes());
        for peer in &peers {
            let transmit = Transmit {
                destination: *peer,
                ecn: None,
                contents: &text,
                segment_size: None,
                src_ip: None,
            };
            let _ = socket.try_send(&transmit);
        }
        while let Some(sent_ns) = heard(&*socket) {
            let took = env.now().saturating_sub(Duration::from_nanos(sent_ns));
            if took > MS * 8 {
                add(&works[env.name()].late);
            }
        }
        if odeon_env::buggify!() {
            tokio::time::sleep(MS).await;
        }
        add(&works[env.name()].hellos);
    }
}

/// When the next hello that has come was sent.
fn heard(socket: &dyn DatagramSocket) -> Option<u64> {
    let (mut text, mut metas) = ([0; 2_000], [RecvMeta::default()]);
    let mut context = Context::from_waker(Waker::noop());
    let received = socket.poll_recv(&mut context, &mut [IoSliceMut::new(&mut text)], &mut metas);
    match received {
        Poll::Ready(Ok(_)) => Some(u64::from_le_bytes(text[..8].try_into().expect("eight"))),
        _ => None,
    }
}

/// Writes, syncs, reads, renames and removes; what fails is tried again.
async fn write(env: Arc<SimEnv>, works: Works) {
    let mut round = 0_u64;
    loop {
        tokio::time::sleep(MS * 2).await;
        if write_once(&env, round).await.is_ok() {
            add(&works[env.name()].writes);
        }
        round += 1;
    }
}

async fn write_once(env: &SimEnv, round: u64) -> io::Result<()> {
    let disk = env.disk()?;
    let (kept, new, old) = (FileName::new("kept")?, FileName::new("new")?, FileName::new("old")?);
    let file = disk.open(&kept, OpenMode::Either).await?;
    disk.sync().await?;
    // Two sectors, so that a crash can tear them; and one more, so that a full disk shows.
    let offset = round % 64 * 1_024;
    file.write_at(offset, vec![round as u8; 1_024].into()).await?;
    file.sync().await?;
    file.read_at(offset, 1_024).await?;
    file.write_at(offset, vec![round as u8; 1_024].into()).await?;
    let more = disk.open(&new, OpenMode::Either).await?;
    more.write_at(round * 8, vec![1; 8].into()).await?;
    disk.rename(&new, &old).await?;
    disk.remove(&old).await
}

async fn ask(env: Arc<SimEnv>, works: Works) {
    loop {
        tokio::time::sleep(MS * 5).await;
        let _ = env.resolve("a:7").await;
        add(&works[env.name()].lookups);
    }
}

/// What shows of faults, as numbers that grow.
fn signs(world: &World, works: &Works) -> BTreeMap<&'static str, u64> {
    let sum = |count: fn(&Work) -> u64| works.values().map(count).sum::<u64>();
    let disks = |count: fn(&crate::DiskCounts) -> u64| {
        NAMES.iter().map(|name| count(&world.disk(name).counts())).sum::<u64>()
    };
    let net = world.net().counts();
    BTreeMap::from([
        ("hellos", sum(|work| work.hellos.get())),
        ("writes", sum(|work| work.writes.get())),
        ("lookups", sum(|work| work.lookups.get())),
        ("late", sum(|work| work.late.get())),
        ("delivered", net.delivered),
        ("cut", net.cut),
        ("spoilt", net.lost + net.duplicated + net.reordered + net.corrupted),
        ("clogged", net.clogged),
        ("bad look-ups", net.lookups_failed + net.lookups_silent + net.lookups_stale),
        ("slow syncs", disks(|counts| counts.slow_syncs)),
        ("read and write errors", disks(|counts| counts.read_errors + counts.write_errors)),
        ("sync errors", disks(|counts| counts.sync_errors)),
        ("full", disks(|counts| counts.full)),
        ("torn", disks(|counts| counts.torn)),
        ("lied", disks(|counts| counts.lied)),
        ("misdirected", disks(|counts| counts.misdirected)),
        ("rotten", disks(|counts| counts.rotten_bits)),
        ("crashes", disks(|counts| counts.crashes)),
        ("down", NAMES.iter().filter(|name| !world.is_up(name)).count() as u64),
        ("buggified", world.buggified().iter().map(|place| place.fired).sum()),
        ("askew", NAMES.iter().filter(|name| world.skew_ns(name) != 0).count() as u64),
    ])
}

/// Whether a fault of this kind shows, by what came of one second before it, and of one with it.
fn shows(kind: FaultKind, before: &Seen, with: &Seen) -> bool {
    let slower = |sign| with.grew(sign) * 10 < before.grew(sign) * 9;
    match kind {
        FaultKind::Crash | FaultKind::ZoneCrash => with.is("down") && with.grew("crashes") > 0,
        FaultKind::Kill => with.is("down") && with.grew("crashes") == 0,
        FaultKind::Pause | FaultKind::Slow => slower("hellos"),
        FaultKind::Cut | FaultKind::Partition | FaultKind::Topology | FaultKind::Flap => {
            with.grew("cut") > 0
        }
        FaultKind::Strain => with.grew("spoilt") > 0,
        FaultKind::Clog | FaultKind::Swizzle => with.grew("clogged") > 0,
        FaultKind::Throttle | FaultKind::Tail => with.grew("late") > 0,
        FaultKind::SlowDisk => slower("writes"),
        FaultKind::DiskErrors => with.grew("read and write errors") > 0,
        FaultKind::SlowSync => with.grew("slow syncs") > 0,
        FaultKind::SyncErrors => with.grew("sync errors") > 0,
        FaultKind::FullDisk => with.grew("full") > 0,
        FaultKind::TornWrites => with.grew("torn") > 0,
        FaultKind::LyingDisk => with.grew("lied") > 0,
        FaultKind::MisdirectedWrites => with.grew("misdirected") > 0,
        FaultKind::BitRot => with.grew("rotten") > 0,
        FaultKind::Lookups => with.grew("bad look-ups") > 0,
        FaultKind::Buggify => with.grew("buggified") > 0,
        FaultKind::Drift | FaultKind::Skew => with.is("askew"),
    }
}

/// What was seen in a second.
#[derive(Debug)]
struct Seen {
    begin: BTreeMap<&'static str, u64>,
    end: BTreeMap<&'static str, u64>,
}

impl Seen {
    async fn of_a_second(world: &World, works: &Works) -> Self {
        let begin = signs(world, works);
        world.run_for(SECOND).await;
        Self { begin, end: signs(world, works) }
    }

    fn grew(&self, sign: &str) -> u64 {
        self.end[sign].saturating_sub(self.begin[sign])
    }

    /// Whether it holds in the end.
    fn is(&self, sign: &str) -> bool {
        self.end[sign] > 0
    }
}

/// Lets one fault come and go; whether it showed.
fn shows_in_a_world(fault: &Fault) -> bool {
    let kind = fault.kind();
    let mut showed = false;
    let verdict = WorldBuilder::new(1).run(async |world: &mut World| {
        let works: Works = Rc::new(NAMES.map(|name| (name, Work::default())).into());
        for name in NAMES {
            let works = Rc::clone(&works);
            world.node(name, move |env| {
                let works = Rc::clone(&works);
                async move {
                    let peers = peers(&env).await;
                    tokio::task::spawn_local(greet(Arc::clone(&env), Rc::clone(&works), peers));
                    tokio::task::spawn_local(ask(Arc::clone(&env), Rc::clone(&works)));
                    write(env, works).await;
                }
            });
        }
        world.run_for(SECOND).await;
        let mut injector = Injector::default();
        let before = Seen::of_a_second(world, &works).await;
        let begin = signs(world, &works);
        injector.begin(world, 0, fault);
        world.run_for(SECOND).await;
        if kind == FaultKind::TornWrites {
            // It shows only where a node crashes.
            fault.nodes().for_each(|node| world.restart(node));
        }
        let with = Seen { begin, end: signs(world, &works) };
        showed = shows(kind, &before, &with);
        injector.end_all(world);
        world.heal();
        // What was under way comes to its end, by the longest of tails too.
        world.run_for(if kind == FaultKind::Tail { SECOND * 8 } else { SECOND * 2 }).await;
        let after = Seen::of_a_second(world, &works).await;
        assert!(NAMES.iter().all(|name| world.is_up(name)), "{fault}");
        assert!(!shows(kind, &before, &after), "{fault} goes on: {before:?}, {after:?}");
        assert_eq!(world.net().counts().held, 0);
    });
    assert!(verdict.passed(), "{fault}: {verdict}");
    showed
}

/// Where the others listen.
async fn peers(env: &SimEnv) -> Vec<SocketAddr> {
    let mut peers = Vec::new();
    for name in NAMES.into_iter().filter(|name| *name != env.name()) {
        // All hosts are there once the first of them has slept.
        tokio::time::sleep(MS).await;
        peers.extend(env.resolve(&format!("{name}:{PORT}")).await.unwrap_or_default());
    }
    peers
}

#[test]
fn some_seed_lets_it_show_and_its_end_ends_it() {
    let zones = ["east", "west", "north", "east"];
    let nodes: Vec<_> =
        NAMES.iter().zip(zones).map(|(name, zone)| Site::new(*name).in_zone(zone)).collect();
    for kind in FaultKind::ALL {
        let swarm = Swarm::none().with(kind).chance(1.0).budget(Budget::unbounded());
        let shown = (0..SEEDS).any(|seed| {
            let plan = swarm.expand(seed, &nodes, SECOND * 120);
            let first = plan.faults().first().expect("two minutes have some of each kind");
            assert_eq!(first.fault.kind(), kind);
            shows_in_a_world(&first.fault)
        });
        assert!(shown, "in {SEEDS} seeds no fault of the kind {kind} showed");
    }
}
