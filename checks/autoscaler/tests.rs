//! Scenes, real and made up, and what the check makes of them.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::causes::{Stage, explain};
use super::claim::{SeenClaim, SeenPool};
use super::detect::Autoscaler;
use super::guards;
use super::node::SeenNode;
use super::pod::SeenPod;
use super::scene::{Before, Origin, Scene};
use super::settings::tests::settings;
use super::stages::{self, Trigger};
use super::word::Word;
use crate::cluster::Look;
use crate::cluster::listing::Listing;
use crate::failure::{Certainty, Failure};
use crate::verdict::Verdict;

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

#[test]
fn a_real_scale_up_goes_through_its_stages_in_order() {
    let timeline: Vec<Value> = serde_json::from_str(include_str!("fixtures/karpenter_scale_up.json")).unwrap();
    let mut play = Play::new(KARPENTER, &[]).start();
    let mut reached: Vec<&str> = Vec::new();
    let mut node = String::new();
    for object in timeline {
        let name = object["metadata"]["name"].clone();
        let among = match object["kind"].as_str().unwrap() {
            "Node" => &mut play.nodes,
            "NodeClaim" => &mut play.claims,
            "Pod" => &mut play.pods,
            _ => &mut play.words,
        };
        among.retain(|other| other["metadata"]["name"] != name);
        among.push(object);
        play.fill();
        let scene = &play.scene;
        assert!(guards::astray(scene).is_none() && guards::too_costly(scene).is_none());
        for (stage, holds) in [
            ("triggered", matches!(stages::triggered(scene), Look::Found(_))),
            ("launched", matches!(stages::launched(scene), Look::Found(_))),
            ("running", matches!(stages::running(scene), Look::Found(_))),
            ("registered", matches!(stages::registered(scene), Look::Found(_))),
            ("ready", matches!(stages::ready(scene), Look::Found(_))),
        ] {
            if holds && !reached.contains(&stage) {
                reached.push(stage);
            }
        }
        if let Look::Found((_, on)) = stages::running(scene) {
            node = on.name;
        }
    }
    // Karpenter notes the registration in its claim after the taint has gone, and the replica is quicker than that note.
    assert_eq!(reached, ["triggered", "launched", "running", "registered", "ready"]);
    assert!(node.starts_with("kwok-default-"), "{node}");
}

#[test]
fn replicas_are_the_nodes_that_take_one_and_one_more() {
    let play = Play::new(KARPENTER, &[]);
    assert_eq!(play.start().scene.before.replicas(), 1);
    let play = Play::new(KARPENTER, &[]).node("a", BEFORE, true).node("booting", BEFORE, false);
    assert_eq!(play.start().scene.before.replicas(), 3);
    let cordoned = Play::new(KARPENTER, &[]).node("a", BEFORE, true).node("cordoned", BEFORE, true);
    let cordoned = cordoned.but("/spec", json!({"unschedulable": true})).start();
    assert_eq!(cordoned.scene.before.replicas(), 2);
    let coming = Play::new(KARPENTER, &[]).node("a", BEFORE, true).claim("c", BEFORE, "not-there-yet").start();
    assert_eq!(coming.scene.before.on_their_way, ["c"]);
    assert_eq!(coming.scene.before.replicas(), 3, "the node that is on its way takes a replica");
}

#[test]
fn no_replicas_are_not_all_replicas() {
    let scene = Play::new(KARPENTER, &[]).start().scene();
    assert!(matches!(stages::replicas_exist(&scene), Look::NotYet(_)));
    assert!(guards::astray(&scene).is_none());
    assert!(matches!(stages::running(&scene), Look::NotYet(_)));
}

#[test]
fn a_refusal_that_lasts_ends_the_wait() {
    let scene = one_waits(KARPENTER)
        .word(
            "b",
            "karpenter",
            "FailedScheduling",
            "Failed to schedule pod, node limits have been exhausted for nodepool (NodePool=default)",
        )
        .scene();
    let failure = never(stages::triggered(&scene));
    assert_eq!(failure.verdict, Verdict::Failed);
    assert_eq!(cause(&failure), ("the NodePool's limit of nodes is reached", Certainty::Certain));
    assert_eq!(failure.object.unwrap().name, "b");
}

#[test]
fn a_refusal_of_one_of_two_that_wait_does_not() {
    let scene = Play::new(KARPENTER, &[])
        .node("old", BEFORE, true)
        .start()
        .pod("a", None)
        .pod("b", None)
        .word(
            "b",
            "karpenter",
            "FailedScheduling",
            "Failed to schedule pod, did not tolerate taint (taint=x:NoSchedule)",
        )
        .scene();
    assert!(matches!(stages::triggered(&scene), Look::NotYet(_)), "the other may still make Karpenter add a node");
}

#[test]
fn cluster_autoscalers_refusal_is_only_a_diagnosis() {
    let play = one_waits(Autoscaler::ClusterAutoscaler).word(
        "b",
        "cluster-autoscaler",
        "NotTriggerScaleUp",
        "pod didn't trigger scale-up: 1 max node group size reached",
    );
    let scene = play.scene();
    let Look::NotYet(seen) = stages::triggered(&scene) else { panic!("it may precede a success") };
    assert!(seen.contains("max node group size reached"), "{seen}");
    let failure = explain(&scene, Stage::Trigger, Failure::failed("x"));
    assert!(cause(&failure).0.ends_with("1 max node group size reached"), "{failure:?}");
    assert_eq!(cause(&failure).1, Certainty::Likely);
}

#[test]
fn silence_is_told_as_such() {
    for autoscaler in [KARPENTER, Autoscaler::ClusterAutoscaler] {
        let scene = one_waits(autoscaler).word("b", "default-scheduler", "FailedScheduling", "0/1 nodes").scene();
        let failure = explain(&scene, Stage::Trigger, Failure::failed("x"));
        assert_eq!(
            cause(&failure).0,
            format!("{autoscaler} does not run, or does not see the replicas: it has said nothing about them")
        );
    }
}

#[test]
fn expendable_pods_are_the_harness_fault() {
    let mut play = one_waits(Autoscaler::ClusterAutoscaler);
    play.pods[1]["spec"]["priority"] = json!(-11);
    let failure = never(stages::triggered(&play.scene()));
    assert_eq!(failure.verdict, Verdict::Inconclusive);
    let mut play = one_waits(Autoscaler::ClusterAutoscaler);
    play.pods[1]["spec"]["priority"] = json!(-10);
    assert!(matches!(stages::triggered(&play.scene()), Look::NotYet(_)), "-10 is not below -10");
}

#[test]
fn karpenter_without_a_node_pool_is_not_waited_for() {
    let mut play = one_waits(KARPENTER);
    play.scene.pools.clear();
    assert_eq!(cause(&never(stages::triggered(&play.scene()))).1, Certainty::Certain);
}

#[test]
fn a_node_with_a_claim_of_this_run_is_new() {
    let scene = Play::new(KARPENTER, &[])
        .node("old", BEFORE, true)
        .start()
        .node("new", AFTER, true)
        .claim("c", AFTER, "new")
        .pod("a", Some("old"))
        .pod("b", Some("new"))
        .scene();
    assert!(guards::astray(&scene).is_none());
    let Look::Found((pod, node)) = stages::running(&scene) else { panic!("b runs on the new node") };
    assert_eq!((pod.name.as_str(), node.name.as_str()), ("b", "new"));
    assert!(matches!(stages::triggered(&scene), Look::Found(Trigger::Claim(claim)) if claim.name == "c"));
}

#[test]
fn a_node_that_nobody_claims_is_foreign() {
    let scene = Play::new(KARPENTER, &[])
        .node("old", BEFORE, true)
        .start()
        .node("strange", AFTER, true)
        .pod("a", Some("old"))
        .pod("b", Some("strange"))
        .scene();
    assert!(matches!(stages::running(&scene), Look::NotYet(_)));
    let failure = guards::astray(&scene).unwrap();
    assert_eq!(failure.verdict, Verdict::Failed);
    assert_eq!(failure.seen, "pod b runs on node strange, and no NodeClaim belongs to the new node");
}

#[test]
fn a_node_whose_claim_is_older_is_not_new() {
    let scene = Play::new(KARPENTER, &[])
        .claim("c", BEFORE, "late")
        .start()
        .node("late", AFTER, true)
        .pod("a", Some("late"))
        .pod("b", None)
        .scene();
    assert_eq!(scene.origin(scene.nodes.get("late").unwrap()), Origin::Old);
    assert!(matches!(stages::running(&scene), Look::NotYet(_)), "it was on its way before this run");
}

#[test]
fn a_node_replaced_under_its_old_name_is_another_one() {
    let mut play = Play::new(KARPENTER, &[]).node("n", BEFORE, true).start().pod("a", Some("n")).pod("b", None);
    play.nodes.clear();
    let scene = play.node("n", AFTER, true).but("/metadata/uid", json!("another")).claim("c", AFTER, "n").scene();
    assert_eq!(scene.origin(scene.nodes.get("n").unwrap()), Origin::New);
}

#[test]
fn an_old_node_that_gets_the_label_late_is_no_answer() {
    let scene = Play::new(KARPENTER, &[]).start().node("relabelled", BEFORE, true).pod("a", Some("relabelled")).scene();
    let failure = guards::astray(&scene).unwrap();
    assert_eq!(failure.verdict, Verdict::Failed);
    assert!(failure.seen.contains("relabelled, created 2026-11-21T14:00:00Z"), "{}", failure.seen);
    assert!(cause(&failure).0.contains("older than the Deployment"));
}

#[test]
fn replicas_together_on_a_node_say_why() {
    let together = |play: Play| play.start().pod("a", Some("old")).pod("b", Some("old")).scene();
    let labelled = guards::astray(&together(Play::new(KARPENTER, &[]).node("old", BEFORE, true))).unwrap();
    assert_eq!(cause(&labelled).1, Certainty::Likely);
    let nameless = Play::new(KARPENTER, &[]).node("old", BEFORE, true).but("/metadata/labels", json!({}));
    let nameless = guards::astray(&together(nameless)).unwrap();
    assert_eq!(nameless.verdict, Verdict::Failed);
    assert_eq!(cause(&nameless).1, Certainty::Certain);
    assert!(cause(&nameless).0.contains("no label kubernetes.io/hostname"));
}

#[test]
fn a_node_that_became_available_meanwhile_is_nobodys_fault() {
    let scene = Play::new(KARPENTER, &[])
        .node("cordoned", BEFORE, true)
        .but("/spec", json!({"unschedulable": true}))
        .start()
        .pod("a", Some("cordoned"))
        .scene();
    assert_eq!(guards::astray(&scene).unwrap().verdict, Verdict::Inconclusive);
}

#[test]
fn pods_that_gave_way_are_told() {
    let mut play = Play::new(KARPENTER, &[]).start().node("relabelled", BEFORE, true).pod("a", Some("relabelled"));
    play.pods[0]["status"]["nominatedNodeName"] = json!("relabelled");
    let failure = guards::astray(&play.scene()).unwrap();
    assert!(failure.details.iter().any(|d| d.title.contains("gave way") && d.lines == ["pod a on node relabelled"]));
}

#[test]
fn cluster_autoscalers_node_comes_after_its_word() {
    let joined = |created: &str| {
        Play::new(Autoscaler::ClusterAutoscaler, &[])
            .node("old", BEFORE, true)
            .start()
            .node("new", created, true)
            .pod("a", Some("old"))
            .pod("b", Some("new"))
    };
    let word = |play: Play, pod: &str| {
        play.word(pod, "cluster-autoscaler", "TriggeredScaleUp", "pod triggered scale-up: [{spot 1->2 (max: 3)}]")
    };
    let origin = |play: Play| {
        let scene = play.scene();
        scene.origin(scene.nodes.get("new").unwrap())
    };
    assert_eq!(origin(word(joined(AFTER), "b")), Origin::New);
    assert_eq!(origin(joined(AFTER)), Origin::Foreign, "without its word the node is not its own");
    assert_eq!(origin(word(joined("2026-11-21T14:23:02Z"), "b")), Origin::Foreign, "it was there before the word");
    assert_eq!(origin(word(joined(AFTER), "somebody-elses")), Origin::Foreign);
    assert!(guards::astray(&joined(AFTER).scene()).is_some());
}

#[test]
fn more_new_nodes_than_allowed_end_the_check() {
    let grow = |most: &str| {
        let mut play = Play::new(KARPENTER, &[most]).start();
        for name in ["n1", "n2"] {
            play = play.node(name, AFTER, false).claim(&format!("claim-{name}"), AFTER, name);
        }
        guards::too_costly(&play.claim("claim-n3", AFTER, "n3").pod("a", None).scene())
    };
    assert_eq!(grow("maxNewNodes=3"), None);
    let failure = grow("maxNewNodes=2").unwrap();
    assert_eq!(failure.verdict, Verdict::Failed);
    assert_eq!(failure.seen, "3: node n1, node n2, NodeClaim claim-n3");
}

#[test]
fn only_this_runs_nodes_have_to_be_of_an_allowed_type() {
    let play = || Play::new(KARPENTER, &["instanceTypes=c7g.*"]).start().node("n", AFTER, true).claim("c", AFTER, "n");
    assert_eq!(guards::too_costly(&play().pod("a", None).scene()), None, "another workload's node");
    let hosting = guards::too_costly(&play().pod("a", Some("n")).scene()).unwrap();
    assert_eq!(hosting.summary(), "expected an instance type of c7g.*, saw m7g.large on Node n");
    let nominated = play().pod("a", None).word("a", "karpenter", "Nominated", "Pod should schedule on: nodeclaim/c");
    assert_eq!(guards::too_costly(&nominated.scene()).unwrap().object.unwrap().kind, "NodeClaim");
}

#[test]
fn a_node_that_stays_unready_says_why() {
    let scene = Play::new(KARPENTER, &[]).start().node("n", AFTER, false).claim("c", AFTER, "n").pod("a", None).scene();
    assert!(matches!(stages::registered(&scene), Look::Found(_)));
    assert!(matches!(stages::ready(&scene), Look::NotYet(_)));
    let failure = explain(&scene, Stage::Readiness, Failure::failed("x"));
    assert!(cause(&failure).0.contains("Ready is False, KubeletNotReady: cni plugin not initialized"));
    assert_eq!(failure.object.unwrap().name, "n");
}

#[test]
fn pods_that_the_api_server_refuses_are_not_waited_for() {
    let refused = |message: &str| {
        let mut play = Play::new(KARPENTER, &[]).start().word("d-1", "replicaset-controller", "FailedCreate", message);
        play.words[0]["involvedObject"]["kind"] = json!("ReplicaSet");
        stages::replicas_exist(&play.scene())
    };
    let quota = never(refused("Error creating: pods \"d-1-x\" is forbidden: exceeded quota: small"));
    assert_eq!((quota.verdict, cause(&quota).1), (Verdict::Failed, Certainty::Certain));
    assert!(matches!(refused("Internal error occurred: failed calling webhook"), Look::NotYet(_)));
}

#[test]
fn a_replica_that_cannot_start_on_the_new_node_ends_the_wait() {
    let mut play = Play::new(KARPENTER, &[]).start().node("n", AFTER, true).claim("c", AFTER, "n").pod("a", Some("n"));
    play.pods[0]["status"] = json!({"containerStatuses": [{"name": "c", "image": "", "imageID": "", "ready": false,
        "restartCount": 0, "state": {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}}]});
    let failure = never(stages::running(&play.scene()));
    assert_eq!(failure.seen, "pod a: ImagePullBackOff: not found");
}
