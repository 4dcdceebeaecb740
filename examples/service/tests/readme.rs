//! `README.md`, followed word by word by somebody who has nothing else: a copy of the folder outside of the workspace.
//!
//! What takes minutes, building and running three nodes, is done where the variable `ODEON_README` names a folder for it,
//! outside of any workspace, and says how many seconds it took. What was built stays there, for the next time. Only ports are
//! other ones than on the page, because somebody may have those.

#![expect(
    clippy::disallowed_methods,
    reason = "a test from outside uses the machine's own clocks and ports"
)]
#![expect(clippy::unwrap_used, reason = "a test whose world cannot be set up has failed")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{Write as _, stderr},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

const WITHIN: Duration = Duration::from_secs(60);

/// The root of the repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The blocks of the page in this language, in their order.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("\n```{language}\n");
    let blocks = page.split(&fence).skip(1);
    blocks.map(|rest| rest.split("\n```").next().unwrap().to_owned() + "\n").collect()
}

/// The page, with ports that nobody has.
fn page() -> String {
    let page = fs::read_to_string(root().join("examples/service/README.md")).unwrap();
    let mut ports = BTreeMap::new();
    for text in page.split("127.0.0.1:7").skip(1) {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        ports.entry(format!("127.0.0.1:7{digits}")).or_insert_with(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            (listener.local_addr().unwrap().to_string(), listener)
        });
    }
    ports.iter().fold(page, |page, (named, (free, _))| page.replace(named, free))
}

/// What somebody has in front of them: folders, the one they are in, and where the shell looks for programs.
struct Desk {
    folder: PathBuf,
    at: PathBuf,
    path: String,
    /// What was built stays, as do the folders.
    stays: bool,
}

impl Desk {
    /// In a folder that goes with it, with as much of the repository as is copied from it.
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("odeon-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let at = folder.join("odeon");
        copy(&root().join("examples/service"), &at.join("examples/service"));
        fs::copy(root().join("Cargo.lock"), at.join("Cargo.lock")).unwrap();
        Self { folder, at, path: std::env::var("PATH").unwrap(), stays: false }
    }

    /// With the repository, as one gets it, in the folder `odeon`, and nothing beside it. It stays.
    fn in_folder(folder: PathBuf) -> Self {
        let at = folder.join("odeon");
        copy(&root(), &at);
        // Out of the way of the copy, for which there is no folder yet.
        let _ = fs::rename(folder.join("my-node/target"), folder.join("built"));
        let _ = fs::remove_dir_all(folder.join("my-node"));
        Self { folder, at, path: std::env::var("PATH").unwrap(), stays: true }
    }

    /// A shell, without what cargo tells a test.
    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command.args(["-ec", script]).current_dir(&self.at).stdin(Stdio::null());
        let kept = ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
        let kept = kept.into_iter().filter_map(|name| Some((name, std::env::var(name).ok()?)));
        command.env_clear().envs(kept).env("PATH", &self.path);
        // What is built of has been downloaded for this test already.
        command.envs([("CARGO_NET_OFFLINE", "true"), ("CARGO_INCREMENTAL", "0")]);
        command
    }

    /// Types a block, and stays where it has led; what it printed.
    fn types(&mut self, block: &str) -> String {
        let left = self.folder.join("left");
        let script = format!("{block}\nprintf '%s\\n' \"$PWD\" \"$PATH\" >'{}'", left.display());
        let output = self.shell(&script).output().unwrap();
        assert!(output.status.success(), "{block}: {}", String::from_utf8_lossy(&output.stderr));
        let left = fs::read_to_string(left).unwrap();
        let (at, path) = left.trim().split_once('\n').unwrap();
        (self.at, self.path) = (at.into(), path.to_owned());
        String::from_utf8(output.stdout).unwrap()
    }

    fn read(&self, name: &str) -> String {
        let path = self.at.join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        if !self.stays {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Copies a folder, without what was built in it and without its history. Files that are there already are left alone, so that
/// cargo takes what was built of them.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (name, kind) = (entry.file_name(), entry.file_type().unwrap());
        if kind.is_dir() && name != "target" && name != ".git" {
            copy(&entry.path(), &to.join(name));
        } else if kind.is_file() {
            let (from, to) = (entry.path(), to.join(name));
            let is_there = fs::read(&to).is_ok_and(|there| there == fs::read(&from).unwrap());
            if !is_there {
                fs::copy(from, to).unwrap();
            }
        }
    }
}

/// A node in a shell of its own; killed if the test fails.
struct Node(Child);

impl Node {
    fn start(desk: &Desk, line: &str, log: usize) -> Self {
        let log = File::create(desk.folder.join(format!("{log}.log"))).unwrap();
        Self(desk.shell(&format!("exec {line}")).stderr(log).spawn().unwrap())
    }

    /// Ctrl-C.
    fn leave(mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        assert!(self.0.wait().unwrap().success(), "it leaves in order");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The names in a section of a manifest.
fn names(manifest: &str, section: &str) -> BTreeSet<String> {
    let section = manifest.split(&format!("[{section}]\n")).nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split([' ', '.']).next()).filter(|it| !it.is_empty());
    names.map(str::to_owned).collect()
}

#[test]
fn the_manifest_of_the_page_names_what_the_program_needs() {
    let page = page();
    let [manifest, with_test] = &blocks(&page, "toml")[..] else { panic!("two of TOML") };
    let own = fs::read_to_string(root().join("examples/service/Cargo.toml")).unwrap();
    assert_eq!(names(manifest, "dependencies"), names(&own, "dependencies"));
    assert!(names(&own, "dev-dependencies").is_superset(&names(with_test, "dev-dependencies")));
}

#[test]
fn the_files_to_deploy_become_those_of_the_copy() {
    let page = page();
    let blocks = blocks(&page, "sh");
    let mut desk = Desk::new("deploy-copy");
    desk.types(&blocks[0]);
    // Somebody's own, which stays.
    fs::write(desk.folder.join(".dockerignore"), "cellar\n").unwrap();
    desk.types(blocks.last().unwrap());
    let files =
        ["Containerfile", "compose.yaml", "kubernetes.yaml", "my-node.service", "node.toml"];
    let files = files.map(|name| desk.read(&format!("deploy/{name}")));
    for file in &files {
        assert!(!file.contains("greeter") && !file.contains("examples/"), "{file}");
    }
    let [container, compose, kubernetes, unit, _] = &files;
    // Read from the folder above, which has all that is copied, and what keeps keys and builds out.
    let copied =
        container.lines().filter_map(|line| line.strip_prefix("COPY ")).collect::<Vec<_>>();
    let program = "/usr/local/bin/my-node";
    let built = format!("--from=build /src/my-node/target/release/my-node {program}");
    assert_eq!(copied, ["odeon odeon", "my-node my-node", &built]);
    let manifest = &self::blocks(&page, "toml")[0];
    assert!(manifest.contains("path = \"../odeon/runtime/ops\""), "the folders are called so");
    assert!(
        container.contains("WORKDIR /src/my-node\nRUN cargo build --release --locked -p my-node")
    );
    let ignored = fs::read_to_string(desk.folder.join(".dockerignore")).unwrap();
    for pattern in ["cellar", "**/target", "**/.git", "**/*.key", "**/papers"] {
        assert!(ignored.lines().any(|line| line == pattern), "{pattern}");
    }
    assert!(desk.read(".gitignore").lines().any(|line| line == "*.key"));
    let of = |text: &str, key: &str| {
        let line = text.lines().find_map(|line| line.trim_start().strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key}")).trim().to_owned()
    };
    let context = desk.at.join("deploy").join(of(compose, "context:")).canonicalize().unwrap();
    assert_eq!(context, desk.folder.canonicalize().unwrap());
    assert!(context.join(of(compose, "dockerfile:")).exists());
    assert_eq!(of(compose, "image:"), of(kubernetes, "image:"));
    assert!(page.contains(&format!("-t {} .", of(kubernetes, "image:"))));
    assert!(of(unit, "ExecStart=").starts_with(program));
    assert_eq!(of(container, "ENTRYPOINT"), format!("[\"{program}\"]"));
    // Whoever keeps the test has a program of another name.
    let line = page.split('`').find(|text| text.starts_with("sed -i 's#release/")).unwrap();
    desk.types(line);
    let renamed = format!("/target/release/greeter {program}\n");
    assert!(desk.read("deploy/Containerfile").contains(&renamed));
}

/// Tries until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + WITHIN;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Says something past the harness, which keeps what a passing test prints to itself.
fn say(text: &str) {
    stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

#[test]
fn whoever_has_only_this_page_has_three_nodes() {
    let Some(folder) = std::env::var_os("ODEON_README") else {
        return say("skipped: ODEON_README names no folder to build in, which takes minutes");
    };
    let page = page();
    let blocks = blocks(&page, "sh");
    let [copy, build, papers, nodes, look, greet, _deploy] = &blocks[..] else {
        panic!("another page: {blocks:?}")
    };
    let mut desk = Desk::in_folder(folder.into());
    let began = Instant::now();
    desk.types(copy);
    let _ = fs::rename(desk.folder.join("built"), desk.at.join("target"));
    let manifests = self::blocks(&page, "toml");
    fs::write(desk.at.join("Cargo.toml"), &manifests[0]).unwrap();
    desk.types(build);
    let built = began.elapsed();
    desk.types(papers);
    let issued = began.elapsed();
    let lines = nodes.lines().enumerate();
    let nodes = lines.map(|(at, line)| Node::start(&desk, line, at)).collect::<Vec<_>>();
    assert_eq!(nodes.len(), 3);
    until("three members", || {
        let members = desk.shell(look.lines().next().unwrap()).output().unwrap();
        let said = String::from_utf8_lossy(&members.stdout).into_owned();
        let names = said.lines().filter_map(|line| line.split_whitespace().next());
        names.collect::<BTreeSet<_>>() == BTreeSet::from(["a", "b", "c"])
    });
    let joined = began.elapsed();
    assert!(desk.types(look).contains("greeter/Greeter"));
    let greeting = desk.types(greet);
    assert!(greeting.contains("hello, you, from "), "{greeting}");
    nodes.into_iter().for_each(Node::leave);
    let [built, issued, joined] = [built, issued, joined].map(|it| it.as_secs());
    say(&format!(
        "built after {built} s, with certificates after {issued} s, three nodes after {joined} s"
    ));

    // What it says of those who keep the test.
    let tests = desk.at.join("tests");
    fs::create_dir(&tests).unwrap();
    fs::copy(root().join("examples/service/tests/cluster.rs"), tests.join("cluster.rs")).unwrap();
    let manifest = manifests[0].replace("default-run = \"my-node\"", "default-run = \"greeter\"");
    fs::write(desk.at.join("Cargo.toml"), format!("{manifest}\n{}", manifests[1])).unwrap();
    desk.types("cargo test --no-run && test -x target/debug/greeter");
}
