//! What a run is compared with: an earlier result of the same cluster.

use std::path::Path;

use crate::cli::TestArgs;
use crate::commands::{UsageError, compare as stored};
use crate::compare::{self, Comparison, baseline};
use crate::config::Config;
use crate::exit;
use crate::report;
use crate::result::RunResult;

/// What a run is compared with.
pub(super) enum Baseline<'a> {
    None,
    Last(&'a Path),
    At(&'a Path),
}

impl<'a> Baseline<'a> {
    /// What the flags and the configuration say.
    pub(super) fn find(args: &'a TestArgs, config: &'a Config) -> Result<Self, UsageError> {
        match args.baseline.as_deref() {
            None if args.fail_on_regression.is_some() && !args.compare => {
                let text = "--fail-on-regression needs something to compare with: --baseline last|PATH or --compare";
                Err(UsageError::Flag(text.to_owned()))
            }
            None => Ok(Self::None),
            Some("last") => match &config.core.baselines {
                Some(folder) => Ok(Self::Last(folder)),
                None => Err(UsageError::Flag(
                    "--baseline last needs the folder of baselines: baselines (KIBERTAS_BASELINES)".to_owned(),
                )),
            },
            Some(path) => Ok(Self::At(Path::new(path))),
        }
    }

    /// The results; none where none was kept yet, which is told.
    pub(super) fn read(&self, cluster: &str) -> Result<Vec<RunResult>, UsageError> {
        match self {
            Self::None => Ok(Vec::new()),
            Self::At(path) => Ok(baseline::read(path)?),
            Self::Last(folder) => {
                let last = baseline::last(folder, cluster)?;
                if last.is_none() {
                    eprintln!(
                        "no result of {cluster} is kept in {} yet: there is nothing to compare with",
                        folder.display()
                    );
                }
                Ok(last.into_iter().collect())
            }
        }
    }
}

/// Shows how each cluster's results compare with those before, and, where that is asked for, how the other clusters' compare with the
/// first one's; the exit code of the worst comparison.
pub(super) fn compared(
    before: &[Vec<RunResult>],
    results: &[Vec<RunResult>],
    args: &TestArgs,
) -> Result<Option<u8>, UsageError> {
    let mut sides: Vec<(&[RunResult], &[RunResult])> =
        before.iter().zip(results).map(|(before, now)| (before.as_slice(), now.as_slice())).collect();
    if let (true, Some((first, others))) = (args.compare, results.split_first()) {
        sides.extend(others.iter().map(|other| (first.as_slice(), other.as_slice())));
    }
    let mut codes = Vec::new();
    for (a, b) in sides.into_iter().filter(|(a, b)| !a.is_empty() && !b.is_empty()) {
        let comparison = Comparison::of(a, b).map_err(|error| UsageError::Flag(error.to_string()))?;
        let colours = report::wants_colours(console::Term::stderr().is_term(), |name| std::env::var(name).ok());
        eprint!("\n{}", compare::terminal(&comparison, colours));
        codes.push(stored::verdict(&comparison, args.fail_on_regression));
    }
    let worst = [exit::FAILED, exit::NOTHING_RAN].into_iter().find(|code| codes.contains(code));
    Ok(worst.or_else(|| codes.first().copied()))
}
