//! A small HTTP server: bounded connections, short requests, answers in one piece.
//!
//! What it is: hyper's HTTP/1 server with bounds, for whoever has an answer to a method and a path. What it is NOT: a
//! framework, or part of the cluster; it serves people and probes of the real world, so that the simulator has none. Read
//! `http/places.rs` for who makes room when all places are taken.

mod body;
mod places;

use std::{future::Future, io, net::SocketAddr, pin::Pin, rc::Rc, time::Duration};

use bytes::Bytes;
use hyper::{
    HeaderMap, Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    task::JoinSet,
    time::{sleep, timeout},
};

use body::AnswerBody;
use places::{Busy, Place, Places};

/// Connections at once; a further one has the place of the one that has had nothing to do for longest. A probe, a scraper
/// and a few people, with room.
const CONNECTIONS_MAX: usize = 64;

/// Time of one connection: a scraper keeps its own open and opens the next when it ends.
const CONNECTION_WITHIN: Duration = Duration::from_secs(600);

/// Time until the head of a request is there, and so of a connection without a word.
const HEAD_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Pause after a connection could not be accepted, such as for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Time of a connection that gets one answer: its head, the answer, and the way there.
const ONE_ANSWER_WITHIN: Duration = Duration::from_secs(15);

/// What is asked.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) path: String,
    /// What stands behind the question mark, as it came.
    pub(crate) query: String,
    pub(crate) headers: HeaderMap,
}

impl Asked {
    /// A number of the query, such as of `after=7`; none if there is none, or no number stands there.
    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        let pairs = self.query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(key, _)| *key == name).and_then(|(_, value)| value.parse().ok())
    }

    /// A header, if it is there once and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?;
        if all.next().is_some() { None } else { first.to_str().ok() }
    }
}

/// What is answered.
pub(crate) struct Answer {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Bytes,
    /// Where it is answered, that has a place to keep.
    busy: Option<Busy>,
}

/// An answer that may take its time.
pub(crate) type Answering = Pin<Box<dyn Future<Output = Answer>>>;

/// Who answers.
pub(crate) type Answers = Rc<dyn Fn(Asked) -> Answering>;

impl Answer {
    /// Any answer.
    pub(crate) fn new(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Self {
        let headers = vec![(header::CONTENT_TYPE, HeaderValue::from_static(kind))];
        Self { status, headers, body: body.into(), busy: None }
    }

    /// A line for people.
    pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", format!("{}\n", text.into()))
    }

    /// One more header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Nothing else is answered on its connection.
    pub(crate) fn last(self) -> Self {
        self.with(header::CONNECTION, HeaderValue::from_static("close"))
    }

    #[cfg(test)]
    pub(crate) fn into_text(self) -> (u16, String) {
        (self.status.as_u16(), String::from_utf8_lossy(&self.body).into_owned())
    }

    fn into_response(self, head: bool) -> Response<AnswerBody> {
        let body = if head { Bytes::new() } else { self.body };
        let mut response = Response::new(AnswerBody::new(body, self.busy));
        *response.status_mut() = self.status;
        response.headers_mut().extend(self.headers);
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
    let (mut connections, places) = (JoinSet::new(), Places::new(CONNECTIONS_MAX));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => places.give(|place| {
                    connections.spawn_local(serve_one(stream, place.keeping(&answers)))
                }),
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

impl Place {
    /// These answers, which say here when one is being made or written; the place goes with them.
    fn keeping(self, answers: &Answers) -> Answers {
        let answers = Rc::clone(answers);
        Rc::new(move |asked| {
            let (busy, answer) = (self.busy(), answers(asked));
            Box::pin(async move { Answer { busy: Some(busy), ..answer.await } })
        })
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve_one(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    answers: Answers,
) {
    converse(stream, answers, true, CONNECTION_WITHIN).await;
}

/// Answers once, and closes.
pub(crate) async fn answer_once(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    answers: Answers,
) {
    converse(stream, answers, false, ONE_ANSWER_WITHIN).await;
}

async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin + 'static,
    answers: Answers,
    goes_on: bool,
    within: Duration,
) {
    let answer = service_fn(move |request: Request<Incoming>| {
        let head = request.method() == Method::HEAD;
        let (parts, _) = request.into_parts();
        let (path, query) = (parts.uri.path().to_owned(), parts.uri.query().unwrap_or_default());
        let query = query.to_owned();
        let asked = Asked { method: parts.method, path, query, headers: parts.headers };
        let answering = answers(asked);
        async move { Ok::<_, std::convert::Infallible>(answering.await.into_response(head)) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .keep_alive(goes_on)
        .header_read_timeout(HEAD_WITHIN)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), answer);
    // A client that breaks off has its reasons.
    if let Ok(Err(error)) = timeout(within, connection).await {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
        task::LocalSet,
    };

    use super::*;

    /// Runs the test beside the port that it asks.
    async fn while_served(listener: TcpListener, answers: Answers, test: impl Future<Output = ()>) {
        let both = async {
            tokio::select! {
                () = serve(listener, answers) => {}
                () = test => {}
            }
        };
        LocalSet::new().run_until(both).await;
    }

    async fn ask(addr: SocketAddr) -> String {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    /// Each of them had a place until the time for its head was over, and a probe waited so long.
    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "how long a real probe waits")]
    async fn connections_without_a_word_keep_no_probe_waiting() {
        let (listener, addr) = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let answers: Answers =
            Rc::new(|_| Box::pin(async { Answer::text(StatusCode::OK, "alive") }));
        let test = async {
            let mut held = Vec::new();
            for _ in 0..3 * CONNECTIONS_MAX {
                held.push(TcpStream::connect(addr).await.unwrap());
            }
            let began = Instant::now();
            assert!(ask(addr).await.ends_with("alive\n"));
            assert!(began.elapsed() < HEAD_WITHIN / 2, "{:?}", began.elapsed());
        };
        while_served(listener, answers, test).await;
    }

    /// A scraper that waits for its answer is not the one that goes.
    #[tokio::test]
    async fn whoever_is_being_answered_goes_last() {
        let (listener, addr) = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let answers: Answers = Rc::new(|_| {
            Box::pin(async {
                sleep(Duration::from_millis(500)).await;
                Answer::text(StatusCode::OK, "slow")
            })
        });
        let test = async {
            let holding = async {
                let mut held = Vec::new();
                sleep(Duration::from_millis(100)).await;
                for _ in 0..3 * CONNECTIONS_MAX {
                    held.push(TcpStream::connect(addr).await.unwrap());
                }
                sleep(Duration::from_secs(1)).await;
            };
            let (text, ()) = tokio::join!(ask(addr), holding);
            assert!(text.ends_with("slow\n"), "{text:?}");
        };
        while_served(listener, answers, test).await;
    }

    /// It was the idlest as soon as its answer was made, and got a part of it.
    #[tokio::test]
    async fn whoever_reads_its_answer_slowly_goes_last_as_well() {
        const LENGTH: usize = 32 << 20;
        let (listener, addr) = bind(([127, 0, 0, 1], 0).into()).await.unwrap();
        let answers: Answers = Rc::new(|_| {
            Box::pin(async { Answer::new(StatusCode::OK, "text/plain", vec![b'a'; LENGTH]) })
        });
        let test = async {
            let mut slow = TcpStream::connect(addr).await.unwrap();
            slow.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
                .await
                .unwrap();
            let mut text = vec![0; 1 << 10];
            slow.read_exact(&mut text).await.unwrap();
            let mut held = Vec::new();
            for _ in 0..3 * CONNECTIONS_MAX {
                held.push(TcpStream::connect(addr).await.unwrap());
            }
            // All of them have places, or have had.
            assert_eq!(
                held[0].read(&mut [0]).await.unwrap(),
                0,
                "the first made room for the last"
            );
            slow.read_to_end(&mut text).await.unwrap();
            assert!(text.len() > LENGTH, "{} bytes of {LENGTH} and a head", text.len());
        };
        while_served(listener, answers, test).await;
    }
}
