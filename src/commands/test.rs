//! `test`: plans, connects, runs, reports.

use std::path::Path;
use std::rc::Rc;

use console::Term;

use super::UsageError;
use crate::checks;
use crate::cli::{Global, Output, TestArgs};
use crate::cluster::sweep::{Fate, Which, sweep};
use crate::cluster::{Access, Cluster, RunId};
use crate::compare::{self, Comparison, baseline};
use crate::config::{Config, Sources};
use crate::event::{Bus, Event, Sink};
use crate::exit;
use crate::redact::Redactor;
use crate::report::{self, Destination, FileReport, Format, ReportTarget};
use crate::result::RunResult;
use crate::runner::signals::{self, Interruption};
use crate::runner::{Plan, Run, RunOptions};
use crate::verdict::Verdict;

/// Runs the checks and returns the run's exit code. Whatever is wrong beforehand is told before anything is created.
pub(super) async fn run(global: &Global, args: TestArgs) -> Result<u8, UsageError> {
    let mut sources = super::sources(global)?;
    flags(&mut sources, &args);
    let config = super::configuration(&sources)?;
    let plan = Plan::make(&args.checks, checks::ALL, &config)?;
    let of_ingress = args.no_dns_check || args.ingress_class_name.is_some();
    if of_ingress && !plan.checks.iter().any(|planned| planned.check.about().name == "ingress") {
        let given = if args.no_dns_check { "--no-dns-check" } else { "--ingress-class-name" };
        return Err(UsageError::Flag(format!("{given} is for the check ingress, which is not asked for")));
    }
    let before = Baseline::find(&args, &config)?;
    let sinks = sinks(&args)?;
    let access = Access { kubeconfig: global.kubeconfig.clone(), context: global.context.clone() };
    let cluster = access.connect(config.core.cluster_name.as_deref()).await?;
    // The last result has to be read before this one is kept.
    let before = before.read(&cluster.target.name)?;
    let redactor = Redactor::new(config.checks.values().flat_map(crate::config::Values::secrets));
    let interruption = Interruption::default();
    let listening = signals::listen(interruption.clone(), |number| {
        eprintln!("second signal: ending at once; remove what is left with: kibertas-rs sweep");
        std::process::exit(i32::from(exit::SIGNAL_BASE.saturating_add(number)));
    });
    let work = async {
        let mut results: Vec<RunResult> = Vec::new();
        let mut sinks = Some(sinks);
        for count in 1..=args.repeat {
            // The reports are of the last run; those before it are told, and kept where baselines are.
            let last = count == args.repeat;
            let display = || vec![report::display(&Term::stderr())];
            let bus =
                Rc::new(Bus::new(redactor.clone(), if last { sinks.take().unwrap_or_default() } else { display() }));
            let run = Run {
                cluster: &cluster,
                config: &config,
                plan: plan.clone(),
                id: RunId::random(),
                options: RunOptions { keep: args.keep || global.debug },
                interruption: interruption.clone(),
                bus: Rc::clone(&bus),
            };
            results.push(tokio::join!(run.execute(), sweep_expired(&cluster, &config, &bus)).0);
            if interruption.signal().is_some() {
                break;
            }
        }
        results
    };
    let results = tokio::select! {
        results = work => results,
        Err(error) = listening => return Err(UsageError::Flag(format!("cannot listen for signals: {error}"))),
    };
    if let Some(folder) = &config.core.baselines {
        for result in &results {
            baseline::keep(folder, result, config.core.baselines_kept)?;
        }
    }
    let verdict = Verdict::worst(results.iter().map(|result| result.verdict));
    let code = exit::of_run(verdict, interruption.signal());
    if before.is_empty() || results.is_empty() {
        return Ok(code);
    }
    let comparison = Comparison::of(&before, &results).map_err(|error| UsageError::Flag(error.to_string()))?;
    let colours = report::wants_colours(Term::stderr().is_term(), |name| std::env::var(name).ok());
    eprint!("\n{}", compare::terminal(&comparison, colours));
    let compared = super::compare::verdict(&comparison, args.fail_on_regression);
    // The run's own verdict comes first; a pass that is worse than before is none where somebody says so.
    Ok(if code == exit::PASSED && compared == exit::FAILED { compared } else { code })
}

/// What a run is compared with.
enum Baseline<'a> {
    None,
    Last(&'a Path),
    At(&'a Path),
}

impl<'a> Baseline<'a> {
    fn find(args: &'a TestArgs, config: &'a Config) -> Result<Self, UsageError> {
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
    fn read(&self, cluster: &str) -> Result<Vec<RunResult>, UsageError> {
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

/// The display and the reports. Where a report goes to standard output, the display goes to standard error.
fn sinks(args: &TestArgs) -> Result<Vec<Box<dyn Sink>>, UsageError> {
    let mut targets = args.report.clone();
    if args.output == Output::Json {
        targets.push(ReportTarget { format: Format::Json, destination: Destination::Stdout });
    }
    let taken = targets.iter().any(|target| target.destination == Destination::Stdout);
    let term = if taken { Term::stderr() } else { Term::stdout() };
    let reports = FileReport::open_all(targets)?.into_iter().map(|report| Box::new(report) as Box<dyn Sink>);
    Ok(std::iter::once(report::display(&term)).chain(reports).collect())
}

/// The flags that are settings.
fn flags(sources: &mut Sources, args: &TestArgs) {
    if let Some(image) = &args.image {
        sources.flag("--image", "", "image", image);
    }
    if args.no_dns_check {
        sources.flag("--no-dns-check", "ingress", "dnsCheck", "false");
    }
    if let Some(class) = &args.ingress_class_name {
        sources.flag("--ingress-class-name", "ingress", "class", class);
    }
}

/// Removes what killed runs left, beside the checks. What may not be listed is simply not swept.
async fn sweep_expired(cluster: &Cluster, config: &Config, bus: &Bus) {
    let namespace = config.core.resource_namespace.as_deref();
    let kinds = if namespace.is_some() { checks::ALL } else { &[] };
    let budget = config.core.cleanup_timeout;
    let swept = sweep(&cluster.client, kinds, namespace, &Which::Expired, false, budget).await;
    for leftover in swept.leftovers {
        match leftover.fate {
            Fate::Removed => bus.emit(Event::Notice {
                text: format!("removed {}, left by run {} which was killed", leftover.object, leftover.run),
            }),
            Fate::Stuck(why) => bus.emit(Event::Notice {
                text: format!(
                    "{} is left by run {} and cannot be removed: {}",
                    leftover.object,
                    leftover.run,
                    why.join("; ")
                ),
            }),
            Fate::Alive(_) | Fate::WouldBeRemoved => {}
        }
    }
}
