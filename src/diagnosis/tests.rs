//! Every cause against its fixtures: what was really seen, and what has to be said about it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::causes::{self, AREAS, Cause};
use super::conclude;
use super::evidence::Evidence;
use crate::failure::{Certainty, Failure, Origin};

/// A failure with its evidence, and what has to be said about it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Fixture {
    source: Source,
    /// How it was made, or where its wording stands.
    made: String,
    /// Absent where no cause may be named.
    expect: Option<Expected>,
    failure: Failure,
    #[serde(default)]
    evidence: Evidence,
}

#[derive(Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Source {
    /// Recorded from a cluster.
    Real,
    /// Written by hand in the words of the controller's source.
    Documented,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    id: String,
    certainty: Certainty,
    origin: Origin,
    /// The cause's whole sentence.
    says: String,
    /// The first command.
    next: String,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/diagnosis/fixtures")
}

fn fixtures() -> Vec<(String, Fixture)> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|e| e == "yaml")).collect();
    files.sort();
    let read = |path: PathBuf| {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let fixture = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, fixture)
    };
    files.into_iter().map(read).collect()
}

fn all_causes() -> impl Iterator<Item = &'static Cause> {
    AREAS.iter().flat_map(|area| area.causes)
}

#[test]
fn every_fixture_is_explained_as_it_should_be() {
    let mut wrong = Vec::new();
    for (name, fixture) in fixtures() {
        let found = causes::find(&fixture.failure, &fixture.evidence);
        let concluded = conclude(fixture.failure.clone(), &fixture.evidence);
        match (&fixture.expect, found.first(), &concluded.cause) {
            (None, None, None) => {}
            (Some(expected), Some(best), Some(cause)) => {
                let next = concluded.next.first().map(String::as_str).unwrap_or_default();
                let right = best.cause.id == expected.id
                    && (cause.certainty, cause.origin) == (expected.certainty, expected.origin)
                    && cause.text == expected.says
                    && next == expected.next;
                if !right {
                    wrong.push(format!("{name}: {} {cause:?} next {next:?}, expected {expected:?}", best.cause.id));
                }
            }
            (expected, best, _) => {
                wrong.push(format!("{name}: found {:?}, expected {expected:?}", best.map(|best| best.cause.id)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn causes_have_fixtures_and_names_of_their_own() {
    let ids: Vec<&str> = all_causes().map(|cause| cause.id).collect();
    let unique: BTreeSet<&str> = ids.iter().copied().collect();
    assert_eq!(ids.len(), unique.len(), "two causes have the same id");
    assert!(ids.len() >= 40, "{} causes", ids.len());
    let shown: BTreeSet<String> = fixtures().into_iter().filter_map(|(_, f)| f.expect.map(|e| e.id)).collect();
    let missing: Vec<_> = unique.iter().filter(|id| !shown.contains(**id)).collect();
    assert!(missing.is_empty(), "no fixture shows {missing:?}");
}

#[test]
fn a_fixture_says_where_it_comes_from() {
    for (name, fixture) in fixtures() {
        assert!(!fixture.made.trim().is_empty(), "{name}");
        let has_source = fixture.made.contains("https://") || fixture.made.contains('/');
        assert!(fixture.source == Source::Real || has_source, "{name}: a documented wording names its document");
    }
}

#[test]
fn what_is_shown_is_bounded_and_harmless() {
    let harmless = |text: &str| !text.chars().any(char::is_control);
    for (name, fixture) in fixtures() {
        let concluded = conclude(fixture.failure, &fixture.evidence);
        let lines = concluded.details.iter().flat_map(|detail| &detail.lines);
        for line in lines.chain(&concluded.next).chain(concluded.cause.as_ref().map(|cause| &cause.text)) {
            assert!(harmless(line) && line.chars().count() <= 600, "{name}: {line:?}");
        }
        assert!(concluded.details.iter().all(|detail| detail.lines.len() <= 20), "{name}");
        assert!(concluded.next.len() <= 4, "{name}");
    }
}

/// What is concluded where the check itself named a cause, and what was gathered is certain.
fn concluded_with_a_named_cause(certainty: Certainty) -> Failure {
    let (_, fixture) = fixtures().into_iter().find(|(name, _)| name == "quota-exceeded").unwrap();
    let failure = fixture.failure.because(certainty, Origin::Harness, "what the check says").next("its command");
    conclude(failure, &fixture.evidence)
}

#[test]
fn a_cause_that_the_check_is_sure_of_stays() {
    let concluded = concluded_with_a_named_cause(Certainty::Certain);
    assert_eq!(concluded.cause.unwrap().text, "what the check says");
    assert_eq!(concluded.next, ["its command"]);
    let titles: Vec<_> = concluded.details.iter().map(|detail| detail.title.as_str()).collect();
    assert!(titles.iter().any(|title| title.starts_with("events")), "{titles:?}");
}

#[test]
fn what_the_cluster_says_for_certain_goes_before_a_guess_of_the_check() {
    let concluded = concluded_with_a_named_cause(Certainty::Possible);
    let cause = concluded.cause.unwrap();
    assert_eq!(cause.certainty, Certainty::Certain);
    assert!(cause.text.contains("ResourceQuota small"), "{}", cause.text);
    assert_eq!(concluded.next.last().unwrap(), "its command");
}

#[test]
fn the_documentation_lists_the_causes_of_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/causes.md");
    let expected = documentation();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/causes.md is not what the table says; write it anew: UPDATE_DOCS=1 cargo test -p kibertas-rs --lib diagnosis"
    );
}

fn documentation() -> String {
    let mut text = String::from(
        "# Causes that are recognised\n\n\
         When a step fails, kibertas-rs reads what the cluster says about it and looks for these causes. The surest is named; of\n\
         equally sure ones the earlier in this list. Where none fits, none is named, and the report shows the evidence alone.\n\
         `certain`: the cluster itself says so; `likely`: what was seen fits this and hardly anything else; `possible`: one of several\n\
         explanations. The fault is the `cluster`'s, the `harness`'s own (its permissions, its configuration) or `outside` of both.\n\n\
         Written from the table in `src/diagnosis/causes`: `UPDATE_DOCS=1 cargo test -p kibertas-rs --lib diagnosis`\n",
    );
    for area in AREAS {
        let _ = write!(
            text,
            "\n## {}\n\n| cause | what is wrong | recognised by | how sure | whose fault |\n|---|---|---|---|---|\n",
            area.name
        );
        for cause in area.causes {
            let word = |value: serde_json::Value| value.as_str().unwrap_or_default().to_owned();
            let _ = writeln!(
                text,
                "| `{}` | {} | {} | {} | {} |",
                cause.id,
                cause.about,
                cause.sign,
                word(serde_json::to_value(cause.certainty).unwrap()),
                word(serde_json::to_value(cause.origin).unwrap())
            );
        }
    }
    text
}
