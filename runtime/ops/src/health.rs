//! The health port: `/livez`, `/readyz` and `/metrics`, for probes and scrapers.
//!
//! `/livez` says that the program runs and its node has not ended: whoever hears something else may kill it. `/readyz` says
//! whether work should be sent here: the node has joined, its actors are started, and it is not leaving. The reason is the
//! body. What it is NOT: authenticated, so that it tells nothing that a stranger must not know, and changes nothing. What the
//! program itself says there is told as it is: its functions are asked to name no secret.

use std::rc::Rc;

use hyper::{Method, StatusCode};
use odeon::Phase;

use crate::{
    http::{Answer, Answers, Asked},
    metrics,
    standing::Standing,
};

/// Who answers at the health port.
pub(crate) fn answers(standing: &Rc<Standing>) -> Answers {
    let standing = Rc::clone(standing);
    Rc::new(move |asked| {
        let standing = Rc::clone(&standing);
        Box::pin(async move { answer(&standing, &asked).await })
    })
}

async fn answer(standing: &Standing, asked: &Asked) -> Answer {
    if asked.method != Method::GET && asked.method != Method::HEAD {
        return Answer::text(StatusCode::METHOD_NOT_ALLOWED, "use GET");
    }
    match asked.path.as_str() {
        "/livez" if standing.node.phase() == Phase::Down => {
            Answer::text(StatusCode::SERVICE_UNAVAILABLE, "down")
        }
        "/livez" => Answer::text(StatusCode::OK, "ok"),
        "/readyz" => match standing.ready() {
            Ok(()) => Answer::text(StatusCode::OK, "ok"),
            Err(why) => Answer::text(StatusCode::SERVICE_UNAVAILABLE, &why),
        },
        "/metrics" => {
            let body = metrics::page(standing).await;
            Answer::new(StatusCode::OK, metrics::CONTENT_TYPE, body)
        }
        _ => Answer::text(StatusCode::NOT_FOUND, "there are /livez, /readyz and /metrics"),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        cell::{Cell, RefCell},
        time::Duration,
    };

    use odeon::{
        Actor, Ca, Context, Handler, Node, StartError, Validity, actor,
        env::{Env, RealEnv},
        message,
    };
    use tokio::sync::mpsc;

    use super::*;
    use crate::{admin::view, events::Events, hooks::Hooks};

    #[message(id = "health/Hold", reply = ())]
    struct Hold;

    /// Says when it has begun, and answers when it is let go.
    struct Holder {
        began: mpsc::Sender<()>,
        go: mpsc::Receiver<()>,
    }

    #[actor(id = "health/Holder", handles(Hold))]
    impl Actor for Holder {
        type Args =
            (mpsc::Sender<()>, std::sync::Arc<std::sync::Mutex<Option<mpsc::Receiver<()>>>>);

        async fn start((began, go): Self::Args, _: &mut Context<Self>) -> Result<Self, StartError> {
            let go = go.lock().ok().and_then(|mut go| go.take());
            Ok(Self { began, go: go.ok_or_else(|| StartError::new("it starts once"))? })
        }
    }

    impl Handler<Hold> for Holder {
        async fn handle(&mut self, _: Hold, _: &mut Context<Self>) {
            let _ = self.began.send(()).await;
            self.go.recv().await;
        }
    }

    #[tokio::test]
    async fn a_program_has_figures_and_a_reason_of_its_own() {
        let ca = Ca::in_memory("hooks").unwrap();
        let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(86_400));
        let a = Node::builder("a").identity(ca.issue("a", validity).unwrap()).alone();
        let a = a.start().await.unwrap();
        assert!(a.joined().await);
        let standing = Standing::new(&a, "test", "1", Events::default());
        let (gone, figures) = (Rc::new(Cell::new(true)), Rc::new(RefCell::new(String::new())));
        let (is_gone, given) = (Rc::clone(&gone), Rc::clone(&figures));
        standing.set_hooks(Hooks {
            metrics: Some(Box::new(move || {
                let said = given.borrow().clone();
                assert_ne!(said, "panic", "as told");
                said
            })),
            ready: Some(Box::new(move || match is_gone.get() {
                true => Err("the database is gone".to_owned()),
                false => Ok(()),
            })),
        });
        // The node's own reason comes first.
        assert!(says(&standing, "/readyz").await.1.contains("starting"));
        standing.started();
        let (status, why) = says(&standing, "/readyz").await;
        assert!(
            status == 503 && why.contains("the program is not ready: the database is gone"),
            "{why}"
        );
        let status = view::Status::of(&standing);
        assert!(!status.ready && status.waits_for.is_some_and(|why| why.contains("is gone")));
        let (_, page) = says(&standing, "/metrics").await;
        assert!(page.contains("\nodeon_node_ready 0\n"), "{page}");
        gone.set(false);
        assert_eq!(says(&standing, "/readyz").await.0, 200);

        figures.replace("shop_orders_total 7".to_owned());
        let (_, page) = says(&standing, "/metrics").await;
        assert!(page.ends_with("\nshop_orders_total 7\n"), "{page}");
        figures.replace("shop_orders_total seven\n".to_owned());
        let (code, page) = says(&standing, "/metrics").await;
        assert!(
            code == 200 && !page.contains("shop_orders") && page.contains("odeon_node_ready 1")
        );
        assert!(page.ends_with("odeon_program_figures_refused_total 1\n"), "{page}");
        figures.replace("panic".to_owned());
        let (code, page) = says(&standing, "/metrics").await;
        assert!(code == 200 && page.ends_with("odeon_program_figures_refused_total 2\n"), "{page}");
        a.stop(Duration::from_secs(5)).await;
    }

    async fn says(standing: &Standing, path: &str) -> (u16, String) {
        let asked = Asked { path: path.to_owned(), ..Asked::default() };
        answer(standing, &asked).await.into_text()
    }

    #[tokio::test]
    async fn a_node_that_leaves_is_alive_and_not_ready() {
        let ca = Ca::in_memory("health").unwrap();
        let validity = Validity::from(RealEnv.wall_clock(), Duration::from_secs(86_400));
        let node = |name: &str| Node::builder(name).identity(ca.issue(name, validity).unwrap());
        let a = node("a").alone().actor::<Holder>().start().await.unwrap();
        let b = node("b").seed(a.addr().to_string()).start().await.unwrap();
        assert!(b.joined().await);
        let (began, mut has_begun) = mpsc::channel(1);
        let (go, gone) = mpsc::channel(1);
        let args = (began, std::sync::Arc::new(std::sync::Mutex::new(Some(gone))));
        let holder = a.spawn_with::<Holder>(args).await.unwrap();
        a.register("holder", &holder).unwrap();
        let standing = Standing::new(&a, "test", "1", Events::default());
        assert_eq!(
            says(&standing, "/readyz").await.0,
            503,
            "its actors are not said to be started"
        );
        standing.started();
        assert_eq!(says(&standing, "/readyz").await, (200, "ok\n".to_owned()));

        let there = b.on("a").lookup::<Holder>("holder").await.unwrap().unwrap();
        let asking = there.ask(Hold).within(Duration::from_secs(60)).into_future();
        let draining = async {
            has_begun.recv().await;
            let looking = async {
                a.leaving().await;
                let (status, why) = says(&standing, "/readyz").await;
                assert!(status == 503 && why.contains("leaving"), "{status} {why}");
                assert_eq!(says(&standing, "/livez").await, (200, "ok\n".to_owned()));
                go.send(()).await.unwrap();
            };
            tokio::join!(a.drain(Duration::from_secs(60)), looking)
        };
        let (answer, _) = tokio::join!(asking, draining);
        assert_eq!(answer, Ok(()), "what was begun is finished");
        assert_eq!(says(&standing, "/livez").await.0, 503);
        b.stop(Duration::from_secs(5)).await;
    }
}
