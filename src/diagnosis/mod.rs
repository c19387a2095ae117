//! Why it failed: gathers what the cluster says about a failure, names the likely cause and the next command, and shows the
//! evidence. Where nothing points to a cause, none is named.

use kube::Client;

use crate::failure::{Certainty, Failure, Origin};
use crate::verdict::Verdict;

pub mod add_ons;
pub mod causes;
pub mod evidence;
pub mod gather;

mod containers;
mod controllers;
mod details;
mod kinds;
mod reading;
mod refusals;
#[cfg(test)]
mod tests;
mod wording;

use self::causes::Found;
use self::evidence::Evidence;
pub use self::gather::Scene;
pub use self::kinds::optional_grants;

/// The most commands that a failure suggests.
const COMMANDS: usize = 4;

/// Adds to a failure what the cluster says about it. A failure to gather changes nothing.
pub async fn explain(client: &Client, scene: &Scene<'_>, failure: Failure) -> Failure {
    if failure.verdict == Verdict::Cancelled || is_our_own_known_fault(&failure) {
        return failure;
    }
    let evidence = gather::gather(client, scene, &failure).await;
    conclude(failure, &evidence)
}

/// A fault of the harness whose cause is certain, such as a missing permission: the cluster has nothing to add.
fn is_our_own_known_fault(failure: &Failure) -> bool {
    failure.cause.as_ref().is_some_and(|c| c.origin == Origin::Harness && c.certainty == Certainty::Certain)
}

/// Adds cause, commands and details to a failure; a pure function of what was gathered.
///
/// A cause that the check itself named stays, unless what was gathered is surer than that. If it is as sure, its commands are added:
/// the check's words and the table's are two descriptions of what was seen.
pub fn conclude(mut failure: Failure, evidence: &Evidence) -> Failure {
    let found = causes::find(&failure, evidence);
    let best = found.first().filter(|best| is_surer(best.cause.certainty, failure.cause.as_ref()));
    // A check that is certain and names commands has said what to do.
    let advised = failure.cause.as_ref().is_some_and(|c| c.certainty == Certainty::Certain) && !failure.next.is_empty();
    if best.is_none()
        && !advised
        && let Some(fits) = found.first().filter(|found| is_as_sure(found.cause.certainty, failure.cause.as_ref()))
    {
        failure.next.extend(fits.finding.next.iter().cloned());
    }
    if best.is_some() || failure.cause.is_none() {
        if let Some(best) = best {
            if best.cause.id == causes::NOTHING_KNOWN && failure.verdict == Verdict::Failed {
                failure.verdict = Verdict::Inconclusive;
            }
            failure = failure.because(best.cause.certainty, best.cause.origin, best.finding.text.clone());
            let mut next = best.finding.next.clone();
            next.append(&mut failure.next);
            failure.next = next;
            failure = failure.detail("it may also be", alternatives(best, &found[1..]));
        } else {
            failure = failure.detail("not read", evidence.gaps.clone());
        }
    }
    if failure.next.is_empty() && !evidence.objects.is_empty() {
        failure.next.push(format!(
            "kibertas-rs test {} --keep   # leaves its objects in the cluster for a look",
            evidence.check
        ));
    }
    let mut seen = std::collections::BTreeSet::new();
    failure.next.retain(|command| seen.insert(command.clone()));
    failure.next.truncate(COMMANDS);
    details::attach(failure, evidence)
}

fn is_as_sure(certainty: Certainty, named: Option<&crate::failure::Cause>) -> bool {
    named.is_some_and(|cause| cause.certainty == certainty)
}

fn is_surer(certainty: Certainty, named: Option<&crate::failure::Cause>) -> bool {
    match named.map(|cause| cause.certainty) {
        None => true,
        Some(Certainty::Certain) => false,
        Some(Certainty::Likely) => certainty == Certainty::Certain,
        Some(Certainty::Possible) => certainty != Certainty::Possible,
    }
}

/// Other explanations, as sure as the best one; none where that is certain.
fn alternatives(best: &Found, others: &[Found]) -> Vec<String> {
    let as_sure = |found: &&Found| found.cause.certainty == best.cause.certainty;
    match best.cause.certainty {
        Certainty::Certain => Vec::new(),
        Certainty::Likely | Certainty::Possible => {
            others.iter().filter(as_sure).take(2).map(|found| found.finding.text.clone()).collect()
        }
    }
}
