//! A node's dashboard for a browser that has no certificate: a port of this machine whose requests go on as an operator's.
//!
//! What it is: what `odeon dashboard` does. It listens on the loopback interface, at a port that the system chooses, gives
//! the page itself, and carries the questions of that page to the node, with the operator's certificate. What it is
//! NOT: a proxy; nothing else is carried, and nothing that changes the node. Who may ask: whoever has the address that it
//! prints, which has a random word in it. A page from elsewhere cannot guess that word, and is refused by what browsers say
//! of it: the name under which it asks (a name of its own that stands for this machine, DNS rebinding) and where it is from.

use std::{net::Ipv4Addr, rc::Rc};

use hyper::{Method, StatusCode, header};
use odeon::env::RealEnv;
use tokio::{net::TcpListener, sync::Semaphore};

use super::{Operator, OperatorError};
use crate::{
    admin::{as_json, refusal},
    dashboard,
    failure::Failed,
    http::{self, Answer, Answers, Asked},
};

/// Questions to the node at once; further ones wait. A page asks one at a time.
const CARRIED_MAX: usize = 8;

/// What is carried.
const CARRIED: [&str; 6] =
    ["v1/overview", "v1/actors", "v1/events", "v1/names", "v1/groups", "v1/topics"];

/// A port of this machine for the dashboard of one node.
pub struct Relay {
    listener: TcpListener,
    /// As browsers name it.
    host: String,
    token: String,
}

/// What the answers need.
struct Carrying {
    operator: Operator,
    node: String,
    host: String,
    token: String,
    room: Semaphore,
}

impl Relay {
    /// Listens, at a port that the system chooses.
    ///
    /// # Errors
    /// When this machine gives no port.
    pub async fn bind() -> Result<Self, Failed> {
        let bound = http::bind((Ipv4Addr::LOCALHOST, 0).into()).await;
        let (listener, addr) = bound.map_err(|error| {
            Failed::run(format!("cannot listen on the loopback interface of this machine: {error}"))
        })?;
        Ok(Self { listener, host: addr.to_string(), token: dashboard::random(&RealEnv) })
    }

    /// The page's address. Whoever has it sees the node as the operator does.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/{}/", self.host, self.token)
    }

    /// Serves until it is dropped.
    pub async fn serve(self, operator: Operator, node: String) {
        let Self { listener, host, token } = self;
        let room = Semaphore::new(CARRIED_MAX);
        let carrying = Rc::new(Carrying { operator, node, host, token, room });
        let answers: Answers = Rc::new(move |asked| {
            let carrying = Rc::clone(&carrying);
            Box::pin(async move { carrying.answer(&asked).await })
        });
        http::serve(listener, answers).await;
    }
}

impl Carrying {
    async fn answer(&self, asked: &Asked) -> Answer {
        if let Some(why) = self.objection(asked) {
            return refusal(StatusCode::FORBIDDEN, why);
        }
        let Some(path) = self.path(asked) else {
            return refusal(
                StatusCode::NOT_FOUND,
                "use the whole address that the command printed",
            );
        };
        if asked.method != Method::GET {
            return refusal(StatusCode::METHOD_NOT_ALLOWED, "the dashboard only looks: use GET");
        }
        if path.is_empty() {
            return dashboard::page(&RealEnv);
        }
        if !CARRIED.contains(&path) {
            return refusal(StatusCode::NOT_FOUND, "this is not carried to the node");
        }
        let question = if asked.query.is_empty() {
            format!("/{path}")
        } else {
            format!("/{path}?{}", asked.query)
        };
        let Ok(_room) = self.room.acquire().await else {
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "the command ends");
        };
        match self.operator.text(&self.node, &question).await {
            Ok((status, body)) => as_json(status, body),
            Err(error @ OperatorError::Late { .. }) => {
                refusal(StatusCode::GATEWAY_TIMEOUT, &error.to_string())
            }
            Err(error) => refusal(StatusCode::BAD_GATEWAY, &error.to_string()),
        }
    }

    /// What is wrong with how it is asked. A browser's page cannot set these headers.
    fn objection(&self, asked: &Asked) -> Option<&'static str> {
        if asked.header("host") != Some(&self.host) {
            return Some(
                "this name is not the one of this port: use the address that the command printed",
            );
        }
        let own = |origin: &str| origin.strip_prefix("http://") == Some(&self.host);
        let has_origin = asked.headers.contains_key(header::ORIGIN);
        if has_origin && !asked.header("origin").is_some_and(own) {
            return Some("a page from elsewhere asks");
        }
        let has_site = asked.headers.contains_key("sec-fetch-site");
        let fits = |site: &str| site == "same-origin" || site == "none";
        if has_site && !asked.header("sec-fetch-site").is_some_and(fits) {
            return Some("a page from elsewhere asks: open the address by hand");
        }
        None
    }

    /// What stands behind the token, which is compared in the same time wherever it differs.
    fn path<'a>(&self, asked: &'a Asked) -> Option<&'a str> {
        let (token, path) = asked.path.strip_prefix('/')?.split_once('/')?;
        if token.len() != self.token.len() {
            return None;
        }
        let pairs = token.bytes().zip(self.token.bytes());
        let differs = pairs.fold(0, |sum, (one, other)| sum | (one ^ other));
        (differs == 0).then_some(path)
    }
}

#[cfg(test)]
mod tests {
    use hyper::HeaderMap;

    use super::*;

    fn asked(path: &str, headers: &[(&'static str, &str)]) -> Asked {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Asked { path: path.to_owned(), headers: map, ..Asked::default() }
    }

    /// A name that another page has, and a token.
    const HOST: &str = "127.0.0.1:4000";

    fn carrying(operator: Operator) -> Carrying {
        let room = Semaphore::new(CARRIED_MAX);
        let token = "0123456789abcdef".to_owned();
        Carrying { operator, node: "127.0.0.1:1".to_owned(), host: HOST.to_owned(), token, room }
    }

    /// An operator of nowhere: nothing is carried here.
    fn operator() -> Operator {
        use std::{sync::Arc, time::Duration};

        use odeon::{Ca, Validity, env::Env};
        let env: Arc<dyn Env> = Arc::new(RealEnv);
        let dir = std::env::temp_dir().join(format!("odeon-ops-relay-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        let validity = Validity::from(env.wall_clock(), Duration::from_secs(86_400));
        let ca = Ca::new("shop", validity).unwrap();
        let pair = ca.issue_operator_pem("alice", validity).unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.join(name), text).unwrap();
        write("a.pem", &pair.cert);
        write("a.key", &pair.key);
        write("ca.pem", &ca.to_pem().cert);
        let file = |name: &str| dir.join(name);
        let operator =
            Operator::from_pem_files(&file("a.pem"), &file("a.key"), &file("ca.pem")).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        operator
    }

    #[tokio::test]
    async fn who_has_not_the_address_or_comes_from_elsewhere_is_refused() {
        let carrying = carrying(operator());
        let page = "/0123456789abcdef/";
        let status = async |path: &str, headers: &[(&'static str, &str)]| {
            carrying.answer(&asked(path, headers)).await.into_text().0
        };
        let own = ("host", HOST);
        assert_eq!(status(page, &[own]).await, 200);
        assert_eq!(status(page, &[own, ("sec-fetch-site", "none")]).await, 200);
        assert_eq!(status(page, &[own, ("origin", "http://127.0.0.1:4000")]).await, 200);
        assert_eq!(status(page, &[]).await, 403, "HTTP/1.1 has a host");
        for host in ["evil.example:4000", "localhost:4000", "127.0.0.1", "127.0.0.1:4001"] {
            assert_eq!(status(page, &[("host", host)]).await, 403, "{host}");
        }
        assert_eq!(status(page, &[own, own]).await, 403, "two names");
        for origin in ["http://evil.example", "null", "https://127.0.0.1:4000", ""] {
            assert_eq!(status(page, &[own, ("origin", origin)]).await, 403, "{origin}");
        }
        for site in ["cross-site", "same-site", "?"] {
            assert_eq!(status(page, &[own, ("sec-fetch-site", site)]).await, 403, "{site}");
        }
        for path in ["/", "/0123456789abcdee/", "/0123456789abcdef", "/0123/v1/overview", "//"] {
            assert_eq!(status(path, &[own]).await, 404, "{path}");
        }
        for path in ["v1/drain", "v1/status", "v1/overview/", "../v1/overview", "//v1/overview"] {
            assert_eq!(status(&format!("{page}{path}"), &[own]).await, 404, "{path}");
        }
        let drain =
            Asked { method: Method::POST, ..asked("/0123456789abcdef/v1/overview", &[own]) };
        assert_eq!(carrying.answer(&drain).await.into_text().0, 405);
        // The node is not there, which is said.
        let (status, why) =
            carrying.answer(&asked("/0123456789abcdef/v1/overview", &[own])).await.into_text();
        assert!(status == 502 && why.contains("127.0.0.1:1"), "{status} {why}");
    }
}
