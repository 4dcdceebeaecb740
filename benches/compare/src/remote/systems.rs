//! The systems that are compared between two programs, by name.
//!
//! ractor_cluster and kameo are the Rust peers. quinn and TLS are references without actors, Erlang is one of its own
//! language.

#[cfg(feature = "network")]
mod erlang;
#[cfg(feature = "network")]
mod kameo;
mod odeon;
mod quinn;
#[cfg(feature = "network")]
mod ractor_cluster;
mod tls;

use std::fmt;

use clap::ValueEnum;

use crate::{
    Outcome,
    remote::{
        end::{receive, send},
        system::Setup,
        workload::Workload,
    },
};

/// A system by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Name {
    Odeon,
    Quinn,
    Tls,
    #[cfg(feature = "network")]
    RactorCluster,
    #[cfg(feature = "network")]
    Kameo,
    #[cfg(feature = "network")]
    Erlang,
}

impl Name {
    /// Whether it is one of the frameworks of Rust that Odeon is compared with.
    pub(crate) fn is_peer(self) -> bool {
        match self {
            #[cfg(feature = "network")]
            Self::RactorCluster | Self::Kameo => true,
            #[cfg(feature = "network")]
            Self::Erlang => false,
            Self::Odeon | Self::Quinn | Self::Tls => false,
        }
    }

    /// Whether it sends actors' messages without encryption.
    pub(crate) fn is_plain(self) -> bool {
        match self {
            #[cfg(feature = "network")]
            Self::RactorCluster | Self::Erlang => true,
            #[cfg(feature = "network")]
            Self::Kameo => false,
            Self::Odeon | Self::Quinn | Self::Tls => false,
        }
    }

    /// Whether it has the workload: only Odeon has another thread beside that of its endpoint, and many peers are measured
    /// where their growth has a target.
    pub(crate) fn has(self, workload: Workload) -> bool {
        match self {
            Self::Odeon => true,
            Self::Quinn => workload != Workload::AskOtherArbiter,
            _ => workload != Workload::AskOtherArbiter && !workload.is_of_many(),
        }
    }

    /// Why it cannot be measured on this machine, if it cannot.
    pub(crate) fn is_missing(self) -> Option<&'static str> {
        match self {
            #[cfg(feature = "network")]
            Self::Erlang if !crate::erlang::is_installed() => Some("there is no erl on the path"),
            _ => None,
        }
    }

    /// Is the receiving program of a sample, until its input ends.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn receive(self, setup: &Setup) -> Outcome<()> {
        match self {
            Self::Odeon => receive::<odeon::Odeon>(setup),
            Self::Quinn => receive::<quinn::Quinn>(setup),
            Self::Tls => receive::<tls::Tls>(setup),
            #[cfg(feature = "network")]
            Self::RactorCluster => receive::<ractor_cluster::RactorCluster>(setup),
            #[cfg(feature = "network")]
            Self::Kameo => receive::<kameo::Kameo>(setup),
            #[cfg(feature = "network")]
            Self::Erlang => erlang::serve(),
        }
    }

    /// Is the sending program of a sample, which prints the figure.
    ///
    /// # Errors
    /// What the system says.
    pub(crate) fn send(self, setup: &Setup, to: &str) -> Outcome<()> {
        match self {
            Self::Odeon => send::<odeon::Odeon>(setup, to),
            Self::Quinn => send::<quinn::Quinn>(setup, to),
            Self::Tls => send::<tls::Tls>(setup, to),
            #[cfg(feature = "network")]
            Self::RactorCluster => send::<ractor_cluster::RactorCluster>(setup, to),
            #[cfg(feature = "network")]
            Self::Kameo => send::<kameo::Kameo>(setup, to),
            #[cfg(feature = "network")]
            Self::Erlang => erlang::measure(setup, to),
        }
    }

    /// The crate that it is, of this program's lock file.
    pub(crate) fn package(self) -> Option<&'static str> {
        match self {
            Self::Odeon => Some("odeon"),
            Self::Quinn => Some("quinn"),
            Self::Tls => Some("rustls"),
            #[cfg(feature = "network")]
            Self::RactorCluster => Some("ractor_cluster"),
            #[cfg(feature = "network")]
            Self::Kameo => Some("kameo"),
            #[cfg(feature = "network")]
            Self::Erlang => None,
        }
    }

    /// What its messages travel over.
    pub(crate) fn carried_by(self) -> &'static str {
        match self {
            Self::Odeon | Self::Quinn => "QUIC, mutual TLS 1.3, AES-128-GCM of ring",
            Self::Tls => "TCP, mutual TLS 1.3, AES-128-GCM of ring",
            #[cfg(feature = "network")]
            Self::RactorCluster | Self::Erlang => "TCP, not encrypted",
            #[cfg(feature = "network")]
            Self::Kameo => "QUIC of libp2p, mutual TLS 1.3, its own order of ciphers and packets",
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}
