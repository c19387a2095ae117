//! The watches that fill the scene: one stream of nodes, claims, replicas and what is said about them, which the steps follow one
//! after another.

use futures::stream::{LocalBoxStream, Stream, StreamExt, select_all};
use k8s_openapi::api::core::v1::{Event as Said, Node, Pod};
use kube::Api;
use kube::api::{DynamicObject, ListParams};
use kube::runtime::watcher::{self, Event};
use tokio::time::Instant;

use super::claim::SeenClaim;
use super::detect::{Autoscaler, karpenter_resource};
use super::guards;
use super::node::SeenNode;
use super::pod::SeenPod;
use super::scene::Scene;
use super::word::Word;
use crate::cluster::Look;
use crate::cluster::call::{Action, call};
use crate::cluster::listing::Listing;
use crate::cluster::wait::{Told, changes};
use crate::context::{Context, Step};
use crate::failure::{Failure, ObjectRef};

/// One change of what is watched, to be made in the scene.
type Change = Box<dyn FnOnce(&mut Scene)>;

/// What a look comes to, besides waiting on.
enum Outcome<T> {
    Found(T),
    /// The replicas seem to run without a new node; the lists have to be read afresh, because the watches do not run in step.
    Suspicion,
}

/// The watches, and what they have told.
pub(super) struct Watching {
    stream: LocalBoxStream<'static, Told<Change>>,
    nodes: Api<Node>,
    claims: Option<Api<DynamicObject>>,
    words: Api<Said>,
    pub(super) scene: Scene,
}

impl Watching {
    /// Prepares the watches; they ask the API server for the first time when a step waits.
    pub(super) fn new(cx: &Context, scene: Scene) -> Self {
        let nodes: Api<Node> = Api::all(cx.client.clone());
        let claims = match scene.autoscaler {
            Autoscaler::Karpenter { version } => {
                let resource = karpenter_resource(version, "NodeClaim", "nodeclaims");
                Some(Api::all_with(cx.client.clone(), &resource))
            }
            Autoscaler::ClusterAutoscaler => None,
        };
        let (pods, words) = (cx.api::<Pod>(), cx.api::<Said>());
        let label = scene.settings.label.to_string();
        let watch_nodes =
            Action { verb: "watch", resource: "nodes".to_owned(), object: ObjectRef::cluster_scoped("Node", &label) };
        let all = watcher::Config::default;
        let watch_words = Action::on::<Said>("watch", &scene.namespace, "all");
        let ours = cx.scratch.selector();
        let watch_pods = Action::on::<Pod>("watch", &scene.namespace, &ours);
        let mut streams = vec![
            told(changes(nodes.clone(), all().labels(&label), watch_nodes), |scene, event| {
                scene.nodes.take(event, SeenNode::of);
            }),
            told(changes(pods, all().labels(&ours), watch_pods), |scene, event| scene.pods.take(event, SeenPod::of)),
            told(changes(words.clone(), all(), watch_words), |scene, event| scene.words.take(event, Word::of)),
        ];
        if let Some(claims) = &claims {
            streams.push(told(changes(claims.clone(), all(), on_claims("watch")), |scene, event| {
                let label = &scene.settings.label;
                scene.claims.take(event, |claim| SeenClaim::of(claim, label));
            }));
        }
        Self { stream: select_all(streams).boxed_local(), nodes, claims, words, scene }
    }

    /// Waits until a look at the scene finds what it looks for; ends as well when the check would cost too much, or when all
    /// replicas run without a new node.
    pub(super) async fn until<T>(
        &mut self,
        step: &Step,
        expected: &str,
        look: impl Fn(&Scene) -> Look<T>,
    ) -> Result<T, Failure> {
        loop {
            let object = self.scene.deployment_ref();
            // What has been told already may suffice.
            let outcome = match judge(&self.scene, &look) {
                Look::Found(outcome) => outcome,
                Look::Never(failure) => return Err(failure.completed(expected, Some(&object))),
                Look::NotYet(seen) => {
                    step.sees(seen);
                    let scene = &mut self.scene;
                    step.follow(&mut self.stream, expected, object, |change| {
                        change(scene);
                        scene.note_moments(Instant::now());
                        judge(scene, &look)
                    })
                    .await?
                }
            };
            match outcome {
                Outcome::Found(value) => return Ok(value),
                Outcome::Suspicion => {
                    self.read_afresh(step).await?;
                    if let Some(failure) = guards::astray(&self.scene) {
                        return Err(failure);
                    }
                }
            }
        }
    }

    async fn read_afresh(&mut self, step: &Step) -> Result<(), Failure> {
        let label = self.scene.settings.label.clone();
        let params = ListParams::default().labels(&label.to_string());
        let list_nodes =
            Action { verb: "list", resource: "nodes".to_owned(), object: ObjectRef::cluster_scoped("Node", "all") };
        let nodes = call(step, &list_nodes, async || self.nodes.list(&params).await).await?;
        self.scene.nodes = Listing::complete(nodes, SeenNode::of);
        if let Some(api) = &self.claims {
            let claims = call(step, &on_claims("list"), async || api.list(&ListParams::default()).await).await?;
            self.scene.claims = Listing::complete(claims, |claim| SeenClaim::of(claim, &label));
        }
        let list_words = Action::on::<Said>("list", &self.scene.namespace, "all");
        let words = call(step, &list_words, async || self.words.list(&ListParams::default()).await).await?;
        self.scene.words = Listing::complete(words, Word::of);
        self.scene.note_moments(Instant::now());
        Ok(())
    }
}

fn on_claims(verb: &'static str) -> Action {
    Action {
        verb,
        resource: "nodeclaims.karpenter.sh".to_owned(),
        object: ObjectRef::cluster_scoped("NodeClaim", "all"),
    }
}

/// Turns the events of one watch into changes of the scene.
fn told<K: 'static>(
    events: impl Stream<Item = Told<Event<K>>> + 'static,
    take: fn(&mut Scene, Event<K>),
) -> LocalBoxStream<'static, Told<Change>> {
    let change = move |event| -> Change { Box::new(move |scene: &mut Scene| take(scene, event)) };
    events.map(move |told| told.map(change)).boxed_local()
}

fn judge<T>(scene: &Scene, look: impl Fn(&Scene) -> Look<T>) -> Look<Outcome<T>> {
    if !scene.is_complete() {
        return Look::NotYet("the first lists are not complete".to_owned());
    }
    if let Some(failure) = guards::too_costly(scene) {
        return Look::Never(Box::new(failure));
    }
    match look(scene) {
        Look::Found(value) => Look::Found(Outcome::Found(value)),
        Look::Never(failure) => Look::Never(failure),
        Look::NotYet(_) if guards::astray(scene).is_some() => Look::Found(Outcome::Suspicion),
        Look::NotYet(seen) => Look::NotYet(seen),
    }
}
