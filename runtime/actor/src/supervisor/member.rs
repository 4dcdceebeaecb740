//! One child in its supervisor's hands: how it is made, its cell, and who waits for it.
//!
//! What it is NOT: where it stands; the plan knows that (`strategy.rs`). `family.rs` holds it.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{ChildError, Rules};
use crate::{
    AnyRef, ChildSpec, SpawnOptions, StartError, bonds::Past, cell::CellPtr, child_spec::Make,
};

/// Who waits for a start.
pub(super) type StartReply = oneshot::Sender<Result<AnyRef, ChildError>>;
/// Who waits for an end.
pub(super) type StopReply = oneshot::Sender<Result<(), ChildError>>;

/// One child.
pub(super) struct Member {
    pub(super) id: Option<Arc<str>>,
    pub(super) kind: &'static str,
    pub(super) supervises: bool,
    pub(super) rules: Rules,
    pub(super) options: SpawnOptions,
    /// `None` once it is not needed again.
    pub(super) make: Option<Arc<Make>>,
    pub(super) cell: Option<CellPtr>,
    pub(super) past: Past,
    /// Why a start failed, for whoever asked for it.
    pub(super) started: Option<oneshot::Receiver<Result<(), StartError>>>,
    pub(super) start_error: Option<StartError>,
    pub(super) starters: Vec<StartReply>,
    pub(super) stoppers: Vec<StopReply>,
}

impl Member {
    pub(super) fn new(
        id: Option<Arc<str>>,
        kind: &'static str,
        supervises: bool,
        rules: Rules,
        options: SpawnOptions,
        make: Arc<Make>,
    ) -> Self {
        Self {
            id,
            kind,
            supervises,
            rules,
            options,
            make: Some(make),
            cell: None,
            past: Past::default(),
            started: None,
            start_error: None,
            starters: Vec::new(),
            stoppers: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        self.id.as_deref().unwrap_or(self.kind)
    }

    pub(super) fn actor(&self) -> Option<AnyRef> {
        self.cell.clone().map(AnyRef)
    }

    /// The declaration it came from; `None` once what it starts from was let go.
    pub(super) fn spec(&self) -> Option<ChildSpec> {
        Some(ChildSpec {
            id: self.id.clone()?,
            rules: self.rules.clone(),
            kind: self.kind,
            supervises: self.supervises,
            options: self.options.clone(),
            make: self.make.clone()?,
        })
    }
}

impl From<ChildSpec> for Member {
    fn from(spec: ChildSpec) -> Self {
        let ChildSpec { id, rules, kind, supervises, options, make } = spec;
        Self::new(Some(id), kind, supervises, rules, options, make)
    }
}
