//! Argo Rollouts: what a Rollout is, how it stands, and what can be done with it.
//!
//! [`State`] reads a Rollout; [`plan()`] says what an [`Operation`] would patch, or why it may not be done; [`perform`] does it. None of
//! them knows of checks, so that `test rollouts` and the bulk operations share them.
//!
//! Semantics: those of `kubectl argo rollouts` v1.10.1
//! (<https://github.com/argoproj/argo-rollouts/tree/v1.10.1/pkg/kubectl-argo-rollouts/cmd>), minus the ways in which it reports success
//! for what it did not do.

pub mod analysis;
pub mod api;
pub mod basis;
pub mod bulk;
pub mod goal;
pub mod history;
pub mod operation;
pub mod plan;
pub mod status;

pub use self::api::Rollout;
pub use self::operation::{Effect, OperationError, perform};
pub use self::plan::{Operation, Patches, Refusal, plan};
pub use self::status::{Currency, Phase, State};

#[cfg(test)]
mod recorded {
    //! Rollouts as a real controller left them, one file a state.

    use super::Rollout;

    /// Reads `fixtures/NAME.yaml`.
    pub(super) fn rollout(name: &str) -> Rollout {
        let path = format!("{}/src/rollout/fixtures/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    /// The same with one change.
    pub(super) fn rollout_with(name: &str, change: impl FnOnce(&mut Rollout)) -> Rollout {
        let mut rollout = rollout(name);
        change(&mut rollout);
        rollout
    }
}
