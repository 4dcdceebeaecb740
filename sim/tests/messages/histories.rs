//! Histories of clusters under faults, judged by the checkers of `odeon-check`: a register is linearizable, and a world
//! whose actors break what they promise fails its seed with the events that show it.

use std::time::Duration;

use odeon::{
    Actor, ActorRef, Context, Handler, Node, NodeBuilder, StartError, actor, data, message,
};
use odeon_check::{Call, Checker, History, Linearizability, Objection, Recorder, Value, Violation};
use odeon_sim::{LinkRule, World};

const SECOND: Duration = Duration::from_secs(1);

#[data]
enum Change {
    Read,
    Write(u32),
    Swap(u32, u32),
}

/// Answers with the value, for a swap with whether it swapped.
#[message(id = "histories/Access", reply = u32)]
struct Access {
    change: Change,
}

/// A register, which may also answer reads with what it held before.
#[derive(Clone, Default)]
struct Register {
    value: u32,
    before: u32,
    is_stale: bool,
}

#[actor(id = "histories/Register", handles(Access))]
impl Actor for Register {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Access> for Register {
    async fn handle(&mut self, access: Access, _: &mut Context<Self>) -> u32 {
        let value = self.value;
        match access.change {
            Change::Read if self.is_stale => return self.before,
            Change::Read => return value,
            Change::Write(new) => self.value = new,
            Change::Swap(expected, new) if value == expected => self.value = new,
            Change::Swap(..) => return 0,
        }
        self.before = value;
        1
    }
}

/// Three nodes, with the register on the second.
async fn three(world: &mut World, is_stale: bool) {
    for name in ["a", "b", "c"] {
        let main = move |node: Node| async move {
            if name == "b" {
                let register = Register { is_stale, ..Register::default() };
                let register = node.spawn(register).await.expect("a register starts");
                node.register("register", &register).expect("the name is free");
            }
        };
        world.start_member(name, NodeBuilder::actor::<Register>, main);
    }
    world.all_joined(&["a", "b", "c"], 20 * SECOND).await.expect("they find each other");
}

async fn register(world: &World, from: &str) -> ActorRef<Register> {
    let node = world.runtime_node(from).expect("it is up");
    loop {
        // On a rough network the answer may be lost.
        if let Ok(Some(register)) = node.on("b").lookup("register").await {
            return register;
        }
    }
}

/// Reads, writes and swaps until it has done so many times; what it knows of each goes into the history.
async fn client(
    name: String,
    register: ActorRef<Register>,
    recorder: Recorder,
    random: odeon_sim::Stream,
    times: u32,
) {
    for number in 0..times {
        let value = number * 16 + random.below(16) as u32;
        let known = random.below(u64::from(value) + 1) as u32;
        let (call, change) = match random.below(4) {
            0 => (Call::write("register", value), Change::Write(value)),
            1 => (Call::swap("register", known, value), Change::Swap(known, value)),
            _ => (Call::read("register"), Change::Read),
        };
        let reads = matches!(change, Change::Read);
        let of = recorder.invoke(name.as_str(), call);
        match register.ask(Access { change }).within(SECOND).await {
            Ok(value) if reads => recorder.done(of, value),
            Ok(swapped) => recorder.done(of, swapped == 1),
            Err(error) => recorder.refused(of, error.certainty(), error.to_string()),
        }
        tokio::time::sleep(Duration::from_millis(random.below(30))).await;
    }
}

/// Two clients on each node.
async fn clients(world: &World, times: u32) -> Vec<tokio::task::JoinHandle<()>> {
    let zero = world.history().invoke("beginning", Call::write("register", 0));
    world.history().done(zero, ());
    let mut tasks = Vec::new();
    for from in ["a", "b", "c"] {
        let register = register(world, from).await;
        for number in 0..2 {
            let name = format!("{from}{number}");
            let (recorder, random) = (world.history().clone(), world.random(&name));
            let client = client(name, register.clone(), recorder, random, times);
            tasks.push(tokio::task::spawn_local(client));
        }
    }
    tasks
}

/// Six clients, a network that loses, repeats and reorders, and partitions in it.
#[odeon_sim::test(seeds = 0..20)]
async fn a_register_is_linearizable_under_loss_and_partitions(world: &mut World) {
    world.check_at_end(Linearizability::of_registers());
    world.set_default_link(LinkRule::rough());
    three(world, false).await;
    let clients = clients(world, 60).await;
    for round in 0..3 {
        world.run_for(SECOND / 2).await;
        let alone = ["a", "c", "b"][round];
        let others = ["a", "b", "c"].into_iter().filter(|name| *name != alone).collect::<Vec<_>>();
        world.partition(&[alone], &others);
        world.run_for(SECOND / 2).await;
        world.heal();
    }
    for client in clients {
        client.await.expect("a client does not panic");
    }
    let history = world.history().history();
    let operations = history.operations().expect("each ends once");
    let answered = operations.iter().filter(|it| it.answer().is_some()).count();
    assert_eq!(operations.len(), 361);
    assert!(answered >= 180, "{answered} of 361 were answered");
}

#[odeon_sim::test(
    seeds = 0..5,
    fails = "linearizability of registers: register: no order of the operations explains that read register"
)]
async fn a_register_that_answers_with_old_values_fails_the_seed(world: &mut World) {
    world.check_at_end(Linearizability::of_registers());
    three(world, true).await;
    for client in clients(world, 20).await {
        client.await.expect("a client does not panic");
    }
}

/// A checker of a scenario's own: nobody may write 77.
struct NoSevens;

impl Checker for NoSevens {
    fn name(&self) -> &str {
        "no sevens"
    }

    fn check(&self, history: &History) -> Result<(), Objection> {
        let wrong =
            history.operations()?.into_iter().find(|it| it.answer() == Some(&Value::Int(77)));
        let found = |it: odeon_check::Operation<'_>| Violation::new("a seven").event(it.invoked);
        wrong.map(found).map_or(Ok(()), |violation| Err(violation.into()))
    }
}

#[odeon_sim::test(seeds = 0..2, fails = "no sevens: a seven")]
async fn a_checker_of_ones_own_fails_the_seed(world: &mut World) {
    world.check_at_end(NoSevens);
    let read = world.history().invoke("c", Call::read("register"));
    world.history().done(read, 77);
}

#[odeon_sim::test(seeds = 0..2, fails = "linearizability of queues: cannot be said: the history has no answered")]
async fn a_checker_that_finds_nothing_to_check_fails_the_seed(world: &mut World) {
    assert!(!world.check(&Linearizability::of_queues()));
}
