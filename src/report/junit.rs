//! JUnit for CI systems: a test case per check; failed is `<failure>`, inconclusive and cancelled are `<error>`.
//!
//! <https://github.com/testmoapp/junitxml>

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, SerializeError, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::line::Line;
use super::text::{self, Layout};
use super::{printable, reason};
use crate::event::Event;
use crate::result::{CheckResult, RunResult};
use crate::verdict::Verdict;

/// One suite per run.
pub(crate) fn render(results: &[RunResult]) -> Result<String, SerializeError> {
    let mut report = Report::new("kibertas-rs");
    report.add_test_suites(results.iter().map(suite));
    report.timestamp = report.test_suites.iter().filter_map(|suite| suite.timestamp).min();
    report.set_time(Duration::from_millis(results.iter().map(|result| result.duration_ms).max().unwrap_or_default()));
    report.to_string()
}

fn suite(result: &RunResult) -> TestSuite {
    let mut suite = TestSuite::new(safe(&format!("kibertas-rs {}", result.target.name)));
    // Its parser is of the crate that quick-junit takes its times from, so that we need not name it.
    suite.timestamp = result.started.to_string().parse().ok();
    suite.set_time(Duration::from_millis(result.duration_ms));
    let target = &result.target;
    let properties = [
        ("run", Some(&result.run)),
        ("version", Some(&result.version)),
        ("cluster", Some(&target.name)),
        ("server", Some(&target.server)),
        ("context", target.context.as_ref()),
        ("kubernetes", Some(&target.kubernetes)),
    ];
    let given = properties.into_iter().filter_map(|(name, value)| Some(Property::new(name, safe(value?))));
    suite.add_properties(given.collect::<Vec<_>>());
    suite.add_test_cases(result.checks.iter().map(|check| case(result, check)));
    if !result.notices.is_empty() {
        suite.set_system_err(safe_lines(result.notices.iter().map(String::as_str)));
    }
    suite
}

fn case(result: &RunResult, check: &CheckResult) -> TestCase {
    let mut case = TestCase::new(safe(&check.name), status(check));
    case.set_classname(safe(&format!("kibertas-rs.{}", result.target.name)));
    case.set_time(Duration::from_millis(check.duration_ms));
    case.add_property(Property::new("verdict", check.verdict.word()));
    case.add_property(Property::new("apiRequests", check.api_requests.to_string()));
    if let Some(namespace) = &check.namespace {
        case.add_property(Property::new("namespace", safe(namespace)));
    }
    let layout = Layout::log(std::slice::from_ref(&check.name));
    let steps = check.steps.iter().map(|step| Event::StepFinished { check: check.name.clone(), step: step.clone() });
    let cleanup = check
        .cleanup
        .iter()
        .map(|cleanup| Event::CleanupFinished { check: check.name.clone(), cleanup: cleanup.clone() });
    let lines: Vec<Line> = steps.chain(cleanup).flat_map(|event| text::lines(&event, &layout)).collect();
    if !lines.is_empty() {
        case.set_system_out(painted(&lines));
    }
    case
}

fn status(check: &CheckResult) -> TestCaseStatus {
    let mut status = match check.verdict {
        Verdict::Passed => return TestCaseStatus::success(),
        Verdict::Failed => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Inconclusive | Verdict::Cancelled => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Skipped => TestCaseStatus::skipped(),
    };
    status.set_type(check.verdict.word());
    if let Some(reason) = &check.reason {
        status.set_message(safe(reason));
    }
    if let Some(failure) = &check.failure {
        status.set_description(painted(&reason::lines(None, failure)));
    }
    status
}

fn safe(text: &str) -> XmlString {
    XmlString::from(printable::one_line(text).as_ref())
}

fn safe_lines<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    lines.map(|line| format!("{}\n", printable::one_line(line))).collect()
}

fn painted(lines: &[Line]) -> String {
    lines.iter().map(|line| format!("{}\n", line.paint(false))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn the_report_of_every_verdict() {
        insta::assert_snapshot!(render(&[sample::every_verdict()]).unwrap());
    }

    #[test]
    fn it_parses_back_with_the_right_kinds() {
        let result = sample::every_verdict();
        let report = Report::deserialize_from_str(&render(std::slice::from_ref(&result)).unwrap()).unwrap();
        assert_eq!((report.tests, report.failures, report.errors, report.skipped), (6, 1, 2, 1));
        let cases = &report.test_suites[0].test_cases;
        for (case, check) in cases.iter().zip(&result.checks) {
            assert_eq!(case.name.as_str(), check.name);
            let right = match (&case.status, check.verdict) {
                (TestCaseStatus::Success { .. }, Verdict::Passed)
                | (TestCaseStatus::Skipped { .. }, Verdict::Skipped) => true,
                (TestCaseStatus::NonSuccess { kind, .. }, verdict) => match kind {
                    NonSuccessKind::Failure => verdict == Verdict::Failed,
                    NonSuccessKind::Error => matches!(verdict, Verdict::Inconclusive | Verdict::Cancelled),
                },
                _ => false,
            };
            assert!(right, "{}: {:?}", check.name, case.status);
        }
        let property = |name: &str| {
            let found = report.test_suites[0].properties.iter().find(|property| property.name.as_str() == name);
            found.map(|property| property.value.as_str().to_owned())
        };
        assert_eq!(property("run").as_deref(), Some("k3f9x2m1ab"));
        assert_eq!(property("kubernetes").as_deref(), Some("v1.34.4"));
    }

    #[test]
    fn hostile_text_is_data() {
        let xml = render(&[sample::hostile()]).unwrap();
        let report = Report::deserialize_from_str(&xml).unwrap();
        let case = &report.test_suites[0].test_cases[0];
        assert!(case.name.as_str().starts_with("<script>alert(1)</script> ]]>"), "{:?}", case.name);
        assert!(!xml.contains("<script"), "{xml}");
        assert!(!xml.contains("]]>"), "{xml}");
    }
}
