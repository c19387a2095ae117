//! `config`: what is wrong with the configuration, and where each value came from.

use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::UsageError;
use crate::checks;
use crate::cli::{ConfigArgs, ConfigCommand, Global, Output};
use crate::config::{Config, Values};
use crate::exit;
use crate::runner::Plan;

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
    value: &'a str,
    from: String,
}

/// Looks at the configuration; nothing of the cluster is asked.
pub(super) fn run(global: &Global, command: &ConfigCommand) -> Result<u8, UsageError> {
    let (ConfigCommand::Check(args) | ConfigCommand::Show(args)) = command;
    let file = args.file.as_deref().or(global.config.as_deref());
    let config = super::configuration(&super::sources_with(global, file)?)?;
    let text = match command {
        ConfigCommand::Check(_) => check(args, file, &config)?,
        ConfigCommand::Show(_) => show(args, &config)?,
    };
    std::io::stdout().write_all(text.as_bytes())?;
    Ok(exit::PASSED)
}

fn check(args: &ConfigArgs, file: Option<&Path>, config: &Config) -> Result<String, UsageError> {
    let plan = Plan::make(&[], checks::ALL, config)?.checks;
    let outlook =
        plan.into_iter().map(|planned| Outlook { check: planned.check.about().name, skipped: planned.skipped });
    let outlook = outlook.collect::<Vec<_>>();
    if args.output == Output::Json {
        return json(&outlook);
    }
    let what = file.map_or_else(|| "the configuration".to_owned(), |path| path.display().to_string());
    let line = |one: &Outlook| match &one.skipped {
        None => format!("  {} would run\n", one.check),
        Some(reason) => format!("  {} would be skipped: {reason}\n", one.check),
    };
    Ok(format!("{what} is right\n{}", outlook.iter().map(line).collect::<String>()))
}

fn show(args: &ConfigArgs, config: &Config) -> Result<String, UsageError> {
    let of_checks = checks::ALL.iter().map(|check| check.about().name);
    let of_checks = of_checks.flat_map(|name| settings(&format!("checks.{name}."), config.of(name)));
    let shown = settings("", &config.own).into_iter().chain(of_checks).collect::<Vec<_>>();
    if args.output == Output::Json {
        return json(&shown);
    }
    let width = shown.iter().map(|one| one.setting.len()).max().unwrap_or_default();
    Ok(shown.iter().map(|one| format!("{:width$}  {} ({})\n", one.setting, one.value, one.from)).collect())
}

fn settings<'a>(scope: &str, values: &'a Values) -> Vec<Shown<'a>> {
    let shown = |(key, value, source): (&str, _, &crate::config::values::Source)| Shown {
        setting: format!("{scope}{key}"),
        value,
        from: source.to_string(),
    };
    values.origins().map(shown).collect()
}

fn json(what: &impl Serialize) -> Result<String, UsageError> {
    Ok(serde_json::to_string_pretty(what).map_err(|e| UsageError::Flag(e.to_string()))? + "\n")
}
