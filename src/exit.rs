//! Exit codes: part of the interface, so that scripts and Jobs can trust them.

use crate::verdict::Verdict;

/// Every check that ran has passed.
pub const PASSED: u8 = 0;
/// At least one check has failed.
pub const FAILED: u8 = 1;
/// The command line, the configuration or the way to the cluster is wrong; nothing was created.
pub const USAGE: u8 = 2;
/// No check has failed, but at least one could not tell.
pub const INCONCLUSIVE: u8 = 3;
/// Nothing ran.
pub const NOTHING_RAN: u8 = 4;
/// Added to the number of the signal that ended the run, as shells do.
pub const SIGNAL_BASE: u8 = 128;

/// The exit code of a whole run.
///
/// `signal` is the number of the signal that ended the run, if one did; it wins, because whoever sent it wants to see it.
pub const fn of_run(worst: Verdict, signal: Option<u8>) -> u8 {
    match (signal, worst) {
        (Some(number), _) => SIGNAL_BASE.saturating_add(number),
        (None, Verdict::Passed) => PASSED,
        (None, Verdict::Failed) => FAILED,
        (None, Verdict::Inconclusive | Verdict::Cancelled) => INCONCLUSIVE,
        (None, Verdict::Skipped) => NOTHING_RAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_verdict_has_the_documented_code() {
        assert_eq!(of_run(Verdict::Passed, None), 0);
        assert_eq!(of_run(Verdict::Failed, None), 1);
        assert_eq!(of_run(Verdict::Inconclusive, None), 3);
        assert_eq!(of_run(Verdict::Skipped, None), 4);
        assert_eq!(of_run(Verdict::Cancelled, Some(15)), 143);
        assert_eq!(of_run(Verdict::Failed, Some(2)), 130);
    }
}
