//! Permissions: what a check declares is enough, and each part of it is missed by name.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::run;
use super::world::{World, on_whole};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        on_whole(world, "access::declared_grants_suffice", |world| {
            let account = Account::with(world, "suffice", &rules(world)?)?;
            run::test(&account.kubeconfig, &["cert-manager"])?.expect_pass()
        }),
        on_whole(world, "access::each_missing_grant_is_named", each_missing),
    ]
}

/// Every verb of every grant is taken away once.
fn each_missing(world: &World) -> Result<(), Failed> {
    let rules = rules(world)?;
    let account = Account::with(world, "missing", &rules)?;
    let mut tried = 0;
    for (index, rule) in rules.iter().enumerate() {
        for verb in rule["verbs"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            let (resource, group) = (text(&rule["resources"][0]), text(&rule["apiGroups"][0]));
            // The same permission may be declared twice: by the check and for all checks.
            let mut fewer = rules.clone();
            for other in &mut fewer {
                if other["resources"][0] == resource && other["apiGroups"][0] == group {
                    other["verbs"].as_array_mut().into_iter().for_each(|verbs| verbs.retain(|v| v != verb));
                }
            }
            if rules[..index].iter().any(|earlier| {
                earlier["resources"][0] == resource
                    && earlier["apiGroups"][0] == group
                    && earlier["verbs"].as_array().is_some_and(|verbs| verbs.iter().any(|v| v == verb))
            }) {
                continue;
            }
            account.grant(world, &fewer)?;
            let report = run::test(&account.kubeconfig, &["cert-manager"])?;
            report.expect(3, "inconclusive", Some("permissions"), &[&format!("{verb} {resource}")])?;
            if !report.check()["cleanup"].is_null() {
                return Err(format!("without {verb} {resource} something was created all the same").into());
            }
            tried += 1;
        }
    }
    if tried > 10 { Ok(()) } else { Err(format!("only {tried} permissions were tried").into()) }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The grants of the check as RBAC rules, as `list` tells them; what other settings than the defaults need is left out.
fn rules(world: &World) -> Result<Vec<Value>, Failed> {
    let (_, listed) = run::other(&world.kubeconfig(), &["list", "cert-manager", "--output", "json"])?;
    let listed: Value = serde_json::from_str(&listed)?;
    let settings = listed[0]["settings"].as_array().ok_or("no settings")?;
    let by_default = |condition: &Value| {
        condition.is_null() || settings.iter().any(|s| s["key"] == condition[0] && s["default"] == condition[1])
    };
    let grants = listed[0]["grants"].as_array().ok_or("no grants")?;
    let needed = grants.iter().filter(|g| by_default(&g["onlyWhen"]) && g["optional"] != true);
    let rule = |g: &Value| json!({"apiGroups": [g["group"]], "resources": [g["resource"]], "verbs": g["verbs"]});
    Ok(needed.map(rule).collect())
}

/// A ServiceAccount with a ClusterRole of its own.
struct Account {
    name: String,
    folder: tempfile::TempDir,
    kubeconfig: PathBuf,
}

impl Account {
    fn with(world: &World, name: &str, rules: &[Value]) -> Result<Self, Failed> {
        let name = format!("trial-access-{name}");
        let account = Self { name, folder: tempfile::tempdir()?, kubeconfig: PathBuf::new() };
        account.grant(world, rules)?;
        let token = world.kubectl(&["create", "token", &account.name, "-n", "default"])?;
        let kubeconfig = account.folder.path().join("kubeconfig");
        write_kubeconfig(world, token.trim(), &kubeconfig)?;
        Ok(Self { kubeconfig, ..account })
    }

    fn grant(&self, world: &World, rules: &[Value]) -> Result<(), Failed> {
        let name = &self.name;
        let subject = json!({"kind": "ServiceAccount", "name": name, "namespace": "default"});
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name});
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
             "rules": rules.iter().filter(|r| r["verbs"].as_array().is_some_and(|v| !v.is_empty())).collect::<Vec<_>>()},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
             "roleRef": role, "subjects": [subject]},
        ]});
        world.apply(&objects, self.folder.path())
    }
}

/// The admin's kubeconfig with the account's token in place of the admin's certificate.
fn write_kubeconfig(world: &World, token: &str, path: &Path) -> Result<(), Failed> {
    let view = world.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"])?;
    let mut config: Value = serde_json::from_str(&view)?;
    config["users"][0]["user"] = json!({"token": token});
    std::fs::write(path, config.to_string())?;
    Ok(())
}
