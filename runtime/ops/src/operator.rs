//! The operator's side of the admin port: one request, one answer.
//!
//! What it is: what `odeon status` and the like do, with the certificates of an operator. What it is NOT: a session; each
//! request has a connection of its own. Not documented as an interface: the port itself is one, for any HTTP client.
//! Browsers come in by `operator/relay.rs`.

mod relay;

pub use relay::Relay;

pub use crate::{
    admin::view::{
        Actor, Actors, Counts, Group, Groups, Hot, Lane, Member, Name, Names, Overview, Peer,
        Status, Topic, Topics, Type, Worker,
    },
    events::{Logged, LoggedSince},
};

use std::{io, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Method, Request, client::conn::http1, header::HOST};
use hyper_util::rt::TokioIo;
use odeon::{
    IdentityError, OperatorTls,
    env::{Env, RealEnv},
};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// How long a request may take: a node whose workers are busy answers within two seconds.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Bytes of an answer: the largest tree of actors there can be.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OperatorError {
    /// The operator's files cannot be used.
    #[error(transparent)]
    Papers(#[from] IdentityError),
    /// The node refuses.
    #[error("{node} refuses: {why}")]
    Refused { node: String, why: String },
    /// There is no such port.
    #[error(
        "{node} cannot be reached: {cause}; is the node up, and is this its --admin-listen? see runbook: \
         admin-port-refused"
    )]
    Unreachable { node: String, cause: io::Error },
    /// What is there is no node of the operator's cluster, or does not take the operator for one.
    #[error(
        "no admin port of the operator's cluster answers at {node}: {cause}; check the address, the certificates, and \
         whether they were revoked or have run out; see runbook: admin-port-refused"
    )]
    NotOurs { node: String, cause: String },
    /// It took too long.
    #[error("{node} did not answer within {ANSWER_WITHIN:?}: try again")]
    Late { node: String },
}

/// Somebody who steers nodes.
#[derive(Clone)]
pub struct Operator(OperatorTls);

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

impl Operator {
    /// Reads an operator's certificate and key, and the authority's certificate.
    ///
    /// # Errors
    /// Names the file, the cause and the remedy.
    pub fn from_pem_files(cert: &Path, key: &Path, ca_cert: &Path) -> Result<Self, OperatorError> {
        let env: Arc<dyn Env> = Arc::new(RealEnv);
        Ok(Self(OperatorTls::from_pem_files(cert, key, ca_cert, &env)?))
    }

    /// What the node says at this path.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn get<T: DeserializeOwned>(
        &self,
        node: &str,
        path: &str,
    ) -> Result<T, OperatorError> {
        self.ask(node, Method::GET, path).await
    }

    /// Tells the node to drain; how it is by then.
    ///
    /// # Errors
    /// See [`OperatorError`].
    pub async fn drain(&self, node: &str) -> Result<Status, OperatorError> {
        self.ask(node, Method::POST, "/v1/drain").await
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        node: &str,
        method: Method,
        path: &str,
    ) -> Result<T, OperatorError> {
        let (status, body) = self.exchange_in_time(node, method, path).await?;
        let strange = |error: serde_json::Error| OperatorError::NotOurs {
            node: node.to_owned(),
            cause: error.to_string(),
        };
        if status.is_success() {
            return serde_json::from_slice(&body).map_err(strange);
        }
        let Refusal { error: why } = serde_json::from_slice(&body).map_err(strange)?;
        Err(OperatorError::Refused { node: node.to_owned(), why })
    }

    /// What the node says at this path, as it says it.
    async fn text(
        &self,
        node: &str,
        path: &str,
    ) -> Result<(hyper::StatusCode, Bytes), OperatorError> {
        self.exchange_in_time(node, Method::GET, path).await
    }

    async fn exchange_in_time(
        &self,
        node: &str,
        method: Method,
        path: &str,
    ) -> Result<(hyper::StatusCode, Bytes), OperatorError> {
        let asked = timeout(ANSWER_WITHIN, self.exchange(node, method, path)).await;
        asked.map_err(|_| OperatorError::Late { node: node.to_owned() })?
    }

    async fn exchange(
        &self,
        node: &str,
        method: Method,
        path: &str,
    ) -> Result<(hyper::StatusCode, Bytes), OperatorError> {
        let unreachable = |cause| OperatorError::Unreachable { node: node.to_owned(), cause };
        let not_ours = |cause: String| OperatorError::NotOurs { node: node.to_owned(), cause };
        let stream = TcpStream::connect(node).await.map_err(unreachable)?;
        let OperatorTls { config, server_name } = &self.0;
        let connecting =
            TlsConnector::from(Arc::clone(config)).connect(server_name.clone(), stream);
        let stream = connecting.await.map_err(|error| not_ours(error.to_string()))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| not_ours(error.to_string()))?;
        let request = Request::builder().method(method).uri(path).header(HOST, node);
        let request =
            request.body(Empty::<Bytes>::new()).map_err(|error| not_ours(error.to_string()))?;
        let answering = async {
            let response = sender.send_request(request).await.map_err(|error| deepest(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            Ok((status, body.map_err(|error| error.to_string())?.to_bytes()))
        };
        let mut connection = std::pin::pin!(connection);
        let mut answering = std::pin::pin!(answering);
        let answer: Result<_, String> = tokio::select! {
            answer = &mut answering => answer,
            // The answer may be there all the same.
            ended = &mut connection => match ended {
                Ok(()) => answering.await,
                Err(error) => Err(deepest(&error)),
            },
        };
        answer.map_err(not_ours)
    }
}

/// What began it: hyper's own words say little.
fn deepest(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}
