//! The Rollouts of an Argo CD project: what the Applications of the project list among their resources.
//!
//! <https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#applications>

use std::collections::BTreeSet;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams};
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::Instant;

use super::board::{BoardError, Key};
use crate::cluster::call::{Action, retry};
use crate::failure::ObjectRef;

/// The name by which Argo CD calls the cluster that it runs in.
const IN_CLUSTER: &str = "in-cluster";
/// The URL by which Argo CD knows the cluster that it runs in.
const IN_CLUSTER_SERVER: &str = "https://kubernetes.default.svc";

/// The Rollouts of a project.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// The number of its Applications that deploy to this cluster.
    pub applications: usize,
    /// Its Rollouts in this cluster.
    pub rollouts: BTreeSet<Key>,
    /// Applications of the project that deploy to another cluster, so that their Rollouts are not here.
    pub elsewhere: Vec<String>,
}

/// How the Applications name the cluster whose Rollouts are wanted.
#[derive(Debug, Clone, Default)]
pub struct Destination {
    /// The API server's URL.
    pub server: String,
    /// The name that Argo CD has for it, where it is not the cluster that Argo CD runs in.
    pub name: Option<String>,
}

impl Destination {
    /// Whether an Application with this destination deploys to the cluster.
    fn is_that_of(&self, name: Option<&str>, server: Option<&str>) -> bool {
        let own = self.name.as_deref().unwrap_or(IN_CLUSTER);
        let same = |url: &str| {
            let url = url.trim_end_matches('/');
            url == self.server.trim_end_matches('/') || (self.name.is_none() && url == IN_CLUSTER_SERVER)
        };
        match (name.filter(|name| !name.is_empty()), server) {
            (Some(name), _) => name == own,
            (None, Some(url)) => same(url),
            (None, None) => false,
        }
    }
}

/// Reads the Applications of all namespaces of the cluster that Argo CD runs in, which `client` leads to.
pub async fn rollouts_of(
    client: &Client,
    project: &str,
    cluster: &Destination,
    deadline: Instant,
) -> Result<Project, BoardError> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("argoproj.io", "v1alpha1", "Application"));
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let all = retry(deadline, async || api.list(&ListParams::default()).await).await;
    let all = all.map_err(|answer| BoardError {
        action: Action {
            verb: "list",
            resource: "applications.argoproj.io".to_owned(),
            object: ObjectRef::cluster_scoped("Application", project),
        },
        answer,
    })?;
    let mut found = Project::default();
    for application in all.items.iter().map(|item| (item.metadata.name.clone(), &item.data)) {
        found.take(project, cluster, application);
    }
    Ok(found)
}

impl Project {
    fn take(&mut self, project: &str, cluster: &Destination, (name, application): (Option<String>, &Value)) {
        let text = |pointer: &str| application.pointer(pointer).and_then(Value::as_str);
        // An Application that names none is of the project `default`.
        if text("/spec/project").filter(|name| !name.is_empty()).unwrap_or("default") != project {
            return;
        }
        let here = cluster.is_that_of(text("/spec/destination/name"), text("/spec/destination/server"));
        if !here {
            self.elsewhere.extend(name);
            return;
        }
        self.applications += 1;
        let resources = application.pointer("/status/resources").and_then(Value::as_array);
        for resource in resources.into_iter().flatten() {
            let text = |key: &str| resource.get(key).and_then(Value::as_str).unwrap_or_default();
            if text("group") == "argoproj.io" && text("kind") == "Rollout" {
                self.rollouts.insert(Key::new(text("namespace"), text("name")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn application(project: &str, destination: &Value) -> Value {
        json!({"spec": {"project": project, "destination": destination}, "status": {"resources": [
            {"group": "argoproj.io", "kind": "Rollout", "version": "v1alpha1", "namespace": "shop", "name": "web"},
            {"group": "apps", "kind": "Deployment", "namespace": "shop", "name": "web"},
            {"group": "argoproj.io", "kind": "AnalysisTemplate", "namespace": "shop", "name": "web"},
        ]}})
    }

    #[test]
    fn only_rollouts_of_that_project_in_this_cluster() {
        let server = "https://10.0.0.1:6443";
        let this = Destination { server: server.to_owned(), name: None };
        let of = |project: &str, destination: Value| {
            let mut found = Project::default();
            found.take("shop", &this, (Some("a".into()), &application(project, &destination)));
            found
        };
        for here in [
            json!({"name": "in-cluster"}),
            json!({"server": IN_CLUSTER_SERVER}),
            json!({"server": format!("{server}/")}),
        ] {
            assert_eq!(of("shop", here.clone()).rollouts, BTreeSet::from([Key::new("shop", "web")]), "{here}");
        }
        assert_eq!(of("other", json!({"name": "in-cluster"})), Project::default());
        let elsewhere = of("shop", json!({"name": "green"}));
        assert_eq!((elsewhere.applications, elsewhere.elsewhere.as_slice()), (0, ["a".to_owned()].as_slice()));
        assert!(elsewhere.rollouts.is_empty());
    }

    #[test]
    fn another_cluster_is_known_by_its_name_or_its_server() {
        let green = Destination { server: "https://green:6443".to_owned(), name: Some("green".to_owned()) };
        let is = |name, server| green.is_that_of(name, server);
        assert!(
            is(Some("green"), None)
                && is(None, Some("https://green:6443/"))
                && is(Some(""), Some("https://green:6443"))
        );
        assert!(!is(Some("in-cluster"), None) && !is(None, Some(IN_CLUSTER_SERVER)) && !is(None, None));
        assert!(!is(Some("blue"), Some("https://green:6443")), "the name is what counts");
    }
}
