//! The stages of a scale-up, on real and made-up scenes.

use serde_json::{Value, json};

use super::super::causes::{Stage, explain};
use super::super::detect::Autoscaler;
use super::super::{guards, stages};
use super::{AFTER, BEFORE, KARPENTER, Play, cause, never, one_waits};
use crate::cluster::Look;
use crate::failure::{Certainty, Failure};
use crate::verdict::Verdict;

#[test]
fn a_real_scale_up_goes_through_its_stages_in_order() {
    let timeline: Vec<Value> = serde_json::from_str(include_str!("../fixtures/karpenter_scale_up.json")).unwrap();
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
