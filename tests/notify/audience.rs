//! Who is told what: configurations, and results with texts that a cluster could choose.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use kibertas::config::{Config, ConfigFile, Sources};
use kibertas::notify::delivery::Patience;
use kibertas::notify::{Audience, Told};
use kibertas::report::read;
use kibertas::result::RunResult;
use libtest_mimic::Failed;
use serde_json::Value;

use super::COMMIT;
use super::service::Service;

/// What the cluster might say to whoever reads it in a chat.
pub(crate) const HOSTILE: &str = "[toall] [To:1] <!channel> <@U1> @channel @here </info> [/info] [/code] **bold** [x](http://evil) ``` <script> <at>all</at> \u{1b}[2J";
/// The entry of `notify` for a service at `base`; the Pushgateway has a setting of its own.
pub(crate) fn configuration(service: Service, base: &str, ca_file: Option<&Path>) -> String {
    let own = match service {
        Service::Chatwork => format!("{{service: chatwork, tokenEnv: SECRET, room: 42, site: '{base}'"),
        Service::SlackWebhook => "{service: slack, webhookUrlEnv: SLACK_URL, mention: [here]".to_owned(),
        Service::SlackBot => format!("{{service: slack, tokenEnv: SECRET, channel: C42, apiUrl: '{base}/api'"),
        Service::Teams => "{service: teams, webhookUrlEnv: TEAMS_URL".to_owned(),
        Service::Webhook => "{service: webhook, urlEnv: BASE, secretEnv: SECRET".to_owned(),
        Service::GitHubStatus | Service::GitHubComment => {
            let form = if service == Service::GitHubStatus { "status" } else { "comment" };
            format!(
                "{{service: github, tokenEnv: SECRET, repository: acme/addons, commit: {COMMIT}, apiUrl: '{base}', as: {form}"
            )
        }
        Service::Pushgateway => return format!("pushgateway: '{base}'\nnotifyTimeout: 60s\n"),
    };
    let ca_file = ca_file.map(|path| format!(", caFile: '{}'", path.display())).unwrap_or_default();
    format!("notifyTimeout: 60s\nnotify:\n  - {own}{ca_file}}}\n")
}

pub(crate) fn environment(base: &str, secret: &str) -> BTreeMap<String, String> {
    let pairs = [
        ("SECRET", secret.to_owned()),
        ("BASE", format!("{base}/hook")),
        ("SLACK_URL", format!("{base}/services/{secret}")),
        ("TEAMS_URL", format!("{base}/workflows/{secret}")),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(crate) fn tell(file: &str, env: BTreeMap<String, String>, runs: &[&RunResult]) -> Result<Vec<String>, Failed> {
    tell_within(Duration::from_secs(20), file, env, runs)
}

pub(crate) fn tell_within(
    of_try: Duration,
    file: &str,
    env: BTreeMap<String, String>,
    runs: &[&RunResult],
) -> Result<Vec<String>, Failed> {
    let file = ConfigFile::parse(Path::new("kibertas.yaml"), file)?;
    let mut sources = Sources::default();
    (sources.file, sources.env) = (file, env);
    let core = Config::resolve(&sources, kibertas::checks::ALL)?.core;
    let patience = Patience { of_try, pause: Duration::from_millis(20), tries: 4 };
    let audience = Audience::of(&sources, &core)?.with_patience(patience);
    let told: Vec<Told<'_>> =
        runs.iter().map(|&result| Told { result, before: None, report: None, cluster: None }).collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcomes = runtime.block_on(audience.tell(&told));
    let word = |sent: &Result<Option<u32>, _>| match sent {
        Ok(Some(1)) => "told".to_owned(),
        Ok(Some(tries)) => format!("told after {tries} tries"),
        Ok(None) => "nothing to tell".to_owned(),
        Err(error) => format!("NOT TOLD: {error}"),
    };
    Ok(outcomes.iter().map(|outcome| word(&outcome.sent)).collect())
}

pub(crate) fn result() -> Result<RunResult, Failed> {
    Ok(read::parse(include_str!("../fixtures/report-v1.json"))?)
}

/// The same result with every text that the cluster can choose replaced.
pub(crate) fn saying(text: &str, checks: usize) -> Result<RunResult, Failed> {
    fn spoil(value: &mut Value, text: &str) {
        const OURS: [&str; 6] = ["schema", "started", "verdict", "certainty", "origin", "run"];
        match value {
            Value::String(old) => text.clone_into(old),
            Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, text)),
            Value::Object(map) => {
                let theirs = map.iter_mut().filter(|(key, _)| !OURS.contains(&key.as_str()));
                theirs.for_each(|(_, value)| spoil(value, text));
            }
            _ => {}
        }
    }
    let mut value = serde_json::to_value(result()?)?;
    spoil(&mut value, text);
    let mut result: RunResult = serde_json::from_value(value)?;
    let all = result.checks.clone();
    result.checks = all.into_iter().cycle().take(checks).collect();
    Ok(result)
}
