//! TLS 1.3 over TCP: one connection, frames as in `bare.rs`, both sides proved. The other way to encrypt.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use tokio::{
    io::{ReadHalf, WriteHalf, split},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use crate::{
    Outcome,
    remote::{
        bare::{Pipe, answer},
        papers::{SENDER, SERVER_NAME, receiver},
        system::{Client, Remote, Setup, Size},
    },
};

/// A connection without actors.
pub(crate) struct Tls;

type Stream = TlsStream<TcpStream>;

impl Remote for Tls {
    type Server = JoinSet<()>;
    type Client = Pipe<ReadHalf<Stream>, WriteHalf<Stream>>;

    async fn serve(setup: &Setup) -> Outcome<(Self::Server, String)> {
        let (tls, _) = setup.papers.tls(&receiver(0))?;
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        let address = listener.local_addr()?.to_string();
        let mut serving = JoinSet::new();
        serving.spawn_local(serve(listener, TlsAcceptor::from(Arc::new(tls))));
        Ok((serving, address))
    }

    async fn connect(setup: &Setup, to: &str) -> Outcome<Self::Client> {
        let (_, tls) = setup.papers.tls(SENDER)?;
        let stream = TcpStream::connect(to.parse::<SocketAddr>()?).await?;
        stream.set_nodelay(true)?;
        let connector = TlsConnector::from(Arc::new(tls));
        let stream = connector.connect(ServerName::try_from(SERVER_NAME)?, stream).await?;
        let (recv, send) = split(stream);
        Ok(Pipe::new(recv, send))
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(stream) = acceptor.accept(stream).await else { continue };
        if stream.get_ref().0.set_nodelay(true).is_ok() {
            let (recv, send) = split(stream);
            // It ends with the client, which says what went wrong.
            let _ = answer(recv, send).await;
        }
    }
}

impl Client for Pipe<ReadHalf<Stream>, WriteHalf<Stream>> {
    async fn ask(&mut self, asks: u64) -> Outcome<Vec<Duration>> {
        Pipe::ask(self, asks).await
    }

    async fn ask64(&mut self, each: u64) -> Outcome<()> {
        Pipe::ask64(self, 64 * each).await
    }

    async fn tell(&mut self, size: Size, tells: u64) -> Outcome<()> {
        Pipe::tell(self, size, tells).await
    }
}
