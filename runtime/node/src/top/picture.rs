//! The picture in the terminal: the node, its workers, a sheet, and the keys.

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Cell, Clear, Paragraph, Row, Table, Wrap},
};

use super::{
    figures::Figures,
    keys::{Choice, HELP},
    sheet::{self, Sheet, Sort, Tone},
    words::{harmless, share},
};

/// Lines for workers; further ones are counted.
const WORKER_LINES_MAX: u16 = 4;
/// Columns of one worker, and of its bar.
const WORKER_WIDTH: u16 = 30;
const BAR_WIDTH: usize = 10;
/// The widest column, and the narrowest that has what the others leave.
const COLUMN_MAX: u16 = 44;
const OPEN_MIN: u16 = 12;
/// Lines of the node's figures.
const SUMMARY_LINES_MAX: u16 = 4;

/// What is drawn.
pub(super) struct Picture<'a> {
    pub(super) figures: &'a Figures,
    pub(super) choice: &'a Choice,
    pub(super) sheet: &'a Sheet,
    /// The node does not answer.
    pub(super) trouble: Option<&'a str>,
    pub(super) node: &'a str,
}

fn bold() -> Style {
    Style::new().add_modifier(Modifier::BOLD)
}

fn faint() -> Style {
    Style::new().add_modifier(Modifier::DIM)
}

fn toned(tone: Tone) -> Style {
    match tone {
        Tone::Plain => Style::new(),
        Tone::Faint => faint(),
        Tone::Warning => Style::new().fg(Color::Yellow),
        Tone::Bad => Style::new().fg(Color::Red).add_modifier(Modifier::BOLD),
    }
}

impl Picture<'_> {
    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let area = frame.area();
        let workers = self.workers(area.width);
        let summary = Paragraph::new(self.summary()).wrap(Wrap { trim: true });
        let wrapped = |line: Line<'_>| line.width().div_ceil(area.width.max(1).into()).max(1);
        let lines = self.summary().into_iter().map(wrapped);
        let lines = u16::try_from(lines.sum::<usize>()).unwrap_or(u16::MAX);
        let lines = [
            Constraint::Length(lines.min(SUMMARY_LINES_MAX)),
            Constraint::Length(u16::try_from(workers.len()).unwrap_or(u16::MAX)),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Min(1),
            Constraint::Length(1),
        ];
        let [top, middle, trouble, tabs, body, foot] = Layout::vertical(lines).areas(area);
        frame.render_widget(summary, top);
        frame.render_widget(Paragraph::new(workers), middle);
        if let Some(text) = self.trouble {
            let text = format!("no answer: {}", harmless(text));
            frame.render_widget(Paragraph::new(Line::styled(text, toned(Tone::Bad))), trouble);
        }
        frame.render_widget(Paragraph::new(self.tabs()), tabs);
        self.table(frame, body);
        frame.render_widget(Paragraph::new(self.foot()), foot);
        if self.choice.shows_help {
            help(frame, area);
        }
    }

    fn summary(&self) -> Vec<Line<'static>> {
        if self.figures.now.is_none() {
            return vec![Line::raw(format!("asking {}", harmless(self.node)))];
        }
        let styles = [bold(), Style::new()];
        let lines = sheet::summary(self.figures).into_iter().zip(styles);
        lines.map(|(line, style)| Line::styled(line, style)).collect()
    }

    /// The workers, in as many columns as there is room for.
    fn workers(&self, width: u16) -> Vec<Line<'static>> {
        let Some(now) = &self.figures.now else { return Vec::new() };
        let columns = usize::from((width / WORKER_WIDTH).max(1));
        let room = columns * usize::from(WORKER_LINES_MAX);
        let mut workers = now.workers.iter().take(room).collect::<Vec<_>>();
        workers.sort_by_key(|worker| worker.number);
        let mut lines = workers
            .chunks(columns)
            .map(|chunk| {
                let spans = chunk.iter().flat_map(|worker| {
                    let busy = worker.busy.unwrap_or(0.0).clamp(0.0, 1.0);
                    let full = (busy * BAR_WIDTH as f64).round() as usize;
                    let tone = match busy {
                        0.95.. => Style::new().fg(Color::Red),
                        0.8.. => Style::new().fg(Color::Yellow),
                        _ => Style::new().fg(Color::Green),
                    };
                    let said = worker.busy.map_or_else(|| "-".to_owned(), share);
                    [
                        Span::raw(format!("worker {:<4}", worker.number)),
                        Span::styled("█".repeat(full), tone),
                        Span::styled("░".repeat(BAR_WIDTH - full), faint()),
                        Span::raw(format!(" {said:<6} ")),
                    ]
                });
                Line::from(spans.collect::<Vec<_>>())
            })
            .collect::<Vec<_>>();
        let more = now.workers.len().saturating_sub(room) + now.workers_left_out;
        if let (Some(last), true) = (lines.last_mut(), more + now.silent_workers > 0) {
            let text = format!("and {more} more, {} silent", now.silent_workers);
            last.push_span(Span::styled(text, faint()));
        }
        lines
    }

    fn tabs(&self) -> Line<'static> {
        let tab = |(place, sort): (usize, Sort)| {
            let text = format!(" {} {} ", place + 1, sort.title());
            let chosen = sort == self.choice.sheet;
            let style = if chosen { bold().add_modifier(Modifier::REVERSED) } else { Style::new() };
            [Span::styled(text, style), Span::raw(" ")]
        };
        Line::from(Sort::ALL.into_iter().enumerate().flat_map(tab).collect::<Vec<_>>())
    }

    fn table(&self, frame: &mut Frame<'_>, area: Rect) {
        let sheet = self.sheet;
        if sheet.rows.is_empty() {
            return frame.render_widget(Paragraph::new(sheet.when_empty).style(faint()), area);
        }
        let (by, greatest_first) = self.choice.sorted();
        let visible = usize::from(area.height).saturating_sub(1);
        let shown = sheet.rows.iter().skip(self.choice.scrolled).take(visible).collect::<Vec<_>>();
        let heads = sheet.columns.iter().enumerate().map(|(at, column)| {
            let mark = if at != by {
                ""
            } else if greatest_first {
                "▼"
            } else {
                "▲"
            };
            format!("{}{mark}", column.head)
        });
        let heads = heads.collect::<Vec<_>>();
        let last = sheet.columns.len() - 1;
        // A last column of texts has what is left.
        let is_open = |at: usize| at == last && !sheet.columns[at].is_number;
        let widths = (0..sheet.columns.len()).map(|at| {
            let cells = shown.iter().map(|row| row[at].text.chars().count());
            let widest = cells.chain([heads[at].chars().count() + 1]).max().unwrap_or_default();
            let width = u16::try_from(widest).unwrap_or(u16::MAX);
            if is_open(at) { OPEN_MIN } else { width.min(COLUMN_MAX) }
        });
        let widths = widths.collect::<Vec<_>>();
        let fitting = fitting(&widths, by, area.width);
        let aligned = |at: usize, text: String| {
            let line = Line::raw(text);
            if sheet.columns[at].is_number { line.right_aligned() } else { line }
        };
        let head = fitting.iter().map(|at| {
            let style = if *at == by { bold().fg(Color::Cyan) } else { faint() };
            Cell::from(aligned(*at, heads[*at].clone())).style(style)
        });
        let rows = shown.iter().map(|row| {
            let cell = |at: &usize| {
                let sheet::Cell { text, tone, .. } = &row[*at];
                Cell::from(aligned(*at, text.clone())).style(toned(*tone))
            };
            Row::new(fitting.iter().map(cell))
        });
        let constraints = fitting.iter().map(|at| match is_open(*at) {
            true => Constraint::Fill(1),
            false => Constraint::Length(widths[*at]),
        });
        let table = Table::new(rows, constraints).column_spacing(1);
        frame.render_widget(table.header(Row::new(head)), area);
    }

    fn foot(&self) -> Line<'static> {
        let rows = self.sheet.rows.len();
        let at = (self.choice.scrolled + 1).min(rows);
        let state = if self.choice.is_paused { "paused" } else { "live" };
        let text = format!(
            "{state}, row {at} of {rows}   q quit  ? keys  1-6 sheets  < > sort  r reverse  space pause"
        );
        Line::styled(text, faint())
    }
}

/// The columns that there is room for: the first, and of the others as many as fit, among them the one by which the sheet is
/// sorted.
fn fitting(widths: &[u16], by: usize, room: u16) -> Vec<usize> {
    let others_from = |from: usize| {
        let mut left = room.saturating_sub(widths[0]);
        let others = (from..widths.len()).take_while(|at| {
            let fits = widths[*at] < left;
            left = left.saturating_sub(widths[*at] + 1);
            fits
        });
        std::iter::once(0).chain(others).collect::<Vec<_>>()
    };
    let shifted = (1..=by.max(1)).map(others_from).find(|columns| columns.contains(&by));
    shifted.unwrap_or_else(|| vec![0, by])
}

fn help(frame: &mut Frame<'_>, area: Rect) {
    let lines = HELP.iter().map(|(keys, what)| {
        Line::from(vec![Span::styled(format!("{keys:>16}  "), bold()), Span::raw(*what)])
    });
    let lines = lines.collect::<Vec<_>>();
    let (width, height) = (area.width.min(100), area.height.min(lines.len() as u16 + 2));
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    frame.render_widget(Clear, place);
    frame.render_widget(Paragraph::new(lines).block(Block::bordered().title(" Keys ")), place);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_terminal_has_the_first_column_and_the_one_that_is_sorted_by() {
        let widths = [10, 5, 5, 5, 30];
        assert_eq!(fitting(&widths, 0, 80), [0, 1, 2, 3, 4]);
        assert_eq!(fitting(&widths, 1, 28), [0, 1, 2, 3]);
        assert_eq!(fitting(&widths, 1, 27), [0, 1, 2]);
        assert_eq!(fitting(&widths, 4, 55), [0, 2, 3, 4], "columns before it make room");
        assert_eq!(fitting(&widths, 4, 42), [0, 4]);
        assert_eq!(fitting(&widths, 4, 20), [0, 4], "cut, and there");
        assert_eq!(fitting(&widths, 0, 3), [0]);
    }
}
