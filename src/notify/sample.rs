//! Messages for tests, and the one that `notify test` sends.

#[cfg(test)]
pub(crate) use self::in_tests::*;

use std::collections::BTreeMap;

use crate::failure::{Certainty, Failure, ObjectRef, Origin};
use crate::result::{CheckResult, RunResult, SCHEMA, StepResult, Target};
use crate::verdict::Verdict;
use crate::{clock, exit};

/// The result of a run that never was: a check that is OK, and one that is NG, so that mentions are seen as well.
pub fn run(cluster: &str) -> RunResult {
    let failure = Failure::failed("nothing: this is a sample, sent by `kibertas-rs notify test`")
        .saw("that messages arrive here")
        .on(ObjectRef::new("ConfigMap", "sample", "sample"))
        .because(Certainty::Certain, Origin::Harness, "somebody tries this channel")
        .next("kibertas-rs test");
    let step = |name: &str, failure: Option<Failure>| StepResult {
        name: name.to_owned(),
        verdict: failure.as_ref().map_or(Verdict::Passed, |failure| failure.verdict),
        start_ms: 0,
        duration_ms: 1_200,
        evidence: BTreeMap::new(),
        failure,
    };
    let check = |name: &str, failure: Option<Failure>| CheckResult {
        name: name.to_owned(),
        verdict: failure.as_ref().map_or(Verdict::Passed, |failure| failure.verdict),
        reason: None,
        start_ms: 0,
        duration_ms: 1_200,
        namespace: None,
        steps: vec![step("sample step", failure.clone())],
        failure,
        cleanup: None,
        api_requests: 0,
        settings: BTreeMap::new(),
    };
    RunResult {
        schema: SCHEMA.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        run: format!("sample-{}", crate::cluster::RunId::random()),
        target: Target { name: cluster.to_owned(), kubernetes: "v0.0.0-sample".to_owned(), ..Target::default() },
        started: clock::now(),
        duration_ms: 2_400,
        verdict: Verdict::Failed,
        exit_code: exit::FAILED,
        checks: vec![check("sample-ok", None), check("sample-ng", Some(failure))],
        settings: BTreeMap::new(),
        notices: Vec::new(),
    }
}

#[cfg(test)]
mod in_tests {
    use crate::notify::message::{Message, Told};
    use crate::report::sample;
    use crate::result::RunResult;

    const REPORT: &str = "https://reports.example.com/blue/k3f9x2m1ab/report.html";

    fn message(result: &RunResult, before: Option<&RunResult>) -> Message {
        Message::new(&[Told { result, before, report: Some(REPORT), cluster: None }])
    }

    pub(crate) fn of_every_verdict() -> Message {
        let mut before = sample::all_passed();
        before.target.kubernetes = "v1.33.9".to_owned();
        message(&sample::every_verdict(), Some(&before))
    }

    pub(crate) fn ok() -> Message {
        message(&sample::all_passed(), None)
    }

    pub(crate) fn hostile() -> Message {
        message(&sample::hostile(), None)
    }

    pub(crate) fn blue_and_green() -> Message {
        let (blue, mut green) = (sample::every_verdict(), sample::all_passed());
        green.target.name = "green".to_owned();
        green.run = "p7q2r8s4tu".to_owned();
        let told = |result| Told { result, before: None, report: None, cluster: None };
        Message::new(&[told(&blue), told(&green)])
    }

    /// 300 broken checks on each of 30 clusters, with names and reasons of 100,000 characters.
    pub(crate) fn oversized() -> Message {
        let mut result = sample::hostile();
        let long = "クラスタ [toall] <!channel> @all & ".repeat(4_000);
        let check = &mut result.checks[0];
        long.clone_into(&mut check.name);
        let failure = check.failure.as_mut().unwrap();
        long.clone_into(&mut failure.expected);
        long.clone_into(&mut failure.seen);
        long.clone_into(&mut failure.next[0]);
        failure.cause.as_mut().unwrap().text.clone_from(&long);
        long.clone_into(&mut check.steps[0].name);
        long.clone_into(&mut result.target.name);
        let mut message = message(&result, None);
        let check = message.parts[0].checks[0].clone();
        // Long ones and many: each text is cut for itself, so a handful of long ones is as good as all.
        let mut short = check.clone();
        "short".clone_into(&mut short.name);
        short.trouble = None;
        message.parts[0].checks.extend(vec![check; 20]);
        message.parts[0].checks.extend(vec![short; 280]);
        let part = message.parts[0].clone();
        message.parts.extend(vec![part; 29]);
        message
    }
}
