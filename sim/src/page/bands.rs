//! From when to when each fault lasted, and whom it hit.
//!
//! A fault that was under way when the run ended has no end. Read `page/draw.js` for how they look.

use serde::Serialize;

use crate::{
    plan::PlannedFault,
    recording::{Dot, DotKind},
};

/// One fault. Times are nanoseconds, hosts are places in the list of hosts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Band {
    pub(super) from: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) until: Option<u64>,
    pub(super) text: String,
    pub(super) hosts: Vec<u16>,
}

/// The faults of these dots; `planned` knows whom they hit.
pub(super) fn bands(dots: &[Dot], hosts: &[String], planned: &[PlannedFault]) -> Vec<Band> {
    let mut bands: Vec<Band> = Vec::new();
    for dot in dots {
        match dot.kind {
            DotKind::Fault => {
                let text = dot.text.clone();
                let hosts = hit(&text, hosts, planned);
                bands.push(Band { from: dot.at, until: None, text, hosts });
            }
            DotKind::Repaired => {
                let lasts = |band: &&mut Band| band.until.is_none() && band.text == dot.text;
                if let Some(band) = bands.iter_mut().find(lasts) {
                    band.until = Some(dot.at);
                }
            }
            _ => {}
        }
    }
    bands
}

/// The hosts that a fault of this text hits. A long text was cut when it was recorded.
fn hit(text: &str, hosts: &[String], planned: &[PlannedFault]) -> Vec<u16> {
    let fault = planned.iter().find(|planned| planned.fault.to_string().starts_with(text));
    let names = fault.into_iter().flat_map(|planned| planned.fault.nodes());
    let place = |name| hosts.iter().position(|host| host == name);
    names.filter_map(place).filter_map(|at| u16::try_from(at).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Plan;

    #[test]
    fn a_fault_lasts_until_it_is_repaired_and_knows_whom_it_hits() {
        let plan: Plan = concat!(
            r#"{"at_ms":1,"for_ms":2,"fault":"cut","from":"c","to":"a"}"#,
            "\n",
            r#"{"at_ms":2,"for_ms":9,"fault":"pause","node":"b"}"#
        )
        .parse()
        .expect("it is a plan");
        let dot = |kind, at, index: usize| Dot {
            kind,
            at,
            host: None,
            actor: None,
            text: plan.faults()[index].fault.to_string(),
        };
        let dots = [
            dot(DotKind::Fault, 1, 0),
            dot(DotKind::Fault, 2, 1),
            dot(DotKind::Repaired, 3, 0),
            dot(DotKind::Fault, 4, 0),
        ];
        let hosts = ["a", "b", "c"].map(str::to_owned);
        let bands = bands(&dots, &hosts, plan.faults());
        let told: Vec<_> =
            bands.iter().map(|band| (band.from, band.until, band.hosts.clone())).collect();
        let expected = [(1, Some(3), vec![2, 0]), (2, None, vec![1]), (4, None, vec![2, 0])];
        assert_eq!(told, expected);
    }
}
