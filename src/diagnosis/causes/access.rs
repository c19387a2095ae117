//! Who may do what, and whose credentials and clocks are right.

use super::{Cause, Finding};
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::refusals::is_of_call;
use crate::diagnosis::wording::{between, has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "clock-skew",
        about: "This machine's clock and the cluster's are far apart, so tokens, signatures and certificates look expired or not yet valid.",
        sign: "The API server's Date header differs by more than 60 s, and what was seen is about credentials, signatures or validity.",
        certainty: Certainty::Likely,
        origin: Origin::Harness,
        find: clock_skew,
    },
    Cause {
        id: "credentials-rejected",
        about: "The API server does not accept our credentials (any more): an expired or revoked token or certificate.",
        sign: "401 from the API server.",
        certainty: Certainty::Likely,
        origin: Origin::Harness,
        find: rejected,
    },
    Cause {
        id: "controller-forbidden",
        about: "A controller lacks a permission that its work needs.",
        sign: "`is forbidden: User \"system:serviceaccount:…\" cannot …` in an event or condition.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: controller_forbidden,
    },
    Cause {
        id: "permission-missing",
        about: "The credentials of the run lack a permission.",
        sign: "`is forbidden: User … cannot …` in the answer to the harness.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: permission_missing,
    },
    Cause {
        id: "kind-not-installed",
        about: "The API server does not know the kind: its CustomResourceDefinition is not installed, or in another version.",
        sign: "404 without a name, or a list of the failure's kind that is not found.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: kind_missing,
    },
];

/// A difference that neither tokens nor signatures forgive for sure, in seconds.
const SKEW: i64 = 60;

fn clock_skew(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let ahead = evidence.clock_ahead_s.filter(|ahead| ahead.abs() > SKEW)?;
    let words = ["expired", "not yet valid", "not valid", "unauthorized", "RequestTimeTooSkewed", "skew", "signature"];
    let told = has_any(&failure.seen, &words) || has_any(&failure.expected, &["newer", "since", "valid"]);
    let (size, way) = (ahead.abs(), if ahead > 0 { "behind" } else { "ahead of" });
    told.then(|| {
        Finding::new(format!("this machine's clock is {size} s {way} the API server's"))
            .next("date -u; timedatectl   # on this machine and on the nodes")
            .next("repair the time synchronisation (chrony, NTP), then run the check again")
    })
}

fn rejected(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let of_api = is_of_call(failure) && !matches!(evidence.check.as_str(), "fluent" | "datadog-agent");
    let words = ["Unauthorized", "token has expired", "asked for the client to provide credentials"];
    (of_api && has_any(&failure.seen, &words)).then(|| {
        Finding::new("the API server does not accept the credentials of this run; they were accepted at its start, so they have probably expired")
            .next("kubectl auth whoami")
            .next("log in again, or give the run credentials that last longer than it")
    })
}

fn controller_forbidden(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    if is_of_call(failure) {
        return None;
    }
    let conditions =
        evidence.objects.iter().flat_map(super::super::evidence::Object::conditions).filter(|c| c.status != "True");
    let events = evidence.events.iter().rev().filter(|event| event.type_ == "Warning");
    let texts = conditions.map(|c| c.message).chain(events.map(|event| event.message.as_str()));
    let text = texts.into_iter().find(|t| t.contains("User \"system:serviceaccount:") && t.contains(" cannot "))?;
    let account = between(text, "User \"", "\"")?;
    let what = between(text, " cannot ", "\n")?;
    let (verb, resource) = (what.split(' ').next()?, between(what, "resource \"", "\"").unwrap_or("?"));
    Some(
        Finding::new(format!("the controller's account {} may not {}", quoted(account), quoted(what)))
            .next(format!(
                "kubectl auth can-i {} {} --as={} -A",
                shell_word(verb),
                shell_word(resource),
                shell_word(account)
            ))
            .next(
                "compare its ClusterRole with the one of the version that runs: an upgrade may have left the old role",
            ),
    )
}

fn permission_missing(failure: &Failure, _evidence: &Evidence) -> Option<Finding> {
    let text = Some(failure.seen.as_str()).filter(|t| t.contains("is forbidden: User \"") && t.contains(" cannot "))?;
    let (user, what) = (between(text, "User \"", "\"")?, between(text, " cannot ", "\n")?);
    let (verb, resource) = (what.split(' ').next()?, between(what, "resource \"", "\"").unwrap_or("?"));
    let group = between(what, "API group \"", "\"").map_or_else(String::new, |group| format!(".{group}"));
    Some(
        Finding::new(format!("{} may not {}", quoted(user), quoted(what)))
            .next(format!("kubectl auth can-i {} {}{}", shell_word(verb), shell_word(resource), group))
            .next("kibertas-rs list   # the grants that each check needs"),
    )
}

fn kind_missing(failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let kind = failure.object.as_ref().map(|object| object.kind.as_str())?;
    let words = ["could not find the requested resource", "404 page not found", "no matches for kind"];
    (evidence.unknown_kinds.contains(kind) || has_any(&failure.seen, &words)).then(|| {
        Finding::new(format!(
            "the API server does not know the kind {kind}: its CustomResourceDefinition is not installed"
        ))
        .next(format!("kubectl api-resources | grep -i {}", shell_word(kind)))
        .next("install the add-on's CustomResourceDefinitions; a Helm upgrade does not update them")
    })
}
