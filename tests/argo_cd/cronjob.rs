//! The CronJob fires by itself.

use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use kube::runtime::{WatchStreamExt, watcher};
use libtest_mimic::{Failed, Trial};
use serde_json::json;

use super::release::Release;
use super::world::{World, trial};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![trial(world, "cronjob::fires_and_passes", fires)]
}

fn fires(world: &World) -> Result<(), Failed> {
    let schedule = json!({"cronJob": {"enabled": true, "schedule": "* * * * *"}, "helmTest": {"enabled": false}});
    let _release = Release::install(world, "chart-nightly", &world.values(&["cert-manager"], schedule))?;
    let jobs = world.api("batch", "v1", "Job", "chart-nightly");
    let ended = async {
        let mut jobs = std::pin::pin!(watcher(jobs, watcher::Config::default()).applied_objects());
        while let Some(job) = jobs.try_next().await? {
            let status = job.data["status"].clone();
            if status["conditions"].as_array().is_some_and(|all| all.iter().any(|c| c["type"] == "Failed")) {
                return Err(Failed::from(format!("{status:#}")));
            }
            if status["succeeded"] == 1 {
                return Ok(job.metadata.owner_references.unwrap_or_default());
            }
        }
        Err("the watch ended".into())
    };
    let owners = world.wait(async { tokio::time::timeout(Duration::from_secs(150), ended).await });
    let owners = owners.map_err(|_| "no Job of the CronJob passed within 150 s")??;
    if owners.iter().any(|owner| owner.kind == "CronJob" && owner.name == "proofs") {
        Ok(())
    } else {
        Err(format!("the Job that passed is not the CronJob's: {owners:?}").into())
    }
}
