//! The story of a Rollout: deployed, updated step by step, promoted in full, updated again, aborted, and brought back.

use serde_json::json;

use super::manifests::{self, CANARY, Plan, STABLE, WEIGHTS, stops, template_of, version};
use super::scene::{Aborts, Scene};
use super::settings::Options;
use super::traffic::{Router, Shares};
use super::view::{Pods, View, split};
use crate::context::{Context, Step};
use crate::failure::{Failure, ObjectRef};
use crate::rollout::{Effect, Operation, OperationError, Rollout, perform};

/// One Rollout on its way through its story.
pub(super) struct Story<'a> {
    cx: &'a Context,
    scene: Scene<'a>,
    name: String,
    /// What each step's name begins with, such as `traffic: `.
    prefix: &'static str,
    replicas: i32,
    router: Option<&'a Router>,
}

/// The templates that a step is about.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Hashes {
    stable: String,
    canary: String,
}

impl<'a> Story<'a> {
    /// A story whose weights come from the numbers of pods.
    pub(super) fn by_replicas(cx: &'a Context, options: &Options) -> Self {
        Self::new(cx, options, "rollout", "", options.replicas, None)
    }

    /// A story whose weights a router makes.
    pub(super) fn routed(cx: &'a Context, options: &Options, router: &'a Router) -> Self {
        Self::new(cx, options, "routed", "traffic: ", 2, Some(router))
    }

    fn new(
        cx: &'a Context,
        options: &Options,
        part: &str,
        prefix: &'static str,
        replicas: i32,
        router: Option<&'a Router>,
    ) -> Self {
        let name = cx.scratch.name(part);
        Self { cx, scene: Scene::new(cx, &name, options.controller_timeout), name, prefix, replicas, router }
    }

    /// Tells it from its beginning to its end.
    pub(super) async fn tell(&self) -> Result<(), Failure> {
        let (rollout, first) = self.deployed().await?;
        let updated = self.canary("canary", &rollout, 2, &first).await?;
        self.promoted_one_step(&updated).await?;
        self.promoted_in_full(&updated).await?;
        let failing = self.canary("second canary", &rollout, 3, &updated.canary).await?;
        let stable = self.aborted(&failing).await?;
        self.brought_back(&rollout, &failing, &stable).await
    }

    fn step_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The first deployment runs no steps: what is proved about them begins with the second template.
    async fn deployed(&self) -> Result<(Rollout, String), Failure> {
        let deployed = self.cx.step(self.step_name("first revision healthy"), async |step| {
            let plan = Plan {
                name: self.name.clone(),
                replicas: self.replicas,
                steps: stops(),
                routed: self.router.map(Router::routed),
            };
            let rollout = self.cx.create(step, manifests::rollout(self.cx, plan)).await?;
            self.cx.scratch.remove_first(&rollout);
            step.evidence("uid", &rollout.metadata.uid);
            let (hash, pods) = self
                .scene
                .until(step, "the first revision to be Healthy without any step", Aborts::Unwanted, |view| {
                    let hash = view.state.current_hash.clone();
                    let done = view.state.is_healthy_with(&hash) && view.has(&hash, self.replicas, STABLE);
                    done.then(|| (hash.clone(), view.of(&hash)))
                })
                .await?;
            step.evidence("v1", &pods);
            Ok((rollout, hash))
        });
        let (rollout, hash) = deployed.await?;
        self.replies("all replies from v1", 0, 2, 1).await?;
        Ok((rollout, hash))
    }

    /// Another template: its pods get the first weight and the canary's label, and the update stops.
    async fn canary(&self, name: &str, rollout: &Rollout, number: u32, stable: &str) -> Result<Hashes, Failure> {
        let step_name = self.step_name(&format!("{name} at {} %", WEIGHTS[0]));
        let canary = self.cx.step(step_name, async |step| {
            let version = version(number);
            self.cx.patch::<Rollout>(step, &self.name, &template_of(rollout, &version)).await?;
            self.stopped_at(step, 0, stable, None).await
        });
        let hashes = canary.await?;
        let name = format!("{} % of the replies from v{number}", WEIGHTS[0]);
        self.replies(&name, WEIGHTS[0], number, number - 1).await?;
        Ok(hashes)
    }

    async fn promoted_one_step(&self, hashes: &Hashes) -> Result<(), Failure> {
        let promoted = self.cx.step(self.step_name(&format!("promoted one step to {} %", WEIGHTS[1])), async |step| {
            self.perform(step, Operation::PromoteStep).await?;
            self.stopped_at(step, 1, &hashes.stable, Some(&hashes.canary)).await
        });
        promoted.await?;
        self.replies(&format!("{} % of the replies from v2", WEIGHTS[1]), WEIGHTS[1], 2, 1).await
    }

    /// Waits until the update has stopped after the weight of this index, with the pods and weights that belong there.
    async fn stopped_at(
        &self,
        step: &Step,
        index: usize,
        stable: &str,
        canary: Option<&str>,
    ) -> Result<Hashes, Failure> {
        let weight = WEIGHTS[index];
        let expected = format!("the update to stop with the canary at {weight} %, its pods labelled {CANARY}");
        let (canaries, stables) = match self.router {
            None => split(self.replicas, weight),
            // A router weighs the traffic; the stable pods stay, and the canary gets as many as its share needs, rounded up.
            Some(_) => ((self.replicas * weight + 99) / 100, self.replicas),
        };
        let at = i32::try_from(2 * index + 1).unwrap_or(i32::MAX);
        let stopped = self.scene.until(step, &expected, Aborts::Unwanted, |view| {
            let state = &view.state;
            let hash = state.current_hash.clone();
            let here = state.is_at_pause()
                && state.in_flight
                && state.stable_hash == stable
                && canary.is_none_or(|canary| canary == hash)
                && state.step.as_ref().is_some_and(|step| step.index == at)
                && view.has(&hash, canaries, CANARY)
                && view.has(stable, stables, STABLE)
                && self.weighs(view, weight);
            here.then(|| (state.clone(), view.of(&hash), view.of(stable)))
        });
        let (state, canaries, stables) = stopped.await?;
        step.evidence("position", state.step.as_ref().map(ToString::to_string));
        step.evidence("weights", weights(&state, &canaries, &stables));
        step.evidence("canary", &canaries);
        step.evidence("stable", &stables);
        Ok(Hashes { stable: stable.to_owned(), canary: state.current_hash })
    }

    /// Whether the router was given this weight and, where it can, confirms it.
    fn weighs(&self, view: &View, weight: i32) -> bool {
        let weights = view.state.weights.as_ref();
        self.router.is_none()
            || weights.is_some_and(|weights| weights.routed == Some(weight) && weights.verified != Some(false))
    }

    async fn promoted_in_full(&self, hashes: &Hashes) -> Result<(), Failure> {
        let promoted = self.cx.step(self.step_name("promoted in full"), async |step| {
            self.perform(step, Operation::PromoteFull).await?;
            let expected = "the new template to be stable and Healthy, and no pod labelled canary";
            let (state, pods) = self
                .scene
                .until(step, expected, Aborts::Unwanted, |view| {
                    let done = view.state.is_healthy_with(&hashes.canary)
                        && view.has(&hashes.canary, self.replicas, STABLE)
                        && view.canaries() == 0
                        && self.is_alone(view, &hashes.canary)
                        && self.weighs(view, 0);
                    done.then(|| (view.state.clone(), view.of(&hashes.canary)))
                })
                .await?;
            step.evidence("stepsLeft", state.step.as_ref().map(|step| step.total - step.index));
            step.evidence("canaryLabels", 0);
            step.evidence("stable", &pods);
            Ok(())
        });
        promoted.await?;
        self.replies("all replies from v2", 0, 1, 2).await
    }

    /// Without a router every pod serves, so that none of another template may be left. With one, the old pods stay a little while.
    fn is_alone(&self, view: &View, hash: &str) -> bool {
        self.router.is_some() || view.others(hash) == 0
    }

    async fn aborted(&self, hashes: &Hashes) -> Result<Pods, Failure> {
        let aborted = self.cx.step(self.step_name("aborted, stable again"), async |step| {
            self.perform(step, Operation::Abort).await?;
            let expected = "traffic and pods back at the stable template, and the Rollout Degraded by the abort";
            let (state, pods) =
                self.scene.until(step, expected, Aborts::Wanted, |view| self.is_back(view, &hashes.stable)).await?;
            step.evidence("phase", state.phase);
            step.evidence("message", &state.message);
            step.evidence("weights", json!({"canary": 0}));
            step.evidence("stable", &pods);
            Ok(pods)
        });
        let pods = aborted.await?;
        self.replies("all replies from v2 again", 0, 3, 2).await?;
        Ok(pods)
    }

    fn is_back(&self, view: &View, stable: &str) -> Option<(crate::rollout::State, Pods)> {
        let back = is_aborted(view)
            && view.state.stable_hash == stable
            && view.has(stable, self.replicas, STABLE)
            && view.others(stable) == 0
            && self.weighs(view, 0);
        back.then(|| (view.state.clone(), view.of(stable)))
    }

    /// The earlier template again: Healthy at once, and no pod is replaced.
    async fn brought_back(&self, rollout: &Rollout, hashes: &Hashes, before: &Pods) -> Result<(), Failure> {
        let back = self.cx.step(self.step_name("template back, healthy"), async |step| {
            self.cx.patch::<Rollout>(step, &self.name, &template_of(rollout, &version(2))).await?;
            let stable = hashes.stable.as_str();
            let expected = "the stable template to be Healthy again";
            let pods = self
                .scene
                .until(step, expected, Aborts::Past, |view| {
                    let done = view.state.is_healthy_with(stable)
                        && !view.state.aborted
                        && view.has(stable, self.replicas, STABLE);
                    done.then(|| view.of(stable))
                })
                .await?;
            step.evidence("stable", &pods);
            if pods.ready == before.ready {
                step.evidence("replacedPods", 0);
                return Ok(());
            }
            let names = |pods: &Pods| pods.ready.keys().cloned().collect::<Vec<_>>().join(", ");
            Err(Failure::failed("the stable pods to stay as they were")
                .saw(format!("{}, where there were {}", names(&pods), names(before)))
                .on(self.scene.object.clone()))
        });
        back.await
    }

    /// Counts replies through the router, where there is one: `percent` of them have to come from version `canary`.
    async fn replies(&self, name: &str, percent: i32, canary: u32, stable: u32) -> Result<(), Failure> {
        let Some(router) = self.router else { return Ok(()) };
        let shares = Shares { percent: percent.unsigned_abs(), canary: version(canary), stable: version(stable) };
        self.cx.step(self.step_name(name), async |step| router.count(step, &shares).await).await
    }

    async fn perform(&self, step: &Step, operation: Operation) -> Result<(), Failure> {
        let api = self.cx.api::<Rollout>();
        match perform(&api, &self.name, operation, step.deadline).await {
            Ok(Effect::Patched(_)) => Ok(()),
            Ok(Effect::Already(outcome)) => Err(Failure::failed(format!("to {operation}"))
                .saw(format!("it is done already: {outcome}"))
                .on(self.scene.object.clone())),
            Err(error) => Err(failure_of(error, &self.scene.object)),
        }
    }
}

/// Whether the update is aborted and the controller has acted upon that.
pub(super) fn is_aborted(view: &View) -> bool {
    let state = &view.state;
    state.currency.is_current() && state.aborted && state.phase == crate::rollout::Phase::Degraded
}

/// The canary's share in percent: as the router was given it, or as the pods make it.
fn weights(state: &crate::rollout::State, canary: &Pods, stable: &Pods) -> serde_json::Value {
    let desired = state.weights.as_ref().map(|weights| weights.desired);
    match state.weights.as_ref().and_then(|weights| weights.routed) {
        Some(routed) => json!({"desired": desired, "routed": routed}),
        None => {
            let (canary, all) = (canary.ready.len(), canary.ready.len() + stable.ready.len());
            json!({"desired": desired, "readyCanaryPods": canary, "readyPods": all, "percent": 100 * canary / all.max(1)})
        }
    }
}

/// An operation that was not carried out, as the failure of a step.
fn failure_of(error: OperationError, object: &ObjectRef) -> Failure {
    match error {
        OperationError::Call { action, answer } => action.failure(answer),
        other => Failure::failed("the Rollout to take the operation").saw(other.to_string()).on(object.clone()),
    }
}
