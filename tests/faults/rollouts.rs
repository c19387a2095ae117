//! Argo Rollouts, whole and broken.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use kibertas::rollout::Rollout;
use kube::api::{ListParams, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::run;
use super::world::{World, alone, on_whole};

/// The story of one Rollout, whose weights come from the numbers of its pods.
const ONE_STORY: &[&str] = &["rollouts", "--set", "rollouts.trafficRouter=none", "--set", "rollouts.analysis=false"];

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        on_whole(world, "rollouts::passes_by_replicas_and_through_traefik", |world| {
            run::test(&world.environment(), &["rollouts"])?.expect_pass()
        }),
        alone(world, "rollouts::controller_stopped", |world| {
            let _stopped = world.stopped("argo-rollouts")?;
            let args = [ONE_STORY, &["--set", "rollouts.controllerTimeout=4s", "--step-timeout", "8s"]].concat();
            let report = run::test(&world.environment(), &args)?;
            report.expect(1, "failed", Some("first revision healthy"), &["controller"])
        }),
        alone(world, "rollouts::controller_stopped_in_the_middle", |world| {
            // The steps before have to pass; the silence ends by its own limit.
            let args = [ONE_STORY, &["--set", "rollouts.controllerTimeout=4s", "--step-timeout", "30s"]].concat();
            let mut running = run::start(&world.environment(), &args)?;
            running.until("canary at 25 %")?;
            let stopped = world.stopped("argo-rollouts")?;
            let changed = running.run().and_then(|run| world.wait(change_unseen(world, &run)));
            let report = running.finish()?;
            drop(stopped);
            changed?;
            report.expect(1, "failed", None, &["controller"])
        }),
        alone(world, "rollouts::api_server_restarted_in_the_middle", |world| {
            let mut running = run::start(&world.environment(), ONE_STORY)?;
            running.until("canary at 25 %")?;
            world.wait(world.cluster().restart("kube-apiserver"))?;
            running.finish()?.expect_pass()
        }),
        on_whole(world, "rollouts::canary_that_crashes", |world| {
            let mut running = run::start(&world.environment(), &[ONE_STORY, &["--step-timeout", "20s"]].concat())?;
            running.until("namespace")?;
            let run = running.run()?;
            world.wait(async {
                let crashed = tokio::time::timeout(Duration::from_secs(30), crash_the_update(world, &run));
                crashed.await.map_err(|_| Failed::from("no update appeared"))?
            })?;
            let report = running.finish()?;
            report.expect(1, "failed", Some("canary at 25 %"), &["out of luck"])
        }),
        on_whole(world, "rollouts::router_out_of_reach", |world| {
            // Nobody listens there: the weights may be right, but no reply says so.
            let router = format!("rollouts.routerUrl=http://{}:9", world.cluster().node_address());
            let args = ["rollouts", "--set", "rollouts.analysis=false", "--set", &router, "--step-timeout", "40s"];
            let report = run::test(&world.environment(), &args)?;
            // The step's own failure: the check tells that of the other story first, should it have one on a busy machine.
            let step = "traffic: all replies from v1";
            report.expect(1, "failed", Some(step), &[])?;
            let failure = &report.step(step)["failure"];
            if failure.to_string().contains(":9/") { Ok(()) } else { Err(format!("{failure:#}").into()) }
        }),
    ]
}

/// Changes the run's Rollout in a way that alters nothing about the update, once nobody acts upon it. What the run itself asked for last
/// may have been acted upon before.
async fn change_unseen(world: &World, run: &str) -> Result<(), Failed> {
    let all: Api<Rollout> = Api::all(world.cluster().client());
    let of_run = ListParams::default().labels(&format!("kibertas.dev/run={run}"));
    let rollout = all.list(&of_run).await?.items.pop().ok_or("the run has no Rollout any more")?;
    let api: Api<Rollout> = Api::namespaced(world.cluster().client(), &rollout.namespace().unwrap_or_default());
    let change = json!({"spec": {"revisionHistoryLimit": rollout.spec.revision_history_limit.unwrap_or_default() + 1}});
    api.patch(&rollout.name_any(), &PatchParams::default(), &Patch::Merge(&change)).await?;
    Ok(())
}

/// Makes the pods of the run's first update crash, as a broken release would.
async fn crash_the_update(world: &World, run: &str) -> Result<(), Failed> {
    let all: Api<Rollout> = Api::all(world.cluster().client());
    let config = watcher::Config::default().labels(&format!("kibertas.dev/run={run}"));
    let mut rollouts = std::pin::pin!(watcher(all, config).applied_objects());
    while let Some(rollout) = rollouts.try_next().await? {
        let update = rollout.metadata.generation.is_some_and(|generation| generation > 1);
        let template = serde_json::to_string(&rollout.spec.template)?;
        if !update || !template.contains("\"v2\"") {
            continue;
        }
        let api: Api<Rollout> = Api::namespaced(world.cluster().client(), &rollout.namespace().unwrap_or_default());
        let mut template = serde_json::to_value(&rollout.spec.template)?;
        template["spec"]["containers"][0]["args"] = json!(["probe", "exit", "--code", "3", "--line", "out of luck"]);
        let crash = json!({"spec": {"template": template}});
        api.patch(&rollout.name_any(), &PatchParams::default(), &Patch::Merge(&crash)).await?;
        return Ok(());
    }
    Err("the watch ended".into())
}
