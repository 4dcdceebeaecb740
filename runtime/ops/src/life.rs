//! The life of a program: from its values to its exit.
//!
//! What it is: the order of things. Values are read, the log begins, papers are fetched, ports are taken, the node starts,
//! the program's actors start, signals are heeded, and in the end the node drains. What it is NOT: any of these; each has
//! a file of its own.

use std::{
    future::Future,
    net::SocketAddr,
    path::Path,
    pin::{Pin, pin},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use odeon::{
    MembershipConfig, Node, NodeError, Papers, Phase, Profile, RosterConfig, env::RealEnv,
};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};

use crate::{
    Config, admin,
    app::AppSection,
    failure::Failed,
    flags::Flags,
    health, http,
    layers::{ConfigError, Effective, Given},
    logs::Logs,
    notify, output,
    papers::{self, Office},
    print,
    program::{Program, Started, Until},
    signals::{Order, Signals},
    standing::Standing,
};

/// How long each phase of a stop may take that must not take long: after a second signal, and after a failure.
const STOP_AT_ONCE: Duration = Duration::from_millis(200);

/// How much longer than its time the end of a node may take before the program ends without it: the five phases of a stop
/// at once, and a second for handlers that block their threads.
const LEFT_BEHIND_AFTER: Duration = Duration::from_secs(3);

/// How long a program that has stopped its node may take to say what came of it; without a word it is well.
const SAID_WITHIN: Duration = Duration::from_secs(1);

/// Lives until the node has left.
pub(crate) async fn live<F, R>(mut program: Program, flags: Flags, start: F) -> Result<(), Failed>
where
    F: FnOnce(Node) -> R,
    R: Future<Output = Started>,
{
    let printed = flags.print_config;
    let (app, until) = (program.app.take(), program.until.take());
    let own = app.as_ref().map_or(&[][..], |app| &app.settings);
    let given = Given::new(flags, std::env::vars_os()).with(own);
    let mut effective = given.resolve().map_err(Failed::input)?;
    let publish = app.as_ref().map(|app| app.read(&effective)).transpose();
    let publish = publish.map_err(Failed::input)?;
    if printed {
        return output::print(print::page(&effective).trim_end());
    }
    publish.into_iter().for_each(|publish| publish());
    let logs = Logs::start(&effective.config.log);
    for name in &effective.strange {
        tracing::warn!(name, "this environment variable looks like a setting and is none");
    }
    let mut signals = Signals::listen().map_err(Failed::run)?;
    let name = effective.config.node.name.clone().ok_or_else(|| {
        Failed::input("a node needs a name: give it with --name, ODEON_NAME or node.name in a file")
    })?;
    tokio::select! {
        biased;
        () = signals.leave() => {
            tracing::info!("told to leave before this node had its papers");
            return Ok(());
        }
        fetched = papers::fetch(&name, &mut effective.config.papers) => fetched?,
    }
    let office = Office::open(&effective.config.papers).await?;
    let port = port("health", effective.config.health.listen).await?;
    let admin_port = port_of_admin(&effective.config).await?;
    let (name_of_program, version) = (program.name, program.version);
    let hooks = std::mem::take(&mut program.hooks);
    let node = builder(&name, &effective.config, program)?.start().await.map_err(start_failed)?;
    // It answers for as long as the node lives.
    let _enrolment = office.map(Office::answer).transpose()?;
    tracing::info!(node = node.name(), addr = %node.addr(), "listening");
    let standing = Standing::new(&node, name_of_program, version, logs.events());
    standing.set_drain_within(effective.config.drain.within.0);
    standing.set_hooks(hooks);
    let mut ports = JoinSet::new();
    if let Some((listener, addr)) = port {
        tracing::info!(%addr, "health and metrics are served");
        ports.spawn_local(http::serve(listener, health::answers(&standing)));
    }
    if let Some(((listener, addr), door)) = admin_port {
        tracing::info!(%addr, "operators are served");
        ports.spawn_local(admin::serve(listener, door, Rc::clone(&standing)));
    }
    let running = Running { given, effective, app, logs, standing, until };
    running.run(&mut signals, start(node)).await
}

/// A node that runs.
struct Running {
    given: Given,
    effective: Effective,
    /// The values of the program's own.
    app: Option<AppSection>,
    logs: Logs,
    standing: Rc<Standing>,
    /// What the program waits for, once its actors have started.
    until: Option<Until>,
}

/// Why a node leaves.
enum Cause {
    Signal,
    Operator,
    /// The program is done, or has failed.
    Program(Started),
}

impl Running {
    /// Starts the program's actors, heeds signals, and leaves in the end.
    async fn run(
        mut self,
        signals: &mut Signals,
        starting: impl Future<Output = Started>,
    ) -> Result<(), Failed> {
        let node = self.standing.node.clone();
        let (mut starting, mut joining) = (pin!(starting), pin!(node.joined()));
        let (mut is_started, mut has_joined) = (false, false);
        let mut until = self.until.take();
        let mut ending = None;
        notify::waiting();
        let cause = loop {
            tokio::select! {
                biased;
                order = signals.next() => match order {
                    Order::Leave => break Cause::Signal,
                    Order::Reload => self.reload(),
                },
                () = self.standing.was_asked_to_leave() => break Cause::Operator,
                started = &mut starting, if !is_started => {
                    is_started = true;
                    if let Err(error) = started {
                        // A node that does not heed it is left behind.
                        let _ = timeout(LEFT_BEHIND_AFTER, node.stop(STOP_AT_ONCE)).await;
                        return Err(Failed::run(format!("the program's actors did not start: {error}")));
                    }
                    self.standing.started();
                    ending = until.take().map(|until| until(node.clone()));
                    if has_joined {
                        notify::ready();
                    }
                }
                // What the program has to say of its end comes before the end.
                ended = ended(&mut ending) => break Cause::Program(ended),
                () = node.ended() => match said(&mut ending, &node).await {
                    Some(ended) => break Cause::Program(ended),
                    None => return ended_by_itself(&node),
                },
                joined = &mut joining, if !has_joined => {
                    has_joined = true;
                    if joined && is_started {
                        notify::ready();
                    }
                }
            }
        };
        self.leave(signals, cause).await
    }

    /// Drains the node; another signal cuts it short, of which the first may be the one that an operator's order is followed
    /// by.
    async fn leave(&self, signals: &mut Signals, cause: Cause) -> Result<(), Failed> {
        notify::leaving();
        let again = async {
            for _ in usize::from(matches!(cause, Cause::Signal))..2 {
                signals.leave().await;
            }
        };
        let node = &self.standing.node;
        // Before the drain, which tells it to stop: what the program waits for may have ended with the node, not the node
        // with it.
        let failed = match &cause {
            Cause::Program(_) if node.phase() >= Phase::Leaving => ended_by_itself(node).err(),
            _ => None,
        };
        let left = leave(node, self.effective.config.drain.within.0, again).await;
        match (failed, cause) {
            (Some(failed), cause) => {
                if let Cause::Program(Err(error)) = cause {
                    tracing::warn!(%error, "the program has failed too");
                }
                Err(failed)
            }
            (None, Cause::Program(Err(error))) => Err(Failed::run(error)),
            (None, _) => left,
        }
    }

    /// What the node would say of itself with these values.
    fn profile(&self, effective: &Effective) -> Profile {
        let section = &effective.config.node;
        let (zone, roles) = (section.zone.clone().unwrap_or_default(), section.roles.clone());
        Profile { zone, roles, ..self.standing.node.profile() }
    }

    /// Says to all others what the node is now; what it has said of its load stays.
    fn describe(&self) {
        let Profile { zone, roles, .. } = self.profile(&self.effective);
        let told = self.standing.node.redescribe(|own| (own.zone, own.roles) = (zone, roles));
        if let Err(error) = told {
            tracing::error!(%error, "the node goes on with what it said of itself");
        }
    }

    /// Reads the file again and takes over what can change while the node runs.
    fn reload(&mut self) {
        let next = self.given.resolve().and_then(|next| {
            let mut taken = self.effective.clone();
            let changes = taken.take_live(next);
            let publish = self.app.as_ref().map(|app| app.read(&taken)).transpose()?;
            let profile = self.profile(&taken);
            profile.check().map_err(|cause| ConfigError::Profile { cause })?;
            Ok((taken, changes, publish))
        });
        let (taken, changes, publish) = match next {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(%error, "the configuration stays as it was");
                return;
            }
        };
        self.effective = taken;
        let file = self.given.file();
        let file = file.as_deref().map_or("no file".into(), Path::to_string_lossy);
        if changes.applied.contains(&"log.filter") {
            self.logs.set(&self.effective.config.log.filter);
        }
        if changes.has_one_of("node.") {
            self.describe();
        }
        if changes.has_one_of("app.") {
            publish.into_iter().for_each(|publish| publish());
        }
        self.standing.set_drain_within(self.effective.config.drain.within.0);
        for key in &changes.refused {
            tracing::warn!(key, "this value changes with a restart only: it stays as it was");
        }
        for key in &changes.applied {
            let value = self.effective.shown(key);
            tracing::info!(key, value, "this value has changed");
        }
        tracing::info!(%file, applied = changes.applied.len(), "the configuration was read again");
    }
}

/// Completes when the program's own end has come, if it waits for one.
async fn ended(ending: &mut Option<Pin<Box<dyn Future<Output = Started>>>>) -> Started {
    match ending {
        Some(ending) => ending.await,
        None => std::future::pending().await,
    }
}

/// What the program has to say of its end where its node has ended: at this moment, or a little later where it has stopped
/// the node, of which it hears after the node itself.
async fn said(
    ending: &mut Option<Pin<Box<dyn Future<Output = Started>>>>,
    node: &Node,
) -> Option<Started> {
    ending.as_ref()?;
    let patience = if node.is_told_to_stop() { SAID_WITHIN } else { Duration::ZERO };
    timeout(patience, ended(ending)).await.ok()
}

/// The node has ended, and neither a signal nor an operator nor the program's own end was the reason.
fn ended_by_itself(node: &Node) -> Result<(), Failed> {
    if node.is_superseded() {
        return Err(Failed::run(
            "the node has ended by itself: another node of its name is in the cluster, and names are unique; see \
             runbook: name-in-use",
        ));
    }
    if node.is_told_to_stop() {
        tracing::info!("the program has stopped its node");
        return Ok(());
    }
    Err(Failed::run(
        "the node has ended by itself, because a task of its own failed: its log says which",
    ))
}

/// Drains the node, until `again` completes; then it is stopped. A node that does not heed that is left behind.
async fn leave(
    node: &Node,
    within: Duration,
    again: impl Future<Output = ()>,
) -> Result<(), Failed> {
    tracing::info!(?within, "leaving");
    let left = tokio::select! {
        left = timeout(within.saturating_add(LEFT_BEHIND_AFTER), node.drain(within)) => left,
        () = again => {
            tracing::warn!("told to leave again: what is under way is given up");
            timeout(LEFT_BEHIND_AFTER, node.stop(STOP_AT_ONCE)).await
        }
    };
    left.map_err(|_| {
        Failed::run(
            "the node has not ended in time, because its endpoint's thread is blocked, as by an actor that was placed there: \
             the program ends without it",
        )
    })?;
    tracing::info!("left");
    Ok(())
}

/// The node by its values.
fn builder(name: &str, config: &Config, program: Program) -> Result<odeon::NodeBuilder, Failed> {
    let Program { mut system, mut transport, setups, version, .. } = program;
    config.actors.apply(&mut system);
    config.transport.apply(&mut transport);
    config.transport.follow_idle(&mut transport);
    let (mut membership, mut roster) = (MembershipConfig::default(), RosterConfig::default());
    config.membership.apply(&mut membership);
    config.membership.follow_probes(&mut membership);
    config.roster.apply(&mut roster);
    let env = RealEnv::builder().name_servers(config.join.name_servers.clone()).open();
    let mut builder = Node::builder(name)
        .env(Arc::new(env.map_err(Failed::run)?))
        .listen(config.node.listen)
        .system(system)
        .transport(transport)
        .membership(membership)
        .roster(roster);
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
        NodeError::MdnsLoopback { addr } => Failed::input(format!(
            "--mdns would tell others to dial {addr}, which is this machine alone: use --listen or --advertise with an \
             address of the network, or keep to this machine with --mdns-interface 127.0.0.1"
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

#[cfg(test)]
mod tests;
