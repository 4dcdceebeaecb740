//! The dashboard in a browser: two real nodes with work, with names that would be markup if nobody took care, looked at
//! through the relay, and used by keyboard (`browser/keys.rs`).
//!
//! Skipped, with a reason, where there is no browser. `ODEON_SCREENSHOTS` names a folder for pictures of the page.

mod keys;
mod tab;

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use odeon::{
    Actor, ActorRef, ChildSpec, Context, Handler, Profile, SpawnOptions, Supervisor,
    SupervisorSpec, actor, message,
};
use tokio::{
    task::spawn_local,
    time::{Instant, sleep},
};
use tracing_subscriber::{layer::SubscriberExt, util::SubscriberInitExt};

use super::*;
use crate::operator::Relay;

/// What would become markup if nobody took care.
const HOSTILE: &str = "</script><img src=x onerror=\"document.body.id='hit'\">";

/// How long a browser may take for one page, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

#[message(id = "browser/Order", reply = u64)]
struct Order {
    micros: u64,
}

#[message(id = "browser/Fail", reply = ())]
struct Fail;

#[derive(Clone)]
struct Till;

#[actor(id = "browser/Till", handles(Order, Fail))]
impl Actor for Till {
    type Args = Self;

    async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, odeon::StartError> {
        Ok(args)
    }
}

impl Handler<Order> for Till {
    async fn handle(&mut self, order: Order, _: &mut Context<Self>) -> u64 {
        let until = Instant::now() + Duration::from_micros(order.micros);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        order.micros
    }
}

impl Handler<Fail> for Till {
    async fn handle(&mut self, _: Fail, _: &mut Context<Self>) {
        panic!("the till is stuck");
    }
}

/// The browser to open pages with: what ODEON_BROWSER names, else one that is on the path. Says so if there is none.
fn browser() -> Option<PathBuf> {
    if let Some(named) = env::var_os("ODEON_BROWSER") {
        return Some(PathBuf::from(named));
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = env::split_paths(&path).collect();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let places = names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    let found = places.into_iter().find(|place| place.is_file());
    if found.is_none() {
        eprintln!(
            "skipped: there is no chromium, chromium-browser or google-chrome, and ODEON_BROWSER names none"
        );
    }
    found
}

/// A browser without a window and without anything of its user's.
fn quiet<'a>(command: &'a mut Command, dir: &Path) -> &'a mut Command {
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]);
    command.args(["--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars"]);
    command.arg(format!("--user-data-dir={}", dir.join("profile").display())).stderr(Stdio::null())
}

/// Runs a browser to its end with these arguments, while the nodes go on; what it printed.
async fn run(browser: &Path, dir: &Path, args: &[String]) -> String {
    let printed = dir.join("printed");
    let mut command = Command::new(browser);
    quiet(&mut command, dir).args(args).stdout(fs::File::create(&printed).unwrap());
    let (mut child, began) = (command.spawn().unwrap(), Instant::now());
    while child.try_wait().unwrap().is_none() {
        if began.elapsed() > PATIENCE {
            let _ = child.kill().and_then(|()| child.wait());
            panic!("{} made no document within {PATIENCE:?}", browser.display());
        }
        sleep(Duration::from_millis(20)).await;
    }
    fs::read_to_string(printed).unwrap()
}

/// What stands in the first element with this beginning of a tag.
fn inside<'a>(document: &'a str, tag: &str) -> &'a str {
    let rest = document.split_once(tag).unwrap_or_else(|| panic!("there is no {tag}")).1;
    rest.split_once('>').and_then(|(_, text)| text.split_once("</")).unwrap().0
}

/// A supervisor with three children, one of which has failed twice, and a till in another node's reach.
async fn open_shop(a: &Node) -> ActorRef<Supervisor> {
    let till = |id: &str| {
        let options = SpawnOptions::default().named(format!("tills/{id}"));
        ChildSpec::new::<Till>(id, Till).options(options)
    };
    let spec = SupervisorSpec::one_for_one()
        .intensity(9, Duration::from_secs(60))
        .child(till("one"))
        .child(till("two"))
        .child(till(HOSTILE));
    let root =
        a.spawn_opts::<Supervisor>(spec, SpawnOptions::default().named("shop")).await.unwrap();
    let two = root.child::<Till>("two").await.unwrap();
    for _ in 0..2 {
        assert!(two.ask(Fail).await.is_err());
    }
    root
}

/// Two nodes with work, and their dashboard at an address that a browser can look at.
async fn show(name: &str, events: Events, look: impl AsyncFnOnce(&Path, &str)) {
    let shop = Shop::open(name);
    let zone = |zone: &str| Profile {
        zone: zone.to_owned(),
        roles: vec!["till".to_owned(), "<b>bold</b>".to_owned()],
        version: "7.1".to_owned(),
        ..Profile::default()
    };
    let builder = |name: &str| {
        let identity = shop.ca.issue(name, shop.validity).unwrap();
        Node::builder(name).identity(identity).actor::<Till>().workers(2)
    };
    let a = builder("a").alone().profile(zone("z1")).start().await.unwrap();
    let seed = a.addr().to_string();
    let b = builder("b").seed(&seed).profile(zone(HOSTILE)).start().await.unwrap();
    assert!(b.joined().await);
    let local = LocalSet::new();
    local
        .run_until(async {
            let root = open_shop(&a).await;
            let busy = root.child::<Till>("one").await.unwrap();
            a.cluster().register("the till", &busy).await.unwrap();
            let tills = a.cluster().group::<Till>("tills").unwrap();
            for till in [&busy, &root.child::<Till>("two").await.unwrap()] {
                tills.join(till).unwrap();
            }
            let _listening = a.cluster().subscribe::<Order>("orders.<b>bold</b>.*").unwrap();
            spawn_local(async move { while busy.ask(Order { micros: 900 }).await.is_ok() {} });
            let there = b.on("a").lookup::<Till>("tills/two").await.unwrap().unwrap();
            spawn_local(async move { while there.ask(Order { micros: 1 }).await.is_ok() {} });
            let (listener, addr) = http::bind(([127, 0, 0, 1], 0).into()).await.unwrap();
            let standing = Standing::new(&a, "shop", "7.1", events);
            standing.started();
            spawn_local(serve(listener, shop.door(), standing));
            let relay = Relay::bind().await.unwrap();
            let url = relay.url();
            spawn_local(relay.serve(shop.operator(), addr.to_string()));
            look(&shop.dir.0, &url).await;
        })
        .await;
    b.stop(Duration::from_secs(5)).await;
    a.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_browser_shows_the_node_its_actors_its_peers_and_its_log() {
    let Some(browser) = browser() else { return };
    let events = Events::default();
    events.turn_on();
    let filter = tracing_subscriber::EnvFilter::new("info");
    // Nobody else in these tests has a log for all threads.
    tracing_subscriber::registry().with(filter).with(events.clone()).init();
    let look = async |dir: &Path, url: &str| {
        let dump = ["--virtual-time-budget=8000", "--timeout=60000", "--dump-dom", url];
        check(&run(&browser, dir, &dump.map(str::to_owned)).await);
        if let Some(pictures) = env::var_os("ODEON_SCREENSHOTS") {
            take_pictures(&browser, dir, url, Path::new(&pictures)).await;
        }
    };
    show("browser", events, look).await;
}

async fn take_pictures(browser: &Path, dir: &Path, url: &str, pictures: &Path) {
    for (name, size, theme) in [
        ("light", "1440,2100", "light"),
        ("dark", "1440,2100", "dark"),
        ("narrow", "500,4400", "light"),
    ] {
        let picture = pictures.join(format!("dashboard-{name}.png"));
        let args = [
            format!("--screenshot={}", picture.display()),
            format!("--window-size={size}"),
            "--virtual-time-budget=15000".to_owned(),
            format!("{url}#theme={theme}"),
        ];
        run(browser, dir, &args).await;
        assert!(picture.is_file(), "{}", picture.display());
    }
}

/// The page has what the node has, as text.
fn check(shown: &str) {
    assert_eq!(inside(shown, "<pre id=\"errors\""), "", "the page has no errors of its own");
    assert!(!shown.contains("<img") && !shown.contains("id=\"hit\"") && !shown.contains("<b>bold"));
    assert_eq!(inside(shown, "<h1 id=\"node\""), "a");
    let turns = shown.split_once("data-turns=\"").unwrap().1.split_once('"').unwrap().0;
    assert!(turns.parse::<u32>().unwrap() > 1, "{turns}");
    assert_eq!(shown.matches("class=\"tile ").count(), 7);
    assert_eq!(shown.matches("class=\"zone\"").count(), 2, "two zones, one with an odd name");
    assert!(shown.contains("&lt;/script&gt;&lt;img src=x onerror="), "it is text");
    assert!(shown.contains("&lt;b&gt;bold&lt;/b&gt;"));
    assert!(shown.contains("class=\"member self\""));
    assert!(shown.matches("class=\"worker\"").count() >= 2);
    // The supervisor and its children, one of them started again.
    assert!(shown.matches("role=\"treeitem\"").count() >= 4);
    assert!(shown.contains("\"tills/two\"") && shown.contains(">2 restarts<"), "{shown}");
    assert!(shown.contains("child is started again") && shown.contains("member up"));
    let types = shown.split_once("id=\"types-table\"").unwrap().1.split_once("</table>").unwrap().0;
    assert!(
        types.contains("browser/Till") && (types.contains("µs") || types.contains("ms")),
        "{types}"
    );
    let names =
        shown.split_once("id=\"names-table\"").unwrap().1.split_once("</section>").unwrap().0;
    assert!(names.contains(">the till<") && names.contains(">a<"), "{names}");
    assert!(names.contains(">tills<") && names.contains(">2<"), "{names}");
    assert!(names.contains(">orders.&lt;b&gt;bold&lt;/b&gt;.*<"), "{names}");
    assert!(names.contains(">browser/Order<") && names.contains(">1<"), "{names}");
    let peers = shown.split_once("id=\"peers-table\"").unwrap().1.split_once("</table>").unwrap().0;
    assert!(peers.contains(">b<") && peers.contains("class=\"lane"), "{peers}");
    let hot = shown.split_once("id=\"hot-table\"").unwrap().1.split_once("</table>").unwrap().0;
    assert!(hot.contains("tills/one"), "the busy one is hot: {hot}");
}
