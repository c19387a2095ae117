//! What a run is compared with: an earlier result of the same cluster.

use std::path::Path;

use crate::cli::TestArgs;
use crate::commands::{UsageError, compare as compared};
use crate::compare::{self, Comparison, baseline};
use crate::config::Config;
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
            None if args.fail_on_regression.is_some() => {
                Err(UsageError::Flag("--fail-on-regression needs --baseline last|PATH to compare with".to_owned()))
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

/// Shows how the results compare with those before; the exit code of the comparison.
pub(super) fn compared_with(
    before: &[RunResult],
    results: &[RunResult],
    args: &TestArgs,
) -> Result<Option<u8>, UsageError> {
    if before.is_empty() || results.is_empty() {
        return Ok(None);
    }
    let comparison = Comparison::of(before, results).map_err(|error| UsageError::Flag(error.to_string()))?;
    let colours = report::wants_colours(console::Term::stderr().is_term(), |name| std::env::var(name).ok());
    eprint!("\n{}", compare::terminal(&comparison, colours));
    Ok(Some(compared::verdict(&comparison, args.fail_on_regression)))
}
