#![doc = include_str!("guide/links.txt")]
#![doc = include_str!("../docs/README.md")]
//!
//! For maintainers: the pages are Markdown files under `runtime/docs`, which are read in the repository as well. Their
//! links go by label. At the end of a page its labels lead to other files; here `guide/links.txt` stands before each
//! page, and the first definition of a label holds. Only rustdoc sees this module. What it is NOT: the place where
//! examples of `odeon-ops` are run, for that crate stands above this one; it runs its pages itself. A rule of
//! `odeon-tidy`, `book`, holds pages, labels and these lists alike.

/// Makes a module of each page, whose examples are run.
macro_rules! pages {
    ($($name:ident = $file:literal,)*) => {$(
        #[doc = include_str!("guide/links.txt")]
        #[doc = include_str!(concat!("../docs/", $file))]
        pub mod $name {}
    )*};
}

/// Makes a module of each page, whose examples another crate runs.
macro_rules! pages_run_elsewhere {
    ($($name:ident = $file:literal,)*) => {$(
        #[cfg(not(doctest))]
        #[doc = include_str!("guide/links.txt")]
        #[doc = include_str!(concat!("../docs/", $file))]
        pub mod $name {}
    )*};
}

pages! {
    comparison = "comparison.md",
    when_not = "when-not.md",
}

/// From the first actor to three nodes with certificates.
pub mod tutorial {
    pages! {
        first_actor = "tutorial/first-actor.md",
        supervision = "tutorial/supervision.md",
        testing = "tutorial/testing.md",
        simulation = "tutorial/simulation.md",
        remote = "tutorial/remote.md",
        cluster = "tutorial/cluster.md",
        deploy = "tutorial/deploy.md",
    }

    pages_run_elsewhere! {
        program = "tutorial/program.md",
    }
}

/// One concept a page.
pub mod concepts {
    pages! {
        actors = "concepts/actors.md",
        references = "concepts/references.md",
        messages = "concepts/messages.md",
        asks = "concepts/asks.md",
        supervision = "concepts/supervision.md",
        watching = "concepts/watching.md",
        placement = "concepts/placement.md",
        back_pressure = "concepts/back-pressure.md",
        joining = "concepts/joining.md",
        membership = "concepts/membership.md",
        names = "concepts/names.md",
        security = "concepts/security.md",
        drain = "concepts/drain.md",
        observability = "concepts/observability.md",
        simulation = "concepts/simulation.md",
        limits = "concepts/limits.md",
    }
}

#[doc = include_str!("guide/links.txt")]
#[doc = include_str!("../docs/runbook/README.md")]
pub mod runbook {
    pages! {
        node_down = "runbook/node-down.md",
        node_not_ready = "runbook/node-not-ready.md",
        no_cluster_forms = "runbook/no-cluster-forms.md",
        join_refused = "runbook/join-refused.md",
        name_in_use = "runbook/name-in-use.md",
        peer_unreachable = "runbook/peer-unreachable.md",
        certificate_expiring = "runbook/certificate-expiring.md",
        mailbox_growing = "runbook/mailbox-growing.md",
        credit_stall = "runbook/credit-stall.md",
        handler_blocked = "runbook/handler-blocked.md",
        memory_growing = "runbook/memory-growing.md",
        incompatible_message = "runbook/incompatible-message.md",
        restart_storm = "runbook/restart-storm.md",
        drain_timeout = "runbook/drain-timeout.md",
        admin_port_refused = "runbook/admin-port-refused.md",
    }
}
