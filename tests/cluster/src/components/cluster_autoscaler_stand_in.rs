//! A STAND-IN for Cluster Autoscaler, by its documented rules: see `src/bin/cluster-autoscaler-stand-in`.

use std::path::PathBuf;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::component::{Component, Facts};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::Seen;
use crate::{Error, Result, command, identity, manifest};

/// The program, and the name of everything that belongs to it.
const NAME: &str = "cluster-autoscaler-stand-in";
const NAMESPACE: &str = "kube-system";
/// Where it writes its status, as the real one does.
const STATUS: &str = "cluster-autoscaler-status";

/// What it is made of, so that another version is told from the one that runs.
const SOURCES: [&str; 7] = [
    include_str!("../bin/cluster-autoscaler-stand-in/main.rs"),
    include_str!("../bin/cluster-autoscaler-stand-in/cloud.rs"),
    include_str!("../bin/cluster-autoscaler-stand-in/group.rs"),
    include_str!("../bin/cluster-autoscaler-stand-in/scale_down.rs"),
    include_str!("../bin/cluster-autoscaler-stand-in/scale_up.rs"),
    include_str!("../bin/cluster-autoscaler-stand-in/status.rs"),
    include_str!("../bin/cluster-autoscaler-stand-in/words.rs"),
];

pub(crate) struct ClusterAutoscalerStandIn;

#[async_trait]
impl Component for ClusterAutoscalerStandIn {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: NAME,
            about: "stands in for Cluster Autoscaler: makes nodes by its documented rules",
            profile: None,
            needs: &["kube-apiserver", "kwok"],
            tools: &[],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        install(cx).await?;
        let rule = |group: &str, resources: &[&str], verbs: &[&str]| json!({"apiGroups": [group], "resources": resources, "verbs": verbs});
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRole",
            "metadata": {"name": NAME},
            "rules": [
                rule("", &["nodes"], &["list", "create", "patch", "delete"]),
                rule("", &["pods"], &["list"]),
                rule("", &["events"], &["create"]),
                rule("", &["configmaps"], &["get", "create", "patch"]),
            ],
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": NAME},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
        });
        // Its node groups; none to begin with. Applied without data, so that what others have put there stays.
        let groups = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}});
        let objects = [role, binding, groups].map(manifest::object).into_iter().collect::<Result<_>>()?;
        manifest::apply(cx, NAMESPACE, objects).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let kubeconfig = identity::service_account(cx, NAMESPACE, NAME).await?;
        Ok(Invocation::new(program(cx))
            .env("KUBECONFIG", kubeconfig.display().to_string())
            .env("SOURCES", format!("{:x}", Sha256::digest(SOURCES.concat()))))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        let maps: Api<ConfigMap> = Api::namespaced(cx.client(), NAMESPACE);
        let version = async || {
            let status = maps.get_opt(STATUS).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(status.and_then(|map| map.metadata.resource_version))
        };
        // A status that an earlier process left says nothing; one that is written anew does.
        let first = seen.until(format!("an answer about ConfigMap {STATUS}"), version).await;
        seen.until(format!("ConfigMap {STATUS} written anew"), || async {
            match version().await? {
                now if now.is_some() && now != first => Ok(()),
                _ => Err("nobody has written it".to_owned()),
            }
        })
        .await;
        Ok(())
    }
}

fn program(cx: &Context) -> PathBuf {
    cx.site().path(NAME)
}

/// Builds the program with cargo and copies it to the cluster, so that a later build does not change what runs.
async fn install(cx: &Context) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let arguments =
        ["build", "--quiet", "--package", "test-cluster", "--bin", NAME, "--message-format=json-render-diagnostics"];
    let mut build = command::command(cargo, arguments);
    build.current_dir(env!("CARGO_MANIFEST_DIR"));
    let told = command::run(build).await?;
    let executable = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).unwrap_or_default();
        (message["target"]["name"] == NAME).then(|| message["executable"].as_str().map(PathBuf::from))?
    };
    let built = told.lines().find_map(executable).ok_or_else(|| Error::Manifest {
        manifest: format!("cargo build --bin {NAME}"),
        problem: "cargo names no executable".to_owned(),
    })?;
    let to = program(cx);
    // A program that runs cannot be written to, but its name can be given to another.
    let fresh = to.with_extension("new");
    std::fs::copy(&built, &fresh).map_err(Error::file("write", &fresh))?;
    std::fs::rename(&fresh, &to).map_err(Error::file("rename", &to))
}
