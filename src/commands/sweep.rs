//! `sweep`: removes what killed runs left.

use std::io::Write as _;

use super::UsageError;
use crate::checks;
use crate::cli::{Global, Output, SweepArgs};
use crate::cluster::Access;
use crate::cluster::sweep::{Fate, Swept, Which, sweep};
use crate::exit;

/// Sweeps and tells what became of each leftover.
pub(super) async fn run(global: &Global, args: &SweepArgs) -> Result<u8, UsageError> {
    let config = super::configuration(&super::sources(global)?)?;
    let access = Access { kubeconfig: global.kubeconfig.clone(), context: global.context.clone() };
    let cluster = access.connect(config.core.cluster_name.as_deref()).await?;
    let which = match (&args.run, args.all) {
        (Some(run), _) => Which::Run(run.clone()),
        (None, true) => Which::All,
        (None, false) => Which::Expired,
    };
    let namespace = config.core.resource_namespace.as_deref();
    let budget = config.core.cleanup_timeout;
    let swept = sweep(&cluster.client, checks::ALL, namespace, &which, args.dry_run, budget).await;
    let text = match args.output {
        Output::Human => human(&swept, &cluster.target.name),
        Output::Json => serde_json::to_string_pretty(&swept).map_err(|e| UsageError::Flag(e.to_string()))? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(code(&swept))
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
