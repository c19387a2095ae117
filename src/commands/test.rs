//! `test`: plans, connects, runs, reports.

mod before;
mod telling;

use std::cell::RefCell;
use std::rc::Rc;

use console::Term;

use self::before::{Baseline, compared_with};
use self::telling::tell;
use super::UsageError;
use crate::checks;
use crate::cli::{Global, Output, TestArgs};
use crate::cluster::sweep::{Fate, Which, sweep};
use crate::cluster::{Access, Cluster, RunId};
use crate::compare::baseline;
use crate::config::{Config, Sources};
use crate::event::{Bus, Event, Sink};
use crate::exit;
use crate::notify::Audience;
use crate::publish::Publisher;
use crate::redact::Redactor;
use crate::report::{self, Destination, FileReport, Format, ReportTarget, TerminationLog};
use crate::result::RunResult;
use crate::runner::signals::{Interruption, Signals};
use crate::runner::{Plan, Run, RunOptions, finish};
use crate::verdict::Verdict;

/// Runs the checks and returns the run's exit code. Whatever is wrong beforehand is told before anything is created.
pub(super) async fn run(global: &Global, args: TestArgs) -> Result<u8, UsageError> {
    let termination_log = TerminationLog::find(args.termination_log.as_deref());
    let outcome = checks(global, args, termination_log.clone()).await;
    if let (Err(error), Some(log)) = (&outcome, termination_log)
        && let Err(unwritten) = log.write(&format!("error: {error}"))
    {
        eprintln!("{unwritten}");
    }
    outcome
}

async fn checks(global: &Global, args: TestArgs, termination_log: Option<TerminationLog>) -> Result<u8, UsageError> {
    let mut sources = super::sources(global)?;
    flags(&mut sources, &args);
    let config = super::configuration(&sources)?;
    let plan = Plan::make(&args.checks, checks::ALL, &config)?;
    let of_ingress = args.no_dns_check || args.ingress_class_name.is_some();
    if of_ingress && !plan.checks.iter().any(|planned| planned.check.about().name == "ingress") {
        let given = if args.no_dns_check { "--no-dns-check" } else { "--ingress-class-name" };
        return Err(UsageError::Flag(format!("{given} is for the check ingress, which is not asked for")));
    }
    let publisher = Publisher::of(&config.core)?;
    let audience = if args.no_notify { None } else { Some(Audience::of(&sources, &config.core)?) };
    let events = audience.as_ref().and_then(|audience| audience.events().map(str::to_owned));
    let before = Baseline::find(&args, &config)?;
    let sinks = sinks(&args, termination_log)?;
    let access = Access { kubeconfig: global.kubeconfig.clone(), context: global.context.clone() };
    let cluster = access.connect(config.core.cluster_name.as_deref()).await?;
    // The last result has to be read before this one is kept.
    let before = before.read(&cluster.target.name)?;
    let secrets = config.checks.values().flat_map(crate::config::Values::secrets);
    let redactor = Redactor::new(secrets.chain(audience.iter().flat_map(Audience::secrets)));
    let interruption = Interruption::default();
    // Before anything is created, and before anybody is told that the run has begun.
    let caught = Signals::catch().map_err(|error| UsageError::Flag(format!("cannot listen for signals: {error}")))?;
    let current = Rc::new(RefCell::new(RunId::random()));
    let now = Rc::clone(&current);
    let listening = caught.deliver(interruption.clone(), move |number| {
        let id = now.borrow();
        eprintln!("second signal: ending at once; remove what is left with: kibertas-rs sweep --run {id}");
        std::process::exit(i32::from(exit::SIGNAL_BASE.saturating_add(number)));
    });
    let work = async {
        let mut results: Vec<RunResult> = Vec::new();
        let mut sinks = Some(sinks);
        for count in 1..=args.repeat {
            // The reports and messages are of the last run; those before it are shown, and kept where baselines are.
            let last = count == args.repeat;
            let display = || vec![report::display(&Term::stderr())];
            let sinks = if last { sinks.take().unwrap_or_default() } else { display() };
            let bus = Rc::new(Bus::new(redactor.clone(), sinks));
            let id = RunId::random();
            current.replace(id.clone());
            let run = Run {
                cluster: &cluster,
                config: &config,
                plan: plan.clone(),
                id,
                options: RunOptions { keep: args.keep || global.debug, events: events.clone() },
                interruption: interruption.clone(),
                bus: Rc::clone(&bus),
            };
            let mut result = tokio::join!(run.execute(), sweep_expired(&cluster, &config, &bus)).0;
            let ended = interruption.signal().is_some();
            if last || ended {
                result = tell(result, &bus, publisher.as_ref(), audience.as_ref(), &cluster).await;
            }
            results.push(finish(&bus, result));
            if ended {
                break;
            }
        }
        results
    };
    let results = tokio::select! {
        results = work => results,
        () = listening => return Err(UsageError::Flag("signals can no longer be listened for".to_owned())),
    };
    if let Some(folder) = &config.core.baselines {
        for result in &results {
            baseline::keep(folder, result, config.core.baselines_kept)?;
        }
    }
    let code = exit::of_run(Verdict::worst(results.iter().map(|result| result.verdict)), interruption.signal());
    // The run's own verdict comes first; a pass that is worse than before is none where somebody says so.
    let compared = compared_with(&before, &results, &args)?;
    Ok(compared.filter(|compared| code == exit::PASSED && *compared == exit::FAILED).unwrap_or(code))
}

/// The display and the reports. Where a report goes to standard output, the display goes to standard error.
fn sinks(args: &TestArgs, termination_log: Option<TerminationLog>) -> Result<Vec<Box<dyn Sink>>, UsageError> {
    let mut targets = args.report.clone();
    if args.output == Output::Json {
        targets.push(ReportTarget { format: Format::Json, destination: Destination::Stdout });
    }
    let taken = targets.iter().any(|target| target.destination == Destination::Stdout);
    let term = if taken { Term::stderr() } else { Term::stdout() };
    let reports = FileReport::open_all(targets)?.into_iter().map(|report| Box::new(report) as Box<dyn Sink>);
    let log = termination_log.map(|log| Box::new(log) as Box<dyn Sink>);
    Ok(std::iter::once(report::display(&term)).chain(log).chain(reports).collect())
}

/// The flags that are settings.
fn flags(sources: &mut Sources, args: &TestArgs) {
    if let Some(image) = &args.image {
        sources.flag("--image", "", "image", image);
    }
    if let Some(place) = &args.publish {
        sources.flag("--publish", "", "publish", place);
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
