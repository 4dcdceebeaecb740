//! What keys do: which sheet is shown, by what it is sorted, how far it is scrolled.
//!
//! What it is NOT: the terminal; it is told of keys and says whether to go on.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::sheet::Sort;

/// What is shown of the figures.
pub(super) struct Choice {
    pub(super) sheet: Sort,
    /// Of each sheet, by its place: the column, and whether the greatest comes first.
    sorted: [(usize, bool); Sort::ALL.len()],
    pub(super) scrolled: usize,
    pub(super) is_paused: bool,
    pub(super) shows_help: bool,
}

impl Default for Choice {
    fn default() -> Self {
        let sorted = Sort::ALL.map(Sort::at_first);
        Self { sheet: Sort::default(), sorted, scrolled: 0, is_paused: false, shows_help: false }
    }
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Then {
    GoOn,
    Quit,
}

/// Keys with what they do, for the help.
pub(super) const HELP: [(&str, &str); 8] = [
    ("1 to 6, Tab", "another sheet"),
    ("< >", "sort by the column before, behind; brings it into view"),
    ("r", "sort the other way round"),
    ("up, down", "scroll by a line; PgUp, PgDn by ten; Home, End"),
    ("space", "pause, and go on"),
    ("?", "this"),
    ("q, Esc, Ctrl-C", "quit"),
    ("", "BUSY: of the last 13 s; P50, P99: of samples since its start"),
];

impl Choice {
    /// By which column the present sheet is sorted, and whether the greatest comes first.
    pub(super) fn sorted(&self) -> (usize, bool) {
        self.sorted[self.sheet.place()]
    }

    /// A key was pressed, where the present sheet has so many columns and rows.
    pub(super) fn press(&mut self, key: KeyEvent, columns: usize, rows: usize) -> Then {
        if key.kind == KeyEventKind::Release {
            return Then::GoOn;
        }
        let (by, greatest_first) = self.sorted();
        let place = self.sheet.place();
        let last = rows.saturating_sub(1);
        match key.code {
            KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                return Then::Quit;
            }
            KeyCode::Char('?' | 'h') => self.shows_help = !self.shows_help,
            KeyCode::Esc | KeyCode::Char('q') if self.shows_help => self.shows_help = false,
            KeyCode::Esc | KeyCode::Char('q') => return Then::Quit,
            KeyCode::Char(digit @ '1'..='6') => self.show(digit as usize - '1' as usize),
            KeyCode::Tab | KeyCode::Right => self.show((place + 1) % Sort::ALL.len()),
            KeyCode::BackTab | KeyCode::Left => {
                self.show((place + Sort::ALL.len() - 1) % Sort::ALL.len())
            }
            KeyCode::Char('>' | 's') => self.sort((by + 1) % columns.max(1)),
            KeyCode::Char('<' | 'S') => self.sort((by + columns.max(1) - 1) % columns.max(1)),
            KeyCode::Char('r') => self.sorted[place] = (by, !greatest_first),
            KeyCode::Char(' ' | 'p') => self.is_paused = !self.is_paused,
            KeyCode::Down | KeyCode::Char('j') => self.scrolled = (self.scrolled + 1).min(last),
            KeyCode::Up | KeyCode::Char('k') => self.scrolled = self.scrolled.saturating_sub(1),
            KeyCode::PageDown => self.scrolled = (self.scrolled + 10).min(last),
            KeyCode::PageUp => self.scrolled = self.scrolled.saturating_sub(10),
            KeyCode::Home => self.scrolled = 0,
            KeyCode::End => self.scrolled = last,
            _ => {}
        }
        Then::GoOn
    }

    fn show(&mut self, place: usize) {
        if let Some(sheet) = Sort::ALL.get(place) {
            self.sheet = *sheet;
            self.scrolled = 0;
        }
    }

    fn sort(&mut self, by: usize) {
        // Texts from A on, numbers from the greatest on, as one wants to see them first.
        self.sorted[self.sheet.place()] = (by, by > 0);
        self.scrolled = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(choice: &mut Choice, code: KeyCode) -> Then {
        choice.press(KeyEvent::new(code, KeyModifiers::NONE), 7, 30)
    }

    #[test]
    fn keys_choose_sheets_and_their_order() {
        let mut choice = Choice::default();
        assert_eq!((choice.sheet, choice.sorted()), (Sort::Actors, (2, true)));
        press(&mut choice, KeyCode::Char('>'));
        press(&mut choice, KeyCode::Char('r'));
        assert_eq!(choice.sorted(), (3, false));
        press(&mut choice, KeyCode::Char('3'));
        assert_eq!((choice.sheet, choice.sorted()), (Sort::Peers, (0, false)));
        press(&mut choice, KeyCode::Char('<'));
        assert_eq!(choice.sorted().0, 6, "round the end");
        press(&mut choice, KeyCode::BackTab);
        press(&mut choice, KeyCode::Left);
        assert_eq!((choice.sheet, choice.sorted()), (Sort::Actors, (3, false)), "it is remembered");
        press(&mut choice, KeyCode::Left);
        assert_eq!(choice.sheet, Sort::Events);
        for (code, scrolled) in [
            (KeyCode::End, 29),
            (KeyCode::PageUp, 19),
            (KeyCode::Down, 20),
            (KeyCode::Home, 0),
            (KeyCode::Up, 0),
        ] {
            press(&mut choice, code);
            assert_eq!(choice.scrolled, scrolled);
        }
    }

    #[test]
    fn it_ends_by_each_key_that_says_so_and_help_goes_first() {
        for code in [KeyCode::Char('q'), KeyCode::Esc] {
            let mut choice = Choice::default();
            press(&mut choice, KeyCode::Char('?'));
            assert!(choice.shows_help);
            assert_eq!((press(&mut choice, code), choice.shows_help), (Then::GoOn, false));
            assert_eq!(press(&mut choice, code), Then::Quit);
        }
        let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(Choice::default().press(interrupt, 7, 0), Then::Quit);
        assert_eq!(press(&mut Choice::default(), KeyCode::Char('c')), Then::GoOn);
    }
}
