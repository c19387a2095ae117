//! All reports of each run in one place: `CLUSTER/RUN/report.*` for good, and beside it `CLUSTER/latest/report.*`, which is always
//! the last run's. From there the next run knows what the one before found.

mod directory;

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};

use crate::config::{ConfigError, Core};
use crate::report::{FORMATS, Format, prometheus, read, render};
use crate::result::RunResult;

/// The name of each report without its extension.
const NAME: &str = "report";
/// The folder of the last run's reports.
pub const LATEST: &str = "latest";

/// Why something is not published, or the run before not known. It never changes a verdict.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {reason}")]
pub struct PublishError {
    /// Where.
    pub place: String,
    /// Why not.
    pub reason: String,
}

/// Where reports are published.
#[derive(Debug, Clone)]
pub struct Publisher {
    place: Place,
    url: Option<String>,
}

#[derive(Debug, Clone)]
enum Place {
    Directory(PathBuf),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Directory(path) => write!(f, "{}", path.display()),
        }
    }
}

/// One file to publish.
struct Item {
    /// Its place below the root, with `/` between folders.
    path: String,
    text: String,
}

impl Publisher {
    /// Reads where to publish, and proves that a folder takes files; `None` where nothing is published.
    pub fn of(core: &Core) -> Result<Option<Self>, ConfigError> {
        let Some(given) = &core.publish else { return Ok(None) };
        let wrong = |expected: String| ConfigError::one("publish", Some(given.clone()), expected);
        if given.contains("://") {
            return Err(wrong("a folder".to_owned()));
        }
        let path = PathBuf::from(given);
        directory::prove(&path).map_err(|error| wrong(format!("a folder that takes files ({error})")))?;
        Ok(Some(Self { place: Place::Directory(path), url: core.publish_url.clone() }))
    }

    /// The last run that was published for this cluster; `None` where none was.
    pub fn before(&self, cluster: &str) -> Result<Option<RunResult>, PublishError> {
        let text = self.latest(cluster, Format::Json)?;
        text.map(|text| read::parse(&text).map_err(|error| self.failed(&error))).transpose()
    }

    /// Where readers find a run's HTML report: its URL where one is known, else its place.
    pub fn link(&self, result: &RunResult) -> String {
        let path = format!("{}/{}", folder_of(&result.target.name), path_of(&result.run, Format::Html));
        let root = self.url.clone().unwrap_or_else(|| self.place.to_string());
        format!("{}/{path}", root.trim_end_matches('/'))
    }

    /// Publishes all reports of a run, its own folder first and `latest` last.
    pub fn publish(&self, result: &RunResult) -> Result<(), PublishError> {
        let cluster = folder_of(&result.target.name);
        // What was there counts: a check that fails now keeps the time of its last success.
        let metrics = self.latest(&result.target.name, Format::Prometheus)?.unwrap_or_default();
        let mut texts = Vec::new();
        for about in FORMATS {
            let text = match about.format {
                Format::Prometheus => prometheus::render(std::slice::from_ref(result), &metrics),
                format => render(std::slice::from_ref(result), format).map_err(|error| self.failed(&error))?,
            };
            texts.push((about.format, text));
        }
        // The JSON one last: whoever finds it finds the others as well.
        texts.sort_by_key(|(format, _)| *format == Format::Json);
        for folder in [result.run.as_str(), LATEST] {
            for (format, text) in &texts {
                let path = format!("{cluster}/{}", path_of(folder, *format));
                self.write(&Item { path, text: text.clone() })?;
            }
        }
        Ok(())
    }

    fn write(&self, item: &Item) -> Result<(), PublishError> {
        match &self.place {
            Place::Directory(root) => directory::write(root, item).map_err(|error| self.failed(&error)),
        }
    }

    fn latest(&self, cluster: &str, format: Format) -> Result<Option<String>, PublishError> {
        let path = format!("{}/{}", folder_of(cluster), path_of(LATEST, format));
        match &self.place {
            Place::Directory(root) => directory::read(root, &path).map_err(|error| self.failed(&error)),
        }
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> PublishError {
        PublishError { place: self.place.to_string(), reason: reason.to_string() }
    }
}

fn path_of(folder: &str, format: Format) -> String {
    format!("{}/{NAME}.{}", folder_of(folder), format.about().extension)
}

/// A name as a folder's, which neither a path nor a URL takes for anything else. One that would not do as it is, such as an ARN, gets
/// a few digits of its hash, so that no two share one.
fn folder_of(name: &str) -> String {
    let usual = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let plain = !name.is_empty() && name.len() <= 100 && !name.starts_with('.') && name.chars().all(usual);
    if plain {
        return name.to_owned();
    }
    let safe: String = name.chars().take(60).map(|c| if usual(c) { c } else { '_' }).collect();
    let hash: String = Sha256::digest(name.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{hash}", safe.trim_start_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use crate::report::sample;

    fn publisher(publish: &str, url: Option<&str>) -> Result<Option<Publisher>, ConfigError> {
        let mut sources = Sources::default();
        sources.flag("--publish", "", "publish", publish);
        if let Some(url) = url {
            sources.flag("--set publishUrl", "", "publishUrl", url);
        }
        Publisher::of(&Config::resolve(&sources, &[])?.core)
    }

    #[test]
    fn every_report_is_in_the_runs_folder_and_in_the_latest() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = publisher(folder.path().to_str().unwrap(), None).unwrap().unwrap();
        assert!(publisher.before("blue").unwrap().is_none());
        let first = sample::all_passed();
        publisher.publish(&first).unwrap();
        assert_eq!(publisher.before("blue").unwrap(), Some(first.clone()));
        assert!(publisher.before("green").unwrap().is_none());
        let mut second = sample::every_verdict();
        second.run = "second".to_owned();
        publisher.publish(&second).unwrap();
        assert_eq!(publisher.before("blue").unwrap(), Some(second.clone()));
        for run in [first.run.as_str(), "second", LATEST] {
            let path = folder.path().join("blue").join(run);
            let mut names: Vec<String> =
                std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            let all = ["report.html", "report.json", "report.md", "report.prom", "report.txt", "report.xml"];
            assert_eq!(names, all, "{run}");
        }
    }

    #[test]
    fn metrics_keep_the_last_success_from_run_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = publisher(folder.path().to_str().unwrap(), None).unwrap().unwrap();
        publisher.publish(&sample::all_passed()).unwrap();
        let mut failed = sample::all_passed();
        failed.checks[1].verdict = crate::verdict::Verdict::Failed;
        publisher.publish(&failed).unwrap();
        let text = std::fs::read_to_string(folder.path().join("blue/latest/report.prom")).unwrap();
        let success = text.lines().find(|l| l.starts_with("kibertas_check_last_success") && l.contains("rollouts"));
        assert!(success.is_some(), "{text}");
    }

    #[test]
    fn links_lead_to_the_runs_own_report() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let result = sample::all_passed();
        let link = |url| publisher(root, url).unwrap().unwrap().link(&result);
        assert_eq!(link(Some("https://x.example/r/")), "https://x.example/r/blue/k3f9x2m1ab/report.html");
        assert_eq!(link(None), format!("{root}/blue/k3f9x2m1ab/report.html"));
    }

    #[test]
    fn no_name_leads_out_of_the_folder_and_no_two_share_one() {
        assert_eq!(folder_of("blue-1.eu_x"), "blue-1.eu_x");
        let arn = "arn:aws:eks:eu-west-1:123456789012:cluster/blue";
        assert!(folder_of(arn).starts_with("arn_aws_eks_eu-west-1_123456789012_cluster_blue-"), "{}", folder_of(arn));
        assert_ne!(folder_of("a/b"), folder_of("a:b"));
        for evil in ["..", "../../etc", "", ".hidden", "a/../b", &"x".repeat(500)] {
            let folder = folder_of(evil);
            let inside = !folder.contains('/') && !folder.starts_with('.') && !folder.is_empty() && folder.len() < 101;
            assert!(inside, "{folder}");
        }
    }

    #[test]
    fn a_place_that_takes_nothing_is_told_before_the_run() {
        let error = publisher("/proc/nowhere", None).unwrap_err().to_string();
        assert!(
            error.contains("publish is \"/proc/nowhere\"") && error.contains("a folder that takes files"),
            "{error}"
        );
        assert!(publisher("ftp://x", None).is_err());
    }
}
