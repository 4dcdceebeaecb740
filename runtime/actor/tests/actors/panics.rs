//! Exit reasons of panics: what was said, and where.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use odeon_message::{AskError, message};

use crate::{
    fixture::on_one_thread,
    kin::witness,
    odeon::{Actor, Context, ExitKind, Handler, SpawnOptions, StartError},
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Now,
    Later,
    /// Throws on what it has caught.
    Again,
    /// Throws what never was a panic of this text.
    Quiet,
    Long,
}

struct Bomb;

impl Actor for Bomb {
    type Args = bool;

    async fn start(panics: bool, _: &mut Context<Self>) -> Result<Self, StartError> {
        assert!(!panics, "no start today");
        Ok(Self)
    }
}

#[message(local, crate = crate::odeon)]
struct Explode(What);

/// The line of this file that has this in it first.
fn line_of(code: &str) -> usize {
    include_str!("panics.rs").lines().position(|line| line.contains(code)).unwrap() + 1
}

impl Handler<Explode> for Bomb {
    async fn handle(&mut self, message: Explode, _: &mut Context<Self>) {
        match message.0 {
            What::Now => panic!("now"),
            What::Later => {
                tokio::task::yield_now().await;
                panic!("later, at last");
            }
            What::Again => {
                let caught = catch_unwind(|| panic!("caught"));
                resume_unwind(caught.unwrap_err());
            }
            What::Quiet => {
                let _ = catch_unwind(AssertUnwindSafe(|| panic!("swallowed")));
                resume_unwind(Box::new("another text"));
            }
            What::Long => panic!("{}", "ä".repeat(1000)),
        }
    }
}

#[test]
fn a_panic_says_where_it_happened() {
    let rows = [
        (What::Now, "now", Some("panic!(\"now")),
        (What::Later, "later, at last", Some("panic!(\"later")),
        (What::Again, "caught", Some("panic!(\"caught")),
        (What::Quiet, "another text", None),
        (What::Long, "ä", Some("What::Long => panic!")),
    ];
    for (what, text, code) in rows {
        on_one_thread(1, |system| async move {
            let bomb = system.spawn::<Bomb>(false, SpawnOptions::default()).await.unwrap();
            let end = witness(&system, &bomb).await;
            let error = bomb.ask(Explode(what)).await.unwrap_err();
            let reason = end.await.unwrap();
            assert_eq!(reason.kind(), ExitKind::Panicked);
            assert!(reason.detail().starts_with(text), "{reason}");
            assert!(reason.detail().len() <= 512);
            let place = code.map(|code| format!("{}:{}:", file!(), line_of(code)));
            match place {
                Some(place) => assert!(reason.location().unwrap().starts_with(&place), "{reason}"),
                None => assert_eq!(reason.location(), None, "{reason}"),
            }
            assert!(matches!(error, AskError::Panicked(_)));
            assert!(error.to_string().contains(reason.detail()), "{error}");
        });
    }
}

#[test]
fn a_panic_in_start_says_where_it_happened() {
    on_one_thread(1, |system| async move {
        let error = system.spawn::<Bomb>(true, SpawnOptions::default()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("no start today") && text.contains(file!()), "{text}");
    });
}
