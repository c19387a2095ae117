//! What became of each Rollout, and of all of them.

use serde::Serialize;

use super::Key;
use crate::cluster::call::Answer;
use crate::rollout::operation::OperationError;
use crate::rollout::status::State;
use crate::verdict::Verdict;

/// What was done with a Rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// It was patched, and came to what the operation is for.
    Verified,
    /// It was patched, and nobody waited for what comes of it.
    Patched,
    /// It would be patched.
    WouldPatch,
    /// Nothing had to be done.
    Already,
    /// It was left alone.
    Skipped,
    /// It was not patched, or did not come to what the operation is for.
    NotDone,
}

/// What became of one Rollout.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Which one.
    #[serde(flatten)]
    pub key: Key,
    /// `passed`, `failed`, `inconclusive`, `skipped` or `cancelled`.
    pub verdict: Verdict,
    /// What was done.
    pub deed: Deed,
    /// Why, or how it stands now.
    pub reason: String,
    /// When it was patched, in milliseconds after the command's start; absent where it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patched_ms: Option<u64>,
    /// When its outcome was known, in milliseconds after the command's start.
    pub ended_ms: u64,
    /// How it stood before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<State>,
    /// How it stands now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<State>,
}

/// The verdict of an operation that was not carried out.
pub(super) fn verdict_of(error: &OperationError) -> Verdict {
    match error {
        OperationError::Call {
            answer: Answer::Forbidden(_) | Answer::Unauthorized(_) | Answer::Transient(_), ..
        } => Verdict::Inconclusive,
        OperationError::Refused { .. }
        | OperationError::NotObserved { .. }
        | OperationError::Overtaken { .. }
        | OperationError::Call { .. } => Verdict::Failed,
    }
}
