//! What is shown: sheets of rows, each with the columns by which it can be sorted.
//!
//! What it is: the figures as texts, and their order. What it is NOT: a terminal; `picture.rs` draws a sheet, and `page`
//! prints all of them for scripts.

mod page;
mod rows;

pub(super) use page::{page, summary};

use super::figures::Figures;

/// Which sheet.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Sort {
    #[default]
    Actors,
    Types,
    Peers,
    Lanes,
    Members,
    Events,
}

impl Sort {
    pub(super) const ALL: [Self; 6] =
        [Self::Actors, Self::Types, Self::Peers, Self::Lanes, Self::Members, Self::Events];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Actors => "Hot actors",
            Self::Types => "Mailboxes",
            Self::Peers => "Peers",
            Self::Lanes => "Lanes",
            Self::Members => "Members",
            Self::Events => "Events",
        }
    }

    pub(super) fn place(self) -> usize {
        Self::ALL.iter().position(|one| *one == self).unwrap_or_default()
    }

    /// The column by which it is sorted at first, and whether the greatest comes first.
    pub(super) fn at_first(self) -> (usize, bool) {
        match self {
            Self::Actors => (2, true),
            Self::Types => (2, true),
            Self::Peers | Self::Lanes | Self::Members => (0, false),
            Self::Events => (0, true),
        }
    }
}

/// A column: its head, and whether it has numbers, which stand at its right end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    pub(super) head: &'static str,
    pub(super) is_number: bool,
}

/// What a cell is sorted by.
#[derive(Clone, PartialEq, PartialOrd, Debug)]
enum Order {
    Text(String),
    Number(f64),
}

/// How a cell looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) enum Tone {
    #[default]
    Plain,
    Faint,
    Warning,
    Bad,
}

/// One cell.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
    order: Order,
}

impl Cell {
    /// A text, which may come from another node.
    fn text(text: &str) -> Self {
        let text = super::words::harmless(text).into_owned();
        Self { order: Order::Text(text.clone()), text, tone: Tone::Plain }
    }

    /// A number in words; what there is not is a dash, and nothing is faint.
    fn number(number: Option<f64>, words: impl Fn(f64) -> String) -> Self {
        let tone =
            if number.is_some_and(|number| number > 0.0) { Tone::Plain } else { Tone::Faint };
        let text = number.map_or_else(|| "-".to_owned(), words);
        Self { text, tone, order: Order::Number(number.unwrap_or(-1.0)) }
    }

    fn toned(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }

    /// A number from which on it is worth a look, and from which on it is bad.
    fn graded(self, warning: f64, bad: f64) -> Self {
        match self.order {
            Order::Number(number) if number >= bad => self.toned(Tone::Bad),
            Order::Number(number) if number >= warning => self.toned(Tone::Warning),
            _ => self,
        }
    }
}

/// Rows of one sort.
#[derive(Clone, Debug)]
pub(super) struct Sheet {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// What is said where there are no rows.
    pub(super) when_empty: &'static str,
}

impl Sheet {
    /// The sheet of these figures, sorted by this column.
    pub(super) fn of(sort: Sort, figures: &Figures, by: usize, greatest_first: bool) -> Self {
        let mut sheet = rows::of(sort, figures);
        let by = by.min(sheet.columns.len().saturating_sub(1));
        sheet.rows.sort_by(|one, other| {
            let order = one[by].order.partial_cmp(&other[by].order);
            let order = order.unwrap_or(std::cmp::Ordering::Equal);
            let order = if greatest_first { order.reverse() } else { order };
            order.then_with(|| one[0].text.cmp(&other[0].text))
        });
        sheet
    }
}
