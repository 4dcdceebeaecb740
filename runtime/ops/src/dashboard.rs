//! The dashboard: one page that shows a node and how it sees its cluster, live.
//!
//! What it is: one HTML file without anything outside of it, put together from the files in `dashboard/`. Its script asks
//! `v1/overview`, `v1/names`, `v1/groups`, `v1/topics`, `v1/actors` and `v1/events`, beside itself, for all that it shows, and
//! changes nothing. What it is NOT: a place for what a node says: names come from other nodes and may be anything, so the
//! script puts them into text nodes and
//! attributes alone, and a content security policy lets a browser run this script and no other. Read `dashboard/main.js`
//! for what is shown when.

use hyper::{
    StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use odeon::env::Env;

use crate::http::Answer;

const HEAD: &str = include_str!("dashboard/head.html");
const STYLE: &str = include_str!("dashboard/style.css");
const BODY: &str = include_str!("dashboard/body.html");

/// The script, in the order in which its parts need each other.
const SCRIPT: [&str; 7] = [
    include_str!("dashboard/elements.js"),
    include_str!("dashboard/words.js"),
    include_str!("dashboard/history.js"),
    include_str!("dashboard/pictures.js"),
    include_str!("dashboard/panels.js"),
    include_str!("dashboard/tree.js"),
    include_str!("dashboard/main.js"),
];

/// The page, and what a browser may do with it.
pub(crate) fn page(env: &dyn Env) -> Answer {
    let nonce = random(env);
    let script = SCRIPT.join("\n");
    let body = format!(
        "{HEAD}<style nonce=\"{nonce}\">\n{STYLE}</style>\n{BODY}<script nonce=\"{nonce}\">\n\"use strict\";\n{script}\
         </script>\n"
    );
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; connect-src 'self'; img-src data:; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let policy = HeaderValue::from_str(&policy).expect("hexadecimal digits are visible");
    let mut answer = Answer::new(StatusCode::OK, "text/html; charset=utf-8", body)
        .with(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        ("cache-control", "no-store"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
    ] {
        answer = answer.with(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}

/// 128 random bits, in hexadecimal digits.
pub(crate) fn random(env: &dyn Env) -> String {
    let mut bytes = [0; 16];
    env.entropy(&mut bytes);
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use odeon::env::RealEnv;

    use super::*;

    #[test]
    fn the_page_has_nothing_outside_of_it_and_makes_no_markup_of_texts() {
        let (status, text) = page(&RealEnv).into_text();
        assert_eq!(status, 200);
        assert!(text.starts_with("<!doctype html>") && text.ends_with("</script>\n"));
        for word in ["http:", "src=", "innerHTML", "outerHTML", "insertAdjacent", "document.write"]
        {
            assert!(!text.contains(word), "{word}");
        }
        // The names of elements of pictures are the only address in it.
        let addresses = text.matches("https:").count() + text.matches("//www.").count();
        assert_eq!(addresses, 0, "nothing is fetched from elsewhere");
        assert_eq!(text.matches("</script>").count(), 1);
        assert_ne!(page(&RealEnv).into_text().1, text, "a nonce is used once");
    }
}
