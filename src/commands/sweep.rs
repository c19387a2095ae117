//! `sweep`: removes what killed runs left.

use std::io::Write as _;

use serde::Serialize;

use super::{UsageError, json};
use crate::checks;
use crate::cli::{Global, Output, SweepArgs};
use crate::cluster::sweep::{Fate, Swept, Which, sweep};
use crate::config::Config;
use crate::exit;
use crate::targets;

/// What became of the leftovers of one cluster of several.
#[derive(Serialize)]
struct OfCluster<'a> {
    cluster: &'a str,
    #[serde(flatten)]
    swept: &'a Swept,
}

/// Sweeps every cluster that is meant, and tells what became of each leftover.
pub(super) async fn run(global: &Global, args: &SweepArgs) -> Result<u8, UsageError> {
    let sources = super::sources(global)?;
    let access = super::access(global);
    let which = match (&args.run, args.all) {
        (Some(run), _) => Which::Run(run.clone()),
        (None, true) => Which::All,
        (None, false) => Which::Expired,
    };
    let targets = targets::choose(&sources, &args.targets.target, &access, true)?;
    let mut all: Vec<(String, Swept)> = Vec::new();
    for target in targets::resolve(targets, &access).await? {
        let core = Config::of_harness(&sources.of_target(target.overlay.clone()))?;
        let cluster = target.connect(&access, core.cluster_name.as_deref()).await?;
        let namespace = core.resource_namespace.as_deref();
        let budget = core.cleanup_timeout;
        let swept = sweep(&cluster.client, checks::ALL, namespace, &which, args.dry_run, budget).await;
        all.push((cluster.target.name, swept));
    }
    let text = match (args.output, all.as_slice()) {
        (Output::Human, all) => all.iter().map(|(name, swept)| human(swept, name)).collect(),
        (Output::Json, [(_, swept)]) => json(swept)?,
        (Output::Json, several) => {
            json(&several.iter().map(|(cluster, swept)| OfCluster { cluster, swept }).collect::<Vec<_>>())?
        }
    };
    std::io::stdout().write_all(text.as_bytes())?;
    let codes: Vec<u8> = all.iter().map(|(_, swept)| code(swept)).collect();
    let worst = [exit::FAILED, exit::INCONCLUSIVE].into_iter().find(|code| codes.contains(code));
    Ok(worst.unwrap_or(exit::PASSED))
}

/// Left behind is failed; not to be seen is inconclusive.
fn code(swept: &Swept) -> u8 {
    if swept.leftovers.iter().any(|leftover| matches!(leftover.fate, Fate::Stuck(_))) {
        exit::FAILED
    } else if swept.unreadable.is_empty() {
        exit::PASSED
    } else {
        exit::INCONCLUSIVE
    }
}

fn human(swept: &Swept, cluster: &str) -> String {
    let mut lines = vec![format!("cluster {cluster}")];
    for leftover in &swept.leftovers {
        let fate = match &leftover.fate {
            Fate::Removed => "removed".to_owned(),
            Fate::WouldBeRemoved => "would be removed".to_owned(),
            Fate::Alive(until) => {
                format!("left alone: its run may live until {until} (--run {} removes it)", leftover.run)
            }
            Fate::Stuck(why) => format!("STUCK: {}", why.join("; ")),
        };
        lines.push(format!("  {} (run {}, check {}): {fate}", leftover.object, leftover.run, leftover.check));
    }
    if swept.leftovers.is_empty() {
        lines.push("  nothing is left of any run".to_owned());
    }
    for (kind, why) in &swept.unreadable {
        lines.push(format!("  cannot look for {kind}: {why}"));
    }
    lines.join("\n") + "\n"
}
