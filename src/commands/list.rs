//! `list`: the checks as they declare themselves.

use std::fmt::Write as _;
use std::io::Write as _;

use serde::Serialize;

use super::{UsageError, json};
use crate::check::{Check, EVENTS_GRANT, Grant, Scope, all_grants};
use crate::checks;
use crate::cli::{ListArgs, ListOutput};
use crate::compare::baseline::ring::GRANTS;
use crate::config::{Config, Setting, Sources};
use crate::exit;
use crate::runner::Plan;

/// One check as data.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    name: &'static str,
    aliases: &'static [&'static str],
    summary: &'static str,
    proves: &'static [&'static str],
    settings: Vec<ListedSetting>,
    grants: Vec<&'static Grant>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedSetting {
    key: &'static str,
    env: &'static [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    default: Option<&'static str>,
    should_be: String,
    help: &'static str,
}

/// Prints the list.
pub(super) fn run(args: &ListArgs) -> Result<u8, UsageError> {
    let listed = chosen(&args.checks)?.into_iter().map(listed).collect::<Vec<_>>();
    let text = match args.output {
        ListOutput::Human => {
            let of_run = if args.checks.is_empty() { of_run() } else { String::new() };
            human(&listed) + &of_run
        }
        ListOutput::Json => json(&listed)?,
        ListOutput::Yaml => serde_saphyr::to_string(&listed).map_err(|e| UsageError::Flag(e.to_string()))?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(exit::PASSED)
}

fn chosen(names: &[String]) -> Result<Vec<&'static dyn Check>, UsageError> {
    if names.is_empty() {
        return Ok(checks::ALL.to_vec());
    }
    // Only the names matter here: a check may be listed without being configured.
    let config = Config::resolve(&Sources::default(), checks::ALL)?;
    let mut chosen = Vec::new();
    for name in names {
        match Plan::make(std::slice::from_ref(name), checks::ALL, &config) {
            Ok(plan) => chosen.extend(plan.checks.iter().map(|planned| planned.check)),
            Err(crate::runner::PlanError::NotConfigured { check, .. }) => {
                chosen.extend(checks::ALL.iter().copied().filter(|c| c.about().name == check));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(chosen)
}

fn listed(check: &'static dyn Check) -> Listed {
    let about = check.about();
    let setting = |setting: &Setting| ListedSetting {
        key: setting.key,
        env: setting.env,
        default: setting.default,
        should_be: setting.kind.expectation(),
        help: setting.help,
    };
    Listed {
        name: about.name,
        aliases: about.aliases,
        summary: about.summary,
        proves: about.proves,
        settings: check.settings().iter().map(setting).collect(),
        grants: all_grants(check).collect(),
    }
}

fn human(listed: &[Listed]) -> String {
    let mut text = String::new();
    for check in listed {
        let _ = writeln!(text, "{}\n  {}", check.name, check.summary);
        if !check.aliases.is_empty() {
            let _ = writeln!(text, "  also called: {}", check.aliases.join(", "));
        }
        let _ = writeln!(text, "\n  proves");
        for claim in check.proves {
            let _ = writeln!(text, "    - {claim}");
        }
        let _ = writeln!(text, "\n  settings (--set {}.KEY=VALUE, or the environment)", check.name);
        for setting in &check.settings {
            let env = if setting.env.is_empty() { String::new() } else { format!(" [{}]", setting.env.join(", ")) };
            let default = setting.default.map(|d| format!(" (default {d})")).unwrap_or_default();
            let _ = writeln!(text, "    {}{env}{default}\n      {}", setting.key, setting.help);
        }
        let _ = writeln!(text, "\n  permissions");
        text.extend(check.grants.iter().map(|grant| line_of(grant)));
        text.push('\n');
    }
    text
}

fn line_of(grant: &Grant) -> String {
    let place = match grant.scope {
        Scope::Namespace => "in its namespace".to_owned(),
        Scope::Cluster => "in the cluster".to_owned(),
        Scope::Object { namespace, name: "" } => format!("in {namespace}"),
        Scope::Object { namespace, name } => format!("on {namespace}/{name} alone"),
    };
    let optional = if grant.optional { ", optional" } else { "" };
    let unless = grant.unless.map(|(key, value)| format!(", not with {key}={value}")).unwrap_or_default();
    let when = grant.only_when.map(|(key, value)| format!(", only with {key}={value}")).unwrap_or_default();
    let (verbs, resource) = (grant.verbs.join(","), grant.qualified());
    format!("    {verbs} {resource} ({place}{when}{unless}{optional}): {}\n", grant.why)
}

/// What the harness itself may need beside the checks.
fn of_run() -> String {
    let mut text = "every run\n\n  permissions\n".to_owned();
    let (right, verbs, why) = (EVENTS_GRANT.qualified(), EVENTS_GRANT.verbs.join(","), EVENTS_GRANT.why);
    let _ = writeln!(text, "    {verbs} {right} (in the namespace that `events` names, only where it is set): {why}");
    text.push_str("  where baselines (KIBERTAS_BASELINES) is configmap://NAMESPACE/NAME\n");
    text.extend(GRANTS.iter().map(line_of));
    text
}
