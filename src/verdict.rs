//! The five verdicts, never mixed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run knows about an expectation once it has stopped looking.
///
/// Ordered from good to bad, so that the worst of several is their maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Not run, with the reason: nothing is known.
    Skipped,
    /// Proved by evidence of this run.
    Passed,
    /// Ended from outside before an answer was found.
    Cancelled,
    /// The harness could not tell: no permission, API unreachable, an outside service down, broken configuration.
    Inconclusive,
    /// The cluster broke the expectation.
    Failed,
}

impl Verdict {
    /// The word that is printed and searched for.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Passed => "passed",
            Self::Cancelled => "cancelled",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "failed",
        }
    }

    /// The worst of several verdicts; [`Verdict::Skipped`] of none, because nothing ran.
    pub fn worst(verdicts: impl IntoIterator<Item = Self>) -> Self {
        verdicts.into_iter().max().unwrap_or(Self::Skipped)
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{Cancelled, Failed, Inconclusive, Passed, Skipped};
    use super::*;

    #[test]
    fn nothing_run_is_never_a_pass() {
        assert_eq!(Verdict::worst([]), Skipped);
        assert_eq!(Verdict::worst([Skipped, Skipped]), Skipped);
    }

    #[test]
    fn one_bad_verdict_is_not_outvoted() {
        assert_eq!(Verdict::worst([Passed, Skipped]), Passed);
        assert_eq!(Verdict::worst([Passed, Inconclusive, Passed]), Inconclusive);
        assert_eq!(Verdict::worst([Inconclusive, Failed, Cancelled]), Failed);
    }
}
