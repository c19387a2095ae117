//! Proves that the cluster gets a node when it needs one: one replica more than there are nodes is asked for, no two on a node, and
//! the autoscaler has to add the node that the last one runs on.

mod causes;
mod claim;
mod detect;
mod guards;
mod node;
mod pod;
mod scale_in;
mod scene;
mod settings;
mod stages;
mod watching;
mod word;
mod workload;

#[cfg(test)]
mod tests;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use self::causes::{Stage, explain};
use self::node::SeenNode;
use self::scene::{Before, Scene};
use self::settings::Settings;
use self::stages::Trigger;
use self::watching::Watching;
use crate::check::{About, Check, Grant, LongWait};
use crate::cluster::Look;
use crate::config::Setting;
use crate::context::Context;
use crate::failure::Failure;

/// The check.
pub struct Autoscaler;

impl Check for Autoscaler {
    fn about(&self) -> &'static About {
        static ABOUT: About = About {
            name: "autoscaler",
            aliases: &["cluster-autoscaler", "karpenter"],
            summary: "Cluster Autoscaler or Karpenter adds a node when one is missing.",
            proves: &[
                "the autoscaler asks for a node because of a replica of this run",
                "the node comes up: launched, registered, ready",
                "the replica becomes ready on it: a node whose UID was not there before, created after the replica, and added by the autoscaler",
                "on demand (scaleIn): the node goes again once nothing runs on it",
            ],
        };
        &ABOUT
    }

    fn settings(&self) -> &'static [Setting] {
        settings::SETTINGS
    }

    fn grants(&self) -> &'static [Grant] {
        static GRANTS: &[Grant] = &[
            Grant::namespaced("apps", "deployments", &["get", "create"], "the replicas that need a node"),
            Grant::namespaced("apps", "deployments", &["delete"], "to need the new node no longer")
                .when("scaleIn", "true"),
            Grant::namespaced("apps", "deployments", &["list", "watch", "delete"], "to remove the replicas")
                .in_given_namespace(),
            Grant::namespaced("", "events", &["watch"], "what the autoscaler says about the replicas"),
            Grant::cluster("", "nodes", &["list", "watch"], "the nodes before, and the new one"),
            Grant::cluster(
                "karpenter.sh",
                "nodeclaims",
                &["list", "watch"],
                "the stages of Karpenter's new node, and whose it is",
            )
            .unless("autoscaler", "cluster-autoscaler"),
            Grant::cluster("karpenter.sh", "nodepools", &["list"], "why Karpenter adds no node")
                .unless("autoscaler", "cluster-autoscaler"),
            Grant::object(
                "",
                "configmaps",
                &["get"],
                (detect::STATUS_NAMESPACE, detect::STATUS_CONFIG_MAP),
                "whether Cluster Autoscaler is there",
            )
            .when("autoscaler", "auto"),
            Grant::cluster("", "pods", &["list"], "who still uses a node that is not removed").when("scaleIn", "true"),
        ];
        GRANTS
    }

    fn long_waits(&self) -> &'static [LongWait] {
        &[LongWait { flag: Some("scaleIn"), limit: "scaleInTimeout", besides: scale_in::QUESTION }]
    }

    fn run<'a>(&'a self, cx: &'a Context) -> LocalBoxFuture<'a, Result<(), Failure>> {
        prove(cx).boxed_local()
    }
}

async fn prove(cx: &Context) -> Result<(), Failure> {
    let settings = Settings::of(&cx.values);
    let scale_in = settings.scale_in;
    let name = cx.scratch.name("autoscaler");

    let (autoscaler, pools) = cx.step("autoscaler", async |step| detect::detect(cx, step, &settings).await).await?;
    let scene = Scene::new(settings, (&cx.scratch.namespace, &name), autoscaler, pools);
    let mut watching = Watching::new(cx, scene);
    nodes_before(cx, &mut watching).await?;
    deploy(cx, &mut watching, &name).await?;
    trigger(cx, &mut watching).await?;
    if autoscaler.is_karpenter() {
        launch(cx, &mut watching).await?;
    }
    register(cx, &mut watching).await?;
    get_ready(cx, &mut watching).await?;
    run_on_it(cx, &mut watching).await?;
    match scale_in {
        Some(limit) => scale_in::prove(cx, &mut watching, limit).await,
        None => Ok(()),
    }
}

async fn nodes_before(cx: &Context, watching: &mut Watching) -> Result<(), Failure> {
    cx.step("nodes before", async |step| {
        watching.until(step, "the list of nodes", |_| Look::Found(())).await?;
        let scene = &mut watching.scene;
        scene.before = Before::of(&scene.nodes, &scene.claims, &scene.settings.tolerations);
        step.evidence("label", scene.settings.label.to_string());
        step.evidence("count", scene.before.nodes.len());
        step.evidence("nodes", scene.before.nodes.values().collect::<Vec<_>>());
        if !scene.before.on_their_way.is_empty() {
            step.evidence("onTheirWay", &scene.before.on_their_way);
        }
        Ok(())
    })
    .await
}

/// Creates one replica for each node that takes one, and one more.
async fn deploy(cx: &Context, watching: &mut Watching, name: &str) -> Result<(), Failure> {
    cx.step("deployment", async |step| {
        let scene = &mut watching.scene;
        let replicas = scene.before.replicas();
        step.evidence("replicas", replicas);
        let deployment = workload::deployment(&cx.scratch, &cx.core.image, name, replicas, &scene.settings);
        let asked = tokio::time::Instant::now();
        let created = cx.create(step, deployment).await?;
        // Only the API server's clock can be compared with the creation of nodes.
        let Some(at) = created.metadata.creation_timestamp else {
            return Err(Failure::inconclusive("the API server to tell when it created the Deployment").saw("no time"));
        };
        watching.scene.start = Some((at.0, asked));
        step.evidence("created", at.0.to_string());
        watching.until(step, "all replicas to be created", stages::replicas_exist).await?;
        Ok(())
    })
    .await
}

async fn trigger(cx: &Context, watching: &mut Watching) -> Result<(), Failure> {
    cx.step("scale-up triggered", async |step| {
        let expected = format!("{} to ask for a node", watching.scene.autoscaler);
        let trigger = watching.until(step, &expected, stages::triggered).await;
        let trigger = trigger.map_err(|failure| explain(&watching.scene, Stage::Trigger, failure))?;
        step.evidence("seconds", watching.scene.seconds(watching.scene.moments.triggered));
        match trigger {
            Trigger::Claim(claim) => step.evidence("nodeClaim", claim),
            Trigger::Group { pod, groups } => {
                step.evidence("pod", pod);
                step.evidence("groups", groups);
            }
        }
        Ok(())
    })
    .await
}

async fn launch(cx: &Context, watching: &mut Watching) -> Result<(), Failure> {
    cx.step("node launched", async |step| {
        let expected = format!("{} to launch an instance for the new node", watching.scene.autoscaler);
        let claim = watching.until(step, &expected, stages::launched).await;
        let claim = claim.map_err(|failure| explain(&watching.scene, Stage::Launch, failure))?;
        step.evidence("seconds", watching.scene.seconds(watching.scene.moments.launched));
        step.evidence("nodeClaim", claim);
        Ok(())
    })
    .await
}

async fn register(cx: &Context, watching: &mut Watching) -> Result<(), Failure> {
    cx.step("node registered", async |step| {
        let expected = format!("a node of {} that was not there before", watching.scene.autoscaler);
        let node: Result<SeenNode, Failure> = watching.until(step, &expected, stages::registered).await;
        let node = node.map_err(|failure| explain(&watching.scene, Stage::Registration, failure))?;
        step.evidence("seconds", watching.scene.seconds(watching.scene.moments.registered));
        step.evidence("node", node);
        Ok(())
    })
    .await
}

async fn get_ready(cx: &Context, watching: &mut Watching) -> Result<(), Failure> {
    cx.step("node ready", async |step| {
        let expected = format!("the new node of {} to be ready for pods", watching.scene.autoscaler);
        let node = watching.until(step, &expected, stages::ready).await;
        let node = node.map_err(|failure| explain(&watching.scene, Stage::Readiness, failure))?;
        step.evidence("seconds", watching.scene.seconds(watching.scene.moments.ready));
        step.evidence("node", node.name);
        Ok(())
    })
    .await
}

async fn run_on_it(cx: &Context, watching: &mut Watching) -> Result<(), Failure> {
    cx.step("replica on the new node", async |step| {
        let expected = format!("a replica to be ready on the new node of {}", watching.scene.autoscaler);
        let running = watching.until(step, &expected, stages::running).await;
        let (pod, node) = running.map_err(|failure| explain(&watching.scene, Stage::Running, failure))?;
        let scene = &watching.scene;
        step.evidence("secondsToScheduled", scene.seconds(scene.moments.scheduled));
        step.evidence("seconds", scene.seconds(scene.moments.running));
        step.evidence("pod", pod);
        step.evidence("node", node);
        step.evidence("newNodes", scene.new_nodes());
        Ok(())
    })
    .await
}
