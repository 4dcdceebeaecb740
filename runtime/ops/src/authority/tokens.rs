//! The join tokens that an authority has given, as they stand in its folder: `ca.tokens`.
//!
//! A line for each: hash of the secret, last second since 1970 in which it can be used, node, and when it was used or
//! `-`. The secrets themselves are with whoever was given them. A token that is used or over is kept for a while, so
//! that whoever comes with it hears which of the two it is.

use std::{fmt::Write as _, time::Duration};

use odeon::EnrolRefusal;

/// The first line.
const TITLE: &str = "odeon-ca-tokens 1";

/// Most tokens that are remembered: as many machines as one person adds in a day, with room.
const TOKENS_MAX: usize = 4096;

/// How long a token is remembered after its time is over.
const REMEMBERED: Duration = Duration::from_secs(86_400);

/// One token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Hash of its secret.
    pub digest: String,
    /// Last second in which it can be used, since 1970.
    pub not_after: u64,
    /// The node that it is for.
    pub node: String,
    /// When it was used.
    pub used: Option<u64>,
}

/// All tokens that are remembered.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tokens(Vec<Token>);

impl Tokens {
    /// Reads what [`text`](Self::text) wrote; an error says what is wrong with which line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines().enumerate();
        if lines.next().is_none_or(|(_, line)| line != TITLE) {
            return Err(format!("line 1 is not `{TITLE}`"));
        }
        // Without the line itself, so that hashes of secrets stay out of logs.
        let one =
            |(at, line)| Token::parse(line).ok_or_else(|| format!("line {} is broken", at + 1));
        lines.map(one).collect::<Result<_, _>>().map(Self)
    }

    pub fn text(&self) -> String {
        let mut text = format!("{TITLE}\n");
        for Token { digest, not_after, node, used } in &self.0 {
            let used = used.map_or("-".to_owned(), |at| at.to_string());
            // Writing to a text cannot fail.
            let _ = writeln!(text, "{digest} {not_after} {node} {used}");
        }
        text
    }

    /// Adds a token; false if there are too many.
    pub fn add(&mut self, token: Token, now: u64) -> bool {
        self.0.retain(|one| now <= one.not_after.saturating_add(REMEMBERED.as_secs()));
        let fits = self.0.len() < TOKENS_MAX;
        if fits {
            self.0.push(token);
        }
        fits
    }

    /// The token with this hash, if this node may use it now.
    pub fn usable(
        &mut self,
        digest: &str,
        node: &str,
        now: u64,
    ) -> Result<&mut Token, EnrolRefusal> {
        let token = self.0.iter_mut().find(|one| one.digest == digest);
        let token = token.ok_or(EnrolRefusal::Unknown)?;
        if token.used.is_some() {
            Err(EnrolRefusal::Used)
        } else if token.not_after < now {
            Err(EnrolRefusal::Expired)
        } else if token.node != node {
            Err(EnrolRefusal::OtherNode)
        } else {
            Ok(token)
        }
    }
}

impl Token {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let (digest, not_after, node, used) =
            (words.next()?, words.next()?, words.next()?, words.next()?);
        let used = if used == "-" { None } else { Some(used.parse().ok()?) };
        let is_digest = digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit());
        let whole = is_digest && words.next().is_none() && !node.is_empty();
        whole.then_some(Self {
            digest: digest.to_owned(),
            not_after: not_after.parse().ok()?,
            node: node.to_owned(),
            used,
        })
    }
}

/// Reads how long a token can be used, such as `30m`, `1h` or `2d`.
pub fn span(text: &str) -> Result<Duration, String> {
    const MOST: Duration = Duration::from_secs(30 * 86_400);
    let refused = || "use a number with s, m, h or d, such as 30m, and at most 30d".to_owned();
    let unit = text.chars().last().ok_or_else(refused)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 86_400,
        _ => return Err(refused()),
    };
    let number: u64 = text[..text.len() - 1].parse().map_err(|_| refused())?;
    let span = Duration::from_secs(number.checked_mul(seconds).ok_or_else(refused)?);
    if span.is_zero() || span > MOST { Err(refused()) } else { Ok(span) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(digit: char, node: &str, not_after: u64) -> Token {
        let digest = digit.to_string().repeat(64);
        Token { digest, not_after, node: node.to_owned(), used: None }
    }

    #[test]
    fn tokens_survive_their_text_and_a_broken_line_is_named() {
        let mut tokens = Tokens::default();
        assert!(tokens.add(token('a', "a", 100), 1) && tokens.add(token('b', "b", 200), 1));
        tokens.usable(&"b".repeat(64), "b", 1).unwrap().used = Some(1);
        let text = tokens.text();
        assert_eq!(Tokens::parse(&text).unwrap(), tokens);
        let broken = text.replace(" 200 ", " soon ");
        for (text, says) in
            [("", "line 1"), (&broken, "line 3"), (&text.replace("aa", "x"), "line 2")]
        {
            let error = Tokens::parse(text).unwrap_err();
            assert!(error.contains(says) && !error.contains("bbb"), "{error}");
        }
    }

    #[test]
    fn a_token_is_good_once_in_its_time_and_for_its_node() {
        let mut tokens = Tokens::default();
        assert!(tokens.add(token('a', "a", 100), 1));
        let digest = "a".repeat(64);
        assert_eq!(tokens.usable(&"b".repeat(64), "a", 1).err(), Some(EnrolRefusal::Unknown));
        assert_eq!(tokens.usable(&digest, "b", 1).err(), Some(EnrolRefusal::OtherNode));
        assert_eq!(tokens.usable(&digest, "a", 101).err(), Some(EnrolRefusal::Expired));
        tokens.usable(&digest, "a", 100).unwrap().used = Some(100);
        assert_eq!(tokens.usable(&digest, "a", 100).err(), Some(EnrolRefusal::Used));
        tokens.0 = vec![token('c', "c", u64::MAX); TOKENS_MAX];
        assert!(!tokens.add(token('d', "d", 5), 1));
    }

    #[test]
    fn spans_are_read_with_their_unit() {
        assert_eq!(span("90s").unwrap(), Duration::from_secs(90));
        assert_eq!(span("30m").unwrap(), Duration::from_secs(1800));
        assert_eq!(span("1h").unwrap(), Duration::from_secs(3600));
        assert_eq!(span("30d").unwrap(), Duration::from_secs(30 * 86_400));
        for text in ["", "1", "h", "-1h", "0m", "31d", "1ü", "99999999999999999999d"] {
            assert!(span(text).unwrap_err().contains("30m"), "{text}");
        }
    }
}
