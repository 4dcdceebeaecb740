//! The program: somebody's actors, to be run as a node.

use std::{error::Error, future::Future, pin::Pin, process::ExitCode};

use clap::{Args, Command, FromArgMatches, error::ErrorKind};
use odeon::{Actor, Node, NodeBuilder, SystemConfig, TransportConfig};
use serde::de::DeserializeOwned;

use crate::{
    app::{App, AppSection, AppSetting},
    failure::Failed,
    flags::{self, Flags},
    hooks::Hooks,
    life,
};

/// What the program's own start comes to.
pub type Started = Result<(), Box<dyn Error + Send + Sync>>;

type Setup = Box<dyn FnOnce(NodeBuilder) -> NodeBuilder>;

/// What a program waits for, beside orders to leave.
pub(crate) type Until = Box<dyn FnOnce(Node) -> Pin<Box<dyn Future<Output = Started>>>>;

/// A program that runs somebody's actors as a node: its flags, its signals, its health.
///
/// # Examples
/// ```no_run
/// use std::process::ExitCode;
///
/// use odeon::{Actor, Context, Handler, StartError, actor, message};
/// use odeon_ops::Program;
///
/// #[message(id = "greeter/Greet", reply = String)]
/// struct Greet {
///     name: String,
/// }
///
/// #[derive(Clone)]
/// struct Greeter;
///
/// #[actor(id = "greeter/Greeter", handles(Greet))]
/// impl Actor for Greeter {
///     type Args = Self;
///
///     async fn start(args: Self, _: &mut Context<Self>) -> Result<Self, StartError> {
///         Ok(args)
///     }
/// }
///
/// impl Handler<Greet> for Greeter {
///     async fn handle(&mut self, greet: Greet, _: &mut Context<Self>) -> String {
///         format!("hello, {}", greet.name)
///     }
/// }
///
/// fn main() -> ExitCode {
///     Program::new("greeter").actor::<Greeter>().run(|node| async move {
///         let greeter = node.spawn(Greeter).await?;
///         node.register("greeter", &greeter)?;
///         Ok(())
///     })
/// }
/// ```
#[must_use = "a program does nothing until it is run"]
pub struct Program {
    pub(crate) name: &'static str,
    pub(crate) version: &'static str,
    pub(crate) about: &'static str,
    pub(crate) system: SystemConfig,
    pub(crate) transport: TransportConfig,
    pub(crate) setups: Vec<Setup>,
    pub(crate) app: Option<AppSection>,
    pub(crate) until: Option<Until>,
    pub(crate) hooks: Hooks,
}

impl Program {
    /// A program of this name, which is what it calls itself in errors and in its help.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            version: "",
            about: "A node of an Odeon cluster.",
            system: SystemConfig::default(),
            transport: TransportConfig::default(),
            setups: Vec::new(),
            app: None,
            until: None,
            hooks: Hooks::default(),
        }
    }

    /// Its version, such as `env!("CARGO_PKG_VERSION")`: `--version`, the metrics and the node's
    /// [profile](odeon::Profile) say it. At most 63 bytes.
    pub fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// What it is, a sentence for its help.
    pub fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// An actor type that other nodes may send to, as [`NodeBuilder::actor`].
    pub fn actor<A: Actor>(self) -> Self {
        self.node(NodeBuilder::actor::<A>)
    }

    /// Bounds of its actors, where flags, environment and file say nothing. Default: those of [`SystemConfig`].
    pub fn system(mut self, config: SystemConfig) -> Self {
        self.system = config;
        self
    }

    /// Bounds and times of its transport, where flags, environment and file say nothing. Default: those of
    /// [`TransportConfig`].
    pub fn transport(mut self, config: TransportConfig) -> Self {
        self.transport = config;
        self
    }

    /// Values of the program's own, under `[app]`: each row is one of them, and `T`, a type of serde's, has a field for each,
    /// an `Option` where a value without default may be missing. In place of those of an earlier call.
    ///
    /// They come as the runtime's values do: flags over environment over the file over defaults; what cannot be used is
    /// refused with its key, its value, where it came from and the remedy, also where the type refuses it; `--help` and
    /// `--print-config` show them; SIGHUP applies those that are [live](AppSetting::live) and names the others.
    ///
    /// # Panics
    /// When two rows have one name.
    ///
    /// # Examples
    /// ```no_run
    /// use std::{process::ExitCode, time::Duration};
    ///
    /// use odeon_ops::{AppSetting, Program, Span};
    ///
    /// #[derive(serde::Deserialize)]
    /// struct Shop {
    ///     greeting: String,
    ///     tables: u16,
    ///     patience: Span,
    /// }
    ///
    /// fn main() -> ExitCode {
    ///     let hour = Duration::from_secs(1)..=Duration::from_secs(3600);
    ///     let (program, shop) = Program::new("shop").app::<Shop>([
    ///         AppSetting::text("greeting", "What guests hear").default("hello").live(),
    ///         AppSetting::number("tables", 1..=100, "How many guests sit at a time").default("8"),
    ///         AppSetting::span("patience", hour, "How long a guest waits for a table").default("5m"),
    ///     ]);
    ///     program.run(|node| async move {
    ///         let shop = shop.now();
    ///         println!("{}: {} tables, for {}", shop.greeting, shop.tables, shop.patience);
    ///         # let _ = node;
    ///         Ok(())
    ///     })
    /// }
    /// ```
    pub fn app<T>(mut self, rows: impl IntoIterator<Item = AppSetting>) -> (Self, App<T>)
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let (section, values) = AppSection::new(rows);
        self.app = Some(section);
        (self, values)
    }

    /// What else is to be said to the node before it starts. It is done last, and so counts more than flags, environment
    /// and file.
    pub fn node(mut self, setup: impl FnOnce(NodeBuilder) -> NodeBuilder + 'static) -> Self {
        self.setups.push(Box::new(setup));
        self
    }

    /// What ends the program, beside orders to leave: `until` is called once its actors have started, and when its future
    /// completes the node drains and the program ends; with status 0 after `Ok`, with status 1 and the error in one line
    /// after `Err`. So a program ends by itself when its work is done, and whoever started it starts it again when what it
    /// cannot do without is gone. In place of that of an earlier call.
    ///
    /// # Examples
    /// ```no_run
    /// use std::process::ExitCode;
    ///
    /// use odeon_ops::Program;
    /// use tokio::sync::oneshot;
    ///
    /// fn main() -> ExitCode {
    ///     // An actor that watches the root supervisor has the sender.
    ///     let (gone, is_gone) = oneshot::channel::<String>();
    ///     let program = Program::new("shop").until(|_node| async move {
    ///         match is_gone.await {
    ///             Ok(why) => Err(format!("the root supervisor has given up: {why}").into()),
    ///             Err(_) => Ok(()), // The node ends, and that actor with it.
    ///         }
    ///     });
    ///     program.run(|node| async move {
    ///         # let _ = (node, gone);
    ///         Ok(())
    ///     })
    /// }
    /// ```
    pub fn until<R>(mut self, until: impl FnOnce(Node) -> R + 'static) -> Self
    where
        R: Future<Output = Started> + 'static,
    {
        self.until = Some(Box::new(|node| Box::pin(until(node))));
        self
    }

    /// Figures of the program's own, which `/metrics` has behind those of the node: lines in the text format of Prometheus,
    /// version 0.0.4, at most 1 MiB, under names that do not begin with `odeon_`. In place of those of an earlier call.
    ///
    /// Whoever reaches the health port reads them: name no secret in them. It is called each time that somebody asks, on the
    /// program's main thread, which must not wait: read counters that your actors write. What a scraper would refuse, and so the whole page with it, is left out: the log says which line and
    /// why, and `odeon_program_figures_refused_total` counts it. So is what a function that panics would have said.
    ///
    /// # Examples
    /// ```no_run
    /// use std::{process::ExitCode, sync::{Arc, atomic::{AtomicU64, Ordering::Relaxed}}};
    ///
    /// use odeon_ops::Program;
    ///
    /// fn main() -> ExitCode {
    ///     let orders = Arc::new(AtomicU64::new(0)); // actors have clones of it
    ///     let taken = Arc::clone(&orders);
    ///     let program = Program::new("shop").metrics(move || {
    ///         let orders = taken.load(Relaxed);
    ///         format!("# HELP shop_orders_total Orders.\n# TYPE shop_orders_total counter\nshop_orders_total {orders}\n")
    ///     });
    ///     program.run(|node| async move {
    ///         # let _ = (node, orders);
    ///         Ok(())
    ///     })
    /// }
    /// ```
    pub fn metrics(mut self, figures: impl Fn() -> String + 'static) -> Self {
        self.hooks.metrics = Some(Box::new(figures));
        self
    }

    /// Whether the program itself can work: with an error, a line for people, `/readyz` answers 503 and says it, also to
    /// `odeon status`, until it is `Ok` again; so it does where the function panics. A node that is not ready anyway says its
    /// own reason. In place of that of an earlier call.
    ///
    /// Whoever reaches the health port reads that line, of which 300 characters are shown: name no secret in it. It is called
    /// each time that somebody asks, on the program's main thread, which must not wait: let an actor find out, and read here
    /// what it found. Other members go on sending to this node's actors; what they shall not send belongs out
    /// of its groups.
    ///
    /// # Examples
    /// ```no_run
    /// use std::{process::ExitCode, sync::{Arc, atomic::{AtomicBool, Ordering::Relaxed}}};
    ///
    /// use odeon_ops::Program;
    ///
    /// fn main() -> ExitCode {
    ///     let is_there = Arc::new(AtomicBool::new(false)); // an actor that pings the database has a clone of it
    ///     let database = Arc::clone(&is_there);
    ///     let program = Program::new("shop").ready(move || match database.load(Relaxed) {
    ///         true => Ok(()),
    ///         false => Err("the database does not answer".to_owned()),
    ///     });
    ///     program.run(|node| async move {
    ///         # let _ = (node, is_there);
    ///         Ok(())
    ///     })
    /// }
    /// ```
    pub fn ready(mut self, is_ready: impl Fn() -> Result<(), String> + 'static) -> Self {
        self.hooks.ready = Some(Box::new(is_ready));
        self
    }

    /// Runs the node by its command line, environment and file until it is told to leave; `start` starts its actors.
    ///
    /// `start` is called once the node runs, while it joins; the node is ready when both are done. What it answers ends
    /// nothing unless it is an error. It runs on the program's main thread, which serves health and signals as well, so it
    /// must not block; actors have threads of their own. SIGTERM and SIGINT [drain](Node::drain) the node within
    /// `drain.within`, and the program ends with status 0; a second one ends it at once. SIGHUP reads the file again.
    ///
    /// A program that stops or drains its own node ends with it, as if it had been told to. For an end with a reason see
    /// [`until`](Self::until).
    ///
    /// The status is 0 after an orderly end, 2 when a value cannot be used, and 1 for whatever else goes wrong, such as a node
    /// that ended because another one of its name is in the cluster; one line on standard error says what.
    pub fn run<F, R>(self, start: F) -> ExitCode
    where
        F: FnOnce(Node) -> R,
        R: Future<Output = Started>,
    {
        let command = Command::new(self.name).version(self.version).about(self.about);
        let own = self.app.as_ref().map_or(&[][..], |app| &app.settings);
        let command = Flags::augment_args(command).args(own.iter().map(flags::arg));
        let flags = command.try_get_matches().and_then(|matches| {
            let mut flags = Flags::from_arg_matches(&matches)?;
            flags.take(&matches, own);
            Ok(flags)
        });
        let name = self.name;
        match flags {
            Ok(flags) => self.run_with(flags, start),
            // Help and version go where they belong, with status 0.
            Err(error) if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelp => {
                error.exit()
            }
            Err(error) => {
                let text = error.to_string();
                let what = text.split("\n\n").next().unwrap_or(&text).trim_start_matches("error: ");
                let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
                end(name, &Failed::input(format!("{what}; `{name} --help` lists the flags")))
            }
        }
    }

    /// As [`run`](Self::run), for a program whose command line has more in it than the node: [`Flags`] are `clap`'s
    /// arguments, of a command or a subcommand. They have no values of the [program's own](Self::app), which come from
    /// environment and file then.
    pub fn run_with<F, R>(self, flags: Flags, start: F) -> ExitCode
    where
        F: FnOnce(Node) -> R,
        R: Future<Output = Started>,
    {
        let name = self.name;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let lived = match runtime {
            Ok(runtime) => {
                let local = tokio::task::LocalSet::new();
                local.block_on(&runtime, life::live(self, flags, start))
            }
            Err(error) => Err(Failed::run(error)),
        };
        match lived {
            Ok(()) => ExitCode::SUCCESS,
            Err(failed) => end(name, &failed),
        }
    }
}

/// Runs a program of this name; see [`Program::run`].
///
/// Its actors can be asked on this node alone: what other nodes may send to is declared with [`Program::actor`].
///
/// # Examples
/// ```no_run
/// # use odeon::{Actor, Context, StartError};
/// # struct Clock;
/// # impl Actor for Clock {
/// #     type Args = ();
/// #     async fn start((): (), _: &mut Context<Self>) -> Result<Self, StartError> { Ok(Self) }
/// # }
/// fn main() -> std::process::ExitCode {
///     odeon_ops::run("my-node", |node| async move {
///         node.spawn_with::<Clock>(()).await?;
///         Ok(())
///     })
/// }
/// ```
pub fn run<F, R>(name: &'static str, start: F) -> ExitCode
where
    F: FnOnce(Node) -> R,
    R: Future<Output = Started>,
{
    Program::new(name).run(start)
}

#[expect(clippy::print_stderr, reason = "the last word of a program that failed")]
fn end(name: &str, failed: &Failed) -> ExitCode {
    eprintln!("{name}: {failed}");
    failed.status()
}
