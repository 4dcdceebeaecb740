//! The systems that are compared, by name.
//!
//! Five Rust frameworks are the peers that Odeon's ratios are made against; bare tokio, Erlang and Odeon
//! without its measurements are references.

#[cfg(feature = "peers")]
mod actix;
#[cfg(feature = "peers")]
mod coerce;
#[cfg(feature = "peers")]
mod erlang;
#[cfg(feature = "peers")]
mod kameo;
pub(crate) mod odeon;
#[cfg(feature = "peers")]
mod ractor;
mod tokio;
#[cfg(feature = "peers")]
mod xtra;

use std::fmt;

use clap::ValueEnum;

use crate::{
    Outcome,
    cpus::Cpus,
    system::{Mode, System},
    workload::Workload,
};

/// A system by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, ValueEnum)]
pub(crate) enum Name {
    Odeon,
    /// Odeon without measured messages.
    OdeonBare,
    #[cfg(feature = "peers")]
    Actix,
    #[cfg(feature = "peers")]
    Kameo,
    #[cfg(feature = "peers")]
    Ractor,
    #[cfg(feature = "peers")]
    Xtra,
    #[cfg(feature = "peers")]
    Coerce,
    Tokio,
    #[cfg(feature = "peers")]
    Erlang,
}

impl Name {
    /// Whether it is one of the frameworks that Odeon's ratios are made against.
    pub(crate) fn is_peer(self) -> bool {
        match self {
            #[cfg(feature = "peers")]
            Self::Actix | Self::Kameo | Self::Ractor | Self::Xtra | Self::Coerce => true,
            #[cfg(feature = "peers")]
            Self::Erlang => false,
            Self::Odeon | Self::OdeonBare | Self::Tokio => false,
        }
    }

    /// The modes in which it can be measured here: Erlang is a program of its own, and has one.
    fn modes(self) -> &'static [Mode] {
        match self {
            #[cfg(feature = "peers")]
            Self::Erlang if crate::erlang::is_installed() => &[Mode::St],
            #[cfg(feature = "peers")]
            Self::Erlang => &[],
            _ => Mode::value_variants(),
        }
    }

    /// Whether it can be measured here in this mode.
    pub(crate) fn has(self, mode: Mode) -> bool {
        self.modes().contains(&mode)
    }

    /// One sample, in this process: the workload's figure.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) fn sample(self, workload: Workload, mode: Mode) -> Outcome<f64> {
        match self {
            Self::Odeon => run::<odeon::Odeon>(workload, mode),
            Self::OdeonBare => run::<odeon::OdeonBare>(workload, mode),
            #[cfg(feature = "peers")]
            Self::Actix => run::<actix::Actix>(workload, mode),
            #[cfg(feature = "peers")]
            Self::Kameo => run::<kameo::Kameo>(workload, mode),
            #[cfg(feature = "peers")]
            Self::Ractor => run::<ractor::Ractor>(workload, mode),
            #[cfg(feature = "peers")]
            Self::Xtra => run::<xtra::Xtra>(workload, mode),
            #[cfg(feature = "peers")]
            Self::Coerce => run::<coerce::Coerce>(workload, mode),
            Self::Tokio => run::<tokio::Tokio>(workload, mode),
            #[cfg(feature = "peers")]
            Self::Erlang => erlang::run(workload),
        }
    }
}

fn run<S: System>(workload: Workload, mode: Mode) -> Outcome<f64> {
    S::run(mode, Cpus::find()?, move |world| workload.run(world))
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.to_possible_value().as_ref().map_or("", |value| value.get_name()))
    }
}
