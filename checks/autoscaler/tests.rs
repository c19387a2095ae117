//! Scenes, real and made up, and what the check makes of them.

mod ends;
mod scale_up;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::claim::{SeenClaim, SeenPool};
use super::detect::Autoscaler;
use super::node::SeenNode;
use super::pod::SeenPod;
use super::scene::{Before, Scene};
use super::settings::tests::settings;
use super::word::Word;
use crate::cluster::Look;
use crate::cluster::listing::Listing;
use crate::failure::{Certainty, Failure};

const KARPENTER: Autoscaler = Autoscaler::Karpenter { version: "v1" };
/// When the Deployment of every scene is created.
const START: &str = "2026-11-21T14:23:01Z";
const BEFORE: &str = "2026-11-21T14:00:00Z";
const AFTER: &str = "2026-11-21T14:23:05Z";

/// A scene of objects as JSON, put together step by step.
struct Play {
    scene: Scene,
    nodes: Vec<Value>,
    claims: Vec<Value>,
    pods: Vec<Value>,
    words: Vec<Value>,
}

impl Play {
    fn new(autoscaler: Autoscaler, given: &[&str]) -> Self {
        let given = [&["nodeLabelKey=karpenter.sh/capacity-type", "nodeLabelValue=spot"], given].concat();
        let pool = json!({"metadata": {"name": "default"}, "spec": {}});
        let pools = vec![SeenPool::of(&serde_json::from_value(pool).unwrap())];
        let scene = Scene::new(settings(&given), ("ns", "d"), autoscaler, pools);
        Self { scene, nodes: Vec::new(), claims: Vec::new(), pods: Vec::new(), words: Vec::new() }
    }

    fn node(mut self, name: &str, created: &str, ready: bool) -> Self {
        let status = if ready { "True" } else { "False" };
        self.nodes.push(json!({
            "metadata": {"name": name, "uid": format!("uid-{name}"), "creationTimestamp": created,
                "labels": {"kubernetes.io/hostname": name, "node.kubernetes.io/instance-type": "m7g.large"}},
            "spec": {"providerID": format!("kwok://{name}")},
            "status": {"conditions": [{"type": "Ready", "status": status, "reason": "KubeletNotReady", "message": "cni plugin not initialized"}]},
        }));
        self
    }

    /// The same, changed at a JSON pointer.
    fn but(mut self, pointer: &str, value: Value) -> Self {
        *self.nodes.last_mut().unwrap().pointer_mut(pointer).unwrap() = value;
        self
    }

    /// A claim that has gone through all stages, for the node of this name.
    fn claim(mut self, name: &str, created: &str, node: &str) -> Self {
        let done = |kind: &str| json!({"type": kind, "status": "True", "reason": kind, "message": ""});
        let labels = json!({"karpenter.sh/capacity-type": "spot", "karpenter.sh/nodepool": "default", "node.kubernetes.io/instance-type": "m7g.large"});
        self.claims.push(json!({
            "metadata": {"name": name, "uid": format!("uid-{name}"), "creationTimestamp": created, "labels": labels},
            "status": {"providerID": format!("kwok://{node}"), "nodeName": node,
                "conditions": [done("Launched"), done("Registered"), done("Initialized")]},
        }));
        self
    }

    fn pod(mut self, name: &str, node: Option<&str>) -> Self {
        let ready = if node.is_some() { "True" } else { "False" };
        self.pods.push(json!({
            "metadata": {"name": name, "uid": format!("uid-{name}")},
            "spec": {"nodeName": node, "containers": []},
            "status": {"conditions": [{"type": "Ready", "status": ready}]},
        }));
        self
    }

    fn word(mut self, pod: &str, by: &str, reason: &str, message: &str) -> Self {
        self.words.push(json!({
            "metadata": {"name": format!("event-{}", self.words.len())}, "reason": reason, "message": message,
            "source": {"component": by}, "firstTimestamp": "2026-11-21T14:23:03Z",
            "involvedObject": {"kind": "Pod", "name": pod, "uid": format!("uid-{pod}")},
        }));
        self
    }

    fn fill(&mut self) {
        fn read<K: serde::de::DeserializeOwned>(objects: &[Value]) -> Vec<K> {
            objects.iter().map(|object| serde_json::from_value(object.clone()).unwrap()).collect()
        }
        let label = self.scene.settings.label.clone();
        self.scene.nodes = Listing::complete(read(&self.nodes), SeenNode::of);
        self.scene.claims = Listing::complete(read(&self.claims), |claim| SeenClaim::of(claim, &label));
        self.scene.pods = Listing::complete(read(&self.pods), SeenPod::of);
        self.scene.words = Listing::complete(read(&self.words), Word::of);
    }

    /// What there is so far was there before; the Deployment is created now.
    fn start(mut self) -> Self {
        self.fill();
        self.scene.before = Before::of(&self.scene.nodes, &self.scene.claims, &self.scene.settings.tolerations);
        self.scene.start = Some((START.parse().unwrap(), Instant::now()));
        self
    }

    fn scene(mut self) -> Scene {
        self.fill();
        self.scene.note_moments(Instant::now());
        self.scene
    }
}

fn never<T: std::fmt::Debug>(look: Look<T>) -> Failure {
    match look {
        Look::Never(failure) => *failure,
        other => panic!("expected a final failure, got {other:?}"),
    }
}

fn cause(failure: &Failure) -> (&str, Certainty) {
    let cause = failure.cause.as_ref().unwrap();
    (&cause.text, cause.certainty)
}

/// One old node, of which one replica has taken hold; the other waits.
fn one_waits(autoscaler: Autoscaler) -> Play {
    Play::new(autoscaler, &[]).node("old", BEFORE, true).start().pod("a", Some("old")).pod("b", None)
}
