//! `test`: plans, connects, runs, reports.

mod before;
mod ground;
mod repeated;
mod side_by_side;
mod telling;

use std::cell::RefCell;

use console::Term;

use self::before::{Baseline, compared};
use self::ground::{Ground, Prepared};
use self::side_by_side::Runs;
use self::telling::Telling;
use super::UsageError;
use crate::cli::{Global, Output, TestArgs};
use crate::config::Sources;
use crate::exit;
use crate::notify::Audience;
use crate::publish::Publisher;
use crate::redact::Redactor;
use crate::report::{self, Destination, FileReport, Format, ReportTarget, TerminationLog};
use crate::result::RunResult;
use crate::runner::signals::{Interruption, Signals};
use crate::runner::{RunOptions, finish};
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
    // What belongs to no cluster: where reports go, and who is told.
    let common = super::configuration(&sources)?;
    let access = super::access(global);
    let prepared = Prepared::make(&sources, &args, &access).await?;
    let publisher = Publisher::of(&common.core).await?;
    let audience = if args.no_notify { None } else { Some(Audience::of(&sources, &common.core)?) };
    let events = audience.as_ref().and_then(|audience| audience.events().map(str::to_owned));
    let before = Baseline::find(&args, &common)?;
    let (display, reports) = outputs(&args)?;
    let grounds = prepared.connect(&access, &common.core).await?;
    // The last results have to be read before these are kept.
    let reading = grounds.iter().map(|ground| before.read(ground.name(), &common, ground.kept.as_ref()));
    let before = futures::future::try_join_all(reading).await?;
    let secrets = grounds.iter().flat_map(Ground::secrets);
    let redactor = Redactor::new(secrets.chain(audience.iter().flat_map(Audience::secrets)));
    let interruption = Interruption::default();
    // Before anything is created, and before anybody is told that the run has begun.
    let caught = Signals::catch().map_err(|error| UsageError::Flag(format!("cannot listen for signals: {error}")))?;
    let ids = RefCell::new(Vec::new());
    let listening = caught.deliver(interruption.clone(), |number| {
        for id in ids.borrow().iter() {
            eprintln!("second signal: ending at once; remove what is left with: kibertas-rs sweep --run {id}");
        }
        std::process::exit(i32::from(exit::SIGNAL_BASE.saturating_add(number)));
    });
    let runs = Runs {
        grounds: &grounds,
        options: RunOptions { keep: args.keep || global.debug, events },
        redactor: &redactor,
        interruption: &interruption,
        ids: &ids,
    };
    let telling = Telling { grounds: &grounds, publisher: publisher.as_ref(), audience: audience.as_ref() };
    let work = async {
        let mut results: Vec<Vec<RunResult>> = grounds.iter().map(|_| Vec::new()).collect();
        for count in 1..=args.repeat {
            let of_all = runs.execute(report::display(&display)).await;
            let (mut of_all, buses): (Vec<_>, Vec<_>) = of_all.into_iter().unzip();
            // The reports and messages are of one run, the worst; the others are shown, and kept where baselines are.
            let last = count == args.repeat || interruption.signal().is_some();
            if last {
                let runs = of_all.iter().zip(&results);
                let told = runs.map(|(last, earlier)| repeated::to_tell(earlier, last, interruption.signal()));
                let mut told = telling.tell(told.collect(), &buses).await;
                write(&reports, termination_log.as_ref(), &mut told);
                of_all.iter_mut().zip(told).for_each(|(last, told)| repeated::noted(last, told));
            }
            for ((result, bus), kept) in of_all.into_iter().zip(&buses).zip(&mut results) {
                kept.push(finish(bus, result));
            }
            if last {
                break;
            }
        }
        results
    };
    let results = tokio::select! {
        results = work => results,
        () = listening => return Err(UsageError::Flag("signals can no longer be listened for".to_owned())),
    };
    for (ground, results) in grounds.iter().zip(&results) {
        ground.keep(results, &redactor).await;
    }
    let worst = Verdict::worst(results.iter().flatten().map(|result| result.verdict));
    let code = exit::of_run(worst, interruption.signal());
    // The run's own verdict comes first; a pass that is worse than before is none where somebody says so.
    let compared = compared(&before, &results, &args)?;
    Ok(compared.filter(|compared| code == exit::PASSED && *compared == exit::FAILED).unwrap_or(code))
}

/// Where the display goes, and the reports. Where a report goes to standard output, the display goes to standard error.
fn outputs(args: &TestArgs) -> Result<(Term, Vec<FileReport>), UsageError> {
    let mut targets = args.report.clone();
    if args.output == Output::Json {
        targets.push(ReportTarget { format: Format::Json, destination: Destination::Stdout });
    }
    let taken = targets.iter().any(|target| target.destination == Destination::Stdout);
    let term = if taken { Term::stderr() } else { Term::stdout() };
    Ok((term, FileReport::open_all(targets)?))
}

/// Writes the reports. What cannot be written is told with the results' other notes.
fn write(reports: &[FileReport], termination_log: Option<&TerminationLog>, results: &mut [RunResult]) {
    let written = termination_log.map(|log| log.tell(results)).into_iter();
    let written = written.chain(reports.iter().map(|report| report.write(results)));
    let complaints: Vec<String> = written.filter_map(Result::err).map(|error| error.to_string()).collect();
    for complaint in complaints {
        tracing::warn!(error = complaint, "a report could not be written");
        if let Some(first) = results.first_mut() {
            first.notices.push(complaint);
        }
    }
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
