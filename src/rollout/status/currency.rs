//! Whether the controller has acted upon the object as it is now.

use kube::ResourceExt;
use serde::Serialize;

use super::super::Rollout;
use super::super::api::{RolloutStatus, WORKLOAD_GENERATION};

/// Whether the status is that of the object as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Currency {
    /// It is.
    Current,
    /// No controller has ever looked at the object.
    NeverObserved,
    /// The controller has not seen the last change of the spec.
    SpecPending {
        /// The object's generation.
        generation: i64,
        /// The one that the controller acted upon.
        observed: i64,
    },
    /// The controller has not seen the last change of the referenced workload.
    WorkloadPending {
        /// The workload's generation.
        generation: i64,
        /// The one that the controller acted upon.
        observed: i64,
    },
    /// Somebody has ended a pause, and the controller has not gone on yet. A second promotion now would skip a step.
    UnpausePending,
    /// Somebody has asked for a full promotion, and the controller has not gone on yet.
    PromotionPending,
    /// Somebody has aborted the update, and the controller has not acted yet.
    AbortPending,
    /// Somebody has asked for another try of an aborted update, and the controller has not acted yet.
    RetryPending,
}

impl Currency {
    /// Compares what the controller has written with the object.
    pub(super) fn of(rollout: &Rollout, status: &RolloutStatus) -> Self {
        let generation = rollout.metadata.generation.unwrap_or_default();
        if status.observed_generation.is_empty() {
            return Self::NeverObserved;
        }
        // Versions before 0.10 write a hash here, which says nothing about generations.
        if let Ok(observed) = status.observed_generation.parse::<i64>()
            && observed < generation
        {
            return Self::SpecPending { generation, observed };
        }
        if rollout.spec.workload_ref.is_some()
            && let Some(Ok(generation)) = rollout.annotations().get(WORKLOAD_GENERATION).map(|text| text.parse::<i64>())
            && let Ok(observed) = status.workload_observed_generation.parse::<i64>()
            && observed != generation
        {
            return Self::WorkloadPending { generation, observed };
        }
        // These operations change the status alone, so that no generation tells whether the controller has acted upon them.
        match status {
            RolloutStatus { abort: true, aborted_at: None, .. } => Self::AbortPending,
            RolloutStatus { abort: false, aborted_at: Some(_), .. } => Self::RetryPending,
            RolloutStatus { promote_full: true, pause_conditions, .. } if !pause_conditions.is_empty() => {
                Self::PromotionPending
            }
            RolloutStatus { controller_pause: true, pause_conditions, .. } if pause_conditions.is_empty() => {
                Self::UnpausePending
            }
            _ => Self::Current,
        }
    }

    /// Whether the status can be trusted.
    pub fn is_current(&self) -> bool {
        *self == Self::Current
    }

    /// Whether the controller has seen spec and workload as they are now; an operation may still be pending.
    pub fn is_observed(&self) -> bool {
        !matches!(self, Self::NeverObserved | Self::SpecPending { .. } | Self::WorkloadPending { .. })
    }
}

impl std::fmt::Display for Currency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Current => f.write_str("the status is current"),
            Self::NeverObserved => f.write_str("no controller has looked at it (no status.observedGeneration)"),
            Self::SpecPending { generation, observed } => {
                write!(f, "the controller has seen generation {observed} of the spec, not yet {generation}")
            }
            Self::WorkloadPending { generation, observed } => {
                write!(
                    f,
                    "the controller has seen generation {observed} of the referenced workload, not yet {generation}"
                )
            }
            Self::UnpausePending => f.write_str("its pause was ended, and the controller has not gone on yet"),
            Self::PromotionPending => f.write_str("it was promoted in full, and the controller has not gone on yet"),
            Self::AbortPending => f.write_str("it was aborted, and the controller has not acted yet"),
            Self::RetryPending => f.write_str("another try was asked for, and the controller has not acted yet"),
        }
    }
}
