//! The causes that are known: a table, each row a pure predicate over a failure and its evidence.

use crate::failure::{Certainty, Failure, Origin};

use super::evidence::Evidence;

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
}

/// Every cause. Of two that are equally sure the earlier one is named, so what lies deeper stands before what follows from it.
pub static AREAS: &[Area] = &[
    Area { name: "The API server", causes: api_server::CAUSES },
    Area { name: "Access", causes: access::CAUSES },
    Area { name: "Admission webhooks", causes: webhooks::CAUSES },
    Area { name: "Admission and quota", causes: admission::CAUSES },
    Area { name: "Volumes", causes: volumes::CAUSES },
    Area { name: "Nodes that do not come", causes: scaling::CAUSES },
    Area { name: "Nodes", causes: nodes::CAUSES },
    Area { name: "Scheduling", causes: scheduling::CAUSES },
    Area { name: "Images", causes: images::CAUSES },
    Area { name: "Pod networking", causes: networking::CAUSES },
    Area { name: "Containers", causes: containers::CAUSES },
    Area { name: "Probes", causes: probes::CAUSES },
    Area { name: "Ingress", causes: ingress::CAUSES },
    Area { name: "DNS", causes: dns::CAUSES },
    Area { name: "HTTP", causes: http::CAUSES },
    Area { name: "Certificates", causes: certificates::CAUSES },
    Area { name: "Rollouts", causes: rollouts::CAUSES },
    Area { name: "Datadog", causes: datadog::CAUSES },
    Area { name: "Logs", causes: logs::CAUSES },
    Area { name: "Removal", causes: removal::CAUSES },
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
    let causes = AREAS.iter().flat_map(|area| area.causes);
    let mut found: Vec<Found> =
        causes.filter_map(|cause| Some(Found { cause, finding: (cause.find)(failure, evidence)? })).collect();
    found.sort_by_key(|found| match found.cause.certainty {
        Certainty::Certain => 0,
        Certainty::Likely => 1,
        Certainty::Possible => 2,
    });
    found
}
