//! The ServiceAccount that the chart makes for one check, with the Roles that it binds to it.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use libtest_mimic::Failed;
use serde_json::{Value, json};
use test_cluster::Progress;

use super::world::{Environment, World};

/// The chart's name for what it makes.
const NAME: &str = "proofs";

/// One verb on one resource or (`name`) one object, in a namespace or (`None`) in the whole cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Right {
    pub(crate) namespace: Option<String>,
    pub(crate) group: String,
    pub(crate) resource: String,
    pub(crate) name: Option<String>,
    pub(crate) verb: String,
}

impl Right {
    /// As `kubectl auth can-i` takes it: the group stands before a subresource.
    pub(crate) fn named(&self) -> String {
        let Self { group, resource, verb, .. } = self;
        match resource.split_once('/') {
            _ if group.is_empty() => format!("{verb} {resource}"),
            Some((resource, sub)) => format!("{verb} {resource}.{group}/{sub}"),
            None => format!("{verb} {resource}.{group}"),
        }
    }
}

/// A ServiceAccount with the Roles of one check. All of it is gone when dropped.
pub(crate) struct Account<'w> {
    world: &'w World,
    release: String,
    /// As whom the API server knows it.
    user: String,
    roles: Vec<Value>,
    /// What was taken away last.
    taken: RefCell<Option<Right>>,
    environment: Environment,
    folder: tempfile::TempDir,
}

impl<'w> Account<'w> {
    /// Applies what the chart renders for `check`, without the optional permissions. `given`: the namespace to work in, which is made.
    pub(crate) fn of_chart(
        world: &'w World,
        check: &str,
        what: &str,
        given: Option<&str>,
        more: &Value,
    ) -> Result<Self, Failed> {
        let release = format!("trial-{what}-{check}");
        let rendered = render(world, check, &release, given, false, more)?;
        let (environment, folder) = (Environment::new(), tempfile::tempdir()?);
        let user = format!("system:serviceaccount:{release}:{NAME}-{check}");
        let taken = RefCell::default();
        let mut account = Self { world, release, user, roles: Vec::new(), taken, environment, folder };
        let namespaces = std::iter::once(account.release.as_str()).chain(given);
        let made = namespaces.map(|name| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}));
        let kinds = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
        let of_account = rendered.iter().filter(|object| kinds.iter().any(|kind| object["kind"] == *kind));
        world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": made.collect::<Vec<_>>()}))?;
        world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": of_account.collect::<Vec<_>>()}))?;
        account.roles = roles(rendered);
        for right in account.rights() {
            account.until_allowed(&right, true)?;
        }
        let token =
            world.kubectl(&["create", "token", &format!("{NAME}-{check}"), "-n", &account.release, "--duration=2h"])?;
        let kubeconfig = account.folder.path().join("kubeconfig");
        write_kubeconfig(world, token.trim(), &kubeconfig)?;
        let kubeconfig = kubeconfig.to_string_lossy();
        let namespace = ("RESOURCE_NAMESPACE", given.unwrap_or_default());
        account.environment = world.environment_with(&[("KUBECONFIG", &kubeconfig), namespace]);
        Ok(account)
    }

    /// What the program runs with to be this account.
    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Every right that the account has, each once.
    pub(crate) fn rights(&self) -> Vec<Right> {
        rights(&self.roles)
    }

    /// Takes one right away, and gives back what was taken before. From then on the API server answers so.
    pub(crate) fn without(&self, right: &Right) -> Result<(), Failed> {
        for role in &self.roles {
            let mut fewer = role.clone();
            for rule in fewer["rules"].as_array_mut().into_iter().flatten() {
                let about = role["metadata"]["namespace"].as_str() == right.namespace.as_deref()
                    && rule["apiGroups"][0] == right.group
                    && rule["resources"][0] == right.resource;
                if about && let Some(verbs) = rule["verbs"].as_array_mut() {
                    verbs.retain(|verb| *verb != right.verb);
                }
            }
            // A rule without verbs is none.
            if let Some(rules) = fewer["rules"].as_array_mut() {
                rules.retain(|rule| rule["verbs"] != json!([]));
            }
            self.patch(&fewer)?;
        }
        self.until_allowed(right, false)?;
        match self.taken.replace(Some(right.clone())) {
            Some(before) if before != *right => self.until_allowed(&before, true),
            _ => Ok(()),
        }
    }

    /// Waits until the API server allows a right, or does no more: it decides by a cache of the Roles, which learns of a change only
    /// after the change was answered.
    fn until_allowed(&self, right: &Right, expected: bool) -> Result<(), Failed> {
        let api: Api<SubjectAccessReview> = Api::all(self.world.cluster().client());
        let review = self.review(right);
        let may = if expected { "may" } else { "may not" };
        self.world.poll(&format!("the answer that {} {may} {}", self.user, right.named()), async || {
            let answer = api.create(&PostParams::default(), &review).await?;
            let status = answer.status.ok_or("a review without a status")?;
            let why = status.reason.unwrap_or_default();
            if status.allowed == expected { Ok(()) } else { Err(format!("allowed: {}; {why}", status.allowed).into()) }
        })
    }

    /// The question whether the account has a right.
    fn review(&self, right: &Right) -> SubjectAccessReview {
        let (resource, subresource) = match right.resource.split_once('/') {
            Some((resource, sub)) => (resource, Some(sub.to_owned())),
            None => (right.resource.as_str(), None),
        };
        SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: Some(self.user.clone()),
                resource_attributes: Some(ResourceAttributes {
                    namespace: right.namespace.clone(),
                    group: Some(right.group.clone()),
                    resource: Some(resource.to_owned()),
                    subresource,
                    name: right.name.clone(),
                    verb: Some(right.verb.clone()),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        }
    }

    fn patch(&self, role: &Value) -> Result<(), Failed> {
        let kind = role["kind"].as_str().unwrap_or_default();
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("rbac.authorization.k8s.io", "v1", kind));
        let client = self.world.cluster().client();
        let api: Api<DynamicObject> = match role["metadata"]["namespace"].as_str() {
            Some(namespace) => Api::namespaced_with(client, namespace, &kind),
            None => Api::all_with(client, &kind),
        };
        let name = role["metadata"]["name"].as_str().unwrap_or_default();
        let patch = Patch::Merge(json!({"rules": role["rules"]}));
        self.world.wait(async { api.patch(name, &PatchParams::default(), &patch).await })?;
        Ok(())
    }
}

impl Drop for Account<'_> {
    fn drop(&mut self) {
        let label = format!("app.kubernetes.io/instance={}", self.release);
        let kinds = "roles,rolebindings,clusterroles,clusterrolebindings";
        let roles = ["delete", kinds, "--all-namespaces", "-l", &label, "--ignore-not-found"];
        let namespace = ["delete", "namespace", &self.release, "--ignore-not-found", "--timeout=90s"];
        for args in [roles.as_slice(), namespace.as_slice()] {
            if let Err(error) = self.world.kubectl(args) {
                eprintln!("the trial's account stays: {error}");
            }
        }
    }
}

/// The rights that the chart gives a check only to explain failures.
pub(crate) fn optional(world: &World, check: &str, more: &Value) -> Result<Vec<Right>, Failed> {
    let rights_of = |optional| Ok::<_, Failed>(rights(&roles(render(world, check, "x", None, optional, more)?)));
    let needed = rights_of(false)?;
    Ok(rights_of(true)?.into_iter().filter(|right| !needed.contains(right)).collect())
}

/// What Helm renders of the chart for one check under the settings of the trials.
fn render(
    world: &World,
    check: &str,
    release: &str,
    given: Option<&str>,
    optional: bool,
    more: &Value,
) -> Result<Vec<Value>, Failed> {
    // Permissions depend on settings, but on none of the accounts that checks ask outside services with.
    let plain = |name: &str| name != "KUBECONFIG" && !name.starts_with("AWS_");
    let environment = world.environment();
    let env: serde_json::Map<String, Value> = environment
        .iter()
        .filter(|(name, _)| plain(name))
        .map(|(name, value)| ((*name).into(), json!(value)))
        .collect();
    let mut config = more.clone();
    if let Some(given) = given {
        config["resourceNamespace"] = json!(given);
    }
    let values = json!({
        "fullnameOverride": NAME, "jobPer": "check", "checks": [check], "config": config, "env": env,
        "helmTest": {"enabled": false}, "rbac": {"optional": optional},
    });
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), values.to_string())?;
    let helm: PathBuf = world.wait(test_cluster::program("helm", &Progress::plain()))?;
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/kibertas-rs");
    let mut command = world.cluster().command(&helm);
    command.args(["template", release, chart, "--namespace", release, "--values"]).arg(file.path());
    let output = world.wait(async { command.output().await })?;
    if !output.status.success() {
        return Err(format!("helm template: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    let objects: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8_lossy(&output.stdout))?;
    Ok(objects.into_iter().filter(|object| !object.is_null()).collect())
}

fn roles(rendered: Vec<Value>) -> Vec<Value> {
    rendered.into_iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole").collect()
}

fn rights(roles: &[Value]) -> Vec<Right> {
    let mut rights = Vec::new();
    for role in roles {
        let namespace = role["metadata"]["namespace"].as_str().map(str::to_owned);
        for rule in role["rules"].as_array().into_iter().flatten() {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            for verb in rule["verbs"].as_array().into_iter().flatten() {
                let (group, resource) = (text(&rule["apiGroups"][0]), text(&rule["resources"][0]));
                let name = rule["resourceNames"][0].as_str().map(str::to_owned);
                let right = Right { namespace: namespace.clone(), group, resource, name, verb: text(verb) };
                if !rights.contains(&right) {
                    rights.push(right);
                }
            }
        }
    }
    rights
}

/// The admin's kubeconfig with the account's token in place of the admin's certificate.
fn write_kubeconfig(world: &World, token: &str, path: &Path) -> Result<(), Failed> {
    let mut config = world.kubeconfig()?;
    config["users"][0]["user"] = json!({"token": token});
    Ok(std::fs::write(path, config.to_string())?)
}
