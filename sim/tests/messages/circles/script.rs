//! What actors do to each other, as a text.

use odeon::data;
use odeon_sim::Stream;

/// What an actor does in a handler.
#[data]
#[derive(Clone, Debug)]
pub(crate) struct Deed {
    /// Milliseconds before.
    pub(crate) pause: u64,
    /// Whom it asks then; of several, all at once.
    pub(crate) asks: Vec<Call>,
}

#[data]
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) to: u8,
    /// Milliseconds until it gives up; 0 is long.
    pub(crate) within: u64,
    /// What the asked actor does, as a text: a type cannot hold itself.
    pub(crate) then: String,
}

/// Reads `1 2(0 3) 100:4`: asks 1, then 2, which asks 0 and then 3, then after 100 ms 4. `[1 2]` asks both at once, `1?50`
/// gives up after 50 ms, `.` asks nobody.
pub(crate) fn script(text: &str) -> Vec<Deed> {
    let mut rest = text;
    std::iter::from_fn(|| {
        rest = rest.trim_start();
        (!rest.is_empty()).then(|| deed(&mut rest))
    })
    .collect()
}

fn number(rest: &mut &str) -> u64 {
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    digits.parse().expect("a number")
}

fn deed(rest: &mut &str) -> Deed {
    let mut pause = 0;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    if rest[digits..].starts_with(':') {
        pause = number(rest);
        *rest = &rest[1..];
    }
    let mut asks = Vec::new();
    if let Some(after) = rest.strip_prefix('.') {
        *rest = after;
    } else if let Some(after) = rest.strip_prefix('[') {
        *rest = after;
        while !rest.starts_with(']') {
            asks.push(call(rest));
            *rest = rest.trim_start();
        }
        *rest = &rest[1..];
    } else {
        asks.push(call(rest));
    }
    Deed { pause, asks }
}

fn call(rest: &mut &str) -> Call {
    let to = u8::try_from(number(rest)).expect("few actors");
    let (mut within, mut then) = (0, String::new());
    if let Some(after) = rest.strip_prefix('?') {
        *rest = after;
        within = number(rest);
    }
    if let Some(after) = rest.strip_prefix('(') {
        let mut open = 1;
        let end = after.find(|c| {
            open += i32::from(c == '(') - i32::from(c == ')');
            open == 0
        });
        let (inner, after) = after.split_at(end.expect("it is closed"));
        then = inner.to_owned();
        *rest = &after[1..];
    }
    Call { to, within, then }
}

/// What an actor may do, at most so deep.
pub(crate) fn deeds(random: &mut Stream, depth: u64) -> String {
    let mut text = String::new();
    for _ in 0..=random.below(2) {
        text += &format!("{}:", random.below(150));
        if depth == 0 {
            text += ". ";
            continue;
        }
        let several = random.below(4) == 0;
        text += if several { "[" } else { "" };
        for _ in 0..=u64::from(several) {
            let within = if random.below(4) == 0 {
                format!("?{}", 20 + random.below(400))
            } else {
                String::new()
            };
            let inner = deeds(random, depth - 1);
            text += &format!("{}{within}({inner}) ", random.below(9));
        }
        text = text.trim_end().to_owned() + if several { "] " } else { " " };
    }
    text
}
