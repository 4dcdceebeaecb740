//! HTTP in front of actors: axum serves on tokio's multi-thread runtime, and the actors behind it are tasks of the same
//! runtime, so that a request and its actor can share a thread.
//!
//! What it shows: references are shared state that any executor may ask; a pool takes the requests that have no key, a
//! group gives each key to the same actor; an error says whether the request ran. What it does NOT show: entities, which
//! would have one actor a key. It asks itself a few things and ends.

use std::{collections::BTreeMap, error::Error, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use odeon::{
    Actor, AskError, Certainty, Context, Group, Handler, Node, Placement, Pool, RetryPolicy,
    Routed, SpawnOptions, StartError, Target, message,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Counts a visit of a page; answers with how many there were.
#[derive(Clone)]
#[message(local, reply = u64)]
struct Visit(String);

/// Adds numbers up; it may be sent twice.
#[derive(Clone)]
#[message(local, idempotent, reply = u64, error = String)]
struct Sum(Vec<u64>);

#[derive(Clone, Default)]
struct Desk {
    visits: BTreeMap<String, u64>,
}

impl Actor for Desk {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Visit> for Desk {
    async fn handle(&mut self, visit: Visit, _: &mut Context<Self>) -> u64 {
        let visits = self.visits.entry(visit.0).or_default();
        *visits += 1;
        *visits
    }
}

impl Handler<Sum> for Desk {
    async fn handle(&mut self, sum: Sum, _: &mut Context<Self>) -> Result<u64, String> {
        let add = |sum: u64, number: u64| sum.checked_add(number);
        sum.0.into_iter().try_fold(0, add).ok_or_else(|| "the sum is too large".to_owned())
    }
}

/// What every request has at hand. References are cheap to clone.
#[derive(Clone)]
struct Desks {
    all: Group<Desk>,
    idlest: Routed<Desk>,
}

type Answer = Result<String, (StatusCode, String)>;

/// A status that tells the client whether to send again.
fn answer<T: ToString>(asked: Result<T, AskError<String>>) -> Answer {
    asked.map(|value| value.to_string()).map_err(|error| match error {
        AskError::Handler(error) => (StatusCode::UNPROCESSABLE_ENTITY, error),
        error if error.certainty() == Certainty::NotDelivered => {
            (StatusCode::SERVICE_UNAVAILABLE, error.to_string())
        }
        error => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    })
}

async fn visit(State(desks): State<Desks>, Path(page): Path<String>) -> Answer {
    // One page, one desk: its counts are in one place.
    let desk = desks.all.consistent_hash(&page);
    match desk.ask(Visit(page)).await {
        Ok(visits) => Ok(visits.to_string()),
        Err(error) => Err((StatusCode::SERVICE_UNAVAILABLE, error.to_string())),
    }
}

async fn sum(State(desks): State<Desks>, body: String) -> Answer {
    let numbers = body.split(',').map(str::parse).collect::<Result<Vec<u64>, _>>();
    let numbers = numbers.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let ask = desks.idlest.ask(Sum(numbers)).within(Duration::from_secs(2));
    answer(ask.retry(RetryPolicy::attempts(3)).await)
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let runtime = tokio::runtime::Handle::current();
    let node = Node::builder("web").alone().workers(1).stealing(runtime).start().await?;
    let here = SpawnOptions::default().placement(Placement::Stealing);
    let pool = Pool::<Desk>::fixed(4, Desk::default()).options(here);
    let desks = Desks { all: pool.group(), idlest: pool.group().least_loaded() };
    node.spawn_opts::<Pool<Desk>>(pool, SpawnOptions::default()).await?;

    let router = Router::new()
        .route("/visits/{page}", get(visit))
        .route("/sum", post(sum))
        .with_state(desks);
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let ask = async |request: &str| -> Result<String, std::io::Error> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    let client = async {
        for visits in ["1", "2", "3"] {
            let answer =
                ask("GET /visits/home HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await?;
            assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(visits), "{answer}");
        }
        for (body, status, said) in [
            ("1,2,39", "200", "42"),
            ("1,two", "400", "invalid digit found in string"),
            ("1,18446744073709551615", "422", "the sum is too large"),
        ] {
            let length = body.len();
            let head = format!(
                "POST /sum HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {length}"
            );
            let answer = ask(&format!("{head}\r\n\r\n{body}")).await?;
            assert!(answer.contains(status) && answer.ends_with(said), "{answer}");
        }
        Ok::<_, std::io::Error>(())
    };
    tokio::select! {
        served = axum::serve(listener, router) => served?,
        asked = client => asked?,
    }
    node.stop(Duration::from_secs(5)).await;
    Ok(())
}
