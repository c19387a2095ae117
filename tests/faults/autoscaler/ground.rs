//! What a trial of the autoscaler stands on: a label of its own, and the NodePool and the nodes under it, all of which go with it.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::super::run::{self, Report, Running};
use super::super::turns::Use;
use super::super::world::{Environment, World, in_turn};

/// The key of the label; its value is the trial's name, so that trials do not meet.
pub(super) const KEY: &str = "trial";
/// The taint of a node that has not been ready yet; the control plane takes it off some time after the node has become so.
///
/// <https://kubernetes.io/docs/reference/labels-annotations-taints/#node-kubernetes-io-not-ready>
const NOT_READY: &str = "node.kubernetes.io/not-ready";
/// How long a replica may take to be there, and a node to be gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a trial stands on.
pub(super) struct Ground<'w> {
    pub(super) world: &'w World,
    /// The value of the trial's label.
    pub(super) label: &'static str,
}

/// A trial beside others that add nodes, each under a label of its own.
pub(super) fn beside_others(
    world: &Arc<World>,
    name: &'static str,
    body: impl FnOnce(&Ground) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    in_turn(world, Use::PlayedNodes, format!("autoscaler::{name}"), move |world| Ground::hold(world, name, body))
}

/// A trial that stops what adds nodes.
pub(super) fn by_itself(
    world: &Arc<World>,
    name: &'static str,
    body: impl FnOnce(&Ground) -> Result<(), Failed> + Send + 'static,
) -> Trial {
    in_turn(world, Use::Alone, format!("autoscaler::{name}"), move |world| Ground::hold(world, name, body))
}

impl<'w> Ground<'w> {
    fn hold(
        world: &'w World,
        label: &'static str,
        body: impl FnOnce(&Ground) -> Result<(), Failed>,
    ) -> Result<(), Failed> {
        let ground = Ground { world, label };
        let outcome = body(&ground);
        let cleared = ground.clear();
        outcome.and(cleared)
    }

    /// Removes pools, claims and nodes of the trial, and waits until they are gone.
    fn clear(&self) -> Result<(), Failed> {
        let selector = format!("{KEY}={}", self.label);
        let patience = format!("--timeout={}s", PATIENCE.as_secs());
        let kinds = "nodepools.karpenter.sh,nodeclaims.karpenter.sh,nodes";
        self.world.kubectl(&["delete", kinds, "--selector", &selector, &patience])?;
        Ok(())
    }

    /// Makes a NodePool whose nodes carry the trial's label, after `change`, and waits until Karpenter calls it ready.
    pub(super) fn pool(&self, change: impl FnOnce(&mut Value)) -> Result<(), Failed> {
        self.pool_that_is("Ready=True", change)
    }

    /// The same of one that Karpenter says is not ready.
    pub(super) fn unready_pool(&self, change: impl FnOnce(&mut Value)) -> Result<(), Failed> {
        self.pool_that_is("Ready=False", change)
    }

    fn pool_that_is(&self, condition: &str, change: impl FnOnce(&mut Value)) -> Result<(), Failed> {
        let name = format!("trial-{}", self.label.replace('_', "-"));
        let labels = json!({KEY: self.label});
        let mut pool = json!({
            "apiVersion": "karpenter.sh/v1", "kind": "NodePool",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "template": {
                    "metadata": {"labels": labels},
                    "spec": {
                        "nodeClassRef": {"group": "karpenter.kwok.sh", "kind": "KWOKNodeClass", "name": "default"},
                        "requirements": [{"key": "karpenter.sh/capacity-type", "operator": "In", "values": ["spot"]}],
                        "expireAfter": "Never",
                    },
                },
                "disruption": {"consolidationPolicy": "WhenEmpty", "consolidateAfter": "1s", "budgets": [{"nodes": "100%"}]},
            },
        });
        change(&mut pool);
        self.apply(&pool)?;
        // The check looks at the pools once, at its start.
        let condition = format!("--for=condition={condition}");
        self.kubectl(&["wait", "nodepools.karpenter.sh", &name, &condition, "--timeout=30s"]).map(drop)
    }

    /// Makes a node that kwok plays the kubelet of, after `change`, and waits until it takes pods as far as it says so. No autoscaler has
    /// added it.
    pub(super) fn node(&self, name: &str, change: impl FnOnce(&mut Value)) -> Result<String, Failed> {
        let name = format!("{}-{name}", self.label.replace('_', "-"));
        let mut node = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {
                KEY: self.label, "kubernetes.io/hostname": name, "kwok.x-k8s.io/node": "fake",
            }},
        });
        change(&mut node);
        self.apply(&node)?;
        self.kubectl(&["wait", "node", &name, "--for=condition=Ready", "--timeout=30s"])?;
        let nodes: Api<Node> = Api::all(self.world.cluster().client());
        self.world.poll(&format!("node {name} without the taint of one that is not ready"), async || {
            let taints = nodes.get(&name).await?.spec.and_then(|spec| spec.taints).unwrap_or_default();
            let taint = taints.iter().find(|taint| taint.key == NOT_READY);
            taint.map_or(Ok(()), |taint| Err(format!("{taint:?}").into()))
        })?;
        Ok(name)
    }

    pub(super) fn apply(&self, object: &Value) -> Result<(), Failed> {
        Ok(self.world.apply(object)?)
    }

    pub(super) fn kubectl(&self, args: &[&str]) -> Result<String, Failed> {
        Ok(self.world.kubectl(args)?)
    }

    /// The program's environment, with the trial's label.
    fn environment(&self) -> Environment {
        self.world.environment_with(&[("NODE_LABEL_KEY", KEY), ("NODE_LABEL_VALUE", self.label)])
    }

    /// Runs the check under the trial's label.
    pub(super) fn test(&self, more: &[&str]) -> Result<Report, Failed> {
        run::test(&self.environment(), &[&["autoscaler"], more].concat())
    }

    /// Starts the check under the trial's label, and returns when its replicas are there.
    pub(super) fn started(&self, more: &[&str]) -> Result<Running, Failed> {
        let mut running = run::start(&self.environment(), &[&["autoscaler"], more].concat())?;
        running.until("deployment")?;
        Ok(running)
    }

    /// The replica of the trial's run for which the scheduler finds no node.
    pub(super) fn waiting_replica(&self) -> Result<Pod, Failed> {
        let found = async {
            let all: Api<Pod> = Api::all(self.world.cluster().client());
            let selection = watcher::Config::default().labels("kibertas.dev/check=autoscaler");
            let mut pods = std::pin::pin!(watcher(all, selection).applied_objects());
            while let Some(pod) = pods.try_next().await? {
                let selector = pod.spec.as_ref().and_then(|spec| spec.node_selector.as_ref());
                let ours = selector.and_then(|labels| labels.get(KEY)).is_some_and(|value| value == self.label);
                let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
                let refused = |c: &k8s_openapi::api::core::v1::PodCondition| {
                    c.type_ == "PodScheduled" && c.reason.as_deref() == Some("Unschedulable")
                };
                if ours && conditions.is_some_and(|conditions| conditions.iter().any(refused)) {
                    return Ok(pod);
                }
            }
            Err(Failed::from("the watch ended"))
        };
        let found = async { tokio::time::timeout(PATIENCE, found).await };
        self.world.wait(found).map_err(|_| Failed::from("no replica waited for a node"))?
    }

    /// Binds the replica that waits to a node, as a scheduler would that knows no rules.
    pub(super) fn bind(&self, node: &str) -> Result<(), Failed> {
        let pod = self.waiting_replica()?;
        let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
        let file = tempfile::NamedTempFile::new()?;
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        std::fs::write(file.path(), binding.to_string())?;
        let path = format!("/api/v1/namespaces/{namespace}/pods/{name}/binding");
        self.kubectl(&["create", "--raw", &path, "--filename", &file.path().to_string_lossy()]).map(drop)
    }
}
