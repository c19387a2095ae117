//! An API server for checks to which the cluster matters little: it allows everything, and lists what it was given.
//!
//! Where the cluster matters, tests use the real one of `tests/cluster`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::request::{Reply, Request};
use crate::server::{Rules, Server};

/// The API server.
#[derive(Debug, Default)]
pub struct Kubernetes {
    lists: BTreeMap<String, Vec<Value>>,
}

impl Kubernetes {
    /// An API server without objects.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lists these objects at a path, such as `/apis/apps/v1/daemonsets`.
    #[must_use]
    pub fn list(mut self, path: &str, items: Vec<Value>) -> Self {
        self.lists.insert(path.to_owned(), items);
        self
    }
}

impl Rules for Kubernetes {
    fn reply(&self, request: &Request) -> Reply {
        match (request.method.as_str(), request.path.as_str()) {
            ("GET", "/version") => Reply::json(
                200,
                &json!({
                    "major": "1", "minor": "34", "gitVersion": "v1.34.0", "gitCommit": "", "gitTreeState": "clean",
                    "buildDate": "", "goVersion": "", "compiler": "gc", "platform": "linux/amd64",
                }),
            ),
            ("POST", path) if path.ends_with("/selfsubjectaccessreviews") => {
                let mut review = request.json();
                review["status"] = json!({"allowed": true});
                Reply::json(201, &review)
            }
            ("GET", path) => {
                let items = self.lists.get(path).cloned().unwrap_or_default();
                Reply::json(
                    200,
                    &json!({
                        "kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": items,
                    }),
                )
            }
            (method, path) => Reply::json(
                405,
                &json!({
                    "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 405, "reason": "MethodNotAllowed",
                    "message": format!("this stand-in does not {method} {path}"),
                }),
            ),
        }
    }
}

impl Server<Kubernetes> {
    /// A kubeconfig that leads here, to a cluster of this name.
    pub fn kubeconfig(&self, cluster: &str) -> String {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": cluster,
            "clusters": [{"name": cluster, "cluster": {"server": self.url()}}],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "user": "anybody"}}],
            "users": [{"name": "anybody", "user": {}}],
        })
        .to_string()
    }
}
