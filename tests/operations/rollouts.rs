//! The Rollouts that trials work with.

use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::world::{NODE, Room};

/// How the Rollouts of a trial update.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strategy {
    /// Two weights, a pause after each.
    Canary,
    /// Promoted by hand.
    BlueGreen,
}

/// A Rollout with two pods of this version.
pub(crate) fn rollout(namespace: &str, name: &str, version: &str, strategy: Strategy) -> Value {
    let strategy = match strategy {
        Strategy::Canary => json!({"canary": {"maxSurge": 1, "maxUnavailable": 0, "steps": [
            {"setWeight": 50}, {"pause": {}}, {"setWeight": 75}, {"pause": {}}]}}),
        // The pods of the other template stay for longer than a trial takes, so that its end can be compared at any time.
        Strategy::BlueGreen => json!({"blueGreen": {"activeService": name, "autoPromotionEnabled": false,
            "scaleDownDelaySeconds": 3600, "abortScaleDownDelaySeconds": 3600}}),
    };
    json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
        "metadata": {"name": name, "namespace": namespace, "labels": {"trial": "yes"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": name}}, "strategy": strategy, "template": {
            "metadata": {"labels": {"app": name}},
            "spec": {"nodeSelector": {NODE: "yes"}, "tolerations": [{"key": NODE, "operator": "Exists"}],
                     "terminationGracePeriodSeconds": 0,
                     "containers": [{"name": "c", "image": format!("example.com/web:{version}")}]}}}})
}

fn service(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
           "spec": {"selector": {"app": name}, "ports": [{"port": 80}]}})
}

/// Whether the controller has seen the spec, and the Rollout is in this phase.
pub(crate) fn is(phase: &'static str) -> impl Fn(&Value) -> bool {
    move |rollout| {
        let observed = rollout["status"]["observedGeneration"].as_str();
        let current = observed == rollout["metadata"]["generation"].as_i64().map(|n| n.to_string()).as_deref();
        current && rollout["status"]["phase"] == phase
    }
}

impl Room<'_> {
    /// Makes Rollouts of the first version, and waits until they are Healthy.
    pub(crate) fn healthy(&self, names: &[&str], strategy: Strategy) -> Result<(), Failed> {
        let ns = &self.namespace;
        let mut items: Vec<Value> = names.iter().map(|name| rollout(ns, name, "v1", strategy)).collect();
        if strategy == Strategy::BlueGreen {
            items.extend(names.iter().map(|name| service(ns, name)));
        }
        self.world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}))?;
        names.iter().try_for_each(|name| self.world.until(ns, name, "Healthy", is("Healthy")).map(drop))
    }

    /// Gives them another version.
    pub(crate) fn update(&self, names: &[&str], version: &str, strategy: Strategy) -> Result<(), Failed> {
        let items: Vec<Value> = names.iter().map(|name| rollout(&self.namespace, name, version, strategy)).collect();
        Ok(self.world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}))?)
    }

    /// Makes Rollouts that wait at the first pause of an update.
    pub(crate) fn paused(&self, names: &[&str], strategy: Strategy) -> Result<(), Failed> {
        self.healthy(names, strategy)?;
        self.update(names, "v2", strategy)?;
        // The controller tells the phase first, the condition in a second write.
        let paused = |rollout: &Value| {
            let conditions = rollout["status"]["conditions"].as_array();
            is("Paused")(rollout)
                && conditions.into_iter().flatten().any(|c| c["type"] == "Paused" && c["status"] == "True")
        };
        names.iter().try_for_each(|name| self.world.until(&self.namespace, name, "Paused", paused).map(drop))
    }
}
