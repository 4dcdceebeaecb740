//! The samples of a run: for each workload and mode, what each system took.

use crate::{system::Mode, systems::Name, targets::target, workload::Workload};

/// One workload in one mode.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) workload: Workload,
    pub(crate) mode: Mode,
    pub(crate) cells: Vec<Cell>,
}

/// What one system took.
#[derive(Debug)]
pub(crate) struct Cell<S = Name> {
    pub(crate) system: S,
    pub(crate) samples: Vec<f64>,
    /// Why there are no more samples.
    pub(crate) failure: Option<String>,
}

/// Odeon against the best of the peers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) best: Name,
    pub(crate) value: f64,
    pub(crate) target: Option<f64>,
}

impl Ratio {
    /// Whether the target, if there is one, is reached; as printed, with two digits.
    pub(crate) fn is_reached(&self) -> Option<bool> {
        self.target.map(|target| (self.value * 100.0).round() <= (target * 100.0).round())
    }
}

impl Row {
    pub(crate) fn new(workload: Workload, mode: Mode, systems: &[Name]) -> Self {
        let here = systems.iter().filter(|system| system.has(mode));
        Self { workload, mode, cells: here.map(|system| Cell::new(*system)).collect() }
    }

    fn median_of(&self, system: Name) -> Option<f64> {
        self.cells.iter().find(|cell| cell.system == system)?.median()
    }

    /// Odeon's median as a multiple of that of Odeon without measured messages.
    pub(crate) fn cost_of_metrics(&self) -> Option<f64> {
        Some(self.median_of(Name::Odeon)? / self.median_of(Name::OdeonBare)?)
    }

    /// `None` without samples of Odeon or of any peer.
    pub(crate) fn ratio(&self) -> Option<Ratio> {
        let odeon = self.median_of(Name::Odeon)?;
        let peers = self.cells.iter().filter(|cell| cell.system.is_peer());
        let medians = peers.filter_map(|cell| Some((cell.system, cell.median()?)));
        let (best, median) = medians.min_by(|(_, a), (_, b)| a.total_cmp(b))?;
        let target = target(self.workload, self.mode);
        Some(Ratio { best, value: odeon / median, target })
    }
}

impl<S> Cell<S> {
    pub(crate) fn new(system: S) -> Self {
        Self { system, samples: Vec::new(), failure: None }
    }

    pub(crate) fn median(&self) -> Option<f64> {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied()
    }

    pub(crate) fn min(&self) -> Option<f64> {
        self.sorted().first().copied()
    }

    pub(crate) fn max(&self) -> Option<f64> {
        self.sorted().last().copied()
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.samples.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::Row;
    use crate::{system::Mode, systems::Name, workload::Workload};

    #[test]
    fn a_cell_has_median_and_ends_and_a_row_without_peers_no_ratio() {
        let mut row = Row::new(Workload::Tell, Mode::St, &[Name::Odeon, Name::Tokio]);
        assert_eq!(row.cells[0].median(), None);
        row.cells[0].samples.extend([3.0, 1.0, 20.0]);
        row.cells[1].samples.push(2.0);
        let odeon = &row.cells[0];
        assert_eq!((odeon.min(), odeon.median(), odeon.max()), (Some(1.0), Some(3.0), Some(20.0)));
        assert_eq!(row.ratio(), None);
    }

    #[cfg(feature = "peers")]
    #[test]
    fn the_ratio_is_to_the_best_peer_and_no_reference() {
        let systems = [Name::Odeon, Name::Kameo, Name::Actix, Name::Tokio];
        let mut row = Row::new(Workload::Tell, Mode::St, &systems);
        for (cell, median) in row.cells.iter_mut().zip([22.0, 100.0, 40.0, 10.0]) {
            cell.samples.push(median);
        }
        let ratio = row.ratio().unwrap();
        assert_eq!((ratio.best, ratio.is_reached()), (Name::Actix, Some(true)));
        row.cells[0].samples[0] = 22.3;
        assert_eq!(row.ratio().unwrap().is_reached(), Some(false));
    }
}
