//! Whose a node is, and what ends the check whatever step it is in.

use serde_json::json;

use super::super::detect::Autoscaler;
use super::super::scene::Origin;
use super::super::stages::Trigger;
use super::super::{guards, stages};
use super::{AFTER, BEFORE, KARPENTER, Play, cause};
use crate::cluster::Look;
use crate::failure::Certainty;
use crate::verdict::Verdict;

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
