//! A name server of the test's own, on loopback: records that change, over UDP and TCP, and bad manners.

#![allow(dead_code, reason = "each test takes what it needs of it")]
#![allow(clippy::disallowed_methods, reason = "it is a program outside of any node")]

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use simple_dns::{
    CLASS, Name, Packet, PacketFlag, QTYPE, Question, RCODE, ResourceRecord, TYPE,
    rdata::{A, AAAA, RData, SRV},
};

/// Longest answer over UDP (RFC 1035, section 4.2.1); what is longer comes over TCP.
const UDP_BYTES_MAX: usize = 512;

/// A host and its port, with how much it is preferred.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    pub(crate) host: String,
}

/// What it does with a question.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) enum Manners {
    /// It answers.
    #[default]
    Good,
    /// It says that it failed (SERVFAIL).
    Fails,
    /// It answers with these bytes behind the id of the question.
    Says(Vec<u8>),
}

#[derive(Debug, Default)]
struct Zone {
    targets: BTreeMap<String, Vec<Target>>,
    addresses: BTreeMap<String, Vec<IpAddr>>,
    manners: Manners,
}

/// The server; it ends when it is dropped.
pub(crate) struct NameServer {
    pub(crate) addr: SocketAddr,
    zone: Arc<Mutex<Zone>>,
    ends: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl NameServer {
    pub(crate) fn start() -> Self {
        let (udp, tcp) = loop {
            let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
            // The same number for both; somebody may have it for one of them.
            if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()) {
                break (udp, tcp);
            }
        };
        let addr = udp.local_addr().unwrap();
        let (zone, ends) = (Arc::<Mutex<Zone>>::default(), Arc::<AtomicBool>::default());
        let (ours, ended) = (Arc::clone(&zone), Arc::clone(&ends));
        let by_udp = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok((len, from)) = udp.recv_from(&mut buffer) {
                if ended.load(Relaxed) {
                    return;
                }
                if let Some(answer) = answer(&ours, &buffer[..len], UDP_BYTES_MAX) {
                    udp.send_to(&answer, from).unwrap();
                }
            }
        });
        let (ours, ended) = (Arc::clone(&zone), Arc::clone(&ends));
        let by_tcp = std::thread::spawn(move || {
            while let Ok((stream, _)) = tcp.accept() {
                if ended.load(Relaxed) {
                    return;
                }
                // Whoever asks may go away in the middle.
                let _ = talk(stream, &ours);
            }
        });
        Self { addr, zone, ends, threads: vec![by_udp, by_tcp] }
    }

    /// What a name's SRV records are from now on.
    pub(crate) fn set_targets(&self, name: &str, targets: &[Target]) {
        self.zone().targets.insert(name.to_owned(), targets.to_vec());
    }

    /// What a host's addresses are from now on.
    pub(crate) fn set_addresses(&self, host: &str, addresses: &[IpAddr]) {
        self.zone().addresses.insert(host.to_owned(), addresses.to_vec());
    }

    pub(crate) fn set_manners(&self, manners: Manners) {
        self.zone().manners = manners;
    }

    fn zone(&self) -> MutexGuard<'_, Zone> {
        self.zone.lock().unwrap()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.ends.store(true, Relaxed);
        // Each thread waits for something to come.
        let _ = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.send_to(&[0], self.addr));
        let _ = TcpStream::connect(self.addr);
        self.threads.drain(..).for_each(|thread| drop(thread.join()));
    }
}

/// Questions and answers over one connection, each behind its length (RFC 1035, section 4.2.2).
fn talk(mut stream: TcpStream, zone: &Mutex<Zone>) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    loop {
        let mut len = [0; 2];
        stream.read_exact(&mut len)?;
        let mut asked = vec![0; u16::from_be_bytes(len).into()];
        stream.read_exact(&mut asked)?;
        let Some(answer) = answer(zone, &asked, usize::from(u16::MAX)) else { return Ok(()) };
        let len = u16::try_from(answer.len()).unwrap();
        stream.write_all(&[&len.to_be_bytes()[..], &answer].concat())?;
    }
}

fn answer(zone: &Mutex<Zone>, asked: &[u8], bytes_max: usize) -> Option<Vec<u8>> {
    let asked = Packet::parse(asked).ok()?;
    let question = asked.questions.first()?.clone();
    let zone = zone.lock().unwrap();
    let mut packet = Packet::new_reply(asked.id());
    packet.set_flags(PacketFlag::RESPONSE | PacketFlag::AUTHORITATIVE_ANSWER);
    match &zone.manners {
        Manners::Good => fill(&mut packet, &zone, &question),
        Manners::Fails => *packet.rcode_mut() = RCODE::ServerFailure,
        Manners::Says(bytes) => {
            return Some([&asked.id().to_be_bytes()[..], bytes].concat());
        }
    }
    packet.questions.push(question);
    let bytes = packet.build_bytes_vec_compressed().unwrap();
    if bytes.len() <= bytes_max {
        return Some(bytes);
    }
    packet.answers.clear();
    packet.set_flags(PacketFlag::TRUNCATION);
    Some(packet.build_bytes_vec_compressed().unwrap())
}

fn fill(packet: &mut Packet<'_>, zone: &Zone, question: &Question<'_>) {
    let name = question.qname.to_string().to_ascii_lowercase();
    let owned = |name: &str| Name::new(name).unwrap().into_owned();
    let (targets, addresses) = (zone.targets.get(&name), zone.addresses.get(&name));
    if targets.is_none() && addresses.is_none() {
        *packet.rcode_mut() = RCODE::NameError;
        return;
    }
    let mut records = Vec::new();
    match question.qtype {
        QTYPE::TYPE(TYPE::SRV) => {
            for Target { priority, weight, port, host } in targets.into_iter().flatten() {
                let (priority, weight, port, target) = (*priority, *weight, *port, owned(host));
                records.push(RData::SRV(SRV { priority, weight, port, target }));
            }
        }
        QTYPE::TYPE(TYPE::A | TYPE::AAAA) => {
            for address in addresses.into_iter().flatten() {
                match (address, question.qtype) {
                    (IpAddr::V4(ip), QTYPE::TYPE(TYPE::A)) => {
                        records.push(RData::A(A { address: (*ip).into() }));
                    }
                    (IpAddr::V6(ip), QTYPE::TYPE(TYPE::AAAA)) => {
                        records.push(RData::AAAA(AAAA { address: (*ip).into() }));
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
    let record = |data| ResourceRecord::new(owned(&name), CLASS::IN, 5, data);
    packet.answers.extend(records.into_iter().map(record));
}
