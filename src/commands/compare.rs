//! `compare`: two sides of stored reports, step by step.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use super::{UsageError, json};
use crate::cli::Global;
use crate::cli::compare::{CompareArgs, ComparisonFormat};
use crate::compare::{self, Comparison, baseline};
use crate::config::Config;
use crate::exit;
use crate::place::S3Access;
use crate::report::wants_colours;
use crate::result::RunResult;

/// Reads both sides, writes the comparison, and answers by what is worse.
pub(super) async fn run(global: &Global, args: &CompareArgs) -> Result<u8, UsageError> {
    // A comparison of files needs no configuration, so a wrong one does not stop it.
    let access = if std::iter::once(&args.a).chain(&args.b).any(|side| baseline::needs_s3(side)) {
        S3Access::of(&Config::of_harness(&super::sources(global)?)?)
    } else {
        S3Access::default()
    };
    let a = baseline::read(&args.a, &access).await?;
    let (a, b) = match &args.b {
        Some(b) => (a, baseline::read(b, &access).await?),
        None => both(&args.a, a)?,
    };
    let comparison = Comparison::of(&a, &b).map_err(|error| UsageError::Flag(error.to_string()))?;
    let to_stdout = args.out == Path::new("-");
    let text = match args.to {
        ComparisonFormat::Terminal => {
            let colours = wants_colours(to_stdout && std::io::stdout().is_terminal(), |name| std::env::var(name).ok());
            compare::terminal(&comparison, colours)
        }
        ComparisonFormat::Markdown => compare::markdown(&comparison),
        ComparisonFormat::Html => compare::html(&comparison),
        ComparisonFormat::Json => json(&comparison)?,
    };
    if to_stdout {
        std::io::stdout().write_all(text.as_bytes())?;
    } else {
        crate::report::write_whole(&args.out, &text)
            .map_err(|error| UsageError::Flag(format!("{} cannot be written: {error}", args.out.display())))?;
    }
    Ok(verdict(&comparison, args.fail_on_regression))
}

/// The two sides that one report of several clusters holds.
fn both(place: &str, all: Vec<RunResult>) -> Result<(Vec<RunResult>, Vec<RunResult>), UsageError> {
    let mut names: Vec<&str> = Vec::new();
    for run in &all {
        if !names.contains(&run.target.name.as_str()) {
            names.push(&run.target.name);
        }
    }
    let [first, _] = names.as_slice() else {
        let found = format!("{place} holds the results of {}", names.join(", "));
        return Err(UsageError::Flag(format!("{found}: give another report to compare with, or one of two clusters")));
    };
    let first = (*first).to_owned();
    Ok(all.into_iter().partition(|run| run.target.name == first))
}

/// Tells what is worse, and answers with the exit code.
pub(super) fn verdict(comparison: &Comparison, fail_on: Option<u64>) -> u8 {
    if !comparison.is_telling() {
        eprintln!("nothing to compare: no check ran on both sides");
        return exit::NOTHING_RAN;
    }
    let Some(percent) = fail_on else { return exit::PASSED };
    let worse = comparison.regressions(percent);
    for line in &worse {
        eprintln!("regression: {}", crate::report::printable::one_line(line));
    }
    if worse.is_empty() { exit::PASSED } else { exit::FAILED }
}
