//! A STAND-IN for Cluster Autoscaler, which cannot be had as a Go module: it does not build outside its own repository.
//!
//! It looks at the cluster again and again, as the real one does, and follows its documented rules for what the outside sees: which pods
//! make it add a node, what it says about them, what it writes into its status, and which nodes it removes. Its cloud is kwok. What a
//! check proves against it, it proves against these rules and not against Cluster Autoscaler itself.
//!
//! <https://github.com/kubernetes/autoscaler/blob/master/cluster-autoscaler/FAQ.md>

mod clock;
mod cloud;
mod group;
mod scale_down;
mod scale_up;
mod status;
mod words;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use kube::api::ListParams;
use kube::{Api, Client};

use self::cloud::Cloud;
use self::group::Group;
use self::words::Speaker;

/// The namespace of its groups and its status.
const NAMESPACE: &str = "kube-system";

/// Acts and speaks like Cluster Autoscaler, by its documented rules. Finds the cluster by KUBECONFIG.
#[derive(Debug, Parser)]
struct Arguments {
    /// Milliseconds between two looks at the cluster (`--scan-interval`, 10 s by default).
    #[arg(long, default_value_t = 500)]
    scan_interval: u64,
    /// Milliseconds that a node has to be empty before it is removed (`--scale-down-unneeded-time`, 10 min by default).
    #[arg(long, default_value_t = 3000)]
    scale_down_unneeded_time: u64,
    /// The same for a node that is not ready (`--scale-down-unready-time`, 20 min by default).
    #[arg(long, default_value_t = 60_000)]
    scale_down_unready_time: u64,
    /// The ConfigMap with the node groups: a JSON object for each name.
    #[arg(long, default_value = "cluster-autoscaler-stand-in")]
    groups: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let client = match Client::try_default().await {
        Ok(client) => client,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let mut standing = StandIn::new(client, arguments);
    let mut scans = tokio::time::interval(Duration::from_millis(standing.arguments.scan_interval));
    scans.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        scans.tick().await;
        if let Err(error) = standing.run_once().await {
            // The API server may be away for a while.
            eprintln!("{error}");
        }
    }
}

struct StandIn {
    arguments: Arguments,
    client: Client,
    cloud: Cloud,
    speaker: Speaker,
    /// Since when each node, by its UID, has been empty.
    empty: BTreeMap<String, Instant>,
}

impl StandIn {
    fn new(client: Client, arguments: Arguments) -> Self {
        Self {
            arguments,
            cloud: Cloud::new(client.clone()),
            speaker: Speaker::new(client.clone()),
            client,
            empty: BTreeMap::new(),
        }
    }

    async fn run_once(&mut self) -> kube::Result<()> {
        let configured =
            Api::<ConfigMap>::namespaced(self.client.clone(), NAMESPACE).get(&self.arguments.groups).await?;
        let groups = group::read(&configured);
        let nodes = Api::<Node>::all(self.client.clone()).list(&ListParams::default()).await?.items;
        let pods = Api::<Pod>::all(self.client.clone()).list(&ListParams::default()).await?.items;
        self.add(&groups, &nodes, &pods).await?;
        self.remove(&groups, &nodes, &pods).await?;
        status::write(&self.client, &groups, &nodes, &self.cloud.on_their_way()).await
    }

    async fn add(&mut self, groups: &[Group], nodes: &[Node], pods: &[Pod]) -> kube::Result<()> {
        let plan = scale_up::plan(groups, nodes, pods, &self.cloud.on_their_way());
        for (pod, word) in &plan.words {
            self.speaker.say(pod, word).await?;
        }
        for group in groups {
            let missing = group.min.saturating_sub(group.size(nodes) + self.cloud.of(group));
            self.cloud.order(group, plan.nodes.get(&group.name).copied().unwrap_or_default() + missing);
        }
        self.cloud.deliver(groups).await
    }

    async fn remove(&mut self, groups: &[Group], nodes: &[Node], pods: &[Pod]) -> kube::Result<()> {
        let empty = scale_down::empty(groups, nodes, pods);
        let uid = |node: &Node| node.metadata.uid.clone().unwrap_or_default();
        self.empty.retain(|known, _| empty.iter().any(|node| uid(node) == *known));
        let (unneeded, unready) = (self.arguments.scale_down_unneeded_time, self.arguments.scale_down_unready_time);
        let now = Instant::now();
        for node in empty {
            let since = *self.empty.entry(uid(node)).or_insert(now);
            let patience = if scale_down::is_ready(node) { unneeded } else { unready };
            if now.duration_since(since) >= Duration::from_millis(patience) {
                self.cloud.give_back(node).await?;
            }
        }
        Ok(())
    }
}
