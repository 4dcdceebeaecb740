//! `#[odeon::main]` and `#[odeon::test]`: bodies run, nodes start and stop, and an actor that fails is noticed.

use odeon::{Actor, Context, Handler, Node, Probe, SpawnOptions, StartError, message};

#[message(local, reply = u64)]
struct Add(u64);

struct Adder(u64);

impl Actor for Adder {
    type Args = ();

    async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(Self(0))
    }
}

impl Handler<Add> for Adder {
    async fn handle(&mut self, Add(more): Add, _: &mut Context<Self>) -> u64 {
        assert!(more != 0, "adding nothing is a mistake of this test");
        self.0 += more;
        self.0
    }
}

#[odeon::test]
async fn actors_that_stop_are_expected(node: Node) {
    let adder = node.spawn_with::<Adder>(()).await.expect("it starts");
    assert_eq!(adder.ask(Add(2)).await.expect("it answers"), 2);
    adder.stop();
}

#[odeon::test]
async fn probes_and_spawns_that_are_refused_are_no_exits(node: Node) -> Result<(), StartError> {
    let mut probe = Probe::<Add>::start(node.system()).await?;
    let asked = probe.actor_ref().ask(Add(1)).sent().await.expect("it is taken");
    probe.expect(std::time::Duration::from_secs(5)).await;
    drop(probe);
    assert!(asked.await.is_err());
    let named = || SpawnOptions::default().named("adder");
    node.spawn_opts::<Adder>((), named()).await?;
    assert!(node.spawn_opts::<Adder>((), named()).await.is_err());
    Ok(())
}

#[odeon::test(exits = 1)]
async fn a_failure_that_is_expected_is_borne(node: Node) -> Result<(), StartError> {
    let adder = node.spawn_with::<Adder>(()).await?;
    assert!(adder.ask(Add(0)).await.is_err());
    Ok(())
}

#[test]
fn a_failure_that_is_not_expected_fails_the_test() {
    let panic = std::panic::catch_unwind(|| {
        odeon::entry::test(0, async |node: Node| {
            let adder = node.spawn_with::<Adder>(()).await.expect("it starts");
            assert!(adder.ask(Add(0)).await.is_err());
        });
    });
    let panic = panic.expect_err("an actor panicked");
    let text = panic.downcast_ref::<String>().expect("it says what");
    assert!(text.contains("1 actor ended") && text.contains("adding nothing"), "{text}");
}

#[odeon::main(name = "lonely")]
async fn with_a_node(node: Node) -> String {
    node.name().to_owned()
}

#[odeon::main]
async fn without() -> u64 {
    let node = Node::builder("a").alone().start().await.expect("it starts");
    let adder = node.spawn_with::<Adder>(()).await.expect("it starts");
    let sum = adder.ask(Add(3)).await.expect("it answers");
    node.stop(std::time::Duration::from_secs(5)).await;
    sum
}

#[test]
fn programs_run_their_bodies() {
    assert_eq!(with_a_node(), "lonely");
    assert_eq!(without(), 3);
}
