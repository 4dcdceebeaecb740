//! `/metrics`: the node in figures, for Prometheus.
//!
//! What it is: what `Node::metrics`, `stats`, `network_metrics` and `cluster_stats` say, as families in the text format 0.0.4
//! (prometheus.io/docs/instrumenting/exposition_formats), named by its conventions: base units, `_total` for what only
//! grows. Labels have few values: an actor type (256 and `other`), a worker, a peer (`peers_max`), a lane to it (16). What it is NOT: a
//! registry that code writes to; programs with metrics of their own export these themselves. Read `metrics/page.rs` for
//! the format.

mod actors;
#[cfg(test)]
mod alerts;
mod cluster;
#[cfg(test)]
mod lint;
mod network;
mod own;
mod page;

use std::time::SystemTime;

use odeon::Phase;
use own::Refused;
use page::{Kind, Page};

use crate::{hooks::Panicked, standing::Standing};

/// The content type of the page.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page of this moment. It waits at most a second for workers that are busy.
pub(crate) async fn page(standing: &Standing) -> String {
    let node = &standing.node;
    let metrics = node.metrics().await;
    let mut page = Page::default();
    of_the_node(&mut page, standing);
    actors::write(&mut page, &metrics, &node.stats());
    network::write(&mut page, &node.network_metrics());
    cluster::write(&mut page, &node.cluster_stats(), node.certificate_validity());
    let own = own(standing);
    page.family(
        "odeon_program_figures_refused_total",
        Kind::Counter,
        "Times that the program's own figures were left out, because a scraper would have refused them.",
    );
    page.sample(&[], standing.figures_refused() as f64);
    let mut text = page.into_text();
    text.push_str(&own);
    text
}

/// What the program says of itself; nothing where that is not fit to be said.
fn own(standing: &Standing) -> String {
    let Some(figures) = standing.hooks().figures() else { return String::new() };
    let checked = figures.map_err(|Panicked| Refused::Panicked);
    let checked = checked.and_then(|text| own::check(&text).map(|()| text));
    let mut text = match checked {
        Ok(text) => text,
        Err(why) => {
            let times = standing.refuse_figures();
            if times.is_power_of_two() {
                tracing::error!(%why, times, "the program's own figures are left out of /metrics");
            }
            return String::new();
        }
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn of_the_node(page: &mut Page, standing: &Standing) {
    let node = &standing.node;
    page.family("odeon_node_info", Kind::Gauge, "The node and its program, always 1.");
    page.sample(
        &[("node", node.name()), ("program", standing.program), ("version", standing.version)],
        1.0,
    );
    let since = standing.since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    page.family(
        "odeon_node_start_time_seconds",
        Kind::Gauge,
        "When the node started, in seconds since 1970.",
    );
    page.sample(&[], since.as_secs_f64());
    page.family("odeon_node_ready", Kind::Gauge, "Whether the node takes work, as /readyz says.");
    page.sample(&[], f64::from(u8::from(standing.ready().is_ok())));
    page.family(
        "odeon_node_phase",
        Kind::Gauge,
        "Where the node stands: 1 at its phase, 0 elsewhere.",
    );
    for (phase, name) in [
        (Phase::Joining, "joining"),
        (Phase::Up, "up"),
        (Phase::Leaving, "leaving"),
        (Phase::Down, "down"),
    ] {
        page.sample(&[("phase", name)], f64::from(u8::from(node.phase() == phase)));
    }
    page.family(
        "odeon_members",
        Kind::Gauge,
        "Other members of the cluster, as this node sees it.",
    );
    page.sample(&[], node.members_now().len() as f64);
    page.family(
        "odeon_admin_refusals_total",
        Kind::Counter,
        "Connections and requests that were refused at the admin port, by who is no operator.",
    );
    page.sample(&[], standing.refusals_at_admin_port() as f64);
}
