//! `config`: what is wrong with the configuration, and where each value came from.

use std::borrow::Cow;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::{UsageError, json};
use crate::checks;
use crate::cli::{ConfigArgs, ConfigCommand, Global, Output};
use crate::cluster::Access;
use crate::config::{Config, Values};
use crate::exit;
use crate::runner::Plan;
use crate::targets;

/// What `config check` says about one check.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Outlook {
    check: &'static str,
    /// Why it would be skipped; absent where it would run.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<String>,
}

/// What `config show` says about one setting.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    setting: String,
    value: Cow<'a, str>,
    from: String,
}

/// A target of the configuration; of the whole of it where it has none.
struct Resolved {
    target: Option<String>,
    config: Config,
}

/// What is said of one target.
#[derive(Debug, Serialize)]
struct OfTarget<T> {
    target: String,
    #[serde(flatten)]
    what: T,
}

#[derive(Debug, Serialize)]
struct Checks {
    checks: Vec<Outlook>,
}

#[derive(Debug, Serialize)]
struct Settings<'a> {
    settings: Vec<Shown<'a>>,
}

/// Looks at the configuration; nothing of the cluster is asked.
pub(super) fn run(global: &Global, command: &ConfigCommand) -> Result<u8, UsageError> {
    let (ConfigCommand::Check(args) | ConfigCommand::Show(args)) = command;
    let file = args.file.as_deref().or(global.config.as_deref());
    let sources = super::sources_with(global, file)?;
    // What stands at the top has to be right by itself, whatever the targets have.
    super::configuration(&sources)?;
    let mut all = Vec::new();
    for target in targets::choose(&sources, &[], &Access::default(), true)? {
        let config = super::configuration(&sources.of_target(target.overlay.clone()))?;
        all.push(Resolved { target: target.name().map(str::to_owned), config });
    }
    let text = match command {
        ConfigCommand::Check(_) => check(args, file, &all)?,
        ConfigCommand::Show(_) => show(args, &all)?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(exit::PASSED)
}

fn check(args: &ConfigArgs, file: Option<&Path>, all: &[Resolved]) -> Result<String, UsageError> {
    let mut outlooks = Vec::new();
    for Resolved { target, config } in all {
        let plan = Plan::make(&[], checks::ALL, config)?.checks;
        let of_check =
            plan.into_iter().map(|planned| Outlook { check: planned.check.about().name, skipped: planned.skipped });
        outlooks.push((target.clone(), of_check.collect::<Vec<_>>()));
    }
    if args.output == Output::Json {
        return in_json(outlooks, |checks| Checks { checks }, |alone| json(&alone));
    }
    let what = file.map_or_else(|| "the configuration".to_owned(), |path| path.display().to_string());
    let line = |one: &Outlook| match &one.skipped {
        None => format!("  {} would run\n", one.check),
        Some(reason) => format!("  {} would be skipped: {reason}\n", one.check),
    };
    let part = |(target, outlook): &(Option<String>, Vec<Outlook>)| {
        let heading = target.as_ref().map(|name| format!("target {name}\n")).unwrap_or_default();
        heading + &outlook.iter().map(line).collect::<String>()
    };
    Ok(format!("{what} is right\n{}", outlooks.iter().map(part).collect::<String>()))
}

fn show(args: &ConfigArgs, all: &[Resolved]) -> Result<String, UsageError> {
    let shown: Vec<_> = all.iter().map(|one| (one.target.clone(), all_settings(&one.config))).collect();
    if args.output == Output::Json {
        return in_json(shown, |settings| Settings { settings }, |alone| json(&alone));
    }
    let width = shown.iter().flat_map(|(_, shown)| shown).map(|one| one.setting.len()).max().unwrap_or_default();
    let part = |(target, shown): &(Option<String>, Vec<Shown<'_>>)| {
        let heading = target.as_ref().map(|name| format!("target {name}\n")).unwrap_or_default();
        let lines = shown.iter().map(|one| format!("{:width$}  {} ({})\n", one.setting, one.value, one.from));
        heading + &lines.collect::<String>()
    };
    Ok(shown.iter().map(part).collect())
}

/// One value for a configuration without targets, else a list of one a target.
fn in_json<T, W: Serialize>(
    parts: Vec<(Option<String>, T)>,
    of_target: impl Fn(T) -> W,
    alone: impl FnOnce(T) -> Result<String, UsageError>,
) -> Result<String, UsageError> {
    let mut named = Vec::new();
    for (target, what) in parts {
        match target {
            None => return alone(what),
            Some(target) => named.push(OfTarget { target, what: of_target(what) }),
        }
    }
    json(&named)
}

fn all_settings(config: &Config) -> Vec<Shown<'_>> {
    let of_checks = checks::ALL.iter().map(|check| check.about().name);
    let of_checks = of_checks.flat_map(|name| settings(&format!("checks.{name}."), config.of(name)));
    settings("", &config.own).into_iter().chain(of_checks).collect()
}

fn settings<'a>(scope: &str, values: &'a Values) -> Vec<Shown<'a>> {
    let shown = |(key, value, source): (&str, _, &crate::config::values::Source)| Shown {
        setting: format!("{scope}{key}"),
        value,
        from: source.to_string(),
    };
    values.origins().map(shown).collect()
}
