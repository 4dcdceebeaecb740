//! The life of a program: from its values to its exit.
//!
//! What it is: the order of things. Values are read, the log begins, papers are fetched, ports are taken, the node starts,
//! the program's actors start, signals are heeded, and in the end the node drains. What it is NOT: any of these; each has
//! a file of its own.

use std::{
    future::Future, net::SocketAddr, path::Path, pin::pin, rc::Rc, sync::Arc, time::Duration,
};

use odeon::{Node, NodeError, Papers, Profile, env::RealEnv};
use tokio::{net::TcpListener, task::JoinSet};

use crate::{
    Config, admin,
    failure::Failed,
    flags::Flags,
    health, http,
    layers::{Effective, Given},
    logs::Logs,
    output,
    papers::{self, Office},
    print,
    program::{Program, Started},
    signals::{Order, Signals},
    standing::Standing,
};

/// How long each phase of a stop may take that must not take long: after a second signal, and after a failure.
const STOP_AT_ONCE: Duration = Duration::from_millis(200);

/// Lives until the node has left.
pub(crate) async fn live<F, R>(program: Program, flags: Flags, start: F) -> Result<(), Failed>
where
    F: FnOnce(Node) -> R,
    R: Future<Output = Started>,
{
    let printed = flags.print_config;
    let given = Given::new(flags, std::env::vars_os());
    let mut effective = given.resolve().map_err(Failed::input)?;
    if printed {
        return output::print(print::page(&effective).trim_end());
    }
    let logs = Logs::start(&effective.config.log.filter);
    for name in &effective.strange {
        tracing::warn!(name, "this environment variable looks like a setting and is none");
    }
    let mut signals = Signals::listen().map_err(Failed::run)?;
    let name = effective.config.node.name.clone().ok_or_else(|| {
        Failed::input("a node needs a name: give it with --name, ODEON_NAME or node.name in a file")
    })?;
    papers::fetch(&name, &mut effective.config.papers).await?;
    let office = Office::open(&effective.config.papers).await?;
    let port = port("health", effective.config.health.listen).await?;
    let admin_port = port_of_admin(&effective.config).await?;
    let (name_of_program, version) = (program.name, program.version);
    let node = builder(&name, &effective.config, program)?.start().await.map_err(start_failed)?;
    // It answers for as long as the node lives.
    let _enrolment = office.map(Office::answer).transpose()?;
    tracing::info!(node = node.name(), addr = %node.addr(), "listening");
    let standing = Standing::new(&node, name_of_program, version);
    let mut ports = JoinSet::new();
    if let Some((listener, addr)) = port {
        tracing::info!(%addr, "health and metrics are served");
        ports.spawn_local(http::serve(listener, health::answers(&standing)));
    }
    if let Some(((listener, addr), door)) = admin_port {
        tracing::info!(%addr, "operators are served");
        ports.spawn_local(admin::serve(listener, door, Rc::clone(&standing)));
    }
    let running = Running { given, effective, logs, standing };
    running.run(&mut signals, start(node)).await
}

/// A node that runs.
struct Running {
    given: Given,
    effective: Effective,
    logs: Logs,
    standing: Rc<Standing>,
}

impl Running {
    /// Starts the program's actors, heeds signals, and leaves in the end.
    async fn run(
        mut self,
        signals: &mut Signals,
        starting: impl Future<Output = Started>,
    ) -> Result<(), Failed> {
        let node = self.standing.node.clone();
        let mut starting = pin!(starting);
        let mut is_started = false;
        let by_signal = loop {
            tokio::select! {
                biased;
                order = signals.next() => match order {
                    Order::Leave => break true,
                    Order::Reload => self.reload(),
                },
                () = self.standing.was_asked_to_leave() => break false,
                () = node.ended() => {
                    return Err(Failed::run(
                        "the node has ended by itself: another node of its name is in the cluster, and names are \
                         unique, or its log says why",
                    ));
                }
                started = &mut starting, if !is_started => {
                    is_started = true;
                    if let Err(error) = started {
                        node.stop(STOP_AT_ONCE).await;
                        return Err(Failed::run(format!("the program's actors did not start: {error}")));
                    }
                    self.standing.started();
                }
            }
        };
        self.leave(signals, by_signal).await;
        Ok(())
    }

    /// Drains the node; another signal cuts it short, of which the first may be the one that an operator's order is followed
    /// by.
    async fn leave(&self, signals: &mut Signals, by_signal: bool) {
        let node = &self.standing.node;
        let within = self.effective.config.drain.within.0;
        tracing::info!(?within, "leaving");
        let again = async {
            for _ in usize::from(by_signal)..2 {
                while signals.next().await != Order::Leave {}
            }
        };
        tokio::select! {
            () = node.drain(within) => {}
            () = again => {
                tracing::warn!("told to leave again: what is under way is given up");
                node.stop(STOP_AT_ONCE).await;
            }
        }
        tracing::info!("left");
    }

    /// Reads the file again and takes over what can change while the node runs.
    fn reload(&mut self) {
        let next = match self.given.resolve() {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "the configuration stays as it was");
                return;
            }
        };
        let file = self.given.file();
        let file = file.as_deref().map_or("no file".into(), Path::to_string_lossy);
        let changes = self.effective.take_live(next);
        if changes.applied.contains(&"log.filter") {
            self.logs.set(&self.effective.config.log.filter);
        }
        for key in &changes.refused {
            tracing::warn!(key, "this value changes with a restart only: it stays as it was");
        }
        for key in &changes.applied {
            let value = self.effective.get(key).map(|(value, _)| value.to_string());
            tracing::info!(key, value, "this value has changed");
        }
        tracing::info!(%file, applied = changes.applied.len(), "the configuration was read again");
    }
}

/// The node by its values.
fn builder(name: &str, config: &Config, program: Program) -> Result<odeon::NodeBuilder, Failed> {
    let Program { mut system, mut transport, setups, version, .. } = program;
    config.actors.apply(&mut system);
    config.transport.apply(&mut transport);
    let mut builder =
        Node::builder(name).listen(config.node.listen).system(system).transport(transport);
    let papers = &config.papers;
    builder = match (&papers.cert, &papers.key, &papers.ca_cert) {
        (Some(cert), Some(key), Some(ca)) => {
            let all = Papers::new(cert, key, ca);
            builder.papers(match &papers.crl {
                Some(list) => all.revoked(list),
                None => all,
            })
        }
        _ if config.join.dev => builder,
        _ => {
            return Err(Failed::input(
                "a node needs papers: give --cert, --key and --ca-cert (`odeon ca init` and `odeon ca issue` make \
                 them), or --dev for a lone node without",
            ));
        }
    };
    if let Some(advertise) = config.node.advertise {
        builder = builder.advertise(advertise);
    }
    if let Some(workers) = config.node.workers {
        builder = builder.workers(workers);
    }
    let profile = Profile {
        zone: config.node.zone.clone().unwrap_or_default(),
        roles: config.node.roles.clone(),
        version: version.to_owned(),
        ..Profile::default()
    };
    builder = builder.join(config.join.config()).profile(profile);
    Ok(setups.into_iter().fold(builder, |builder, setup| setup(builder)))
}

/// Why the node did not start, with the flags that help.
fn start_failed(error: NodeError) -> Failed {
    match &error {
        NodeError::Advertise { .. } => Failed::input(format!(
            "{error} (--advertise HOST-ADDRESS:PORT; port 0 is the one it listens at)"
        )),
        NodeError::NoIdentity { .. } => {
            Failed::input(format!("{error} (here: --cert, --key and --ca-cert, or no --join)"))
        }
        _ => Failed::input(error),
    }
}

type Port = (TcpListener, SocketAddr);

/// Listens at this address, if there is one.
async fn port(what: &str, addr: Option<SocketAddr>) -> Result<Option<Port>, Failed> {
    let Some(addr) = addr else { return Ok(None) };
    http::bind(addr).await.map(Some).map_err(|error| {
        Failed::input(format!(
            "cannot listen at {addr} for {what}: {error}; use --{what}-listen with a free port of this machine, or port \
             0"
        ))
    })
}

/// The port for operators, and who the node is towards them.
async fn port_of_admin(config: &Config) -> Result<Option<(Port, admin::Door)>, Failed> {
    let Some(port) = port("admin", config.admin.listen).await? else { return Ok(None) };
    Ok(Some((port, admin::Door::new(&config.papers, Arc::new(RealEnv))?)))
}
