//! Two rooms on two nodes, and three people who talk in them.
//!
//! Rooms and members are in `app.rs`; the simulator runs the same ones through crashes and partitions
//! (`sim/src/bin/odeon-sim`).

mod app;

use std::{
    error::Error,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use app::{Doorman, Manners, Member, Note, Please, Room, Screen, Wish};
use odeon::ActorRef;
use odeon_examples::{cluster, stop};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let nodes = cluster(&["a", "b"], None, |node| node.actor::<Room>().actor::<Member>()).await?;
    // Nobody keeps a list at the door.
    let doorman: Doorman = Arc::new(drop);
    app::open(&nodes[0], &["tea"], Manners::default(), Arc::clone(&doorman)).await?;
    app::open(&nodes[1], &["coffee"], Manners::default(), doorman).await?;

    let lines = Arc::new(Mutex::new(Vec::new()));
    let shown = Arc::clone(&lines);
    let screen: Screen = Arc::new(move |name, note| {
        let line = match note {
            Note::Heard(heard) => format!("{name} hears in {}: {}", heard.room, heard.text),
            Note::Ended { life } => format!("{life} is gone"),
            Note::Wishes { room, wish } => format!("{name} in {room}: {wish:?}?"),
            Note::Done { room, wish, was_passed_on } => {
                format!("{name} in {room}: {wish:?} {was_passed_on}")
            }
        };
        shown.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    });
    for (node, name) in [(0, "ann"), (1, "bob"), (1, "cem")] {
        app::join(nodes[node].clone(), name, Arc::clone(&screen)).await?;
    }
    let member = |node: usize, name| nodes[node].lookup::<Member>(name).ok_or("nobody has joined");
    let (ann, bob, cem) = (member(0, "ann")?, member(1, "bob")?, member(1, "cem")?);

    let please = async |who: &ActorRef<Member>, wish: Wish| {
        let (node, room) = ("a".to_owned(), "tea".to_owned());
        who.ask(Please { node, room, wish }).await
    };
    let say = |number, text: &str| Wish::Say { number, text: text.to_owned() };
    for who in [&ann, &bob] {
        assert!(please(who, Wish::Enter).await?);
    }
    assert!(please(&ann, say(1, "hello")).await?);
    assert!(!please(&cem, say(1, "me too")).await?, "he is not in the room");
    assert!(please(&bob, Wish::Leave).await?);
    assert!(please(&ann, say(2, "gone?")).await?);

    let shown = || lines.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let heard = || shown().into_iter().filter(|line| line.contains(" hears ")).collect::<Vec<_>>();
    while heard().len() < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut heard = heard();
    heard.sort();
    let expected =
        ["ann hears in tea: gone?", "ann hears in tea: hello", "bob hears in tea: hello"];
    assert_eq!(heard, expected, "{:#?}", shown());
    stop(nodes).await;
    Ok(())
}
