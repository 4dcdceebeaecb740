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

use app::{Door, Doorman, Manners, Member, Note, Please, Room, Screen, Wish};
use odeon::ActorRef;
use odeon_examples::{cluster, stop};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let nodes = cluster(&["a", "b"], None, |node| node.actor::<Room>().actor::<Member>()).await?;
    // What happens at the doors, for whoever wants to read it.
    let doors = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&doors);
    let doorman: Doorman = Arc::new(move |door| {
        let line = match door {
            Door::Watches { life, watch } => format!("{watch}: waits for the end of {life}"),
            Door::Unwatches { watch } => format!("{watch}: not any more"),
            Door::Told { watch, exit } => format!("{watch}: it ended, {exit:?}"),
            Door::Closes => "the room has ended".to_owned(),
        };
        list.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    });
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
    let doors = doors.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert!(doors.iter().any(|line| line.contains("waits for the end of")), "{doors:#?}");
    stop(nodes).await;
    Ok(())
}
