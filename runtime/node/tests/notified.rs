//! A node that systemd has started says when it is ready and when it leaves (sd_notify(3)).

#![cfg(target_os = "linux")]
#![expect(
    clippy::disallowed_methods,
    reason = "tests from outside use the machine's own threads and ports"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

#[path = "outside/program.rs"]
mod program;

use std::{fs, os::unix::net::UnixDatagram, time::Duration};

use crate::program::{Folder, Running};

/// What stands in for systemd: the socket that it would listen at.
struct Listener(UnixDatagram, String);

impl Listener {
    fn new(folder: &Folder) -> Self {
        let path = folder.path("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        Self(socket, path)
    }

    fn next(&self) -> String {
        let mut bytes = [0; 256];
        let len = self.0.recv(&mut bytes).expect("the node says something");
        String::from_utf8(bytes[..len].to_vec()).unwrap()
    }
}

#[test]
fn a_node_is_ready_when_it_has_joined_and_says_that_it_leaves() {
    let papers = Folder::new("notified").papers("hand", &["a", "b"]);
    let listener = Listener::new(&papers);
    let variables = [("NOTIFY_SOCKET", &*listener.1)];
    // A file that is not there yet.
    let seeds = papers.path("seeds");
    let b = Running::start_with(&papers, "b", &["--join-file", &seeds], &variables);
    assert_eq!(listener.next(), "STATUS=joining\n");
    b.line(&["waiting for a seed"]);
    let a = Running::start(&papers, "a", &["--dev"]);
    fs::write(papers.path("new"), a.addr().to_string()).unwrap();
    fs::rename(papers.path("new"), &seeds).unwrap();
    assert_eq!(listener.next(), "READY=1\nSTATUS=up\n");
    b.terminate();
    assert_eq!(listener.next(), "STOPPING=1\nSTATUS=leaving\n");
    a.terminate();
}
