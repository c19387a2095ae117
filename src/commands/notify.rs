//! `notify test` and `notify send`: messages without a run.

use std::io::Write as _;

use super::UsageError;
use crate::cli::{Global, NotifyCommand};
use crate::exit;
use crate::notify::{Audience, Outcome, Told, sample};
use crate::redact::Redactor;
use crate::report::read;
use crate::result::RunResult;

/// Sends to everybody, and says what became of each message; exit code 1 where one did not arrive.
pub(super) async fn run(global: &Global, command: NotifyCommand) -> Result<u8, UsageError> {
    let sources = super::sources(global)?;
    let config = super::configuration(&sources)?;
    let audience = Audience::of(&sources, &config.core)?;
    let (runs, audience) = match command {
        NotifyCommand::Test => {
            let cluster = config.core.cluster_name.as_deref().unwrap_or("sample");
            // Metrics of a run that never was would be taken for real ones.
            (vec![sample::run(cluster)], audience.of_everything().without_metrics())
        }
        NotifyCommand::Send(args) => {
            let runs = args.files.iter().map(|file| read::read(file)).collect::<Result<Vec<_>, _>>()?;
            (runs.into_iter().flatten().collect(), audience)
        }
    };
    if audience.is_empty() {
        return Err(UsageError::Flag(
            "nobody is to be told: give notify in the configuration file, or CHATWORK_API_TOKEN and CHATWORK_ROOM_ID in \
             the environment (docs/notifications.md)"
                .to_owned(),
        ));
    }
    let client = match audience.events() {
        Some(_) => Some(super::access(global).connect(config.core.cluster_name.as_deref()).await?.client),
        None => None,
    };
    let redactor = Redactor::new(config.secrets().chain(audience.secrets()));
    let runs: Vec<RunResult> = runs.into_iter().map(|run| redactor.clean(run)).collect();
    let told: Vec<Told<'_>> =
        runs.iter().map(|result| Told { result, before: None, report: None, cluster: client.as_ref() }).collect();
    let outcomes = audience.tell(&told).await;
    let lines: String = outcomes.iter().map(line).collect();
    std::io::stdout().write_all(redactor.clean_text(&lines).as_bytes())?;
    Ok(if outcomes.iter().all(|outcome| outcome.sent.is_ok()) { exit::PASSED } else { exit::FAILED })
}

fn line(outcome: &Outcome) -> String {
    let to = &outcome.to;
    match &outcome.sent {
        Ok(Some(1)) => format!("OK {to}\n"),
        Ok(Some(tries)) => format!("OK {to}, after {tries} tries\n"),
        Ok(None) => format!("-- {to}: nothing to tell\n"),
        Err(error) => format!("NG {to}: {error}\n"),
    }
}
