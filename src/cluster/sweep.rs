//! Removes what killed runs left: namespaces and objects whose labels say that they are ours and whose run must be over.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::{Api, Client, ResourceExt};
use serde::Serialize;
use tokio::time::Instant;

use super::call::{Answer, retry};
use super::{CHECK_LABEL, MANAGED_BY, MANAGER, RUN_LABEL, cleanup, expiry};
use crate::check::{Check, Scope};
use crate::clock;
use crate::failure::ObjectRef;

/// The kinds that go first, and are waited for: a controller has to let go of them while what they refer to still exists, or makes
/// anew what belongs to them.
const FIRST: &[&str] = &["ingresses", "rollouts", "certificates"];
/// How many removals go on at once, each with a watch of its own.
const AT_ONCE: usize = 16;

/// Which leftovers to remove.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// Those whose expiry has passed: no live run owns them.
    Expired,
    /// All of one run, expired or not.
    Run(String),
    /// All of every run, live ones included.
    All,
}

/// One leftover and what became of it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Leftover {
    /// The object.
    pub object: ObjectRef,
    /// The run that made it.
    pub run: String,
    /// The check that made it.
    pub check: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a leftover.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "is", content = "why")]
pub enum Fate {
    /// It is gone.
    Removed,
    /// It would be removed (`--dry-run`).
    WouldBeRemoved,
    /// Its run may be alive; the time (RFC 3339) until which it is left alone.
    Alive(String),
    /// It could not be removed; what holds it.
    Stuck(Vec<String>),
}

/// What a sweep saw.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Swept {
    /// Everything of ours, in the order in which it was found.
    pub leftovers: Vec<Leftover>,
    /// Kinds that could not be listed, with the answer.
    pub unreadable: BTreeMap<String, String>,
}

/// Looks for leftovers of all checks and removes those that `which` names. `namespace` limits the search for objects outside our
/// own namespaces; our own namespaces are found wherever they are.
pub async fn sweep(
    client: &Client,
    checks: &[&'static dyn Check],
    namespace: Option<&str>,
    which: &Which,
    dry_run: bool,
    budget: Duration,
) -> Swept {
    let deadline = Instant::now() + budget;
    let mut swept = Swept::default();
    let params = ListParams::default().labels(&format!("{MANAGED_BY}={MANAGER},{RUN_LABEL}"));
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let mut ours = Vec::new();
    match retry(deadline, async || namespaces.list(&params).await).await {
        Ok(list) => {
            ours.extend(list.iter().map(ResourceExt::name_any));
            let removals = list.into_iter().map(|ns| sweep_namespace(client, ns, which, dry_run, deadline));
            swept.leftovers.extend(in_turns(removals).await);
        }
        Err(answer) => note(&mut swept, "namespaces", answer),
    }
    let (mut first, mut rest) = (Vec::new(), Vec::new());
    for resource in created_kinds(client, checks, &mut swept, deadline).await {
        let api: Api<DynamicObject> = match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
            None => Api::all_with(client.clone(), &resource),
        };
        match retry(deadline, async || api.list(&params).await).await {
            Ok(list) => {
                let stray = list.into_iter().filter(|o| !o.namespace().is_some_and(|n| ours.contains(&n)));
                let phase = if FIRST.contains(&resource.plural.as_str()) { &mut first } else { &mut rest };
                phase.extend(stray.map(|object| (resource.clone(), object)));
            }
            Err(answer) => note(&mut swept, &resource.plural, answer),
        }
    }
    for (phase, deadline) in [(first, cleanup::share_of_first(deadline)), (rest, deadline)] {
        let removals = phase.into_iter().map(|(of, object)| sweep_object(client, of, object, which, dry_run, deadline));
        swept.leftovers.extend(in_turns(removals).await);
    }
    swept
}

/// The outcomes in the order of the removals, of which only some go on at once.
async fn in_turns<F: Future<Output = Leftover>>(removals: impl Iterator<Item = F>) -> Vec<Leftover> {
    futures::stream::iter(removals).buffered(AT_ONCE).collect().await
}

fn note(swept: &mut Swept, kind: &str, answer: Answer) {
    if let Answer::Transient(text) | Answer::Forbidden(text) | Answer::Unauthorized(text) | Answer::Refused(text) =
        answer
    {
        swept.unreadable.insert(kind.to_owned(), text);
    }
}

/// The kinds that checks may create, from their grants; those that the cluster does not serve are passed over.
async fn created_kinds(
    client: &Client,
    checks: &[&'static dyn Check],
    swept: &mut Swept,
    deadline: Instant,
) -> Vec<ApiResource> {
    let grants = checks.iter().flat_map(|check| check.grants()).filter(|grant| {
        grant.scope == Scope::Namespace && grant.verbs.contains(&"create") && !grant.resource.contains('/')
    });
    let mut wanted: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for grant in grants {
        let plurals = wanted.entry(grant.group).or_default();
        if !plurals.contains(&grant.resource) {
            plurals.push(grant.resource);
        }
    }
    let mut found = Vec::new();
    for (group, plurals) in wanted {
        let served = async || match kube::discovery::group(client, group).await {
            Err(kube::Error::Discovery(_)) => Ok(None),
            answer => answer.map(Some),
        };
        let group = match retry(deadline, served).await {
            Ok(Some(group)) => group,
            Ok(None) => continue,
            Err(answer) => {
                note(swept, group, answer);
                continue;
            }
        };
        let served = group.recommended_resources().into_iter().map(|(resource, _)| resource);
        found.extend(served.filter(|resource| plurals.contains(&resource.plural.as_str())));
    }
    found
}

/// What to do with an object of these labels; `Err` is the fate of one that is left alone.
fn verdict_on(
    meta: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    which: &Which,
    dry_run: bool,
) -> Result<(), Fate> {
    let due = match which {
        Which::Expired => expiry::is_expired(meta, clock::now()),
        Which::Run(run) => expiry::run_of(meta) == Some(run.as_str()),
        Which::All => true,
    };
    if !expiry::is_managed(meta) || !due {
        let until = meta.annotations.as_ref().and_then(|a| a.get(super::EXPIRES)).cloned();
        return Err(Fate::Alive(until.unwrap_or_else(|| "unknown".to_owned())));
    }
    if dry_run { Err(Fate::WouldBeRemoved) } else { Ok(()) }
}

fn leftover<K: ResourceExt>(object: ObjectRef, of: &K, fate: Fate) -> Leftover {
    let label = |key: &str| of.labels().get(key).cloned().unwrap_or_default();
    Leftover { object, run: label(RUN_LABEL), check: label(CHECK_LABEL), fate }
}

async fn sweep_namespace(client: &Client, ns: Namespace, which: &Which, dry_run: bool, deadline: Instant) -> Leftover {
    let name = ns.name_any();
    let fate = match verdict_on(&ns.metadata, which, dry_run) {
        Err(fate) => fate,
        Ok(()) => {
            let still_due = |now: &Namespace| now.uid() == ns.uid() && verdict_on(&now.metadata, which, false).is_ok();
            match cleanup::delete_namespace(client, &name, deadline, still_due).await {
                Ok(()) => Fate::Removed,
                Err(survivor) => Fate::Stuck(survivor.held_by),
            }
        }
    };
    leftover(ObjectRef::cluster_scoped("Namespace", &name), &ns, fate)
}

async fn sweep_object(
    client: &Client,
    resource: ApiResource,
    object: DynamicObject,
    which: &Which,
    dry_run: bool,
    deadline: Instant,
) -> Leftover {
    let (name, namespace) = (object.name_any(), object.namespace().unwrap_or_default());
    let of = ObjectRef::new(&resource.kind, &namespace, &name);
    let fate = match verdict_on(&object.metadata, which, dry_run) {
        Err(fate) => fate,
        Ok(()) => {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
            match cleanup::delete_object(&api, &of, object.uid(), deadline).await {
                Ok(()) => Fate::Removed,
                Err(survivor) => Fate::Stuck(survivor.held_by),
            }
        }
    };
    leftover(of, &object, fate)
}
