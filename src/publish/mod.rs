//! All reports of each run in one place: `CLUSTER/RUN/report.*` for good, and beside it `CLUSTER/latest/report.*`, which is always
//! the last run's. From there the next run knows what the one before found.

use futures::future::try_join_all;

use crate::config::{ConfigError, Core};
use crate::place::{Place, PlaceError, S3Access, Shown, Store, folder_of};
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

impl From<PlaceError> for PublishError {
    fn from(error: PlaceError) -> Self {
        Self { place: error.place, reason: error.reason }
    }
}

/// Where reports are published.
#[derive(Debug, Clone)]
pub struct Publisher {
    store: Store,
    url: Option<String>,
}

impl Publisher {
    /// Reads where to publish, and proves that the place can be written; `None` where nothing is published. A place that is only out
    /// of reach for now is no error of the configuration: the reports may be published when the run has ended.
    pub async fn of(core: &Core) -> Result<Option<Self>, ConfigError> {
        let Some(given) = &core.publish else { return Ok(None) };
        let wrong = |expected: String| ConfigError::one("publish", Some(given.clone()), expected);
        let place = Place::parse(given).map_err(wrong)?;
        let takes = match &place {
            Place::Directory(_) => "a folder that takes files",
            Place::S3 { .. } => "a place in S3 that this run may read and write",
        };
        let refused = |error: PlaceError| wrong(format!("{takes} ({})", error.reason));
        let store = Store::open(place, &S3Access::of(core)).await.map_err(refused)?;
        match store.prove().await {
            Ok(()) => {}
            Err(error) if error.passing => tracing::warn!("the reports may not be published: {error}"),
            Err(error) => return Err(refused(error)),
        }
        Ok(Some(Self { store, url: core.publish_url.clone() }))
    }

    /// The last run that was published for this cluster; `None` where none was.
    pub async fn before(&self, cluster: &str) -> Result<Option<RunResult>, PublishError> {
        let text = self.latest(cluster, Format::Json).await?;
        text.map(|text| read::parse(&text).map_err(|error| self.failed(&error))).transpose()
    }

    /// Where readers find a run's HTML report: its URL where one is known, else its place.
    pub fn link(&self, result: &RunResult) -> String {
        let path = format!("{}/{}", folder_of(&result.target.name), path_of(&result.run, Format::Html));
        let root = self.url.clone().unwrap_or_else(|| self.store.place().to_string());
        format!("{}/{path}", root.trim_end_matches('/'))
    }

    /// Publishes all reports of a run, its own folder first and `latest` last.
    pub async fn publish(&self, result: &RunResult) -> Result<(), PublishError> {
        let cluster = folder_of(&result.target.name);
        // What was there counts: a check that fails now keeps the time of its last success.
        let metrics = self.latest(&result.target.name, Format::Prometheus).await?.unwrap_or_default();
        let one = std::slice::from_ref(result);
        let (mut texts, mut json) = (Vec::new(), String::new());
        for about in FORMATS {
            match about.format {
                Format::Prometheus => texts.push((about.format, prometheus::render(one, &metrics))),
                Format::Json => json = render(one, Format::Json).map_err(|error| self.failed(&error))?,
                format => texts.push((format, render(one, format).map_err(|error| self.failed(&error))?)),
            }
        }
        for folder in [result.run.as_str(), LATEST] {
            let place = |format| format!("{cluster}/{}", path_of(folder, format));
            let shown = |format: Format| Shown { content_type: format.about().media_type, changes: folder == LATEST };
            let write = async |format: Format, text: &str| {
                self.store.write(&place(format), text.as_bytes(), shown(format)).await
            };
            try_join_all(texts.iter().map(|(format, text)| write(*format, text))).await?;
            // The JSON one last: whoever finds it finds the others as well.
            write(Format::Json, &json).await?;
        }
        Ok(())
    }

    async fn latest(&self, cluster: &str, format: Format) -> Result<Option<String>, PublishError> {
        let path = format!("{}/{}", folder_of(cluster), path_of(LATEST, format));
        let Some(content) = self.store.read(&path).await? else { return Ok(None) };
        String::from_utf8(content).map(Some).map_err(|_| self.failed(&format!("{path} is no text")))
    }

    fn failed(&self, reason: &dyn std::fmt::Display) -> PublishError {
        PublishError { place: self.store.place().to_string(), reason: reason.to_string() }
    }
}

fn path_of(folder: &str, format: Format) -> String {
    format!("{}/{NAME}.{}", folder_of(folder), format.about().extension)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use crate::report::sample;

    async fn publisher(publish: &str, url: Option<&str>) -> Result<Option<Publisher>, ConfigError> {
        let mut sources = Sources::default();
        sources.flag("--publish", "", "publish", publish);
        if let Some(url) = url {
            sources.flag("--set publishUrl", "", "publishUrl", url);
        }
        Publisher::of(&Config::resolve(&sources, &[])?.core).await
    }

    #[tokio::test]
    async fn every_report_is_in_the_runs_folder_and_in_the_latest() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = publisher(folder.path().to_str().unwrap(), None).await.unwrap().unwrap();
        assert!(publisher.before("blue").await.unwrap().is_none());
        let first = sample::all_passed();
        publisher.publish(&first).await.unwrap();
        assert_eq!(publisher.before("blue").await.unwrap(), Some(first.clone()));
        assert!(publisher.before("green").await.unwrap().is_none());
        let mut second = sample::every_verdict();
        second.run = "second".to_owned();
        publisher.publish(&second).await.unwrap();
        assert_eq!(publisher.before("blue").await.unwrap(), Some(second.clone()));
        for run in [first.run.as_str(), "second", LATEST] {
            let path = folder.path().join("blue").join(run);
            let mut names: Vec<String> =
                std::fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            let all = ["report.html", "report.json", "report.md", "report.prom", "report.txt", "report.xml"];
            assert_eq!(names, all, "{run}");
        }
    }

    #[tokio::test]
    async fn metrics_keep_the_last_success_from_run_to_run() {
        let folder = tempfile::tempdir().unwrap();
        let publisher = publisher(folder.path().to_str().unwrap(), None).await.unwrap().unwrap();
        publisher.publish(&sample::all_passed()).await.unwrap();
        let mut failed = sample::all_passed();
        failed.checks[1].verdict = crate::verdict::Verdict::Failed;
        publisher.publish(&failed).await.unwrap();
        let text = std::fs::read_to_string(folder.path().join("blue/latest/report.prom")).unwrap();
        let success = text.lines().find(|l| l.starts_with("kibertas_check_last_success") && l.contains("rollouts"));
        assert!(success.is_some(), "{text}");
    }

    #[tokio::test]
    async fn links_lead_to_the_runs_own_report() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap();
        let result = sample::all_passed();
        let link = async |url| publisher(root, url).await.unwrap().unwrap().link(&result);
        assert_eq!(link(Some("https://x.example/r/")).await, "https://x.example/r/blue/k3f9x2m1ab/report.html");
        assert_eq!(link(None).await, format!("{root}/blue/k3f9x2m1ab/report.html"));
    }

    #[tokio::test]
    async fn a_place_that_takes_nothing_is_told_before_the_run() {
        let error = publisher("/proc/nowhere", None).await.unwrap_err().to_string();
        assert!(
            error.contains("publish is \"/proc/nowhere\"") && error.contains("a folder that takes files"),
            "{error}"
        );
        let error = publisher("ftp://x", None).await.unwrap_err().to_string();
        assert!(error.contains("ftp:// is neither"), "{error}");
    }
}
