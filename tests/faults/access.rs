//! Permissions: what a check declares is enough, and each part of it is missed by name.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::account::Account;
use super::run;
use super::world::{Environment, World, on_whole};

/// The checks that work in the cluster, and need permissions there.
const CHECKS: &[&str] = &["ingress", "cert-manager", "rollouts", "autoscaler"];

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    let each = CHECKS.iter().flat_map(|&check| {
        let name = check.replace('-', "_");
        [
            on_whole(world, format!("access::{name}::declared_grants_suffice"), move |world| suffice(world, check)),
            on_whole(world, format!("access::{name}::each_missing_grant_is_named"), move |world| {
                each_missing(world, check)
            }),
        ]
    });
    each.collect()
}

fn suffice(world: &World, check: &str) -> Result<(), Failed> {
    let rules = rules(&world.environment(), check)?;
    let account = Account::with(world, &format!("{check}-suffice"), &rules)?;
    run::test(account.environment(), &[check])?.expect_pass()
}

/// Every verb of every grant is taken away once.
fn each_missing(world: &World, check: &str) -> Result<(), Failed> {
    let rules = rules(&world.environment(), check)?;
    let account = Account::with(world, &format!("{check}-missing"), &rules)?;
    let mut tried = Vec::new();
    for rule in &rules {
        for verb in rule["verbs"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let (resource, group) = (text(&rule["resources"][0]), text(&rule["apiGroups"][0]));
            // The same permission may be declared twice: by the check and for all checks.
            if tried.contains(&(verb, resource, group)) {
                continue;
            }
            let mut fewer = rules.clone();
            for other in &mut fewer {
                if other["resources"][0] == resource && other["apiGroups"][0] == group {
                    other["verbs"].as_array_mut().into_iter().for_each(|verbs| verbs.retain(|v| v != verb));
                }
            }
            account.grant(world, &fewer)?;
            let report = run::test(account.environment(), &[check])?;
            report.expect(
                3,
                "inconclusive",
                Some("permissions"),
                &[&format!("{verb} {}", qualified(resource, group))],
            )?;
            if !report.check()["cleanup"].is_null() {
                return Err(format!("without {verb} {resource} something was created all the same").into());
            }
            tried.push((verb, resource, group));
        }
    }
    if tried.len() > 10 { Ok(()) } else { Err(format!("only {tried:?} were tried").into()) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The resource as `kubectl auth can-i` takes it: with its group before a subresource.
fn qualified(resource: &str, group: &str) -> String {
    match resource.split_once('/') {
        _ if group.is_empty() => resource.to_owned(),
        Some((resource, sub)) => format!("{resource}.{group}/{sub}"),
        None => format!("{resource}.{group}"),
    }
}

/// The grants of the check as RBAC rules, as `list` tells them; what other settings than those of the trial need is left out.
fn rules(environment: &Environment, check: &str) -> Result<Vec<Value>, Failed> {
    let (_, listed) = run::other(environment, &["list", check, "--output", "json"])?;
    let listed: Value = serde_json::from_str(&listed)?;
    let settings = listed[0]["settings"].as_array().ok_or("no settings")?;
    let holds = |condition: &Value| {
        settings.iter().filter(|setting| setting["key"] == condition[0]).any(|setting| {
            let variables: Vec<&str> = setting["env"].as_array().into_iter().flatten().map(text).collect();
            let given = environment.iter().find(|(name, _)| variables.contains(name));
            given.map_or(text(&setting["default"]), |(_, value)| value) == condition[1]
        })
    };
    let grants = listed[0]["grants"].as_array().ok_or("no grants")?;
    let needed = grants.iter().filter(|grant| {
        let wanted = grant["onlyWhen"].is_null() || holds(&grant["onlyWhen"]);
        let unwanted = !grant["unless"].is_null() && holds(&grant["unless"]);
        wanted && !unwanted && grant["optional"] != true
    });
    let rule = |grant: &Value| {
        let mut rule =
            json!({"apiGroups": [grant["group"]], "resources": [grant["resource"]], "verbs": grant["verbs"]});
        if let Some(name) = grant["scope"]["object"]["name"].as_str() {
            rule["resourceNames"] = json!([name]);
        }
        rule
    };
    Ok(needed.map(rule).collect())
}
