//! Earlier results of a cluster, kept as files: `FOLDER/CLUSTER/TIME-RUN.json`, the last few of each cluster.

use std::path::{Path, PathBuf};

use crate::report::read::{self, ReadError};
use crate::report::{Destination, FileReport, Format, ReportTarget};
use crate::result::RunResult;

/// Why a baseline cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    /// The folder, or a file in it.
    #[error("{}: {reason}", path.display())]
    Place {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A report in it.
    #[error("{}: {source}", path.display())]
    Report {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: ReadError,
    },
}

/// The results of a file, or of all `.json` files of a folder, oldest first.
pub fn read(path: &Path) -> Result<Vec<RunResult>, BaselineError> {
    let all = |path: &Path| read::read(path).map_err(|source| BaselineError::Report { path: path.to_owned(), source });
    if !path.is_dir() {
        return all(path);
    }
    let results = files(path)?.iter().map(|file| all(file)).collect::<Result<Vec<_>, _>>()?;
    let mut results: Vec<RunResult> = results.into_iter().flatten().collect();
    results.sort_by_key(|result| result.started);
    if results.is_empty() {
        return Err(BaselineError::Place { path: path.to_owned(), reason: "it holds no .json reports".to_owned() });
    }
    Ok(results)
}

/// The last result that was kept of a cluster; `None` where there is none yet.
pub fn last(folder: &Path, cluster: &str) -> Result<Option<RunResult>, BaselineError> {
    let place = folder.join(folder_name(cluster));
    if !place.is_dir() {
        return Ok(None);
    }
    let last = files(&place)?.into_iter().max();
    let Some(path) = last else { return Ok(None) };
    let results = read::read(&path).map_err(|source| BaselineError::Report { path, source })?;
    Ok(results.into_iter().next_back())
}

/// Keeps a result, and of the cluster's results the last `most`.
pub fn keep(folder: &Path, result: &RunResult, most: usize) -> Result<PathBuf, BaselineError> {
    let place = folder.join(folder_name(&result.target.name));
    let wrong = |path: &Path, reason: String| BaselineError::Place { path: path.to_owned(), reason };
    std::fs::create_dir_all(&place).map_err(|error| wrong(&place, error.to_string()))?;
    let name = format!("{}-{}.json", result.started.strftime("%Y%m%dT%H%M%S%.3fZ"), folder_name(&result.run));
    let path = place.join(name);
    let target = ReportTarget { format: Format::Json, destination: Destination::File(path.clone()) };
    let report = FileReport::open(target).map_err(|error| wrong(&path, error.to_string()))?;
    report.write(std::slice::from_ref(result)).map_err(|error| wrong(&path, error.to_string()))?;
    let mut kept = files(&place)?;
    kept.sort();
    for old in kept.iter().rev().skip(most.max(1)) {
        std::fs::remove_file(old).map_err(|error| wrong(old, error.to_string()))?;
    }
    Ok(path)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, BaselineError> {
    let wrong = |error: std::io::Error| BaselineError::Place { path: folder.to_owned(), reason: error.to_string() };
    let entries = std::fs::read_dir(folder).map_err(wrong)?.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    let is_report = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "json")
            && !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
    };
    Ok(entries.into_iter().map(|entry| entry.path()).filter(is_report).collect())
}

/// A cluster's name as a folder's: nothing in it leads elsewhere.
fn folder_name(cluster: &str) -> String {
    let safe: String =
        cluster.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' }).collect();
    if safe.is_empty() { "_".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn at(second: i64) -> RunResult {
        let mut result = sample::all_passed();
        result.started = jiff::Timestamp::from_second(1_795_000_000 + second).unwrap();
        result.run = format!("run{second}");
        result
    }

    #[test]
    fn the_last_few_are_kept_and_the_last_one_found() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last(folder.path(), "blue").unwrap(), None);
        for second in 0..5 {
            keep(folder.path(), &at(second), 3).unwrap();
        }
        assert_eq!(last(folder.path(), "blue").unwrap().unwrap().run, "run4");
        let kept: Vec<String> = read(&folder.path().join("blue")).unwrap().into_iter().map(|r| r.run).collect();
        assert_eq!(kept, ["run2", "run3", "run4"]);
        assert_eq!(last(folder.path(), "green").unwrap(), None, "another cluster's are not ours");
    }

    #[test]
    fn a_clusters_name_leads_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let mut evil = at(1);
        evil.target.name = "../../etc/x".to_owned();
        let path = keep(folder.path(), &evil, 3).unwrap();
        assert!(path.starts_with(folder.path()) && !path.to_string_lossy().contains(".."), "{}", path.display());
    }

    #[test]
    fn an_empty_folder_is_no_side_of_a_comparison() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().ends_with("it holds no .json reports"));
        assert!(read(&folder.path().join("nothing.json")).is_err());
    }
}
