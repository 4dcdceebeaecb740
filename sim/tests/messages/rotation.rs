//! Certificates that change while nodes run: nothing is lost by it, and a revoked node is cut off within ten seconds.

use std::time::{Duration, UNIX_EPOCH};

use odeon::{
    Actor, ActorRef, Ca, Context, Handler, Identity, Node, NodeBuilder, PemPair, Revoked, Serial,
    StartError, Validity, actor, message,
};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);

/// When the wall clock of a world begins.
const BEGIN: Duration = Duration::from_secs(1_900_000_000);

#[message(id = "sim/Add", reply = u64)]
struct Add {
    number: u64,
}

/// Counts, and refuses to count out of order.
#[derive(Clone, Default)]
struct Counter {
    last: u64,
}

#[actor(id = "sim/Counter", handles(Add))]
impl Actor for Counter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Add> for Counter {
    async fn handle(&mut self, add: Add, _: &mut Context<Self>) -> u64 {
        assert_eq!(add.number, self.last + 1, "one is missing, or came twice");
        self.last = add.number;
        self.last
    }
}

async fn counting(node: Node) {
    let counter = node.spawn(Counter::default()).await.expect("a counter starts");
    node.register("counter", &counter).expect("the name is free");
}

async fn counter(world: &World, from: &str, on: &str) -> ActorRef<Counter> {
    let node = world.runtime_node(from).expect("it is up");
    node.on(on).lookup("counter").await.expect("it answers").expect("it is registered")
}

/// An authority and what it has issued.
struct Authority(Ca);

impl Authority {
    fn new() -> Self {
        Self(Ca::in_memory("shop").expect("the name is valid"))
    }

    fn validity(&self, hours: u32) -> Validity {
        Validity::from(UNIX_EPOCH + BEGIN, hours * 3600 * SECOND)
    }

    fn issue(&self, name: &str) -> PemPair {
        self.0.issue_pem(name, self.validity(1)).expect("the name is valid")
    }

    fn identity(&self, pem: &PemPair) -> Identity {
        Identity::from_pem(&pem.cert, &pem.key, &self.0.to_pem().cert).expect("it is issued here")
    }

    fn revoke(&self, pem: &PemPair) -> String {
        let revoked = Revoked {
            serial: Serial::of_pem(&pem.cert).expect("it is a certificate"),
            at: UNIX_EPOCH + BEGIN,
        };
        let list = self.0.revocation_list_pem(1, UNIX_EPOCH + BEGIN, &[revoked]);
        list.expect("it can be signed")
    }

    /// Starts these nodes, each with a certificate of its own, and waits until they are a cluster.
    async fn cluster(&self, world: &mut World, names: &[&'static str]) -> Vec<PemPair> {
        let papers: Vec<_> = names.iter().map(|name| self.issue(name)).collect();
        for (name, pem) in names.iter().zip(&papers) {
            let identity = self.identity(pem);
            let setup = move |node: NodeBuilder| node.identity(identity.clone()).actor::<Counter>();
            world.start_member(name, setup, counting);
        }
        world.all_joined(names, 10 * SECOND).await.expect("they find each other");
        papers
    }
}

async fn rotate(world: &World, name: &str, identity: Identity) {
    let node = world.runtime_node(name).expect("it is up");
    node.rotate(identity).await.unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn lost_associations(world: &World) -> usize {
    let lines = world.trace().last_lines(usize::MAX);
    lines.iter().filter(|line| line.contains("association down")).count()
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn a_revoked_node_is_cut_off_within_ten_seconds(world: &mut World) {
    let authority = Authority::new();
    let names = ["a", "b", "c", "d"];
    let papers = authority.cluster(world, &names).await;
    let stolen = &papers[3];
    let list = authority.revoke(stolen);
    let heeding =
        |pem: &PemPair| authority.identity(pem).with_revoked_pem(&list).expect("the list is one");
    let began = world.now();
    // The list comes to each at another time, and not to the node that it names.
    for (name, pem) in names.iter().zip(&papers).take(3) {
        rotate(world, name, heeding(pem)).await;
        world.run_for(SECOND).await;
    }
    let sees = |world: &World, name: &str, other: &str| {
        let node = world.runtime_node(name).expect("it is up");
        node.members_now().iter().any(|member| member.name == other)
    };
    let is_cut_off = |world: &World| {
        names[..3].iter().all(|name| !sees(world, name, "d") && !sees(world, "d", name))
    };
    world.run_until(|| is_cut_off(world), 10 * SECOND).await.expect("it is cut off");
    assert!(world.now() - began <= 10 * SECOND, "{:?}", world.now() - began);
    // It does not come back, and the others stay together.
    for _ in 0..30 {
        world.run_for(SECOND).await;
        assert!(is_cut_off(world));
    }
    assert!(sees(world, "a", "b") && sees(world, "b", "c") && sees(world, "c", "a"));
    // With a certificate of its own again it is one of them.
    rotate(world, "d", heeding(&authority.issue("d"))).await;
    let all = |world: &World| names[..3].iter().all(|name| sees(world, name, "d"));
    world.run_until(|| all(world), 60 * SECOND).await.expect("d comes back");
}

#[odeon_sim::test(seeds = 0..10, link = both)]
async fn certificates_change_while_messages_flow_and_nothing_is_lost(world: &mut World) {
    let authority = Authority::new();
    let names = ["a", "b", "c"];
    let papers = authority.cluster(world, &names).await;
    let before = lost_associations(world);
    let counter = counter(world, "a", "b").await;
    for number in 1..=300 {
        // One has a new key, one a new certificate for its key, in the midst of it.
        match number {
            100 => rotate(world, "a", authority.identity(&authority.issue("a"))).await,
            200 => {
                let PemPair { cert, key } = &papers[1];
                let cert = authority.0.renew_pem("b", cert, authority.validity(2));
                let renewed = PemPair { cert: cert.expect("it is b's"), key: key.clone() };
                rotate(world, "b", authority.identity(&renewed)).await;
            }
            _ => {}
        }
        if number % 3 == 0 {
            assert_eq!(counter.ask(Add { number }).await.expect("it answers"), number);
        } else {
            counter.tell(Add { number }).await.expect("there is room in time");
        }
    }
    world.run_for(10 * SECOND).await;
    assert_eq!(lost_associations(world), before, "an association was dropped");
    for name in names {
        let node = world.runtime_node(name).expect("it is up");
        assert_eq!(node.members_now().len(), 2, "{name} sees the others");
    }
    // A node that comes later is let in by nodes of either kind.
    let identity = authority.identity(&authority.issue("e"));
    world.start_member("e", move |node| node.identity(identity.clone()), |_| async {});
    world.all_joined(&["a", "b", "c", "e"], 20 * SECOND).await.expect("e comes in");
}
