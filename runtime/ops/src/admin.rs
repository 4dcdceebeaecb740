//! The admin port: JSON over HTTP over mutual TLS, for operators of the cluster.
//!
//! What it is: who is let in, and what is answered to which path. What it is NOT: for nodes, whose certificates are refused
//! here with a reason, or for anybody else. The node shows the certificate that it has among nodes, and takes another one
//! when its files change. Read `admin/view.rs` for what is answered, `operator.rs` for the other side.

pub(crate) mod view;

use std::{cell::RefCell, rc::Rc, sync::Arc, time::Duration};

use hyper::{Method, StatusCode};
use odeon::{AdminTls, IdentityError, Papers, PapersStamp, env::Env};
use serde::Serialize;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    config::PapersSection,
    failure::Failed,
    http::{self, Answer, Answers, Asked},
    standing::Standing,
};

/// Connections at once; further ones wait to be accepted. Operators are few.
const CONNECTIONS_MAX: usize = 32;

/// Time of a TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(5);

/// Pause after a connection could not be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Who the node is towards operators, from its files as they are now.
pub(crate) struct Door {
    papers: Papers,
    env: Arc<dyn Env>,
    now: RefCell<(PapersStamp, AdminTls)>,
}

impl Door {
    /// The door of a node with these papers.
    pub(crate) fn new(papers: &PapersSection, env: Arc<dyn Env>) -> Result<Self, Failed> {
        let (Some(cert), Some(key), Some(ca)) = (&papers.cert, &papers.key, &papers.ca_cert) else {
            return Err(Failed::input(
                "admin.listen is of no use without papers: operators are known by the node's authority; give --cert, \
                 --key and --ca-cert, or leave --admin-listen out",
            ));
        };
        let all = Papers::new(cert, key, ca);
        let papers = match papers.crl.clone() {
            Some(list) => all.revoked(list),
            None => all,
        };
        let now = read(&papers, &env).map_err(Failed::input)?;
        Ok(Self { papers, env, now: RefCell::new(now) })
    }

    /// What holds for the next connection.
    fn tls(&self) -> AdminTls {
        let stamp = self.papers.stamp();
        let mut now = self.now.borrow_mut();
        if now.0 != stamp {
            match read(&self.papers, &self.env) {
                Ok(fresh) => *now = fresh,
                // Perhaps they are being written: the next connection looks again.
                Err(error) => {
                    tracing::warn!(%error, "the admin port goes on with the papers that it had")
                }
            }
        }
        now.1.clone()
    }
}

fn read(papers: &Papers, env: &Arc<dyn Env>) -> Result<(PapersStamp, AdminTls), IdentityError> {
    let stamp = papers.stamp();
    Ok((stamp, AdminTls::new(&papers.read()?, env)?))
}

/// Serves operators until it is dropped, and their connections with it.
pub(crate) async fn serve(listener: TcpListener, door: Door, standing: Rc<Standing>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_local(serve_one(stream, door.tls(), Rc::clone(&standing)));
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

async fn serve_one(stream: TcpStream, tls: AdminTls, standing: Rc<Standing>) {
    let from = stream.peer_addr().ok();
    let accepting = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream);
    let stream = match timeout(HANDSHAKE_WITHIN, accepting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            tracing::warn!(?from, %error, "somebody is no operator of this cluster");
            return;
        }
        Err(_) => return,
    };
    let operator = tls.operator(stream.get_ref().1.peer_certificates());
    let answers: Answers = match operator {
        Ok(operator) => {
            tracing::debug!(operator, "an operator is here");
            Rc::new(move |asked| {
                let (standing, operator) = (Rc::clone(&standing), operator.clone());
                Box::pin(async move { answer(&standing, &operator, &asked).await })
            })
        }
        Err(refused) => {
            tracing::warn!(?from, %refused, "refused at the admin port");
            let why = refused.to_string();
            Rc::new(move |_| {
                let why = why.clone();
                Box::pin(async move { refusal(StatusCode::FORBIDDEN, &why) })
            })
        }
    };
    http::serve_one(stream, answers).await;
}

/// Why something is refused, as JSON.
#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a str,
}

fn refusal(status: StatusCode, error: &str) -> Answer {
    json(status, &Refusal { error })
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let body = serde_json::to_string(value).expect("texts and numbers have a JSON form");
    Answer { status, kind: "application/json", body }
}

async fn answer(standing: &Standing, operator: &str, asked: &Asked) -> Answer {
    let wanted = if asked.path == "/v1/drain" { Method::POST } else { Method::GET };
    let ok = StatusCode::OK;
    match asked.path.as_str() {
        "/v1/status" | "/v1/members" | "/v1/actors" | "/v1/peers" | "/v1/types" | "/v1/drain"
            if asked.method != wanted =>
        {
            refusal(StatusCode::METHOD_NOT_ALLOWED, &format!("use {wanted} for {}", asked.path))
        }
        "/v1/status" => json(ok, &view::Status::of(standing)),
        "/v1/members" => json(ok, &view::members(&standing.node)),
        "/v1/actors" => json(ok, &view::Actors::of(&standing.node.tree().await)),
        "/v1/peers" => json(ok, &view::peers(&standing.node)),
        "/v1/types" => json(ok, &view::types(&standing.node.metrics().await)),
        "/v1/drain" => {
            tracing::info!(operator, "an operator drains this node");
            standing.ask_to_leave();
            json(StatusCode::ACCEPTED, &view::Status::of(standing))
        }
        _ => refusal(
            StatusCode::NOT_FOUND,
            "there are /v1/status, /v1/members, /v1/actors, /v1/peers, /v1/types and, to POST, /v1/drain",
        ),
    }
}

#[cfg(test)]
mod tests;
