//! What a run is compared with: an earlier result of the same cluster.

use crate::cli::TestArgs;
use crate::commands::{UsageError, compare as stored};
use crate::compare::baseline::{self, Baselines, Keeping};
use crate::compare::{self, Comparison};
use crate::config::Config;
use crate::exit;
use crate::place::S3Access;
use crate::report;
use crate::result::RunResult;

/// What a run is compared with.
pub(super) enum Baseline<'a> {
    None,
    Last,
    At(&'a str),
}

impl<'a> Baseline<'a> {
    /// What the flags and the configuration say.
    pub(super) fn find(args: &'a TestArgs, config: &'a Config) -> Result<Self, UsageError> {
        let keeping = Keeping::of(&config.core)?;
        match args.baseline.as_deref() {
            None if args.fail_on_regression.is_some() && !args.compare => {
                let text = "--fail-on-regression needs something to compare with: --baseline last|PLACE or --compare";
                Err(UsageError::Flag(text.to_owned()))
            }
            None => Ok(Self::None),
            Some("last") if keeping.is_none() => {
                Err(UsageError::Flag("--baseline last needs the setting baselines (KIBERTAS_BASELINES)".to_owned()))
            }
            Some("last") => Ok(Self::Last),
            Some(place) => Ok(Self::At(place)),
        }
    }

    /// The results; none where none was kept yet, which is told.
    pub(super) async fn read(
        &self,
        cluster: &str,
        config: &Config,
        kept: Option<&Baselines>,
    ) -> Result<Vec<RunResult>, UsageError> {
        match (self, kept) {
            (Self::At(place), _) => Ok(baseline::read(place, &S3Access::of(&config.core)).await?),
            (Self::Last, Some(kept)) => {
                let last = kept.last(cluster).await?;
                if last.is_none() {
                    eprintln!(
                        "no result of {cluster} is kept in {} yet: there is nothing to compare with",
                        kept.keeping()
                    );
                }
                Ok(last.into_iter().collect())
            }
            (Self::None | Self::Last, _) => Ok(Vec::new()),
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
