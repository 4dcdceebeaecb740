//! What tracing systems tell themselves along a trace: the header `tracestate` of W3C Trace Context.
//!
//! What it is: [`TraceState`], a text that was checked once, shared by whoever passes it on. What it is NOT: read by
//! anything here; a node carries it, and whoever reports spans reads it.

use std::{fmt, str::FromStr, sync::Arc};

/// The longest state that is carried, in bytes: as much as the specification wants carried at least (level 1, 3.3.1.5).
const TRACE_STATE_BYTES_MAX: usize = 512;
/// The most members of a state (3.3.1.1).
const MEMBERS_MAX: usize = 32;
/// Members that are longer go first where there is too much (3.3.1.5).
const LONG_MEMBER_BYTES: usize = 128;
/// A header beyond this is not looked at.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// What tracing systems tell themselves, `tracestate` of W3C Trace Context, level 1
/// (<https://www.w3.org/TR/trace-context-1/#tracestate-header>): up to 32 members `key=value` with commas between, at most
/// 512 bytes. The default is none; clones share the text.
///
/// # Examples
/// ```
/// # use odeon_message::TraceState;
/// let state: TraceState = "congo=t61rcWkgMzE , rojo=00f067aa0ba902b7".parse()?;
/// assert_eq!(state.as_str(), "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7");
/// assert_eq!(state.get("rojo"), Some("00f067aa0ba902b7"));
/// # Ok::<_, odeon_message::TraceStateError>(())
/// ```
// A thin pointer: frames and envelopes have room for one word of it.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct TraceState(Option<Arc<Box<str>>>);

/// A text is no `tracestate`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "{0:?} is no tracestate: use up to 32 members key=value with commas between, no key twice, keys of a-z 0-9 _ - * / @ \
     and values of printable ASCII without commas and ="
)]
pub struct TraceStateError(String);

impl TraceState {
    /// None.
    pub const NONE: Self = Self(None);

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The text, as a header has it; empty if there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", |text| text)
    }

    /// The value of a member.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let mut members = self.as_str().split(',').filter_map(|member| member.split_once('='));
        members.find(|(own, _)| *own == key).map(|(_, value)| value)
    }
}

impl fmt::Display for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceState({self})")
    }
}

/// A key by 3.3.1.3.1: one part that begins with a letter, or two with `@` between, of a tenant and its system.
fn is_key(key: &str) -> bool {
    let is_part = |part: &str, digit_first: bool, bytes_max: usize| {
        let is_first = |byte: u8| byte.is_ascii_lowercase() || digit_first && byte.is_ascii_digit();
        let is_next = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte)
        };
        part.len() <= bytes_max
            && part.bytes().next().is_some_and(is_first)
            && part.bytes().all(is_next)
    };
    match key.split_once('@') {
        None => is_part(key, false, 256),
        Some((tenant, system)) => is_part(tenant, true, 241) && is_part(system, false, 14),
    }
}

/// A value by 3.3.1.3.2.
fn is_value(value: &str) -> bool {
    let is_char = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b',' && byte != b'=';
    !value.is_empty() && value.len() <= 256 && !value.ends_with(' ') && value.bytes().all(is_char)
}

/// The members of a text, or nothing if one is none.
fn members(text: &str) -> Option<Vec<&str>> {
    let mut members: Vec<&str> = Vec::new();
    for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        // Nothing between two commas is allowed (3.3.1.3).
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        let is_new = members.iter().all(|one| one.split_once('=').is_none_or(|it| it.0 != key));
        if !is_new || !is_key(key) || !is_value(value) || members.len() == MEMBERS_MAX {
            return None;
        }
        members.push(member);
    }
    Some(members)
}

/// Drops whole members until the rest can be carried: long ones first, then from the end (3.3.1.5).
fn shorten(members: &mut Vec<&str>) {
    let bytes = |members: &[&str]| {
        members.iter().map(|member| member.len() + 1).sum::<usize>().saturating_sub(1)
    };
    while bytes(members) > TRACE_STATE_BYTES_MAX {
        let long = members.iter().rposition(|member| member.len() > LONG_MEMBER_BYTES);
        members.remove(long.unwrap_or(members.len() - 1));
    }
}

impl FromStr for TraceState {
    type Err = TraceStateError;

    /// Takes a header `tracestate`, or several of them with commas between. Spaces around members go, and of more than 512
    /// bytes those members that are left out first by the specification.
    fn from_str(text: &str) -> Result<Self, TraceStateError> {
        let found = if text.len() > HEADER_BYTES_MAX { None } else { members(text) };
        // What a peer of HTTP sends is cut, so that an error cannot be as long as it likes.
        let Some(mut members) = found else {
            return Err(TraceStateError(text.chars().take(64).collect()));
        };
        shorten(&mut members);
        let text = members.join(",").into_boxed_str();
        Ok(Self((!text.is_empty()).then(|| Arc::new(text))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        text.parse::<TraceState>().ok().map(|state| state.to_string())
    }

    #[test]
    fn members_keep_their_order_and_lose_what_is_around_them() {
        let same = ["", "a=1", "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "a=b c", "0t@sys=~!x"];
        assert!(same.iter().all(|text| read(text).as_deref() == Some(text)));
        assert_eq!(read(" a=1 ,\tb=2,, "), Some("a=1,b=2".to_owned()));
        assert_eq!(read(", ,").as_deref(), Some(""));
        assert!(", ,".parse::<TraceState>().is_ok_and(|state| state.is_empty()));
        let state: TraceState = "a=1,b=2".parse().unwrap();
        assert_eq!((state.get("b"), state.get("c")), (Some("2"), None));
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let long_key = format!("{}=1", "k".repeat(257));
        let long_value = format!("k={}", "v".repeat(257));
        let long = "a=1,".repeat(5_000);
        let many = (0..33).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
        for text in [
            "a",
            "=1",
            "a=",
            "A=1",
            "1a=1",
            "a=1,a=2",
            "a=b=c",
            "a=\u{e9}",
            "a=\n",
            "@b=1",
            "a@=1",
            "a@b@c=1",
            "a@1b=1",
            &long_key,
            &long_value,
            &long,
            &many,
        ] {
            let error = text.parse::<TraceState>().expect_err(text);
            assert!(error.to_string().len() < 400, "{error}");
        }
        assert!(read(&many[..many.rfind(',').unwrap()]).is_some(), "32 are not too many");
    }

    #[test]
    fn of_too_much_long_members_go_first_and_then_the_last() {
        let long = format!("long={}", "x".repeat(200));
        let short = |name: char| format!("{name}={}", "y".repeat(98));
        let all: Vec<_> = ('a'..='e').map(short).collect();
        // Five of 100 and four commas are 504.
        assert_eq!(read(&all.join(",")), Some(all.join(",")));
        let with_long = [&all[..2], std::slice::from_ref(&long), &all[2..]].concat();
        assert_eq!(read(&with_long.join(",")), Some(all.join(",")));
        let seven: Vec<_> = ('a'..='g').map(short).collect();
        assert_eq!(read(&seven.join(",")), Some(all.join(",")));
        assert_eq!(read(&format!("{long},z=1")), Some(format!("{long},z=1")), "there is room");
    }
}
