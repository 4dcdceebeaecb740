//! A terminal with a program in it, as a person sees it.

use std::{
    io::{Read, Write},
    num::NonZeroU16,
    process::Child,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver},
    },
    time::{Duration, Instant},
};

use pty_process::{Size, blocking};

/// Longest wait for something to be on the screen.
const WITHIN: Duration = Duration::from_secs(60);

/// The size of the screen.
const ROWS: u16 = 40;
const COLUMNS: u16 = 130;

/// A terminal, and the shell in it that runs the program and says how it left the terminal.
pub(crate) struct Terminal {
    pty: Arc<blocking::Pty>,
    shell: Child,
    pieces: Receiver<Vec<u8>>,
    screen: Mutex<vt100::Parser>,
}

/// Runs a program, says its number before and its status and the terminal's modes after.
const SCRIPT: &str =
    "{ \"$0\" \"$@\" <&3 & echo \"number $!.\"; wait $!; echo \"ended $?.\"; stty -a <&3; } 3<&0";

impl Terminal {
    pub(crate) fn run(program: &str, args: &[&str]) -> Self {
        let (pty, pts) = blocking::open().expect("the machine has terminals");
        pty.resize(Size::new(ROWS, COLUMNS)).expect("it can have a size");
        let command = blocking::Command::new("sh").args(["-c", SCRIPT, program]).args(args);
        let command = command.env("TERM", "xterm-256color").env_remove("RUST_LOG");
        let shell = command.spawn(pts).expect("there is a shell");
        let pty = Arc::new(pty);
        let reading = Arc::clone(&pty);
        let (sender, pieces) = mpsc::sync_channel(10_000);
        std::thread::Builder::new()
            .spawn(move || {
                let mut piece = [0; 4096];
                // An error says that nobody has the terminal any more.
                while let Ok(read) = (&*reading).read(&mut piece) {
                    if read == 0 || sender.send(piece[..read].to_vec()).is_err() {
                        return;
                    }
                }
            })
            .expect("threads can be started");
        let size = |size: u16| NonZeroU16::new(size).expect("it is not 0");
        let screen = Mutex::new(vt100::Parser::new(size(ROWS), size(COLUMNS), 100));
        Self { pty, shell, pieces, screen }
    }

    /// Types something.
    pub(crate) fn press(&self, keys: &str) {
        (&*self.pty).write_all(keys.as_bytes()).expect("the terminal is there");
    }

    /// Waits until the screen is as wanted; what is on it.
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&vt100::Screen, &str) -> bool) -> String {
        let end = Instant::now() + WITHIN;
        let mut screen = self.screen.lock().expect("no thread panicked");
        loop {
            let contents = screen.screen().contents();
            if is_so(screen.screen(), &contents) {
                return contents;
            }
            let left = end.saturating_duration_since(Instant::now());
            let piece = self.pieces.recv_timeout(left);
            let piece = piece.unwrap_or_else(|_| panic!("not seen: {what}; but\n{contents}"));
            screen.process(&piece);
        }
    }

    /// Waits until the screen has all of this.
    pub(crate) fn shows(&self, says: &[&str]) -> String {
        self.until(&format!("{says:?}"), |_, text| says.iter().all(|said| text.contains(said)))
    }

    /// The number of the program, to send it signals.
    pub(crate) fn number(&self) -> String {
        let text = self.shows(&["number ", "."]);
        let number = text.split_once("number ").and_then(|(_, rest)| rest.split_once('.'));
        number.expect("the shell says it").0.to_owned()
    }

    /// Waits until the program has ended with this status, and expects the terminal to be as it was.
    pub(crate) fn ended(mut self, status: i32) {
        let said = self.until("the terminal as it was", |screen, text| {
            // The modes end with this one.
            let is_told = text.contains(&format!("ended {status}.")) && text.contains("echoke");
            is_told && !screen.alternate_screen()
        });
        let screen = self.screen.lock().expect("no thread panicked");
        assert!(!screen.screen().hide_cursor(), "the cursor is there");
        let modes = said.split_whitespace().collect::<Vec<_>>();
        for mode in ["icanon", "echo", "isig", "icrnl", "opost"] {
            assert!(modes.contains(&mode), "{mode} in {said}");
        }
        drop(screen);
        assert!(self.shell.wait().expect("it was started").success());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
