//! A ServiceAccount that may do just what a trial gives it.

use std::path::{Path, PathBuf};

use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::world::{Environment, World};

/// A ServiceAccount with a ClusterRole of its own.
pub(crate) struct Account {
    name: String,
    folder: tempfile::TempDir,
    environment: Environment,
}

impl Account {
    /// Makes it, with these RBAC rules.
    pub(crate) fn with(world: &World, name: &str, rules: &[Value]) -> Result<Self, Failed> {
        let name = format!("trial-access-{name}");
        let account = Self { name, folder: tempfile::tempdir()?, environment: Environment::new() };
        account.grant(world, rules)?;
        let token = world.kubectl(&["create", "token", &account.name, "-n", "default"])?;
        let kubeconfig = account.folder.path().join("kubeconfig");
        write_kubeconfig(world, token.trim(), &kubeconfig)?;
        let environment = world.environment_with(&[("KUBECONFIG", &kubeconfig.to_string_lossy())]);
        Ok(Self { environment, ..account })
    }

    /// Gives it these rules in place of those that it has.
    pub(crate) fn grant(&self, world: &World, rules: &[Value]) -> Result<(), Failed> {
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
        Ok(world.apply(&objects)?)
    }

    /// What the program runs with to be this account.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// The admin's kubeconfig with the account's token in place of the admin's certificate.
fn write_kubeconfig(world: &World, token: &str, path: &Path) -> Result<PathBuf, Failed> {
    let view = world.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"])?;
    let mut config: Value = serde_json::from_str(&view)?;
    config["users"][0]["user"] = json!({"token": token});
    std::fs::write(path, config.to_string())?;
    Ok(path.to_owned())
}
