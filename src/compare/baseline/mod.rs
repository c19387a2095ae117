//! Earlier results of a cluster: where they are kept, the last few of each, and where a side of a comparison is read from.
//!
//! In a folder or in S3 a result is `PLACE/CLUSTER/TIME-RUN.json`; in the cluster it is an entry of a ConfigMap, see [`ring`].

pub mod ring;
mod side;

use self::ring::Ring;
pub use self::side::{needs_s3, read};
use crate::config::{ConfigError, Core};
use crate::place::{Place, PlaceError, S3Access, Shown, Store, folder_of};
use crate::report::read::{self as report, ReadError};
use crate::report::{Format, render};
use crate::result::RunResult;

/// Why a baseline cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The place does not give or take it.
    #[error("{place}: {reason}")]
    Place {
        /// Where.
        place: String,
        /// What is wrong.
        reason: String,
        /// Whether it may go well later, without anybody changing anything here.
        passing: bool,
    },
    /// What is there is no report that can be read.
    #[error("{place}: {source}")]
    Report {
        /// Where.
        place: String,
        /// What is wrong with it.
        source: ReadError,
    },
}

impl From<PlaceError> for BaselineError {
    fn from(error: PlaceError) -> Self {
        Self::Place { place: error.place, reason: error.reason, passing: error.passing }
    }
}

impl BaselineError {
    fn place(place: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Place { place: place.into(), reason: reason.into(), passing: false }
    }
}

/// Where results are kept, by its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    /// A folder, or a prefix in S3.
    In(Place),
    /// A ConfigMap of the cluster that a result is of.
    Ring {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
    },
}

impl Keeping {
    /// What the setting `baselines` says; `None` where nothing is kept.
    pub fn of(core: &Core) -> Result<Option<Self>, ConfigError> {
        let Some(given) = &core.baselines else { return Ok(None) };
        Self::parse(given).map(Some).map_err(|expected| ConfigError::one("baselines", Some(given.clone()), expected))
    }

    /// Reads `configmap://NAMESPACE/NAME`, a folder's path or `s3://BUCKET/PREFIX`. The error completes "should be …".
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.strip_prefix("configmap://") {
            Some(rest) => ring::parse(rest).map(|(namespace, name)| Self::Ring { namespace, name }),
            None => Place::parse(text)
                .map(Self::In)
                .map_err(|expected| format!("{expected}; or configmap://NAMESPACE/NAME")),
        }
    }
}

impl std::fmt::Display for Keeping {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::In(place) => place.fmt(f),
            Self::Ring { namespace, name } => write!(f, "configmap://{namespace}/{name}"),
        }
    }
}

/// The results that are kept.
#[derive(Clone)]
pub struct Baselines {
    keeping: Keeping,
    by: By,
    most: usize,
}

#[derive(Clone)]
enum By {
    Store(Store),
    Ring(Box<Ring>),
}

impl Baselines {
    /// The way to what the setting `baselines` says; `None` where nothing is kept. `client` is that of the cluster whose results are
    /// meant: a ConfigMap lies there. Nothing is asked yet.
    pub async fn of(core: &Core, client: &kube::Client) -> Result<Option<Self>, BaselineError> {
        let keeping = match Keeping::of(core) {
            Ok(Some(keeping)) => keeping,
            Ok(None) => return Ok(None),
            Err(error) => return Err(BaselineError::place("baselines", error.to_string())),
        };
        let by = match &keeping {
            Keeping::In(place) => By::Store(Store::open(place.clone(), &S3Access::of(core)).await?),
            Keeping::Ring { namespace, name } => By::Ring(Box::new(Ring::new(client, namespace, name))),
        };
        Ok(Some(Self { keeping, by, most: core.baselines_kept.max(1) }))
    }

    /// Where they are kept.
    pub fn keeping(&self) -> &Keeping {
        &self.keeping
    }

    /// Proves that results can be kept; what is only out of reach for now is told as a warning.
    pub async fn prove(&self) -> Result<(), BaselineError> {
        let proved = match &self.by {
            By::Store(store) => store.prove().await.map_err(BaselineError::from),
            By::Ring(ring) => ring.prove().await,
        };
        match proved {
            Err(error @ BaselineError::Place { passing: true, .. }) => {
                tracing::warn!("the result may not be kept: {error}");
                Ok(())
            }
            proved => proved,
        }
    }

    /// The last result that was kept of a cluster; `None` where there is none yet.
    pub async fn last(&self, cluster: &str) -> Result<Option<RunResult>, BaselineError> {
        let (place, content) = match &self.by {
            By::Store(store) => {
                let folder = folder_of(cluster);
                let Some(name) = reports(store, &folder).await?.pop() else { return Ok(None) };
                let path = format!("{folder}/{name}");
                (format!("{}/{path}", store.place()), store.read(&path).await?)
            }
            By::Ring(ring) => (self.keeping.to_string(), ring.last(cluster).await?),
        };
        content.map(|content| parsed(place, &content)).transpose()
    }

    /// Keeps a result, and of the cluster's results the last few; where it lies.
    pub async fn keep(&self, result: &RunResult) -> Result<String, BaselineError> {
        let text = render(std::slice::from_ref(result), Format::Json)
            .map_err(|error| BaselineError::place("the result", error.to_string()))?;
        let cluster = folder_of(&result.target.name);
        let store = match &self.by {
            By::Ring(ring) => return ring.keep(&cluster, &stamp(result), text.as_bytes(), self.most).await,
            By::Store(store) => store,
        };
        let path = format!("{cluster}/{}.json", stamp(result));
        let shown = Shown { content_type: Format::Json.about().media_type, changes: false };
        store.write(&path, text.as_bytes(), shown).await?;
        let kept = reports(store, &cluster).await?;
        for old in kept.iter().rev().skip(self.most) {
            store.delete(&format!("{cluster}/{old}")).await?;
        }
        Ok(format!("{}/{path}", store.place()))
    }
}

/// Sorts by the time of the run.
fn stamp(result: &RunResult) -> String {
    // No dot: in a ConfigMap's key the dot ends the cluster's name.
    let run = folder_of(&result.run).replace('.', "_");
    format!("{}-{run}", result.started.strftime("%Y%m%dT%H%M%S%3fZ"))
}

/// The reports of a folder, oldest first.
async fn reports(store: &Store, folder: &str) -> Result<Vec<String>, BaselineError> {
    let mut names = store.list(folder).await?;
    names.retain(|name| is_report(name));
    Ok(names)
}

/// Whether a file is a report by its name.
fn is_report(name: &str) -> bool {
    std::path::Path::new(name).extension().is_some_and(|extension| extension == "json")
}

fn parsed(place: String, content: &[u8]) -> Result<RunResult, BaselineError> {
    report::parse(&String::from_utf8_lossy(content)).map_err(|source| BaselineError::Report { place, source })
}

/// The same where the report may be of several runs.
fn all_parsed(place: String, content: &[u8]) -> Result<Vec<RunResult>, BaselineError> {
    report::parse_all(&String::from_utf8_lossy(content)).map_err(|source| BaselineError::Report { place, source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Sources};
    use crate::report::sample;

    fn at(second: i64) -> RunResult {
        let mut result = sample::all_passed();
        result.started = jiff::Timestamp::from_second(1_795_000_000 + second).unwrap();
        result.run = format!("run{second}");
        result
    }

    async fn baselines(folder: &std::path::Path) -> Baselines {
        let mut sources = Sources::default();
        sources.flag("--set", "", "baselines", folder.to_str().unwrap());
        sources.flag("--set", "", "baselinesKept", "3");
        let core = Config::resolve(&sources, &[]).unwrap().core;
        let (client, _) = crate::cluster::faults::scripted(Vec::new());
        Baselines::of(&core, &client).await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn the_last_few_are_kept_and_the_last_one_found() {
        let folder = tempfile::tempdir().unwrap();
        let kept = baselines(folder.path()).await;
        kept.prove().await.unwrap();
        assert_eq!(kept.last("blue").await.unwrap(), None);
        for second in 0..5 {
            kept.keep(&at(second)).await.unwrap();
        }
        assert_eq!(kept.last("blue").await.unwrap().unwrap().run, "run4");
        let side = folder.path().join("blue");
        let all = read(side.to_str().unwrap(), &S3Access::default()).await.unwrap();
        assert_eq!(all.into_iter().map(|r| r.run).collect::<Vec<_>>(), ["run2", "run3", "run4"]);
        assert_eq!(kept.last("green").await.unwrap(), None, "another cluster's are not ours");
    }

    #[tokio::test]
    async fn a_clusters_name_leads_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut evil = at(1);
        evil.target.name = "../../etc/x".to_owned();
        let path = baselines(folder.path()).await.keep(&evil).await.unwrap();
        let inside = std::path::Path::new(&path).strip_prefix(folder.path()).unwrap();
        let plain = inside.components().all(|part| matches!(part, std::path::Component::Normal(_)));
        assert!(plain && inside.components().count() == 2, "{path}");
    }

    #[test]
    fn keepings_are_read_as_they_are_shown() {
        for text in ["configmap://kibertas/baselines", "s3://reports/baselines", "/srv/baselines"] {
            assert_eq!(Keeping::parse(text).unwrap().to_string(), text);
        }
        for wrong in ["configmap://", "configmap://ns", "configmap://ns/", "configmap://Ns/x", "configmap://a/b/c"] {
            assert!(Keeping::parse(wrong).unwrap_err().starts_with("configmap://NAMESPACE/NAME"), "{wrong}");
        }
        assert!(Keeping::parse("ftp://x").unwrap_err().ends_with("or configmap://NAMESPACE/NAME"));
    }
}
