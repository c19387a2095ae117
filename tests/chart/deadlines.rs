//! Kubernetes must not end a run that may still go on, nor a clean-up.

use std::time::Duration;

use kibertas::check::Check;
use kibertas::checks;
use serde_json::{Value, json};

use super::permissions::config;
use super::render::{objects, of_kind, template_with};

#[test]
fn deadlines_are_derived_from_the_run_s_and_the_clean_up_s() {
    for settings in [
        json!({}),
        json!({"timeout": 20}),
        json!({"timeout": "1h30m", "cleanupTimeout": "90s"}),
        json!({"timeout": "1500ms", "cleanupTimeout": "08s", "stepTimeout": "1s"}),
        json!({"checks": {"autoscaler": {"scaleIn": true}}}),
        json!({"checks": {"autoscaler": {"scaleIn": true, "scaleInTimeout": "1h"}}}),
    ] {
        let values = json!({"config": settings, "job": {"enabled": true}});
        let rendered = objects(&template_with(&values).unwrap());
        let (deadline, grace) = deadlines(&rendered);
        let config = config(&values, &rendered);
        let beyond = checks::ALL.iter().map(|check: &&dyn Check| check.beyond_timeout(config.of(check.about().name)));
        let run = config.core.timeout + beyond.max().unwrap() + config.core.cleanup_timeout;
        let above =
            Duration::from_secs(deadline).checked_sub(run).unwrap_or_else(|| panic!("{settings}: {deadline} s"));
        assert!((120..=122).contains(&above.as_secs()), "{settings}: {above:?} above the run's {run:?}");
        let above = Duration::from_secs(grace).checked_sub(config.core.cleanup_timeout).unwrap();
        assert!((15..=16).contains(&above.as_secs()), "{settings}: {above:?} above the clean-up's");
    }
}

#[test]
fn a_long_wait_counts_only_where_its_check_runs() {
    let of = |checks: Value| {
        let settings = json!({"checks": {"autoscaler": {"scaleIn": true}}});
        let values = json!({"config": settings, "job": {"enabled": true}, "checks": checks});
        deadlines(&objects(&template_with(&values).unwrap())).0
    };
    assert!(of(json!(["ingress"])) < of(json!(["ingress", "autoscaler"])));
}

#[test]
fn a_time_that_is_none_is_told() {
    let refused = template_with(&json!({"config": {"timeout": "soon"}, "job": {"enabled": true}})).unwrap_err();
    assert!(refused.contains("timeout"), "{refused}");
}

/// The Job's deadline and its pod's grace period, in seconds.
fn deadlines(rendered: &[Value]) -> (u64, u64) {
    let spec = &of_kind(rendered, "Job")[0]["spec"];
    assert_eq!(spec["backoffLimit"], 0);
    let seconds = |value: &Value| value.as_u64().unwrap();
    (seconds(&spec["activeDeadlineSeconds"]), seconds(&spec["template"]["spec"]["terminationGracePeriodSeconds"]))
}
