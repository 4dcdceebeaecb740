//! An axum handler that asks an actor, at 64 connections: the CPU time of a request beyond one without an actor.
//!
//! The server is this process, a multi-thread program with two workers; the client is another (`client.rs`). Requests
//! to the handler that asks and to one that works the answer out itself take turns, and the CPU time of this process is
//! read around each. The figure is the median of the differences.

use std::{net::SocketAddr, process::Stdio};

use axum::{Router, http::StatusCode, routing::get, serve};
use tokio::{net::TcpListener, process::Command, task::JoinSet};

use crate::{
    Outcome,
    client::REQUESTS,
    counting::Counting,
    cpu_time,
    gate::Gate,
    system::{System, World},
};

/// Pairs of phases that count.
const PAIRS: usize = 7;

/// What a request asks with.
const VALUE: u64 = 7;

pub(super) async fn axum<S: System>(world: World<S>) -> Outcome<f64> {
    let counting = Counting::asked(&Gate::new());
    let counter = world.system.counter(counting.clone()).await?;
    let routes = Router::new()
        .route("/free", get(async move || counting.read(VALUE).to_string()))
        .route("/ask", get(async move || ask::<S>(&counter).await));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let addr = listener.local_addr()?;
    // Dropped at the end, and the server with it.
    let mut server = JoinSet::new();
    server.spawn(async move { serve(listener, routes).await });
    let mut beyond = Vec::with_capacity(PAIRS);
    for pair in 0..=PAIRS {
        let free = phase(addr, "/free").await?;
        let asking = phase(addr, "/ask").await?;
        // The first pair warms connections' buffers and the branch predictors up.
        if pair > 0 {
            beyond.push(asking - free);
        }
    }
    beyond.sort_by(f64::total_cmp);
    Ok(beyond[PAIRS / 2])
}

async fn ask<S: System>(counter: &S::Counter) -> Result<String, StatusCode> {
    let answer = S::ask(counter, VALUE).await;
    answer.map(|value| value.to_string()).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

/// Nanoseconds of this process's CPU time a request.
async fn phase(addr: SocketAddr, path: &str) -> Outcome<f64> {
    let before = cpu_time::of_process()?;
    let status = Command::new(std::env::current_exe()?)
        .args(["client", &format!("--addr={addr}"), &format!("--path={path}")])
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await?;
    if !status.success() {
        return Err(format!("the client of {path} failed: {status}").into());
    }
    Ok((cpu_time::of_process()? - before).as_nanos() as f64 / REQUESTS as f64)
}
