//! A small HTTP server: bounded connections, short requests, answers in one piece.
//!
//! What it is: hyper's HTTP/1 server with bounds, for whoever has an answer to a method and a path. What it is NOT: a
//! framework, or part of the cluster; it serves people and probes of the real world, so that the simulator has none.

use std::{future::Future, io, net::SocketAddr, pin::Pin, rc::Rc, time::Duration};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode, body::Incoming, header, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
    time::{sleep, timeout},
};

/// Connections at once; further ones wait to be accepted. A probe, a scraper and a few people, with room.
const CONNECTIONS_MAX: usize = 64;

/// Time of one connection: a scraper keeps its own open and opens the next when it ends.
const CONNECTION_WITHIN: Duration = Duration::from_secs(600);

/// Time until the head of a request is there.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Pause after a connection could not be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is asked.
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
}

/// What is answered.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
}

/// An answer that may take its time.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Answer>>>;

/// Who answers.
pub(crate) type Answers = Rc<dyn Fn(Asked) -> Answering>;

impl Answer {
    /// A line for people.
    pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: format!("{}\n", text.into()) }
    }

    fn into_response(self, head: bool) -> Response<Full<Bytes>> {
        let body = if head { Bytes::new() } else { Bytes::from(self.body) };
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = self.status;
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, header::HeaderValue::from_static(self.kind));
        response
    }
}

/// A place to listen at, on this machine.
pub(crate) async fn bind(addr: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    Ok((listener, addr))
}

/// Serves until it is dropped, and its connections with it.
pub(crate) async fn serve(listener: TcpListener, answers: Answers) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn_local(serve_one(stream, Rc::clone(&answers)));
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve_one(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    answers: Answers,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let head = request.method() == Method::HEAD;
        let asked =
            Asked { method: request.method().clone(), path: request.uri().path().to_owned() };
        let answering = answers(asked);
        async move { Ok::<_, std::convert::Infallible>(answering.await.into_response(head)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    // A client that breaks off has its reasons.
    if let Ok(Err(error)) = timeout(CONNECTION_WITHIN, connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
