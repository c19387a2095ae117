//! The time of day, read here alone.

use k8s_openapi::jiff::Timestamp;

/// What is written into events, taints and the status.
#[expect(clippy::disallowed_methods, reason = "the one reader of the time of day")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
