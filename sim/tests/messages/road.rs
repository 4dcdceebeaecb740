//! The life of a message: one ask walks the whole road between two nodes, and its steps are these. ARCHITECTURE.md
//! tells the same story; where this test has to change, so has the page.

use std::time::Duration;

use odeon::{Actor, Context, Handler, Node, NodeBuilder, StartError, actor, message};
use odeon_sim::World;

const SECOND: Duration = Duration::from_secs(1);

#[message(id = "road/Hello", reply = u64)]
struct Hello {
    number: u64,
}

#[derive(Clone)]
struct Host;

#[actor(id = "road/Host", handles(Hello))]
impl Actor for Host {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Hello> for Host {
    async fn handle(&mut self, hello: Hello, _: &mut Context<Self>) -> u64 {
        hello.number + 1
    }
}

async fn host(node: Node) {
    let host = node.spawn(Host).await.expect("it starts");
    node.register("host", &host).expect("the name is free");
}

/// What the trace says between the question and the answer, without times, sizes and hashes.
fn steps(world: &World) -> Vec<String> {
    let lines = world.trace().last_lines(100);
    let asked =
        lines.iter().rposition(|line| line.ends_with("question asked")).expect("it was noted");
    let step = |line: &String| {
        let mut words = line.split_whitespace().skip(1);
        let (host, what) = (words.next()?, words.by_ref().take(2).collect::<Vec<_>>().join(" "));
        match what.as_str() {
            "sent 10.0.0.1:7400" | "sent 10.0.0.2:7400" => Some(format!("{host}: datagram out")),
            "delivered 10.0.0.1:7400" | "delivered 10.0.0.2:7400" => {
                Some(format!("{host}: datagram in"))
            }
            "frame out" | "frame in" => Some(format!("{host}: {what} of kind {}", words.nth(1)?)),
            written if written.starts_with("written ") => Some(format!("{host}: written to QUIC")),
            "handler started" => Some(format!("{host}: handler of {}", words.nth(1)?)),
            _ => Some(format!("{host}: {what}")),
        }
    };
    lines[asked..].iter().filter_map(step).collect()
}

#[odeon_sim::test(seeds = 0)]
async fn an_ask_walks_the_whole_road(world: &mut World) {
    // The road of a quiet run, whatever a developer asks for.
    world.set_buggify(0);
    world.start_member("a", |builder| builder, host);
    world.start_member("b", NodeBuilder::actor::<Host>, host);
    world.all_joined(&["a", "b"], 10 * SECOND).await.expect("they find each other");
    let a = world.runtime_node("a").expect("it is up");
    let host =
        a.on("b").lookup::<Host>("host").await.expect("b answers").expect("it is registered");
    // Between two probes of the membership the network is quiet.
    world.run_for(SECOND / 2).await;
    world.note("question", "asked");
    let answer = host.ask(Hello { number: 1 }).await;
    world.note("answer", "came");
    assert_eq!(answer.expect("b answers"), 2);
    let expected = [
        "world: question asked",
        "a: frame out of kind 4",
        "a: written to QUIC",
        "a: datagram out",
        "b: datagram in",
        "b: frame in of kind 4",
        "b: handler of road/Hello",
        "b: frame out of kind 5",
        "b: written to QUIC",
        "b: datagram out",
        "a: datagram in",
        "a: frame in of kind 5",
        "world: answer came",
    ];
    assert_eq!(steps(world), expected);
}
