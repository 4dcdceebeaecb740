//! A peer with a good certificate and bad manners: a bare QUIC connection that says what it likes, over the sockets of any
//! environment. The network in memory, this machine's own and the simulated one have the same stranger.

#[path = "bare.rs"]
mod bare;

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

pub(crate) use bare::{BareRuntime, BareSocket};
use odeon_env::DatagramSocket;
use odeon_message::{ActorKey, AskId, Incarnation, MessageId};
use odeon_transport::{Ca, Frame, FrameKind, Header, Validity};
use odeon_wire::{
    AcceptedTable, Announce, CloseCode, ClusterName, Extensions, FrameLimits, FrameReader,
    FrameWriter, Hello, InitialCredit, NodeName, Preamble, Purpose, Revisions, Welcome,
    format::CONTROL_FRAME_BYTES_MAX, write_body,
};
use quinn::{Connection, ConnectionError, RecvStream, SendStream};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject};

/// As whom a stranger comes, and when.
#[derive(Clone, Copy)]
pub(crate) struct Guise<'a> {
    pub(crate) ca: &'a Ca,
    pub(crate) name: &'a str,
    pub(crate) now: SystemTime,
}

impl Guise<'_> {
    pub(crate) fn hello(&self, advertised: SocketAddr) -> Hello {
        let name = NodeName::new(self.name).expect("a good name");
        Hello {
            revisions: Revisions::OURS,
            cluster: ClusterName::new(self.ca.cluster()).expect("a good name"),
            node: name.id(),
            name,
            incarnation: Incarnation(1),
            dial: 1,
            advertised,
            lanes: 4,
            frame_bytes_max: 1 << 20,
            bulk: None,
            credit: InitialCredit::default(),
            guest: false,
            accepted: AcceptedTable::new(Vec::new()).expect("it is empty"),
        }
    }

    fn tls(&self) -> rustls::ClientConfig {
        let validity = Validity::from(self.now, Duration::from_secs(86_400));
        let pair = self.ca.issue_pem(self.name, validity).expect("a good name");
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes());
        let mut roots = rustls::RootCertStore::empty();
        let root = certificate(&self.ca.to_pem().cert).expect("it is a certificate");
        roots.add(root).expect("it is one of an authority");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let clock = Arc::new(ClockAt(self.now));
        let mut tls = rustls::ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("ring has them")
            .with_root_certificates(roots)
            .with_client_auth_cert(
                vec![certificate(&pair.cert).expect("it is a certificate")],
                PrivateKeyDer::from_pem_slice(pair.key.as_bytes()).expect("it is a key"),
            )
            .expect("they belong together");
        tls.alpn_protocols = vec![b"odeon/1".to_vec()];
        tls
    }
}

/// A clock that stands.
#[derive(Debug)]
pub(crate) struct ClockAt(pub(crate) SystemTime);

impl rustls::time_provider::TimeProvider for ClockAt {
    fn current_time(&self) -> Option<UnixTime> {
        self.0.duration_since(SystemTime::UNIX_EPOCH).ok().map(UnixTime::since_unix_epoch)
    }
}

pub(crate) struct Stranger {
    pub(crate) connection: Connection,
    pub(crate) control: Option<(SendStream, RecvStream, FrameReader)>,
    /// Must live as long as its connection.
    pub(crate) endpoint: quinn::Endpoint,
}

impl Stranger {
    pub(crate) async fn dial(
        socket: Arc<dyn DatagramSocket>,
        guise: &Guise<'_>,
        to: SocketAddr,
    ) -> Result<Self, ConnectionError> {
        let tls = quinn::crypto::rustls::QuicClientConfig::try_from(guise.tls());
        let config = quinn::ClientConfig::new(Arc::new(tls.expect("TLS 1.3 has what QUIC needs")));
        let endpoint = quinn::Endpoint::new_with_abstract_socket(
            quinn::EndpointConfig::default(),
            None,
            Arc::new(BareSocket(socket)),
            Arc::new(BareRuntime),
        )
        .expect("the socket is bound");
        let server_name = format!("{}.odeon", guise.ca.cluster());
        let connecting = endpoint.connect_with(config, to, &server_name).expect("a good address");
        Ok(Self { connection: connecting.await?, control: None, endpoint })
    }

    /// Sends these bytes as the start of the control stream.
    pub(crate) async fn say(&mut self, bytes: &[u8]) {
        let (mut send, recv) = self.connection.open_bi().await.expect("there may be one");
        send.write_all(bytes).await.expect("it is read");
        let reader = FrameReader::new(Purpose::Control, FrameLimits::default());
        self.control = Some((send, recv, reader));
    }

    /// Sends more bytes on the control stream.
    pub(crate) async fn go_on(&mut self, bytes: &[u8]) {
        let (send, ..) = self.control.as_mut().expect("it has begun to speak");
        send.write_all(bytes).await.expect("it is read");
    }

    pub(crate) async fn introduce(&mut self, hello: &Hello) {
        let mut bytes = Preamble::CONTROL.encode().to_vec();
        let header = Header::bare(FrameKind::Hello);
        write_body(&mut bytes, header, hello, CONTROL_FRAME_BYTES_MAX).expect("it is short");
        self.say(&bytes).await;
    }

    pub(crate) async fn next_frame(&mut self) -> Frame {
        let (_, recv, reader) = self.control.as_mut().expect("it has begun to speak");
        loop {
            if let Some(frame) = reader.next().expect("the node speaks well") {
                return frame;
            }
            let chunk = recv.read_chunk(1 << 16, true).await.expect("the connection is there");
            reader.push(&chunk.expect("it has not ended").bytes);
        }
    }

    /// As a proper node would come in.
    pub(crate) async fn come_in(&mut self, hello: &Hello) {
        self.introduce(hello).await;
        self.next_frame().await.body::<Welcome>().expect("it is welcome");
    }

    pub(crate) async fn lane(&self, index: u8, bytes: &[u8]) -> SendStream {
        self.stream(&Preamble::lane(index), bytes).await
    }

    pub(crate) async fn bulk(&self, number: u64, bytes: &[u8]) -> SendStream {
        self.stream(&Preamble { purpose: Purpose::Bulk, index: number }, bytes).await
    }

    async fn stream(&self, preamble: &Preamble, bytes: &[u8]) -> SendStream {
        let mut stream = self.connection.open_uni().await.expect("there may be one more");
        stream.write_all(&preamble.encode()).await.expect("it is read");
        // The whole of it may not be taken any more.
        let _ = stream.write_all(bytes).await;
        stream
    }

    pub(crate) async fn closed_with(&self) -> CloseCode {
        match self.connection.closed().await {
            ConnectionError::ApplicationClosed(close) => {
                let code = u16::try_from(close.error_code.into_inner());
                CloseCode::from_code(code.expect("it is one of ours"))
            }
            other => panic!("{other}"),
        }
    }
}

pub(crate) fn message_frame(to: ActorKey, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let header = Header::message(to, MessageId(1), AskId::NONE);
    let frame = FrameWriter::begin(&mut out, header, &Extensions::default());
    let mut frame = frame.expect("the buffer is empty");
    frame.payload().extend_from_slice(payload);
    frame.finish(1 << 30).expect("it is shorter");
    out
}

/// What announces a message to this receiver.
pub(crate) fn announcement(to: ActorKey, stream: u64, frame_bytes: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let frame_bytes = u32::try_from(frame_bytes).expect("it is shorter");
    let announce = Announce { stream, frame_bytes, kind: FrameKind::Message };
    let header = Header::message(to, MessageId(1), AskId::NONE);
    write_body(&mut out, header, &announce, 1 << 20).expect("it is short");
    out
}
