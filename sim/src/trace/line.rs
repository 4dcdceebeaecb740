//! The lines of a trace: fixed in size while they are kept, text only when they are read.

use std::{
    borrow::Cow,
    fmt,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
};

use super::{HostId, Mark, TRACE_LINES_MAX, event::Fate};

const SHORT: usize = 30;

/// The beginning of a text, without an allocation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Short {
    length: u8,
    bytes: [u8; SHORT],
}

impl Short {
    pub(super) const EMPTY: Self = Self { length: 0, bytes: [0; SHORT] };

    pub(super) fn of(text: &str) -> Self {
        let mut short = Self::EMPTY;
        short.set(text);
        short
    }

    /// Is the beginning of this text from now on.
    fn set(&mut self, text: &str) {
        let length = text.floor_char_boundary(SHORT);
        self.bytes[..length].copy_from_slice(&text.as_bytes()[..length]);
        self.length = length as u8;
    }
}

impl fmt::Display for Short {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.bytes[..usize::from(self.length)]))
    }
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Passage {
    Sent,
    Ended(Fate),
    Unreachable,
}

impl Passage {
    fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Ended(fate) => fate.name(),
            Self::Unreachable => "told unreachable",
        }
    }
}

/// What an event says, before it is kept.
#[derive(Debug)]
pub(super) enum Told<'a> {
    /// All of it, with the hash of its payload.
    Whole(Content, u64),
    Said(Cow<'a, str>, Cow<'a, str>, u64),
    /// A handler of this actor began.
    Handler {
        actor: u64,
        message: &'a str,
    },
    /// A packet with an end of IPv6.
    Far {
        what: Passage,
        ends: [SocketAddr; 2],
        length: u32,
        hash: u64,
    },
    /// Nothing to keep.
    Nothing,
}

/// What a line says: small, because each event writes one and they pass through a processor's caches. Texts stand beside.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content {
    Packet {
        what: Passage,
        length: u32,
        /// As [`bits`] has them.
        ends: [u64; 2],
    },
    Frame {
        inbound: bool,
        kind: u8,
        length: u32,
    },
    Said {
        number: u64,
    },
    /// The message is the second of the texts.
    Handler {
        actor: u64,
    },
    /// A packet whose ends are in the texts, because they are of IPv6.
    Far {
        what: Passage,
        length: u32,
    },
}

/// An address of IPv4 in 48 bits.
#[inline]
pub(super) fn bits(address: SocketAddrV4) -> u64 {
    u64::from(address.ip().to_bits()) << 16 | u64::from(address.port())
}

fn address(bits: u64) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::from_bits((bits >> 16) as u32), bits as u16)
}

/// One line.
#[derive(Clone, Copy, Debug)]
struct Line {
    mark: Mark,
    at_ns: u64,
    /// Of the payload.
    hash: u64,
    content: Content,
    host: Option<HostId>,
    /// Where its texts stand.
    texts: u16,
}

/// The last lines, in a ring.
#[derive(Debug)]
pub(super) struct Lines {
    lines: Vec<Line>,
    /// As many as lines at most, of those lines that have texts; a ring of its own.
    texts: Vec<[Short; 2]>,
    /// How many lines, and texts, there were.
    lines_ever: u64,
    texts_ever: u64,
}

impl Lines {
    pub(super) fn new() -> Self {
        let (lines, texts) =
            (Vec::with_capacity(TRACE_LINES_MAX), Vec::with_capacity(TRACE_LINES_MAX));
        Self { lines, texts, lines_ever: 0, texts_ever: 0 }
    }

    #[inline(always)]
    pub(super) fn keep(&mut self, mark: Mark, at_ns: u64, host: Option<HostId>, told: Told<'_>) {
        let (content, hash, texts) = match told {
            Told::Whole(content, hash) => (content, hash, 0),
            Told::Handler { actor, message } => {
                (Content::Handler { actor }, 0, self.keep_message(message))
            }
            Told::Said(name, detail, number) => {
                (Content::Said { number }, 0, self.keep_texts(&name, &detail))
            }
            Told::Far { what, ends, length, hash } => {
                (Content::Far { what, length }, hash, self.keep_ends(ends))
            }
            Told::Nothing => return,
        };
        let line = Line { mark, at_ns, hash, content, host, texts };
        put(&mut self.lines, &mut self.lines_ever, line);
    }

    fn keep_texts(&mut self, name: &str, detail: &str) -> u16 {
        let texts = [Short::of(name), Short::of(detail)];
        put(&mut self.texts, &mut self.texts_ever, texts)
    }

    #[cold]
    fn keep_ends(&mut self, ends: [SocketAddr; 2]) -> u16 {
        let [from, to] = ends.map(|end| end.to_string());
        self.keep_texts(&from, &to)
    }

    /// One text, the second of two; the first is left as it is.
    fn keep_message(&mut self, message: &str) -> u16 {
        let place = place(self.texts_ever);
        let Some([_, text]) = self.texts.get_mut(place) else {
            return self.keep_texts("", message);
        };
        text.set(message);
        self.texts_ever += 1;
        place as u16
    }

    /// The last lines, at most `count`, oldest first, and how many were before them.
    fn last(&self, count: usize) -> (impl Iterator<Item = &Line>, u64) {
        let skip = self.lines.len().saturating_sub(count);
        let oldest = match self.lines.len() {
            TRACE_LINES_MAX => (self.lines_ever % TRACE_LINES_MAX as u64) as usize,
            _ => 0,
        };
        let (newer, older) = self.lines.split_at(oldest);
        let before = self.lines_ever - (self.lines.len() - skip) as u64;
        (older.iter().chain(newer).skip(skip), before)
    }

    /// The last lines as texts.
    pub(super) fn last_lines(&self, count: usize, names: &[String]) -> Vec<String> {
        self.last(count).0.map(|line| self.text(line, names)).collect()
    }

    /// The marks of the last lines, and how many lines were before them.
    pub(super) fn last_marks(&self, count: usize) -> (Vec<Mark>, u64) {
        let (lines, before) = self.last(count);
        (lines.map(|line| line.mark).collect(), before)
    }

    /// The line as text: virtual seconds, host, what happened. It is one line, whatever names and notes say.
    fn text(&self, line: &Line, names: &[String]) -> String {
        let (seconds, rest) = (line.at_ns / 1_000_000_000, line.at_ns % 1_000_000_000);
        let host = line
            .host
            .and_then(|host| names.get(usize::from(host.0)))
            .map_or("world", String::as_str);
        let text = format!("{seconds:>4}.{rest:09} {host:<8} {}", self.said(line));
        let is_one_line = !text.contains(['\n', '\r']);
        if is_one_line { text } else { text.replace('\n', "\\n").replace('\r', "\\r") }
    }

    fn said(&self, line: &Line) -> String {
        let hash = line.hash;
        let [one, other] = match line.content {
            Content::Said { .. } | Content::Handler { .. } | Content::Far { .. } => {
                self.texts[usize::from(line.texts)]
            }
            _ => [Short::EMPTY; 2],
        };
        match line.content {
            Content::Packet { what, ends, length } => {
                let name = what.name();
                let [from, to] = ends.map(address);
                format!("{name} {from} > {to} {length} bytes {hash:016x}")
            }
            Content::Far { what, length } => {
                let name = what.name();
                format!("{name} {one} > {other} {length} bytes {hash:016x}")
            }
            Content::Frame { inbound, kind, length } => {
                let name = if inbound { "frame in" } else { "frame out" };
                format!("{name} kind {kind} {length} bytes {hash:016x}")
            }
            Content::Said { number } => sentence(one, number, other),
            Content::Handler { actor } => sentence("handler started", actor, other),
        }
    }
}

/// What was said in words; the number and the details only if there are any.
fn sentence(name: impl fmt::Display, number: u64, detail: Short) -> String {
    let number = if number == 0 { String::new() } else { format!(" {number}") };
    let space = if detail.length == 0 { "" } else { " " };
    format!("{name}{number}{space}{detail}")
}

/// The place in a ring of what comes after so many.
const fn place(ever: u64) -> usize {
    (ever % TRACE_LINES_MAX as u64) as usize
}

/// Puts an item into a ring of which so many were in it before; returns its place.
fn put<T>(ring: &mut Vec<T>, ever: &mut u64, item: T) -> u16 {
    let place = place(*ever);
    *ever += 1;
    if let Some(old) = ring.get_mut(place) {
        *old = item;
    } else {
        ring.push(item);
    }
    place as u16
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(told: Told<'_>) -> String {
        let mut lines = Lines::new();
        lines.keep(Mark { event: 1, hash: 2 }, 1_000_000_005, None, told);
        lines.last_lines(1, &[]).remove(0)
    }

    #[test]
    fn each_kind_says_what_it_is() {
        let (what, length) = (Passage::Sent, 7);
        let start = "   1.000000005 world    ";
        let ends = ["10.0.0.1:5", "10.0.0.2:6"].map(|end| bits(end.parse().unwrap()));
        let near = kept(Told::Whole(Content::Packet { what, length, ends }, 0xa));
        assert_eq!(near, format!("{start}sent 10.0.0.1:5 > 10.0.0.2:6 7 bytes 000000000000000a"));
        let ends = ["10.0.0.1:5", "[ff02::1]:6"].map(|end| end.parse().unwrap());
        let far = kept(Told::Far { what, length, ends, hash: 0xa });
        assert_eq!(far, format!("{start}sent 10.0.0.1:5 > [ff02::1]:6 7 bytes 000000000000000a"));
        let frame = Content::Frame { inbound: true, kind: 4, length: 9 };
        let frame = kept(Told::Whole(frame, 0xb));
        assert_eq!(frame, format!("{start}frame in kind 4 9 bytes 000000000000000b"));
        let said =
            |detail: &'static str, number| kept(Told::Said("a".into(), detail.into(), number));
        assert_eq!(said("b\nc", 3), format!("{start}a 3 b\\nc"));
        assert_eq!(said("", 0), format!("{start}a"));
        let handler = kept(Told::Handler { actor: 4, message: "m" });
        assert_eq!(handler, format!("{start}handler started 4 m"));
    }

    #[test]
    fn a_handler_keeps_its_own_message_where_other_texts_were() {
        let mut lines = Lines::new();
        let mark = Mark { event: 1, hash: 2 };
        (0..TRACE_LINES_MAX).for_each(|_| {
            lines.keep(mark, 0, None, Told::Said("a long name".into(), "a long detail".into(), 1));
        });
        lines.keep(mark, 0, None, Told::Handler { actor: 4, message: "m" });
        lines.keep(mark, 0, None, Told::Handler { actor: 5, message: "" });
        lines.keep(mark, 0, None, Told::Said("b".into(), "c".into(), 0));
        let last = lines.last_lines(4, &[]);
        let said: Vec<_> = last.iter().map(|line| &line[24..]).collect();
        assert_eq!(
            said,
            ["a long name 1 a long detail", "handler started 4 m", "handler started 5", "b c"]
        );
    }

    #[test]
    fn a_line_takes_a_cache_line() {
        assert!(size_of::<Line>() <= 64, "{}", size_of::<Line>());
    }
}
