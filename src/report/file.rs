//! Reports in files: written once all runs are over, whole or not at all.

use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tempfile::NamedTempFile;

use super::format::{Format, UnknownFormat, render};
use super::prometheus;
use crate::event::SinkError;
use crate::result::RunResult;

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Standard output, `-` on the command line. The display has to go elsewhere then.
    Stdout,
    /// A file; one that is there already is replaced.
    File(PathBuf),
}

/// A report that somebody asked for: `FORMAT=PATH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportTarget {
    /// The format.
    pub format: Format,
    /// Where it goes.
    pub destination: Destination,
}

/// What is wrong with a `--report`.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// It has no `=` with something on both sides.
    #[error(
        "{given:?} should be FORMAT=PATH, where FORMAT is one of {} and PATH is a file or - for standard output",
        Format::names()
    )]
    Shape {
        /// As given.
        given: String,
    },
    /// There is no such format.
    #[error(transparent)]
    Format(#[from] UnknownFormat),
    /// A file cannot be written there.
    #[error("{target} cannot be written: {reason}")]
    Unwritable {
        /// The report.
        target: ReportTarget,
        /// Why not.
        reason: String,
    },
    /// Two reports have the same destination.
    #[error("{first} and {second} have the same destination: give each its own")]
    Twice {
        /// The one.
        first: ReportTarget,
        /// The other.
        second: ReportTarget,
    },
}

impl std::fmt::Display for ReportTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.destination {
            Destination::Stdout => write!(f, "{}=-", self.format),
            Destination::File(path) => write!(f, "{}={}", self.format, path.display()),
        }
    }
}

impl FromStr for ReportTarget {
    type Err = TargetError;

    fn from_str(given: &str) -> Result<Self, TargetError> {
        match given.split_once('=') {
            Some((format, path)) if !format.is_empty() && !path.is_empty() => {
                let format = format.parse()?;
                let destination =
                    if path == "-" { Destination::Stdout } else { Destination::File(PathBuf::from(path)) };
                Ok(Self { format, destination })
            }
            _ => Err(TargetError::Shape { given: given.to_owned() }),
        }
    }
}

/// One report, written when all runs are over.
#[derive(Debug)]
pub struct FileReport {
    target: ReportTarget,
}

impl FileReport {
    /// Opens every report before the run starts: its folder is there and takes files, and no two are the same.
    pub fn open_all(targets: Vec<ReportTarget>) -> Result<Vec<Self>, TargetError> {
        for (index, second) in targets.iter().enumerate() {
            if let Some(first) = targets[..index].iter().find(|first| first.destination == second.destination) {
                return Err(TargetError::Twice { first: first.clone(), second: second.clone() });
            }
        }
        targets.into_iter().map(Self::open).collect()
    }

    /// Opens a report, and proves by a file that is created and removed again that it can be written.
    pub fn open(target: ReportTarget) -> Result<Self, TargetError> {
        let unwritable = |reason: String| TargetError::Unwritable { target: target.clone(), reason };
        if let Destination::File(path) = &target.destination {
            if path.is_dir() {
                return Err(unwritable("it is a folder".to_owned()));
            }
            if path.file_name().is_none() {
                return Err(unwritable("it names no file".to_owned()));
            }
            let folder = folder_of(path);
            if !folder.is_dir() {
                return Err(unwritable(format!("the folder {} is not there", folder.display())));
            }
            // Dropped, and with it removed, at once: a run that is killed must not leave it.
            temporary(path).map_err(|error| unwritable(format!("in the folder {}, {error}", folder.display())))?;
        }
        Ok(Self { target })
    }

    /// Where it goes.
    pub fn target(&self) -> &ReportTarget {
        &self.target
    }

    /// Writes the report of these runs, to a file beside its place first, which then takes that place.
    pub fn write(&self, results: &[RunResult]) -> Result<(), SinkError> {
        let failed = |reason: String| SinkError { sink: format!("report {}", self.target), reason };
        let text = match (&self.target.destination, self.target.format) {
            (Destination::File(path), Format::Prometheus) => {
                // What cannot be read, such as a file that is not there yet, has nothing to keep.
                prometheus::render(results, &std::fs::read_to_string(path).unwrap_or_default())
            }
            (_, format) => render(results, format).map_err(|error| failed(error.to_string()))?,
        };
        let written = match &self.target.destination {
            Destination::Stdout => to_stdout(&text),
            Destination::File(path) => to_file(path, &text),
        };
        written.map_err(|error| failed(format!("cannot be written: {error}")))
    }
}

fn to_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// Writes a file whole or not at all.
pub(crate) fn to_file(path: &Path, text: &str) -> io::Result<()> {
    let mut file = temporary(path)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

/// A file beside `path`, so that the move into its place is one step; readable for others as the umask says, since it is meant
/// to be read.
fn temporary(path: &Path) -> io::Result<NamedTempFile> {
    use std::os::unix::fs::PermissionsExt;
    let name = path.file_name().unwrap_or(OsStr::new("report"));
    let mut prefix = OsStr::new(".").to_owned();
    prefix.push(name);
    prefix.push(".");
    tempfile::Builder::new()
        .prefix(&prefix)
        .suffix(".tmp")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder_of(path))
        // The crate names the file that it tried to make, which nobody asked for.
        .map_err(|error| error.kind().into())
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::report::{read, sample};
    use crate::verdict::Verdict;

    fn wrong(given: &str) -> String {
        match given.parse::<ReportTarget>() {
            Ok(target) => FileReport::open(target).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        }
    }

    fn files(folder: &Path) -> Vec<String> {
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn wrong_targets_are_answered_with_what_would_be_right() {
        let shape = "should be FORMAT=PATH, where FORMAT is one of json, junit, html, markdown, prometheus, text";
        for given in ["junit", "=x", "json=", ""] {
            assert!(wrong(given).starts_with(&format!("{given:?} {shape}")), "{}", wrong(given));
        }
        assert!(
            wrong("pdf=x").starts_with("\"pdf\" is no format of reports: should be one of json"),
            "{}",
            wrong("pdf=x")
        );
        assert_eq!(
            wrong("json=/nowhere/x.json"),
            "json=/nowhere/x.json cannot be written: the folder /nowhere is not there"
        );
        assert_eq!(wrong("html=/tmp"), "html=/tmp cannot be written: it is a folder");
        assert_eq!(wrong("html=/proc/x"), "html=/proc/x cannot be written: in the folder /proc, entity not found");
    }

    #[test]
    fn a_path_may_hold_equal_signs() {
        let target: ReportTarget = "xml=a=b.xml".parse().unwrap();
        assert_eq!(target, ReportTarget { format: Format::Junit, destination: Destination::File("a=b.xml".into()) });
        assert_eq!(target.to_string(), "junit=a=b.xml");
        assert_eq!("json=-".parse::<ReportTarget>().unwrap().destination, Destination::Stdout);
    }

    #[test]
    fn two_reports_do_not_share_a_place() {
        let targets = ["json=-", "junit=-"].map(|given| given.parse().unwrap()).into();
        assert_eq!(
            FileReport::open_all(targets).unwrap_err().to_string(),
            "json=- and junit=- have the same destination: give each its own"
        );
    }

    #[test]
    fn opening_leaves_nothing_and_writing_the_report_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.json");
        let target = ReportTarget { format: Format::Json, destination: Destination::File(path.clone()) };
        let reports = FileReport::open_all(vec![target]).unwrap();
        assert!(files(folder.path()).is_empty(), "{:?}", files(folder.path()));
        let results = [sample::every_verdict(), sample::all_passed()];
        reports[0].write(&results).unwrap();
        assert_eq!(files(folder.path()), ["report.json"]);
        assert_eq!(read::read(&path).unwrap(), results);
        assert_ne!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o044, 0, "nobody else can read it");
    }

    #[test]
    fn a_report_that_cannot_be_written_leaves_the_old_one_and_no_scraps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("report.xml");
        std::fs::write(&path, "old").unwrap();
        let target = ReportTarget { format: Format::Junit, destination: Destination::File(path.clone()) };
        let report = FileReport::open(target).unwrap();
        std::fs::remove_file(&path).unwrap();
        // In its place there is a folder now, which no file can replace.
        std::fs::create_dir_all(path.join("inner")).unwrap();
        let error = report.write(&[sample::all_passed()]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("report junit={}: cannot be written: ", path.display())), "{error}");
        assert_eq!(files(folder.path()), ["report.xml"]);
    }

    #[test]
    fn a_file_of_metrics_keeps_the_last_success() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kibertas.prom");
        let report = FileReport::open(format!("prom={}", path.display()).parse().unwrap()).unwrap();
        report.write(&[sample::all_passed()]).unwrap();
        let success = |text: &str| {
            let line =
                text.lines().find(|line| line.starts_with("kibertas_check_last_success") && line.contains("rollouts"));
            line.map(str::to_owned)
        };
        let first = success(&std::fs::read_to_string(&path).unwrap());
        assert!(first.is_some());
        let mut failed = sample::all_passed();
        failed.checks[1].verdict = Verdict::Failed;
        report.write(&[failed]).unwrap();
        assert_eq!(success(&std::fs::read_to_string(&path).unwrap()), first);
    }
}
