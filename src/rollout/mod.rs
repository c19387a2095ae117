//! Argo Rollouts: what a Rollout is, how it stands, and what can be done with it.
//!
//! [`State`] reads a Rollout; [`plan`] says what an [`Operation`] would patch, or why it may not be done; [`perform`] does it. None of
//! them knows of checks, so that `test rollouts` and the bulk operations share them.
//!
//! Semantics: those of `kubectl argo rollouts` v1.10.1
//! (<https://github.com/argoproj/argo-rollouts/tree/v1.10.1/pkg/kubectl-argo-rollouts/cmd>), minus the ways in which it reports success
//! for what it did not do.

pub mod api;
pub mod operation;
pub mod plan;
pub mod status;

pub use self::api::Rollout;
pub use self::operation::{Effect, OperationError, perform};
pub use self::plan::{Operation, Patches, Refusal, plan};
pub use self::status::{Currency, Phase, State};
