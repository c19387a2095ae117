//! Green with a real defect: the comparison names what it makes slow, and nothing else.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};

use super::sides::{RATIO, Sides, World, trial};

/// The results of each side in a comparison. The first run may meet the component just as it starts and looks at everything; from five on
/// a stray one does not count.
const RUNS: usize = 5;

/// A component with settings that are too weak for it.
struct Defect {
    name: &'static str,
    component: &'static str,
    flags: &'static [&'static str],
    /// The check that shows it; no other may be called slower.
    check: &'static str,
    /// Steps of which one at least has to be called slower.
    steps: &'static [&'static str],
}

const DEFECTS: &[Defect] = &[
    Defect {
        name: "defects::external_dns_that_looks_once_a_minute",
        component: "external-dns",
        flags: &["--interval=1m", "--min-event-sync-interval=1m"],
        check: "ingress",
        steps: &["dns record"],
    },
    Defect {
        name: "defects::a_rollouts_controller_with_two_requests_a_second",
        component: "argo-rollouts",
        flags: &["--qps=2", "--burst=2"],
        check: "rollouts",
        steps: &["canary at 25 %", "promoted one step to 50 %", "promoted in full", "aborted, stable again"],
    },
];

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    DEFECTS.iter().map(|defect| trial(world, defect.name, |sides| is_found(sides, defect))).collect()
}

fn is_found(sides: &Sides, defect: &Defect) -> Result<(), Failed> {
    let compared = {
        let _altered = sides.green.cluster.with_flags(defect.component, defect.flags)?;
        sides.compare(RUNS)?
    };
    let slower = compared.judged("slower");
    eprintln!("{}: slower {slower:#?}, faster {:?}", defect.name, compared.judged("faster"));
    for step in defect.steps {
        eprintln!("{}: {step}: {}", defect.check, compared.times(defect.check, step));
    }
    let complain = |what: String| Err(Failed::from(format!("{what}\n{slower:?}\n{}", compared.said)));
    if compared.code != Some(1) {
        return complain(format!("exit code {:?} with --fail-on-regression {RATIO}", compared.code));
    }
    let named = |(step, _): &&(String, String)| {
        defect.steps.iter().any(|expected| *step == format!("{}: {expected}", defect.check))
    };
    if !slower.iter().any(|step| named(&step)) {
        return complain(format!("none of {:?} is called slower", defect.steps));
    }
    let foreign = slower.iter().find(|(step, _)| !step.starts_with(&format!("{}: ", defect.check)));
    foreign.map_or(Ok(()), |(step, _)| complain(format!("{step} is called slower, which has nothing to do with it")))
}
