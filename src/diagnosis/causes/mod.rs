//! The causes that are known: a table, each row a pure predicate over a failure and its evidence.

use crate::failure::{Certainty, Failure, Origin};

use super::evidence::Evidence;
use super::refusals::is_of_call;

mod access;
mod admission;
mod api_server;
mod certificates;
mod containers;
mod datadog;
mod dns;
mod http;
mod images;
mod ingress;
mod logs;
mod networking;
mod nodes;
mod probes;
mod removal;
mod rollouts;
mod scaling;
mod scheduling;
mod volumes;
mod webhooks;

/// The cause that leaves a wait without an answer: nobody could see whether the cluster broke the expectation.
pub const NOTHING_KNOWN: &str = "api-server-store-silent";

/// One known cause.
#[derive(Debug)]
pub struct Cause {
    /// Its name, unique, in the words of the field.
    pub id: &'static str,
    /// What is wrong, in one sentence for the documentation.
    pub about: &'static str,
    /// How it is recognised.
    pub sign: &'static str,
    /// How sure a match makes it.
    pub certainty: Certainty,
    /// Whose fault it is.
    pub origin: Origin,
    /// Finds it.
    pub find: fn(&Failure, &Evidence) -> Option<Finding>,
}

/// What a cause says about one failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What broke, in one sentence, with the names of this cluster.
    pub text: String,
    /// What to run or do next, most useful first.
    pub next: Vec<String>,
}

impl Finding {
    /// A finding without a command.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), next: Vec::new() }
    }

    /// Adds what to run or do next.
    #[must_use]
    pub fn next(mut self, command: impl Into<String>) -> Self {
        self.next.push(command.into());
        self
    }
}

/// Causes of one part of the cluster.
#[derive(Debug)]
pub struct Area {
    /// What the part is called.
    pub name: &'static str,
    /// Its causes, the more specific first.
    pub causes: &'static [Cause],
    /// Whether they may explain a call of the API server that failed; all others explain only what was waited for.
    pub of_calls: bool,
}

const fn of_calls(name: &'static str, causes: &'static [Cause]) -> Area {
    Area { name, causes, of_calls: true }
}

const fn of_waits(name: &'static str, causes: &'static [Cause]) -> Area {
    Area { name, causes, of_calls: false }
}

/// Every cause. Of two that are equally sure the earlier one is named, so what lies deeper stands before what follows from it.
pub static AREAS: &[Area] = &[
    of_calls("The API server", api_server::CAUSES),
    of_calls("Access", access::CAUSES),
    of_calls("Admission webhooks", webhooks::CAUSES),
    of_calls("Admission and quota", admission::CAUSES),
    of_waits("Nodes", nodes::CAUSES),
    of_waits("Volumes", volumes::CAUSES),
    of_waits("Nodes that do not come", scaling::CAUSES),
    of_waits("Scheduling", scheduling::CAUSES),
    of_waits("Images", images::CAUSES),
    of_waits("Pod networking", networking::CAUSES),
    of_waits("Containers", containers::CAUSES),
    of_waits("Probes", probes::CAUSES),
    of_waits("Ingress", ingress::CAUSES),
    of_waits("DNS", dns::CAUSES),
    of_waits("HTTP", http::CAUSES),
    of_waits("Certificates", certificates::CAUSES),
    of_waits("Rollouts", rollouts::CAUSES),
    of_waits("Datadog", datadog::CAUSES),
    of_waits("Logs", logs::CAUSES),
    of_waits("Removal", removal::CAUSES),
];

/// A cause that fits.
#[derive(Debug)]
pub struct Found {
    /// The row of the table.
    pub cause: &'static Cause,
    /// What it says.
    pub finding: Finding,
}

/// Every cause that fits, the surest first; of equally sure ones the earlier of the table.
pub fn find(failure: &Failure, evidence: &Evidence) -> Vec<Found> {
    let areas = AREAS.iter().filter(|area| area.of_calls || !is_of_call(failure));
    let causes = areas.flat_map(|area| area.causes);
    let mut found: Vec<Found> =
        causes.filter_map(|cause| Some(Found { cause, finding: (cause.find)(failure, evidence)? })).collect();
    found.sort_by_key(|found| match found.cause.certainty {
        Certainty::Certain => 0,
        Certainty::Likely => 1,
        Certainty::Possible => 2,
    });
    found
}
