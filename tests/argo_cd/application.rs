//! The chart's own examples of a project and an application, with this trial's repository and values.

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use libtest_mimic::Failed;
use serde_json::{Value, json};

use super::repository::Repository;
use super::world::World;

/// An example of the chart.
pub(crate) fn example(name: &str) -> Result<Value, Failed> {
    let path = format!("{}/charts/kibertas-rs/examples/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    Ok(serde_saphyr::from_str(&std::fs::read_to_string(path)?)?)
}

/// An application that is synced once; gone with everything of it when dropped.
pub(crate) struct Application<'w> {
    world: &'w World,
    name: &'static str,
    _repository: Repository,
}

impl<'w> Application<'w> {
    /// Creates project and application, and lets Argo CD sync.
    pub(crate) fn sync(world: &'w World, name: &'static str, values: &Value) -> Result<Self, Failed> {
        Self::sync_from(world, name, Repository::new()?, values)
    }

    /// The same from a repository that is there.
    pub(crate) fn sync_from(
        world: &'w World,
        name: &'static str,
        repository: Repository,
        values: &Value,
    ) -> Result<Self, Failed> {
        let mut project = example("project")?;
        project["spec"]["sourceRepos"] = json!([repository.url()]);
        world.apply(&project)?;
        let mut application = example("application")?;
        application["metadata"]["name"] = json!(name);
        application["spec"]["source"]["repoURL"] = json!(repository.url());
        application["spec"]["source"]["helm"]["valuesObject"] = values.clone();
        // The test cluster is registered under its own name.
        application["spec"]["destination"] = json!({"name": world.cluster().site().name(), "namespace": "kibertas"});
        let made = Self { world, name, _repository: repository };
        // A killed run may have left one of this name, whose sync is over.
        made.forget()?;
        world.apply(&application)?;
        Ok(made)
    }

    /// Has Argo CD forget it, with its resources.
    fn forget(&self) -> Result<(), Failed> {
        let gone = ["delete", "application", "-n", "argocd", self.name, "--ignore-not-found", "--timeout=120s"];
        self.world.kubectl(&gone)?;
        Ok(())
    }

    /// Removes it with everything of it.
    fn remove(&self) -> Result<(), Failed> {
        self.forget()?;
        // What a hook left, such as a failed Job, goes with its namespace.
        self.world.kubectl(&["delete", "namespace", "kibertas", "--ignore-not-found", "--timeout=120s"])?;
        Ok(())
    }

    /// Waits for the end of the sync: its phase, and what Argo CD says of the hook.
    pub(crate) fn end(&self, seconds: u64) -> Result<(String, Value), Failed> {
        let state = &operation(self.world, self.name, seconds)?;
        let phase = state["phase"].as_str().unwrap_or_default().to_owned();
        let resources = state["syncResult"]["resources"].as_array().cloned().unwrap_or_default();
        let hook = resources.into_iter().find(|resource| resource["hookType"] == "PostSync");
        Ok((phase, hook.ok_or_else(|| format!("no hook ran: {state:#}"))?))
    }

    /// Has Argo CD terminate the sync, as `argocd app terminate-op` does.
    pub(crate) fn terminate(&self) -> Result<(), Failed> {
        let patch = Patch::Merge(json!({"status": {"operationState": {"phase": "Terminating"}}}));
        let api = self.api();
        self.world.wait(async { api.patch(self.name, &PatchParams::default(), &patch).await })?;
        Ok(())
    }

    pub(crate) fn api(&self) -> Api<DynamicObject> {
        applications(self.world)
    }
}

/// Argo CD's applications.
pub(crate) fn applications(world: &World) -> Api<DynamicObject> {
    world.api("argoproj.io", "v1alpha1", "Application", "argocd")
}

/// Waits for the end of an application's sync; the state of the operation.
pub(crate) fn operation(world: &World, name: &str, seconds: u64) -> Result<Value, Failed> {
    let ended = |app: &Value| {
        let phase = app["status"]["operationState"]["phase"].as_str().unwrap_or_default();
        ["Succeeded", "Failed", "Error"].contains(&phase)
    };
    Ok(world.until(applications(world), name, seconds, ended)?["status"]["operationState"].clone())
}

impl Drop for Application<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            eprintln!("the trial's application stays: {}", error.message().unwrap_or_default());
        }
    }
}
