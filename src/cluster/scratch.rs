//! The check's own namespace and the ledger of what it created.

use std::cell::RefCell;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::PostParams;
use kube::core::ApiResource;
use kube::{Api, Client, Resource, ResourceExt};

use super::call::{Action, Answer, call, try_call};
use super::tenancy::Tenancy;
use super::{CHECK_LABEL, EXPIRES, MANAGED_BY, MANAGER, RUN_LABEL, expiry};
use crate::clock;
use crate::config::Core;
use crate::context::Step;
use crate::failure::{Failure, ObjectRef};

/// Identifies a run: ten characters of `a`–`z` and `0`–`9`, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunId(String);

impl RunId {
    /// A new one.
    pub fn random() -> Self {
        const LETTERS: &[u8] = b"abcdefghijklmnopqrstuvwxyz0123456789";
        let mut id = String::with_capacity(10);
        for position in 0..10 {
            let among = if position == 0 { 26 } else { LETTERS.len() };
            id.push(char::from(LETTERS[rand::random_range(0..among)]));
        }
        Self(id)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// When an object goes, relative to the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Removal {
    /// First, and waited for: a controller has to let go of it while what it refers to still exists (an Ingress, a Rollout).
    First,
    /// With everything else.
    Rest,
}

/// One object that the check created, or let somebody create.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) object: ObjectRef,
    pub(super) resource: ApiResource,
    /// Known once the API server has answered; an entry without it is only removed if its labels say that it is ours.
    pub(super) uid: Option<String>,
    pub(super) removal: Removal,
    /// Made by a controller on our behalf under a name of ours: it carries no label of ours.
    pub(super) by_controller: bool,
}

/// An entry of the ledger that waits for the API server's answer.
#[derive(Debug, Clone, Copy)]
pub struct Ticket(usize);

/// The check's namespace and what it created in it.
pub struct Scratch {
    /// The namespace.
    pub namespace: String,
    /// The run.
    pub run: RunId,
    check: &'static str,
    prefix: String,
    /// `None`: kept for a look by hand, until somebody removes it.
    expires: Option<String>,
    /// Who else works in the namespace; `None`: it is the check's own.
    tenancy: Option<Tenancy>,
    touched: std::cell::Cell<bool>,
    ledger: RefCell<Vec<Entry>>,
}

impl Scratch {
    /// Plans the namespace of a check; nothing is created yet.
    ///
    /// The name holds the check, the cluster and the run, so that neither blue and green nor two runs ever collide.
    pub fn plan(check: &'static str, cluster: &str, run: &RunId, core: &Core) -> Self {
        let namespace = match &core.resource_namespace {
            Some(namespace) => namespace.clone(),
            None => format!("{MANAGER_SHORT}-{check}-{}{run}", label_part(cluster, 20)),
        };
        let lifetime = core.timeout + core.cleanup_timeout + Duration::from_secs(60);
        Self {
            namespace,
            run: run.clone(),
            check,
            prefix: label_part(&core.resource_name, 24),
            expires: Some(clock::after(lifetime).to_string()),
            tenancy: core.resource_namespace.is_some().then(|| Tenancy::of(1)),
            touched: false.into(),
            ledger: RefCell::default(),
        }
    }

    /// The same where a given namespace is shared with the run's other checks.
    #[must_use]
    pub fn beside(self, tenancy: &Tenancy) -> Self {
        Self { tenancy: self.tenancy.map(|_| tenancy.clone()), ..self }
    }

    /// The same where the objects stay until somebody removes them: no sweep takes them for those of a killed run.
    #[must_use]
    pub fn kept(self) -> Self {
        Self { expires: None, ..self }
    }

    /// The name of an object of this run: `PREFIX-PART-RUN`.
    pub fn name(&self, part: &str) -> String {
        format!("{}{part}-{}", self.prefix, self.run)
    }

    /// The labels of everything of this check and run.
    pub fn labels(&self) -> std::collections::BTreeMap<String, String> {
        [(MANAGED_BY, MANAGER), (RUN_LABEL, self.run.as_str()), (CHECK_LABEL, self.check)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    /// The annotations of everything of this check and run: its expiry. With [`Scratch::labels`] they let a sweep find what a
    /// controller makes on our behalf from a template.
    pub fn annotations(&self) -> std::collections::BTreeMap<String, String> {
        self.expires.iter().map(|expires| (EXPIRES.to_owned(), expires.clone())).collect()
    }

    /// The label selector of everything of this check and run.
    pub fn selector(&self) -> String {
        format!("{RUN_LABEL}={},{CHECK_LABEL}={}", self.run, self.check)
    }

    /// Whether the namespace is the check's own, and goes with all that is in it.
    pub fn owns_namespace(&self) -> bool {
        self.tenancy.is_none()
    }

    /// The check is done with the namespace. True where nobody else is in it, and the run has made it, so that it has to go.
    pub fn leave(&self) -> bool {
        self.tenancy.as_ref().is_some_and(Tenancy::leave)
    }

    /// Whether anything may have been created.
    pub fn has_touched(&self) -> bool {
        self.touched.get()
    }

    /// Whether an object carries this run's labels.
    pub fn is_ours(&self, meta: &ObjectMeta) -> bool {
        expiry::is_managed(meta) && expiry::run_of(meta) == Some(self.run.as_str())
    }

    /// Creates the namespace, under the `restricted` Pod Security level. A given one that exists already is used as it is.
    ///
    /// <https://kubernetes.io/docs/concepts/security/pod-security-standards/>
    pub async fn create_namespace(&self, client: &Client, step: &Step) -> Result<(), Failure> {
        let api: Api<Namespace> = Api::all(client.clone());
        let mut labels = self.labels();
        labels.insert("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned());
        let namespace = Namespace {
            metadata: ObjectMeta {
                name: Some(self.namespace.clone()),
                labels: Some(labels),
                annotations: Some(self.annotations()),
                ..ObjectMeta::default()
            },
            ..Namespace::default()
        };
        let action = Action {
            verb: "create",
            resource: "namespaces".to_owned(),
            object: ObjectRef::cluster_scoped("Namespace", &self.namespace),
        };
        step.evidence("namespace", &self.namespace);
        if self.tenancy.is_some() && self.is_there(&api, step).await? {
            step.evidence("created", false);
            self.touched.set(true);
            return Ok(());
        }
        self.touched.set(true);
        let answer = try_call(step, &action, async || api.create(&PostParams::default(), &namespace).await).await;
        match answer {
            Ok(_) => {
                self.tenancy.iter().for_each(Tenancy::made);
                Ok(())
            }
            Err(Answer::Conflict(text)) => {
                let get = Action { verb: "get", ..action.clone() };
                let existing = call(step, &get, async || api.get(&self.namespace).await).await?;
                let ours = self.is_ours(existing.meta());
                if existing.metadata.deletion_timestamp.is_some() || !(ours || self.tenancy.is_some()) {
                    return Err(action.failure(Answer::Conflict(text)));
                }
                // Another check of this run has made it meanwhile, or the answer to an earlier try of this one was lost.
                if ours {
                    self.tenancy.iter().for_each(Tenancy::made);
                }
                step.evidence("created", false);
                Ok(())
            }
            Err(answer) => Err(action.failure(answer)),
        }
    }

    /// Whether the given namespace is there. It is asked for first, because whoever works in a given one need not be allowed to
    /// create any.
    async fn is_there(&self, api: &Api<Namespace>, step: &Step) -> Result<bool, Failure> {
        let action = Action {
            verb: "get",
            resource: "namespaces".to_owned(),
            object: ObjectRef::cluster_scoped("Namespace", &self.namespace),
        };
        match try_call(step, &action, async || api.get(&self.namespace).await).await {
            // Creating one that is on its way out is refused in words that say so.
            Ok(existing) => Ok(!is_terminating(&existing)),
            Err(Answer::NotFound(_)) => Ok(false),
            Err(answer) => Err(action.failure(answer)),
        }
    }

    /// Fills in namespace, labels and expiry, and enters the object before it is created, so that a create whose answer is never
    /// seen is cleaned up all the same.
    pub(super) fn enter<K: Resource<DynamicType = ()>>(&self, object: &mut K) -> Ticket {
        let meta = object.meta_mut();
        meta.namespace = Some(self.namespace.clone());
        meta.labels.get_or_insert_default().extend(self.labels());
        meta.annotations.get_or_insert_default().extend(self.annotations());
        let mut ledger = self.ledger.borrow_mut();
        ledger.push(Entry {
            object: ObjectRef::of(object),
            resource: ApiResource::erase::<K>(&()),
            uid: None,
            removal: Removal::Rest,
            by_controller: false,
        });
        Ticket(ledger.len() - 1)
    }

    pub(super) fn created(&self, ticket: Ticket, meta: &ObjectMeta) {
        self.ledger.borrow_mut()[ticket.0].uid.clone_from(&meta.uid);
    }

    /// Has an object that was created removed before the others, and waited for.
    pub fn remove_first<K: Resource<DynamicType = ()>>(&self, object: &K) {
        let object = ObjectRef::of(object);
        for entry in self.ledger.borrow_mut().iter_mut().filter(|entry| entry.object == object) {
            entry.removal = Removal::First;
        }
    }

    /// Enters an object that a controller makes on our behalf, such as a certificate's Secret. Its name must be one of
    /// [`Scratch::name`], so that it can be nobody else's.
    pub fn expect_from_controller<K: Resource<DynamicType = ()>>(&self, name: &str) {
        debug_assert!(name.contains(self.run.as_str()), "{name} could be somebody else's");
        self.ledger.borrow_mut().push(Entry {
            object: ObjectRef::new(&K::kind(&()), &self.namespace, name),
            resource: ApiResource::erase::<K>(&()),
            uid: None,
            removal: Removal::Rest,
            by_controller: true,
        });
    }

    pub(super) fn entries(&self) -> Vec<Entry> {
        self.ledger.borrow().clone()
    }
}

const MANAGER_SHORT: &str = "kibertas";

/// A text as a part of a name, ending in `-`; empty if nothing of it can be in a name.
fn label_part(text: &str, longest: usize) -> String {
    let kept: String = text
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_lowercase() || c.is_ascii_digit() { c } else { '-' })
        .take(longest)
        .collect();
    match kept.trim_matches('-') {
        "" => String::new(),
        part => format!("{part}-"),
    }
}

/// Names an object for [`Scratch::create`](crate::context::Context::create).
pub fn named(name: impl Into<String>) -> ObjectMeta {
    ObjectMeta { name: Some(name.into()), ..ObjectMeta::default() }
}

/// Whether an object is on its way out.
pub fn is_terminating<K: ResourceExt>(object: &K) -> bool {
    object.meta().deletion_timestamp.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::setting::is_label;

    fn core() -> Core {
        let config = crate::config::Config::resolve(&crate::config::Sources::default(), &[]).unwrap();
        config.core
    }

    #[test]
    fn names_are_labels_for_every_cluster_name() {
        let run = RunId::random();
        for cluster in
            ["", "blue", "arn:aws:eks:ap-northeast-1:123456789012:cluster/Blue_1", "クラスタ", "--", &"x".repeat(300)]
        {
            let scratch = Scratch::plan("cluster-autoscaler", cluster, &run, &core());
            assert!(is_label(&scratch.namespace), "{}", scratch.namespace);
            assert!(is_label(&scratch.name("certificate-root")), "{}", scratch.name("certificate-root"));
            assert!(scratch.namespace.ends_with(run.as_str()));
        }
    }

    #[test]
    fn runs_and_clusters_never_collide() {
        let (first, second) = (RunId::random(), RunId::random());
        assert_ne!(first, second);
        let plan = |cluster, run| Scratch::plan("ingress", cluster, run, &core()).namespace;
        assert_ne!(plan("blue", &first), plan("green", &first));
        assert_ne!(plan("blue", &first), plan("blue", &second));
    }

    #[test]
    fn a_configured_namespace_is_taken_as_it_is() {
        let core = Core { resource_namespace: Some("add-ons".into()), ..core() };
        let scratch = Scratch::plan("ingress", "blue", &RunId::random(), &core);
        assert_eq!(scratch.namespace, "add-ons");
        assert!(!scratch.owns_namespace());
    }

    #[test]
    fn what_is_kept_never_expires() {
        let plan = || Scratch::plan("ingress", "blue", &RunId::random(), &core());
        assert!(plan().annotations().contains_key(EXPIRES));
        assert!(plan().kept().annotations().is_empty());
    }
}
