//! A Prometheus Pushgateway: <https://github.com/prometheus/pushgateway#api>
//!
//! The run's metrics are one group, replaced by each run. The time of a check's last success is a group of its own, which only a
//! pass replaces: what fails now stays known as of when it passed last.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Method;

use super::delivery::{Http, Request, Undelivered, by_status};
use crate::report::prometheus;
use crate::result::RunResult;
use crate::verdict::Verdict;

/// The job's name.
const JOB: &str = "kibertas";

/// Pushes the metrics of a run.
pub async fn push(http: &Http, base: &str, result: &RunResult) -> Result<u32, Undelivered> {
    let mut tries = 0;
    for (url, text) in groups(base, result) {
        let request = Request {
            // Replaces the whole group: a step that is gone leaves no series behind.
            method: Method::PUT,
            url,
            headers: vec![(http::header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8".to_owned())],
            body: text.into_bytes(),
            repeatable: true,
            wants_body: false,
        };
        tries = tries.max(http.deliver(&request, by_status).await?.tries);
    }
    Ok(tries)
}

/// The groups' URLs and texts.
fn groups(base: &str, result: &RunResult) -> Vec<(String, String)> {
    let base = base.trim_end_matches('/');
    let cluster = format!("{base}/metrics/job/{JOB}{}", label("cluster", &result.target.name));
    let text = prometheus::render(std::slice::from_ref(result), "");
    let (of_run, success) = prometheus::split_last_success(&text);
    let mut groups = vec![(cluster.clone(), of_run)];
    // Each sample with the metric's HELP, TYPE and UNIT.
    let (comments, samples): (Vec<&str>, Vec<&str>) =
        success.lines().filter(|line| *line != "# EOF").partition(|line| line.starts_with('#'));
    let passed = result.checks.iter().filter(|check| check.verdict == Verdict::Passed);
    for (check, sample) in passed.zip(samples) {
        let text = comments.iter().chain([&sample, &"# EOF"]).map(|line| format!("{line}\n")).collect();
        groups.push((format!("{cluster}{}", label("check", &check.name)), text));
    }
    groups
}

/// A label of the grouping key; what a path cannot hold is written as base64.
fn label(name: &str, value: &str) -> String {
    let value = crate::report::printable::one_line(value);
    let plain = !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    if plain && !value.bytes().all(|b| b == b'.') {
        format!("/{name}/{value}")
    } else {
        // An empty value is written as a single padding character.
        let encoded = URL_SAFE_NO_PAD.encode(value.as_bytes());
        format!("/{name}@base64/{}", if encoded.is_empty() { "=" } else { &encoded })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn a_failing_check_does_not_touch_its_last_success() {
        let groups = groups("http://gateway:9091/", &sample::every_verdict());
        let urls: Vec<&str> = groups.iter().map(|(url, _)| url.as_str()).collect();
        assert_eq!(
            urls,
            [
                "http://gateway:9091/metrics/job/kibertas/cluster/blue",
                "http://gateway:9091/metrics/job/kibertas/cluster/blue/check/cert-manager",
                "http://gateway:9091/metrics/job/kibertas/cluster/blue/check/rollouts",
            ]
        );
        assert!(!groups[0].1.contains("last_success") && groups[0].1.contains("kibertas_run_verdict"));
        insta::assert_snapshot!(groups[1].1);
    }

    #[test]
    fn names_that_a_path_cannot_hold_are_encoded() {
        assert_eq!(label("cluster", "a/b"), "/cluster@base64/YS9i");
        assert_eq!(label("cluster", ".."), "/cluster@base64/Li4");
        assert_eq!(label("cluster", ""), "/cluster@base64/=");
        assert_eq!(label("cluster", "blue-1.eu"), "/cluster/blue-1.eu");
    }
}
