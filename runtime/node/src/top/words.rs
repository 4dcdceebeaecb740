//! Figures and times in few letters.

pub(super) use odeon_ops::harmless;

fn three_digits(number: f64) -> String {
    match number {
        100.0.. => format!("{number:.0}"),
        10.0.. => format!("{number:.1}"),
        _ => format!("{number:.2}"),
    }
}

/// A count.
pub(super) fn count(number: f64) -> String {
    match number {
        ..1e4 => format!("{number:.0}"),
        ..1e6 => three_digits(number / 1e3) + "k",
        ..1e9 => three_digits(number / 1e6) + "M",
        _ => three_digits(number / 1e9) + "G",
    }
}

/// So many in a second.
pub(super) fn rate(number: f64) -> String {
    let number = if number > 0.0 && number < 10.0 { format!("{number:.1}") } else { count(number) };
    number + "/s"
}

/// Bytes.
pub(super) fn bytes(number: f64) -> String {
    const KI: f64 = 1024.0;
    match number {
        ..KI => format!("{number:.0}B"),
        number if number < KI * KI => three_digits(number / KI) + "Ki",
        number if number < KI * KI * KI => three_digits(number / KI / KI) + "Mi",
        _ => three_digits(number / KI / KI / KI) + "Gi",
    }
}

/// A time, in seconds.
pub(super) fn time(seconds: f64) -> String {
    match seconds {
        0.0 => "0".to_owned(),
        ..1e-6 => format!("{:.0}ns", seconds * 1e9),
        ..1e-3 => three_digits(seconds * 1e6) + "us",
        ..1.0 => three_digits(seconds * 1e3) + "ms",
        ..120.0 => three_digits(seconds) + "s",
        _ => span(seconds),
    }
}

/// A longer time.
pub(super) fn span(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{whole}s"),
        60..3_600 => format!("{}m{:02}s", whole / 60, whole % 60),
        3_600..86_400 => format!("{}h{:02}m", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{}d{:02}h", whole / 86_400, whole % 86_400 / 3_600),
    }
}

/// A share from 0 to 1.
pub(super) fn share(part: f64) -> String {
    let percent = part * 100.0;
    if percent > 0.0 && percent < 10.0 {
        format!("{percent:.1}%")
    } else {
        format!("{percent:.0}%")
    }
}

/// A type without the paths of its parts; an id with slashes stays whole.
pub(super) fn short_kind(kind: &str) -> String {
    let mut short = String::new();
    for part in kind.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
        short.push_str(part.rsplit("::").next().unwrap_or(part));
    }
    short
}

/// The time of day in UTC.
pub(super) fn clock(at: f64) -> String {
    let seconds = at.max(0.0) as u64 % 86_400;
    format!("{:02}:{:02}:{:02}Z", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits() {
        assert_eq!(
            (count(7.0), count(12_345.0), count(9_876_543.0)),
            ("7".into(), "12.3k".into(), "9.88M".into())
        );
        assert_eq!((bytes(1_023.0), bytes(1_536.0)), ("1023B".into(), "1.50Ki".into()));
        assert_eq!(
            (time(0.0), time(6.4e-7), time(0.0125)),
            ("0".into(), "640ns".into(), "12.5ms".into())
        );
        assert_eq!((span(59.0), span(3_725.0)), ("59s".into(), "1h02m".into()));
        assert_eq!(
            (rate(2.5), rate(0.0), share(0.025)),
            ("2.5/s".into(), "0/s".into(), "2.5%".into())
        );
        assert_eq!(short_kind("a::b::Pool<c::Worker>"), "Pool<Worker>");
        assert_eq!(short_kind("bank/Account"), "bank/Account");
        assert_eq!(clock(86_400.0 + 3_723.0), "01:02:03Z");
    }
}
