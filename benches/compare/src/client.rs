//! The client of the axum workload, a process of its own: 64 connections that are kept, a bounded number of requests.
//!
//! Each connection has one request under way. What it is NOT: an HTTP library; it reads just enough of a response to
//! know that it is a good one and where it ends.

use std::net::SocketAddr;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::{Outcome, threads};

/// Connections at the same time.
const CONNECTIONS: u64 = 64;

/// Requests of all connections together.
pub(crate) const REQUESTS: u64 = 320 * CONNECTIONS;

/// Most bytes of a response; those of the workload have about 120.
const RESPONSE_BYTES_MAX: usize = 1024;

/// What to request.
#[derive(Debug, clap::Args)]
pub(crate) struct ClientArgs {
    #[arg(long)]
    addr: SocketAddr,
    #[arg(long)]
    path: String,
}

/// Makes all requests.
///
/// # Errors
/// When a connection fails or a response is not as expected.
pub(crate) fn run(args: &ClientArgs) -> Outcome<()> {
    threads::single()?.block_on(async {
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            connections.spawn(connection(args.addr, request(&args.path)));
        }
        while let Some(done) = connections.join_next().await {
            done??;
        }
        Ok(())
    })
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: compare\r\n\r\n")
}

async fn connection(addr: SocketAddr, request: String) -> Outcome<()> {
    let mut stream = TcpStream::connect(addr).await?;
    stream.set_nodelay(true)?;
    let mut bytes = [0; RESPONSE_BYTES_MAX];
    for _ in 0..REQUESTS / CONNECTIONS {
        stream.write_all(request.as_bytes()).await?;
        let mut have = 0;
        while !is_whole(&bytes[..have])? {
            match stream.read(&mut bytes[have..]).await? {
                0 => return Err("the server closed, or its response is too long".into()),
                read => have += read,
            }
        }
    }
    Ok(())
}

/// Whether a response is there to its last byte.
///
/// # Errors
/// When it is not one of success with a length.
fn is_whole(bytes: &[u8]) -> Outcome<bool> {
    let text = std::str::from_utf8(bytes)?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return Ok(false) };
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(format!("the server answered {head:?}").into());
    }
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let (_, length) = length.ok_or("a response without a length")?;
    Ok(body.len() >= length.parse::<usize>()?)
}

#[cfg(test)]
mod tests {
    use super::is_whole;

    #[test]
    fn a_response_ends_with_its_last_byte() {
        let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\ndate: x\r\n\r\n17";
        for end in 0..whole.len() {
            assert!(!is_whole(&whole[..end]).unwrap(), "{end}");
        }
        assert!(is_whole(whole).unwrap());
    }

    #[test]
    fn failures_and_responses_without_a_length_are_refused() {
        assert!(
            is_whole(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").is_err()
        );
        assert!(is_whole(b"HTTP/1.1 200 OK\r\n\r\n17").is_err());
        assert!(is_whole(&[0xff]).is_err());
    }
}
