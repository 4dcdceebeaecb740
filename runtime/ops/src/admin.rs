//! The admin port: JSON over HTTP over mutual TLS, and the dashboard, for operators of the cluster.
//!
//! What it is: who is let in, and what is answered to which path. What it is NOT: for nodes, whose certificates are refused
//! here with a reason, or for anybody else. The node shows the certificate that it has among nodes, and takes another one
//! when its files change. A certificate is looked at when its connection begins and again with each request, so that one
//! that was revoked is good for none. Read `admin/view.rs` for what is answered, `dashboard.rs` for the page, `operator.rs`
//! for the other side.

mod callers;
mod door;
mod refusals;
pub(crate) mod view;

use std::{fmt::Display, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use hyper::{
    Method, StatusCode,
    header::{self, HeaderValue},
};
use odeon::Tree;
use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::pki_types::CertificateDer};

use crate::{
    dashboard,
    http::{self, Answer, Answers, Asked},
    standing::Standing,
};
use callers::{Callers, OPERATORS_MAX, Stranger};
use refusals::Refusals;

pub(crate) use door::Door;

/// Time of a TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// Pause after a connection could not be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A path that is answered.
struct Path {
    method: Method,
    path: &'static str,
    /// What may stand behind it.
    query: &'static str,
}

/// All that there are; the book has them too, and a test holds the two alike.
static PATHS: [Path; 12] = [
    get("/", ""),
    get("/v1/status", ""),
    get("/v1/members", ""),
    get("/v1/names", "?max=NUMBER"),
    get("/v1/groups", "?max=NUMBER"),
    get("/v1/topics", "?max=NUMBER"),
    get("/v1/actors", "?max=NUMBER"),
    get("/v1/peers", ""),
    get("/v1/types", ""),
    get("/v1/overview", ""),
    get("/v1/events", "?after=NUMBER"),
    Path { method: Method::POST, path: "/v1/drain", query: "" },
];

const fn get(path: &'static str, query: &'static str) -> Path {
    Path { method: Method::GET, path, query }
}

/// Serves operators until it is dropped, and their connections with it.
pub(crate) async fn serve(listener: TcpListener, door: Door, standing: Rc<Standing>) {
    let (desk, callers) = (Rc::new(Desk::new(door, standing)), Rc::new(Callers::default()));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let serving = serve_one(stream, Rc::clone(&desk), callers.stranger());
                    callers.serve_by(connections.spawn_local(serving));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection of an operator could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// What all connections have in common.
struct Desk {
    door: Door,
    standing: Rc<Standing>,
    refusals: Refusals,
}

impl Desk {
    fn new(door: Door, standing: Rc<Standing>) -> Self {
        Self { door, standing, refusals: Refusals::default() }
    }

    /// Counts somebody who is refused, and says so where it may be said.
    fn refuse(&self, from: SocketAddr, why: &dyn Display) {
        self.standing.refused_at_admin_port();
        if let Some(refused) = self.refusals.note(from.ip(), Instant::now()) {
            tracing::warn!(
                %from, %why, refused, "refused at the admin port; see runbook: admin-port-refused"
            );
        }
    }
}

async fn serve_one(stream: TcpStream, desk: Rc<Desk>, stranger: Stranger) {
    let Ok(from) = stream.peer_addr() else { return };
    let tls = desk.door.tls();
    let accepting = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream);
    let stream = match timeout(HANDSHAKE_WITHIN, accepting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            desk.refuse(from, &error);
            return;
        }
        Err(_) => return,
    };
    let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let chain = chain.iter().cloned().map(CertificateDer::into_owned).collect::<Vec<_>>();
    // Whoever is refused keeps a stranger's place for the one answer.
    let (status, why, _stranger) = match tls.operator(Some(&chain)) {
        Ok(operator) => match stranger.admit() {
            Ok(_admitted) => {
                tracing::debug!(operator, "an operator is here");
                return http::serve_one(stream, answers(desk, from, chain)).await;
            }
            Err(stranger) => (StatusCode::SERVICE_UNAVAILABLE, full(), stranger),
        },
        Err(refused) => {
            desk.refuse(from, &refused);
            (StatusCode::FORBIDDEN, refused.to_string(), stranger)
        }
    };
    http::answer_once(stream, refusing(status, why)).await;
}

fn full() -> String {
    format!("{OPERATORS_MAX} connections of operators are open: close one, or try again")
}

/// The same answer to whatever is asked.
fn refusing(status: StatusCode, why: String) -> Answers {
    Rc::new(move |_| {
        let why = why.clone();
        Box::pin(async move { refusal(status, &why) })
    })
}

/// What an operator with this certificate is answered.
fn answers(desk: Rc<Desk>, from: SocketAddr, chain: Vec<CertificateDer<'static>>) -> Answers {
    Rc::new(move |asked| {
        let (desk, operator) = (Rc::clone(&desk), desk.door.tls().operator_still(&chain));
        Box::pin(async move {
            match operator {
                Ok(operator) => answer(&desk.standing, &operator, &asked).await,
                // The certificate was good when the connection began.
                Err(refused) => {
                    desk.refuse(from, &refused);
                    refusal(StatusCode::FORBIDDEN, &refused.to_string()).last()
                }
            }
        })
    })
}

/// Why something is refused, as JSON.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

pub(crate) fn refusal(status: StatusCode, error: &str) -> Answer {
    json(status, &Refusal { error })
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_string(value).expect("texts and numbers have a JSON form");
    as_json(status, body)
}

/// An answer of JSON, for whoever asked and for nobody else.
pub(crate) fn as_json(status: StatusCode, body: impl Into<bytes::Bytes>) -> Answer {
    Answer::new(status, "application/json", body)
        .with(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
        .with(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"))
}

/// Whether a page of somebody else's has a browser ask this, with the certificate of the operator who sits before it. A
/// browser says so (Fetch Metadata, and RFC 6454); other programs say nothing.
fn comes_from_elsewhere(asked: &Asked) -> bool {
    let site = asked.header("sec-fetch-site");
    let is_own = |origin: &str| {
        let host = asked.header("host").unwrap_or_default();
        origin.strip_prefix("https://").is_some_and(|own| own == host)
    };
    let origin_fits =
        !asked.headers.contains_key(header::ORIGIN) || asked.header("origin").is_some_and(is_own);
    let site_fits = match site {
        Some(site) => site == "same-origin" || site == "none",
        None => !asked.headers.contains_key("sec-fetch-site"),
    };
    !(origin_fits && site_fits)
}

async fn answer(standing: &Standing, operator: &str, asked: &Asked) -> Answer {
    let path = asked.path.as_str();
    let there = PATHS.iter().find(|it| it.path == path);
    let wanted = there.map_or(Method::GET, |it| it.method.clone());
    // The page tells nothing of the node: a link to it may stand anywhere.
    if path != "/" && comes_from_elsewhere(asked) {
        let why = "a page from elsewhere asks: open this node's own page, or ask without a browser";
        return refusal(StatusCode::FORBIDDEN, why);
    }
    match path {
        _ if there.is_some() && asked.method != wanted => {
            refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("use {wanted} for {path}"))
        }
        "/v1/drain" => {
            tracing::info!(operator, "an operator drains this node");
            standing.ask_to_leave();
            json(StatusCode::ACCEPTED, &view::Status::of(standing))
        }
        _ => look(standing, asked).await,
    }
}

/// What there is, in a line.
fn there_are() -> String {
    let (looks, acts): (Vec<_>, Vec<_>) = PATHS.iter().partition(|it| it.method == Method::GET);
    let list = |paths: &[&Path]| {
        let each = paths.iter().map(|it| format!("{}{}", it.path, it.query));
        each.collect::<Vec<_>>().join(", ")
    };
    format!("there are, to GET, {}, and, to POST, {}", list(&looks), list(&acts))
}

/// Answers that change nothing.
async fn look(standing: &Standing, asked: &Asked) -> Answer {
    let node = &standing.node;
    let ok = StatusCode::OK;
    let max = |default| {
        let asked = asked.number("max").and_then(|max| usize::try_from(max).ok());
        asked.unwrap_or(default)
    };
    match asked.path.as_str() {
        "/" => dashboard::page(&**node.env()),
        "/v1/overview" => json(ok, &view::Overview::of(standing).await),
        "/v1/events" => json(ok, &standing.events.since(asked.number("after").unwrap_or_default())),
        "/v1/status" => json(ok, &view::Status::of(standing)),
        "/v1/members" => json(ok, &view::members(node)),
        "/v1/names" => json(ok, &view::Names::of(node, max(view::NAMES_MAX))),
        "/v1/groups" => json(ok, &view::Groups::of(node, max(view::NAMES_MAX))),
        "/v1/topics" => json(ok, &view::Topics::of(node, max(view::NAMES_MAX))),
        "/v1/actors" => json(ok, &view::Actors::of(&node.tree().await, max(Tree::ACTORS_MAX))),
        "/v1/peers" => json(ok, &view::peers(node)),
        "/v1/types" => json(ok, &view::types(&node.metrics().await)),
        _ => refusal(StatusCode::NOT_FOUND, &there_are()),
    }
}

#[cfg(test)]
mod tests;
