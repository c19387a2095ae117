//! The end of a run in short, where Kubernetes looks for it: the container's termination message.
//!
//! Kubelet copies the file into the pod's status, and so `kubectl describe pod` and Argo CD show it:
//! <https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/>

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use super::{reason, summary};
use crate::event::SinkError;
use crate::result::{CheckResult, RunResult};
use crate::verdict::Verdict;

/// Where the message is expected, unless the container says otherwise.
const DEFAULT: &str = "/dev/termination-log";
/// The bytes of one container's message that kubelet keeps.
const LONGEST: usize = 4096;
/// The bytes of one check's reason, so that a long one does not hide the other checks.
const LONGEST_REASON: usize = 600;

/// Writes the end of a run into a file.
#[derive(Debug, Clone)]
pub struct TerminationLog {
    path: PathBuf,
}

impl TerminationLog {
    /// The given file; else, in a pod, the one that kubelet has put there.
    pub fn find(given: Option<&Path>) -> Option<Self> {
        let in_pod = || std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && Path::new(DEFAULT).is_file();
        match given {
            Some(path) => Some(Self { path: path.to_owned() }),
            None => in_pod().then(|| Self { path: PathBuf::from(DEFAULT) }),
        }
    }

    /// Writes the end of runs.
    pub fn tell(&self, results: &[RunResult]) -> Result<(), SinkError> {
        self.write(&message(results))
    }

    /// Writes a message, cut to what kubelet keeps. The file stays the one that it is: it is a mount.
    pub fn write(&self, message: &str) -> Result<(), SinkError> {
        std::fs::write(&self.path, cut(message, LONGEST)).map_err(|error| SinkError {
            sink: format!("termination message {}", self.path.display()),
            reason: format!("cannot be written: {error}"),
        })
    }
}

/// The end of each run; where there are several, none takes the room of the others.
fn message(results: &[RunResult]) -> String {
    let room = LONGEST / results.len().max(1);
    let ended = |text: String| if text.ends_with('\n') { text } else { text + "\n" };
    results.iter().map(|result| ended(cut(&of_run(result), room - 1))).collect()
}

/// The verdict of the run, then what did not pass, the worst first.
fn of_run(result: &RunResult) -> String {
    let (name, verdict, code) = (&result.target.name, result.verdict.word(), result.exit_code);
    let mut text = format!("{name} {verdict}: {} (exit code {code})\n", summary::counts(result));
    for verdict in [Verdict::Failed, Verdict::Inconclusive, Verdict::Cancelled] {
        for check in result.checks.iter().filter(|check| check.verdict == verdict) {
            text.push_str(&of_check(check));
        }
    }
    text
}

fn of_check(check: &CheckResult) -> String {
    let why = check.reason.as_deref().unwrap_or("no reason was told");
    let mut text = format!("{} {}: {}\n", check.name, check.verdict.word(), cut(why, LONGEST_REASON));
    let Some(failure) = &check.failure else { return text };
    if let Some(cause) = &failure.cause {
        let (certainty, origin) = (reason::certainty(cause.certainty), reason::origin(cause.origin));
        let _ = writeln!(text, "  cause: {} ({certainty}, {origin})", cut(&cause.text, LONGEST_REASON));
    }
    if let Some(next) = failure.next.first() {
        let _ = writeln!(text, "  next: {}", cut(next, LONGEST_REASON));
    }
    for survivor in check.cleanup.iter().flat_map(|cleanup| &cleanup.survivors) {
        let _ = writeln!(text, "  left behind: {}", survivor.object);
    }
    text
}

/// At most `longest` bytes of a text, with `…` where something is missing.
fn cut(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(longest - '…'.len_utf8());
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn written(result: &RunResult) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        TerminationLog::find(Some(file.path())).unwrap().tell(std::slice::from_ref(result)).unwrap();
        std::fs::read_to_string(file.path()).unwrap()
    }

    #[test]
    fn what_did_not_pass_is_told_and_the_worst_first() {
        insta::assert_snapshot!(written(&sample::every_verdict()));
    }

    #[test]
    fn a_good_end_is_one_line() {
        let text = written(&sample::all_passed());
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("passed") && text.ends_with("(exit code 0)\n"), "{text}");
    }

    #[test]
    fn no_message_is_longer_than_kubelet_keeps_and_no_reason_hides_the_others() {
        let mut result = sample::every_verdict();
        for check in &mut result.checks {
            check.reason = Some("ü".repeat(LONGEST));
        }
        let text = written(&result);
        assert!(text.len() <= LONGEST, "{} bytes", text.len());
        let told = result.checks.iter().filter(|check| check.failure.is_some());
        for check in told {
            assert!(text.contains(&check.name), "{} is missing", check.name);
        }
        result.checks.iter_mut().for_each(|check| check.name = "x".repeat(LONGEST));
        assert!(written(&result).len() <= LONGEST);
    }

    #[test]
    fn of_several_runs_each_has_its_room() {
        let mut long = sample::every_verdict();
        long.checks.iter_mut().for_each(|check| check.reason = Some("x".repeat(LONGEST)));
        let mut last = sample::all_passed();
        last.target.name = "green".to_owned();
        let text = message(&[long, last]);
        assert!(text.len() <= LONGEST && text.contains("\ngreen passed"), "{text}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told() {
        let log = TerminationLog::find(Some(Path::new("/nowhere/log"))).unwrap();
        let error = log.write("x").unwrap_err().to_string();
        assert!(error.starts_with("termination message /nowhere/log: cannot be written: "), "{error}");
    }
}
