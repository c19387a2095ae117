//! `compare`: two sides of stored reports, step by step.

use std::io::{IsTerminal as _, Write as _};
use std::path::Path;

use super::UsageError;
use crate::cli::Global;
use crate::cli::compare::{CompareArgs, ComparisonFormat};
use crate::compare::{self, Comparison, baseline};
use crate::exit;
use crate::place::S3Access;
use crate::report::wants_colours;

/// Reads both sides, writes the comparison, and answers by what is worse.
pub(super) async fn run(global: &Global, args: &CompareArgs) -> Result<u8, UsageError> {
    // A comparison of files needs no configuration, so a wrong one does not stop it.
    let access = if baseline::needs_s3(&args.a) || baseline::needs_s3(&args.b) {
        S3Access::of(&super::configuration(&super::sources(global)?)?.core)
    } else {
        S3Access::default()
    };
    let (a, b) = (baseline::read(&args.a, &access).await?, baseline::read(&args.b, &access).await?);
    let comparison = Comparison::of(&a, &b).map_err(|error| UsageError::Flag(error.to_string()))?;
    let to_stdout = args.out == Path::new("-");
    let text = match args.to {
        ComparisonFormat::Terminal => {
            let colours = wants_colours(to_stdout && std::io::stdout().is_terminal(), |name| std::env::var(name).ok());
            compare::terminal(&comparison, colours)
        }
        ComparisonFormat::Markdown => compare::markdown(&comparison),
        ComparisonFormat::Html => compare::html(&comparison),
        ComparisonFormat::Json => {
            serde_json::to_string_pretty(&comparison).map_err(|error| UsageError::Flag(error.to_string()))? + "\n"
        }
    };
    if to_stdout {
        std::io::stdout().write_all(text.as_bytes())?;
    } else {
        crate::report::write_whole(&args.out, &text)
            .map_err(|error| UsageError::Flag(format!("{} cannot be written: {error}", args.out.display())))?;
    }
    Ok(verdict(&comparison, args.fail_on_regression))
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
