//! The timeline of a run: the page is made, a browser shows it, and the run is the same as without it.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use crate::command::command;
use odeon::{Actor, Context, Handler, NodeBuilder, StartError, actor, message};
use odeon_interpose::Stream;
use odeon_sim::{
    Budget, Check, FaultKind, Outline, Pace, Scenario, Swarm, World, play, runner::Case,
};

const SECOND: Duration = Duration::from_secs(1);
const NAMES: [&str; 2] = ["a", "b"];

/// What would become markup if nobody took care.
const HOSTILE: &str = "</script><img src=x onerror=\"document.body.id='hit'\">";

/// A question to the other node.
#[message(id = "timeline/Hello", reply = u64)]
struct Hello;

#[derive(Clone)]
struct Greeter;

#[actor(id = "timeline/Greeter", handles(Hello))]
impl Actor for Greeter {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
        Ok(args)
    }
}

impl Handler<Hello> for Greeter {
    async fn handle(&mut self, _: Hello, _: &mut Context<Self>) -> u64 {
        tracing::warn!(answer = 42, "greeted {HOSTILE}");
        tracing::debug!("nobody wants to know this");
        42
    }
}

/// Two nodes, one of which crashes; asks between them; and a check that always objects.
struct Greetings;

impl Scenario for Greetings {
    const NAME: &'static str = "greetings";
    const ABOUT: &'static str = "two nodes greet each other";
    type Step = ();

    fn outline(&self) -> Outline {
        let pace = Pace::new(3 * SECOND, SECOND..=2 * SECOND);
        let budget = Budget { impaired_max: 1, settle: SECOND, damaged_max: 0 };
        let swarm = Swarm::none().chance(1.0).budget(budget).with_pace(FaultKind::Crash, pace);
        Outline::new(NAMES).safety(10 * SECOND).liveness(20 * SECOND).faults(swarm)
    }

    fn workload(&self, draw: &Stream) -> Vec<(Duration, ())> {
        (0..20).map(|_| (Duration::from_millis(draw.below(10_000)), ())).collect()
    }

    async fn set_up(&mut self, world: &mut World) -> Result<(), String> {
        for name in NAMES {
            world.start_member(name, NodeBuilder::actor::<Greeter>, async |node| {
                let greeter = node.spawn(Greeter).await.expect("it starts");
                node.register("greeter", &greeter).expect("the name is free");
            });
        }
        world.all_joined(&NAMES, 10 * SECOND).await.map_err(|error| error.to_string())
    }

    fn step(&mut self, world: &mut World, (): ()) -> impl Future<Output = ()> + 'static {
        let node = world.runtime_node("a");
        async move {
            let Some(node) = node else { return };
            if let Ok(Some(greeter)) = node.on("b").lookup::<Greeter>("greeter").await {
                let _ = greeter.ask(Hello).within(SECOND).await;
            }
        }
    }

    async fn recover(&mut self, _: &mut World) -> Result<(), String> {
        Ok(())
    }

    fn checks(&self) -> Vec<Check> {
        vec![Check::at_end("manners", |_| Err(format!("it is never enough {HOSTILE}")))]
    }
}

/// Makes it; the attribute's own way of running a seed is not wanted here.
fn greetings() -> Greetings {
    Greetings
}

/// A file of its own for each test.
fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("timeline-{name}.html"))
}

/// The browser to open pages with: what ODEON_BROWSER names, else one that is on the path.
fn browser() -> Option<PathBuf> {
    if let Some(named) = env::var_os("ODEON_BROWSER") {
        return Some(PathBuf::from(named));
    }
    let folders: Vec<_> = env::split_paths(&env::var_os("PATH")?).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    places.into_iter().find(|place| place.is_file())
}

/// How long a browser may take for one page, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The document that a browser makes of a page at this fragment.
fn document(browser: &Path, page: &Path, fragment: &str) -> String {
    let written = page.with_extension("dom");
    let out = fs::File::create(&written).expect("it can be made");
    run(browser, page, fragment, &["--dump-dom"], out.into());
    fs::read_to_string(written).expect("a document is text")
}

/// The picture of it, as PNG; it is left beside the page, to be looked at.
fn picture(browser: &Path, page: &Path, fragment: &str) -> Vec<u8> {
    let name = fragment.replace(|it: char| !it.is_ascii_alphanumeric(), "-");
    let written = page.with_extension(format!("{name}.png"));
    // One of an earlier run proves nothing.
    let _ = fs::remove_file(&written);
    let to = format!("--screenshot={}", written.display());
    run(browser, page, fragment, &[&to, "--hide-scrollbars"], Stdio::null());
    fs::read(&written).expect("the browser leaves a picture")
}

/// Opens a page at this fragment in a browser, and waits until that has ended.
///
/// # Panics
/// When it has not within [`PATIENCE`]; the browser is ended then.
#[expect(clippy::disallowed_methods, reason = "a browser runs in real time, outside every world")]
fn run(browser: &Path, page: &Path, fragment: &str, does: &[&str], out: Stdio) {
    let profile = page.with_extension("profile");
    let mut command = Command::new(browser);
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
    command.args(["--disable-extensions", "--disable-dev-shm-usage", "--window-size=1400,900"]);
    command.args(["--virtual-time-budget=4000", "--timeout=60000"]).args(does);
    command.arg(format!("--user-data-dir={}", profile.display()));
    command.arg(format!("file://{}#{fragment}", page.display())).stderr(Stdio::null());
    command.stdout(out);
    let (mut child, began) = (command.spawn().expect("the browser starts"), Instant::now());
    while child.try_wait().expect("it can be asked").is_none() {
        if began.elapsed() > PATIENCE {
            // Its children end with it, or find nobody to talk to.
            let _ = child.kill().and_then(|()| child.wait());
            panic!("{} did not end within {PATIENCE:?}", browser.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A number that the page says of its picture.
fn number(document: &str, name: &str) -> u64 {
    let canvas = document.split_once("<canvas id=\"canvas\"").expect("there is a picture").1;
    let value = canvas.split_once(&format!("data-{name}=\"")).map(|(_, rest)| rest);
    let value = value.and_then(|rest| rest.split_once('"'));
    value.unwrap_or_else(|| panic!("the picture has no {name}")).0.parse().expect("it is a number")
}

/// What stands in the first element with this beginning of a tag.
fn inside<'a>(document: &'a str, tag: &str) -> &'a str {
    let rest = document.split_once(tag).unwrap_or_else(|| panic!("there is no {tag}")).1;
    rest.split_once('>').and_then(|(_, text)| text.split_once("</")).expect("it ends").0
}

#[test]
fn a_browser_shows_lanes_arrows_faults_restarts_and_log_lines() {
    let (trial, page) = (
        play!(a_browser_shows_lanes_arrows_faults_restarts_and_log_lines, greetings),
        page("shown"),
    );
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let (status, said) =
        command(&trial, &["timeline", "--seed", "1", "--html", page.to_str().expect("it is text")]);
    assert_eq!(status, 1, "the check objects: {said}");
    assert!(said.contains("2 lanes") && said.contains(" 0 left out"), "{said}");
    let Some(browser) = browser() else {
        eprintln!(
            "skipped: there is no chromium, chromium-browser or google-chrome, and ODEON_BROWSER names none"
        );
        return;
    };
    let shown = document(&browser, &page, "");
    assert_eq!(inside(&shown, "<pre id=\"errors\""), "");
    assert_eq!(shown.matches("class=\"lane\"").count(), 2);
    assert_eq!(number(&shown, "lanes"), 2);
    let arrows = number(&shown, "arrows");
    assert!(arrows > 20 && number(&shown, "dots") > 20 && number(&shown, "bands") > 0, "{arrows}");
    assert!(shown.contains("failed") && shown.contains("it is never enough"));
    assert!(shown.contains("timeline/Hello") && shown.contains("node crashed"));
    assert!(shown.contains("greeted &lt;/script&gt;&lt;img src=x"), "a log line is text");
    assert!(
        !shown.contains("<img") && !shown.contains("<body id=") && !shown.contains("nobody wants")
    );

    let one = document(&browser, &page, "node=a&kind=logs,nodes,faults");
    assert_eq!((number(&one, "lanes"), number(&one, "arrows")), (1, 0));
    assert!(number(&one, "bands") > 0);
    let warnings = document(&browser, &page, "kind=logs&text=greeted");
    let greeted = number(&warnings, "dots");
    assert!(greeted > 0 && number(&warnings, "bands") == 0, "{greeted}");
    let list = inside(&warnings, "<small id=\"count\"");
    assert_eq!(list.parse(), Ok(greeted), "the list has what the picture has");
    let close = document(&browser, &page, "zoom=50&at=3");
    assert!(number(&close, "arrows") < arrows / 2);
    let datagrams = document(&browser, &page, "kind=datagrams");
    assert!(number(&datagrams, "arrows") > arrows, "they are off at first");
    assert_eq!(inside(&datagrams, "<pre id=\"errors\""), "");

    // Drawn, and not only said to be: each shows something, and each something else.
    let fragments = ["theme=light", "theme=dark", "theme=light&zoom=50&at=3"];
    let pictures = fragments.map(|fragment| picture(&browser, &page, fragment));
    for (at, picture) in pictures.iter().enumerate() {
        assert!(picture.starts_with(b"\x89PNG") && picture.len() > 8 << 10, "{}", picture.len());
        assert!(!pictures[..at].contains(picture), "no. {at} is as one before it");
    }
}

#[test]
fn the_run_is_the_same_whether_it_is_recorded_or_not() {
    let trial = play!(the_run_is_the_same_whether_it_is_recorded_or_not, greetings);
    for seed in 0..4 {
        let run = |recorded| trial.run(Case { recorded, ..Case::new(seed) }, 1, 60 * SECOND);
        let (plain, recorded) = (run(false), run(true));
        assert_eq!(plain, recorded, "seed {seed}");
        assert!(plain.iter().all(|verdict| verdict.events > 500));
    }
}

#[test]
fn a_page_is_made_of_a_replay_file_too() {
    let trial = play!(a_page_is_made_of_a_replay_file_too, greetings);
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let (page, folder) = (page("replayed"), page("replays").with_extension(""));
    let folder = folder.to_str().expect("it is text");
    command(&trial, &["run", "--seeds", "2", "--replays", folder]);
    let file = format!("{folder}/greetings-2.json");
    let html = page.to_str().expect("it is text");
    let (status, said) = command(&trial, &["timeline", &file, "--html", html]);
    assert_eq!(status, 1, "{said}");
    let text = fs::read_to_string(&page).expect("it is there");
    assert!(text.starts_with("<!doctype html>") && text.contains("\"seed\":2,"));
}

#[test]
fn what_cannot_be_used_is_named() {
    let trial = play!(what_cannot_be_used_is_named, greetings);
    if odeon_interpose::unsupported().is_some() {
        return;
    }
    let status = |args: &[&str]| command(&trial, args).0;
    assert_eq!(status(&["timeline", "--seed", "1"]), 2, "without a page");
    assert_eq!(status(&["timeline", "--seed", "1", "--html", "/nowhere/page.html"]), 2);
    assert_eq!(status(&["timeline", "nobody", "--seed", "1", "--html", "/nowhere/page.html"]), 2);
    assert_eq!(status(&["timeline", "/nowhere.json", "--html", "/nowhere/page.html"]), 2);
}
