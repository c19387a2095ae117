//! Reads a stored JSON report: of this version or an older one, never of one whose meaning is not known.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::result::{RunResult, Runs, SCHEMA, SCHEMA_OF_RUNS};

/// Why a report cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file cannot be read.
    #[error("{} cannot be read: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It is no report of this program.
    #[error("this is no report of kibertas-rs: {reason}")]
    NoReport {
        /// What is wrong with it.
        reason: String,
    },
    /// A later program wrote it, and its fields may mean something else.
    #[error(
        "the report has the schema {found:?}, but this program reads {known:?} only: use the program that wrote it, or a newer one"
    )]
    UnknownVersion {
        /// The schema that the report names.
        found: String,
        /// The one that this program knows.
        known: &'static str,
    },
    /// Several runs where one is wanted.
    #[error("the report is of {0} runs, where that of a single one is wanted")]
    Several(usize),
}

/// Reads the runs of a file, one or several; `-` is standard input.
pub fn read(path: &Path) -> Result<Vec<RunResult>, ReadError> {
    let failed = |error: std::io::Error| ReadError::File { path: path.to_owned(), reason: error.to_string() };
    let text = if path == Path::new("-") {
        std::io::read_to_string(std::io::stdin()).map_err(failed)?
    } else {
        std::fs::read_to_string(path).map_err(failed)?
    };
    parse_all(&text)
}

/// Reads the report of a single run.
pub fn parse(text: &str) -> Result<RunResult, ReadError> {
    let mut runs = parse_all(text)?;
    match (runs.pop(), runs.len()) {
        (Some(run), 0) => Ok(run),
        (_, others) => Err(ReadError::Several(others + 1)),
    }
}

/// Reads a report. Fields that this version does not know are passed over: additions keep the major version.
pub fn parse_all(text: &str) -> Result<Vec<RunResult>, ReadError> {
    #[derive(Deserialize)]
    struct Versioned {
        schema: String,
    }
    let no_report = |error: serde_json::Error| ReadError::NoReport { reason: error.to_string() };
    // The version comes first: what it says decides how the rest is to be understood.
    let Versioned { schema } = serde_json::from_str(text).map_err(no_report)?;
    if schema.starts_with("kibertas-rs/reports/") {
        is_known(&schema, SCHEMA_OF_RUNS)?;
        let Runs { runs, .. } = serde_json::from_str(text).map_err(no_report)?;
        runs.iter().try_for_each(|run| is_known(&run.schema, SCHEMA))?;
        if runs.is_empty() {
            return Err(ReadError::NoReport { reason: "it has no runs".to_owned() });
        }
        return Ok(runs);
    }
    if !schema.starts_with("kibertas-rs/report/") {
        return Err(ReadError::NoReport { reason: format!("its schema is {schema:?}") });
    }
    is_known(&schema, SCHEMA)?;
    Ok(vec![serde_json::from_str(text).map_err(no_report)?])
}

fn is_known(found: &str, known: &'static str) -> Result<(), ReadError> {
    let addition = found.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    if addition { Ok(()) } else { Err(ReadError::UnknownVersion { found: found.to_owned(), known }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::Verdict;

    /// A report of the first version as it was written then. It never changes: stored reports do not, either.
    const FIRST: &str = include_str!("../../tests/fixtures/report-v1.json");

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    #[test]
    fn reports_of_the_first_version_still_read() {
        let result = parse(FIRST).unwrap();
        assert_eq!(result.target.name, "blue");
        assert_eq!(result.checks.len(), 6);
        assert_eq!(result.checks[0].verdict, Verdict::Failed);
        assert_eq!(result.checks[0].broken_step().unwrap().name, "DNS record");
    }

    #[test]
    fn additions_are_passed_over_and_other_major_versions_refused() {
        let later = FIRST.replacen("report/v1\"", "report/v1.3\", \"novelty\": {\"x\": 1}", 1);
        assert_eq!(parse(&later).unwrap().run, "k3f9x2m1ab");
        for other in ["v2", "v10", "v1x"] {
            let text = error(&FIRST.replacen("report/v1\"", &format!("report/{other}\""), 1));
            assert_eq!(
                text,
                format!(
                    "the report has the schema \"kibertas-rs/report/{other}\", but this program reads \
                     \"kibertas-rs/report/v1\" only: use the program that wrote it, or a newer one"
                )
            );
        }
    }

    #[test]
    fn what_is_no_report_is_refused_in_words() {
        assert!(error("").starts_with("this is no report of kibertas-rs: EOF"), "{}", error(""));
        assert_eq!(error("{\"schema\": \"sbom/v1\"}"), "this is no report of kibertas-rs: its schema is \"sbom/v1\"");
        assert!(error("[1]").starts_with("this is no report of kibertas-rs: invalid"), "{}", error("[1]"));
        let cut = &FIRST[..FIRST.len() / 2];
        assert!(error(cut).contains("EOF while parsing"), "{}", error(cut));
        assert!(error("{\"schema\": \"kibertas-rs/report/v1\"}").contains("missing field `version`"));
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let text = read(Path::new("/nowhere/report.json")).unwrap_err().to_string();
        assert!(text.starts_with("/nowhere/report.json cannot be read: No such file"), "{text}");
    }

    #[test]
    fn several_runs_read_as_they_are_and_not_as_one() {
        let both = format!("{{\"schema\": \"kibertas-rs/reports/v1\", \"runs\": [{FIRST}, {FIRST}]}}");
        assert_eq!(parse_all(&both).unwrap().len(), 2);
        assert_eq!(error(&both), "the report is of 2 runs, where that of a single one is wanted");
        let none = "{\"schema\": \"kibertas-rs/reports/v1\", \"runs\": []}";
        assert_eq!(error(none), "this is no report of kibertas-rs: it has no runs");
        let later = both.replacen("reports/v1", "reports/v2", 1);
        assert!(
            error(&later).contains("\"kibertas-rs/reports/v2\", but this program reads \"kibertas-rs/reports/v1\"")
        );
        assert!(error(&both.replacen("report/v1", "report/v2", 1)).contains("reads \"kibertas-rs/report/v1\" only"));
    }
}
