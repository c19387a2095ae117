//! What ends the check whatever step it is in: too many new nodes, a node of a type that is not allowed, and replicas that all run
//! without a node that the autoscaler added.

use super::scene::{Origin, Scene};
use crate::failure::{Certainty, Failure, ObjectRef};

/// More than the check may cost: too many new nodes, or one of a type that is not allowed.
pub(super) fn too_costly(scene: &Scene) -> Option<Failure> {
    too_many(scene).or_else(|| wrong_type(scene))
}

fn too_many(scene: &Scene) -> Option<Failure> {
    let mut new: Vec<String> = scene
        .nodes
        .iter()
        .filter(|node| scene.origin(node) != Origin::Old)
        .map(|node| format!("node {}", node.name))
        .collect();
    let on_their_way = scene.new_claims().into_iter().filter(|claim| !scene.nodes.iter().any(|node| claim.is_of(node)));
    new.extend(on_their_way.map(|claim| format!("NodeClaim {}", claim.name)));
    let most = scene.settings.max_new_nodes;
    (new.len() > most).then(|| {
        Failure::failed(format!("at most {most} new nodes under {}", scene.settings.label))
            .saw(format!("{}: {}", new.len(), new.join(", ")))
            .because(
                Certainty::Likely,
                crate::failure::Origin::Cluster,
                "more nodes are added than one replica needs: existing nodes have no room for the replicas, other workloads grow at the \
                 same time, or the autoscaler adds too many",
            )
            .next(format!("kubectl get nodes -l {} --sort-by=.metadata.creationTimestamp", scene.settings.label))
            .next("raise maxNewNodes where that many are right")
            .on(scene.deployment_ref())
    })
}

/// Only nodes for this run's replicas are looked at: what other workloads get is none of the check's business.
fn wrong_type(scene: &Scene) -> Option<Failure> {
    let wrong = |kind: &str, name: &str, instance_type: Option<&str>| {
        (!scene.settings.allows_type(instance_type)).then(|| {
            Failure::failed(format!("an instance type of {}", scene.settings.instance_types.join(", ")))
                .saw(instance_type.unwrap_or("none told"))
                .on(ObjectRef::cluster_scoped(kind, name))
        })
    };
    let nominated: Vec<&str> = scene.own_words().filter_map(super::word::Word::nominated_claim).collect();
    let claims = scene.new_claims().into_iter().filter(|c| c.launched.reached && nominated.contains(&c.name.as_str()));
    let mut claims = claims.filter_map(|claim| wrong("NodeClaim", &claim.name, claim.instance_type.as_deref()));
    claims
        .next()
        .or_else(|| scene.on_new_node().find_map(|(_, node)| wrong("Node", &node.name, node.instance_type.as_deref())))
}

/// All replicas have a node, and none of these is one that the autoscaler added: nothing is left for it to do.
///
/// The watches of pods, nodes and claims do not run in step. So this is a suspicion until it is confirmed by fresh lists.
pub(super) fn astray(scene: &Scene) -> Option<Failure> {
    if !scene.has_all_replicas() || scene.waiting().next().is_some() || scene.on_new_node().next().is_some() {
        return None;
    }
    let placed: Vec<(&str, &str)> =
        scene.pods.iter().filter_map(|pod| Some((pod.name.as_str(), pod.node.as_deref()?))).collect();
    let lines = placed.iter().map(|(pod, node)| format!("pod {pod} on node {node}")).collect();
    let preempted =
        scene.pods.iter().filter_map(|pod| Some(format!("pod {} on node {}", pod.name, pod.preempts_on.as_ref()?)));
    let failure = foreign(scene, &placed)
        .or_else(|| shared(scene, &placed))
        .or_else(|| unlabelled(scene, &placed))
        .or_else(|| recovered(scene, &placed))
        .or_else(|| older(scene, &placed))?;
    Some(
        failure
            .detail("where the replicas are", lines)
            .detail("pods of lower priority gave way to", preempted.collect()),
    )
}

fn foreign(scene: &Scene, placed: &[(&str, &str)]) -> Option<Failure> {
    let (pod, node) = placed.iter().find_map(|(pod, node)| {
        let node = scene.nodes.get(node)?;
        (scene.origin(node) == Origin::Foreign).then_some((pod, node))
    })?;
    let name = scene.autoscaler;
    let (seen, cause) = if name.is_karpenter() {
        ("no NodeClaim belongs to the new node", "somebody else has added the node: another autoscaler, or a person")
    } else {
        (
            "no TriggeredScaleUp on a replica of this run comes before the new node",
            "somebody else has added the node, or Cluster Autoscaler has added it for another workload",
        )
    };
    Some(
        Failure::failed(format!("the replica's node to be one that {name} added for this run"))
            .saw(format!("pod {pod} runs on node {}, and {seen}", node.name))
            .because(Certainty::Likely, crate::failure::Origin::Cluster, cause)
            .next(format!("kubectl get node {} -o yaml", node.name))
            .on(ObjectRef::cluster_scoped("Node", &node.name)),
    )
}

/// Anti-affinity that counts keeps replicas apart.
fn shared(scene: &Scene, placed: &[(&str, &str)]) -> Option<Failure> {
    let node = placed
        .iter()
        .enumerate()
        .find_map(|(i, (_, node))| placed[..i].iter().any(|(_, other)| other == node).then_some(*node))?;
    let on_it: Vec<&str> = placed.iter().filter(|(_, other)| *other == node).map(|(pod, _)| *pod).collect();
    let failure = Failure::failed("each replica on a node of its own, and the last one on a new node")
        .saw(format!("pods {} run together on node {node}, which was there before", on_it.join(" and ")))
        .on(ObjectRef::cluster_scoped("Node", node));
    let failure = match scene.nodes.get(node) {
        Some(seen) if !seen.has_hostname => failure
            .because(
                Certainty::Certain,
                crate::failure::Origin::Cluster,
                "the node has no label kubernetes.io/hostname, so that anti-affinity by host name has no effect on it",
            )
            .next(format!("kubectl label node {node} kubernetes.io/hostname={node}")),
        _ => failure.because(
            Certainty::Likely,
            crate::failure::Origin::Cluster,
            "something ignores or has removed the replicas' anti-affinity: an admission webhook, or another scheduler",
        ),
    };
    Some(failure.next(format!("kubectl -n {} get pods -o yaml", scene.namespace)))
}

fn unlabelled(scene: &Scene, placed: &[(&str, &str)]) -> Option<Failure> {
    let (pod, node) = placed.iter().find(|(_, node)| scene.nodes.get(node).is_none())?;
    Some(
        Failure::failed(format!("every replica on a node under {}", scene.settings.label))
            .saw(format!("pod {pod} runs on node {node}, which does not carry it"))
            .because(
                Certainty::Certain,
                crate::failure::Origin::Cluster,
                "something ignores or has removed the replicas' node selector, or the node has lost its label",
            )
            .next(format!("kubectl -n {} get pod {pod} -o yaml", scene.namespace))
            .on(ObjectRef::new("Pod", &scene.namespace, pod)),
    )
}

/// A node that could take no replica at the start, and was not counted, has taken one.
fn recovered(scene: &Scene, placed: &[(&str, &str)]) -> Option<Failure> {
    let (pod, node, why) = placed.iter().find_map(|(pod, node)| {
        let uid = &scene.nodes.get(node)?.uid;
        Some((pod, node, scene.before.nodes.get(uid)?.takes_none.as_ref()?))
    })?;
    Some(
        Failure::inconclusive("the nodes that take replicas to stay the same during the check")
            .saw(format!("node {node} took none at the start ({why}), and pod {pod} runs on it now"))
            .because(
                Certainty::Certain,
                crate::failure::Origin::Cluster,
                "the node has become available meanwhile, so that none was missing",
            )
            .next("run the check again")
            .on(ObjectRef::cluster_scoped("Node", node)),
    )
}

fn older(scene: &Scene, placed: &[(&str, &str)]) -> Option<Failure> {
    let seen = |node: &str| scene.nodes.get(node);
    let late = placed.iter().find(|(_, node)| seen(node).is_some_and(|n| !scene.before.nodes.contains_key(&n.uid)));
    let (pod, node) = late.or_else(|| placed.first())?;
    let created = seen(node).and_then(|node| node.created).map(|at| format!(", created {at}")).unwrap_or_default();
    Some(
        Failure::failed("the last replica on a node that was not there before")
            .saw(format!("all replicas run on old nodes; pod {pod} on node {node}{created}"))
            .because(
                Certainty::Likely,
                crate::failure::Origin::Cluster,
                match late {
                    Some(_) => "the node is older than the Deployment: it was on its way already, or has got the label meanwhile",
                    None => "nodes that were there before have taken all replicas, so that none was missing",
                },
            )
            .next(format!("kubectl get nodes -l {} --sort-by=.metadata.creationTimestamp", scene.settings.label))
            .on(ObjectRef::cluster_scoped("Node", node)),
    )
}
