//! Nodes on IPv6, as programs on `[::1]`: they find each other by a name, one that is killed is missed at once, and a name
//! with addresses of both families leads to nodes that have one of them.
//!
//! Skipped, with a reason, where the machine has no IPv6.

#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

#[path = "outside/program.rs"]
mod program;
#[path = "../../env/tests/dns/server.rs"]
mod server;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

use crate::{
    program::{Folder, Running},
    server::NameServer,
};

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);

/// The name by which nodes look for others.
const HOST: &str = "shop.example";

/// Whether this machine has IPv6; says so if it has none.
fn has_ipv6() -> bool {
    let bound = UdpSocket::bind((V6, 0));
    if let Err(error) = &bound {
        eprintln!("skipped: this machine has no IPv6: ::1 cannot be had: {error}");
    }
    bound.is_ok()
}

/// A folder with papers, and a name server.
struct Town {
    papers: Folder,
    names: NameServer,
}

impl Town {
    fn new(name: &str) -> Self {
        let papers = Folder::new(name).papers("shop", &["a", "b", "c"]);
        Self { papers, names: NameServer::start() }
    }

    /// A node on this address that begins a cluster.
    fn found(&self, name: &str, on: IpAddr) -> Running {
        Running::start(&self.papers, name, &["--dev", "--listen", &listen(on)])
    }

    /// A node on this address that looks for the node at the port of [`HOST`].
    fn join(&self, name: &str, on: IpAddr, port: u16) -> Running {
        let (seed, server) = (format!("{HOST}:{port}"), self.names.addr.to_string());
        let flags = ["--join", &seed, "--name-server", &server, "--listen", &listen(on)];
        Running::start(&self.papers, name, &flags)
    }
}

fn listen(on: IpAddr) -> String {
    std::net::SocketAddr::new(on, 0).to_string()
}

fn sees(node: &Running, other: &str) -> String {
    node.line(&["member up", &format!("member={other:?}")])
}

#[test]
fn nodes_on_ipv6_find_each_other_by_a_name_and_miss_one_that_is_killed() {
    if !has_ipv6() {
        return;
    }
    let town = Town::new("ipv6");
    town.names.set_addresses(HOST, &[V6]);
    let a = town.found("a", V6);
    let at = a.addr();
    assert_eq!(at.ip(), V6);
    let b = town.join("b", V6, at.port());
    let of_b = b.addr();
    assert_eq!(of_b.ip(), V6);
    assert!(sees(&a, "b").contains(&of_b.to_string()));
    assert!(sees(&b, "a").contains(&at.to_string()));
    b.signal("-KILL");
    // Its port is closed, and the system says so on the socket: nobody waits for probes that are not answered.
    a.line(&["member down", "member=\"b\"", "reason=Unreachable"]);
    b.gone();
    a.terminate();
}

/// One record of the two is of no use to a node that has the other family alone.
#[test]
fn a_name_with_addresses_of_both_families_leads_to_nodes_of_either() {
    if !has_ipv6() {
        return;
    }
    let town = Town::new("both");
    for (family, addresses) in [(V4, [V6, V4]), (V6, [V4, V6])] {
        town.names.set_addresses(HOST, &addresses);
        let a = town.found("a", family);
        let port = a.addr().port();
        let [b, c] = ["b", "c"].map(|name| town.join(name, family, port));
        for node in [&b, &c] {
            sees(node, "a");
        }
        for node in [c, b, a] {
            node.terminate();
        }
    }
}
