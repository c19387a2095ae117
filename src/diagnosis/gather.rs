//! Reads what explains a failure, within a small budget. Nothing here fails a run: what cannot be read is noted.

use std::time::Duration;

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{DynamicObject, ListParams, LogParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use serde_json::Value;
use tokio::time::Instant;

use super::containers::{self, Container};
use super::controllers::CONTROLLERS;
use super::evidence::{Evidence, LogTail, Object};
use super::kinds::{KINDS, Kind, Story, kind, stories_of};
use super::reading::{condensed, event_seen, lease_of, text_at, trimmed, workload_of};
use super::wording::{LONGEST, clean};
use crate::clock;
use crate::cluster::call::{Answer, answer_of};
use crate::failure::Failure;

/// The longest that gathering may take in all; less than what a check may take beyond its deadline.
const BUDGET: Duration = Duration::from_secs(4);
/// The longest that the API server's first answer may take; without one there is nothing to gather.
const FIRST_ANSWER: Duration = Duration::from_secs(2);
/// Part of the budget that is kept for logs, which are asked for once the pods are known.
const FOR_LOGS: Duration = Duration::from_millis(1500);
/// The most objects that one list may hold.
const LIST_LIMIT: u32 = 500;
/// The most lines of a log.
const LOG_LINES: usize = 20;
/// The most containers whose logs are read.
const LOGS: usize = 4;

/// What the kubelet writes instead of a log that is not there any more.
const UNAVAILABLE: &[&str] = &["unable to retrieve container logs for", "failed to try resolving symlinks in path"];

/// Where a failure happened.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// The check.
    pub check: &'a str,
    /// The step.
    pub step: &'a str,
    /// The namespace that the check works in.
    pub namespace: &'a str,
    /// Whether it was ever there: that a namespace is missing tells nothing where the check has not made it, or needs none.
    pub namespace_used: bool,
    /// The run's id, where the namespace is shared with others: only what has it in its name or labels is looked at.
    pub only_of_run: Option<&'a str>,
}

/// Reads everything that belongs to the failure's story.
pub async fn gather(client: &Client, scene: &Scene<'_>, failure: &Failure) -> Evidence {
    let deadline = Instant::now() + BUDGET;
    let mut evidence = Evidence {
        check: scene.check.to_owned(),
        step: scene.step.to_owned(),
        namespace: scene.namespace.to_owned(),
        ..Evidence::default()
    };
    match tokio::time::timeout(FIRST_ANSWER, server_clock(client)).await {
        Ok(Ok(ahead)) => evidence.clock_ahead_s = ahead,
        Ok(Err(reason)) => return with_gap(evidence, &format!("the API server could not be asked: {reason}")),
        Err(_elapsed) => return with_gap(evidence, "the API server did not answer within 1 s"),
    }
    let gatherer = Gatherer { client, scene, deadline: deadline - FOR_LOGS };
    let stories = stories_of(scene.check, failure.object.as_ref().map(|object| object.kind.as_str()));
    gatherer.objects(&stories, failure, &mut evidence).await;
    let nodes = kind("Node").filter(|_| !evidence.has_all("Node"));
    if let Some(nodes) = nodes.filter(|_| containers::pods_in_trouble(&evidence).next().is_some()) {
        let answer = gatherer.list(nodes).await;
        take_list(&mut evidence, nodes, answer);
    }
    evidence.logs = Gatherer { deadline, ..gatherer }.logs(&evidence).await;
    evidence.gaps.sort();
    evidence.gaps.dedup();
    evidence
}

fn with_gap(mut evidence: Evidence, gap: &str) -> Evidence {
    evidence.gaps.push(clean(gap, LONGEST));
    evidence
}

/// How far the API server's clock is ahead, by the `Date` header of any answer.
async fn server_clock(client: &Client) -> Result<Option<i64>, String> {
    let request = http::Request::get("/version").body(Vec::new()).map_err(|e| e.to_string())?;
    let before = clock::now();
    let answer = client.send(request.map(kube::client::Body::from)).await.map_err(|e| e.to_string())?;
    let after = clock::now();
    let date = answer.headers().get(http::header::DATE).and_then(|value| value.to_str().ok());
    let date = date.and_then(|text| jiff::fmt::rfc2822::parse(text).ok());
    let middle = i64::midpoint(before.as_millisecond(), after.as_millisecond()) / 1000;
    Ok(date.map(|date| date.timestamp().as_second() - middle))
}

#[derive(Clone, Copy)]
struct Gatherer<'a> {
    client: &'a Client,
    scene: &'a Scene<'a>,
    deadline: Instant,
}

type Listed = Result<(Vec<Value>, bool), Answer>;

impl Gatherer<'_> {
    async fn objects(&self, stories: &[Story], failure: &Failure, evidence: &mut Evidence) {
        let object_kind = failure.object.as_ref().map(|object| object.kind.as_str());
        let wanted = |kind: &&Kind| kind.stories.iter().any(|s| stories.contains(s)) || object_kind == Some(kind.name);
        let kinds: Vec<&'static Kind> = KINDS.iter().filter(wanted).collect();
        let lists = join_all(kinds.iter().map(|kind| self.list(kind)));
        let about_nodes = stories.contains(&Story::Nodes);
        let (lists, events, node_events, workloads, leases, namespace) = futures::join!(
            lists,
            self.events(self.scene.namespace),
            async { if about_nodes { self.events("default").await } else { Ok((Vec::new(), false)) } },
            self.workloads(stories),
            self.leases(stories),
            self.namespace(),
        );
        for (kind, list) in kinds.into_iter().zip(lists) {
            take_list(evidence, kind, list);
        }
        match namespace {
            Ok(namespace) => evidence.objects.push(Object(trimmed(namespace, "Namespace"))),
            Err(Answer::NotFound(_)) if self.scene.namespace_used => {
                evidence.listed.insert("Namespace".to_owned());
            }
            Err(_) => {}
        }
        let mut events: Vec<Value> = taken(evidence, "events", events);
        // Events about objects without a namespace are in `default`, among those of other people.
        let nodes = ["Node", "NodeClaim", "NodePool"];
        // Of objects that have gone only the complaints still matter, such as that of a machine that could not be had.
        let node_events = taken(evidence, "events of nodes", node_events);
        let matters = |event: &Value| {
            let (kind, name) = (text_at(event, "/involvedObject/kind"), text_at(event, "/involvedObject/name"));
            nodes.contains(&kind) && (text_at(event, "/type") == "Warning" || evidence.object(kind, name).is_some())
        };
        events.extend(node_events.into_iter().filter(matters));
        evidence.events = condensed(events.iter().filter(|event| self.is_ours(event)).map(event_seen).collect());
        for (what, list) in workloads {
            let list = taken(evidence, what, list);
            evidence.controllers.extend(list.iter().filter_map(|workload| workload_of(what, workload)));
        }
        let now = clock::now().as_second() + evidence.clock_ahead_s.unwrap_or_default();
        let leases = taken(evidence, "leases", leases);
        evidence.leases.extend(leases.iter().filter_map(|lease| lease_of(lease, stories, now)));
    }

    async fn list(&self, kind: &'static Kind) -> Listed {
        let api = if kind.namespaced {
            Api::namespaced_with(self.client.clone(), self.scene.namespace, &kind.resource())
        } else {
            Api::all_with(self.client.clone(), &kind.resource())
        };
        let (mut items, complete) = self.ask(&api, ListParams::default()).await?;
        if kind.namespaced {
            items.retain(|item| self.is_ours(item));
        }
        Ok((items.into_iter().map(|item| trimmed(item, kind.name)).collect(), complete))
    }

    async fn ask(&self, api: &Api<DynamicObject>, params: ListParams) -> Listed {
        let list = tokio::time::timeout_at(self.deadline, api.list(&params.limit(LIST_LIMIT))).await;
        let list = list.map_err(|_elapsed| Answer::Transient("no answer in time".to_owned()))?;
        let list = list.map_err(|error| answer_of(&error))?;
        let complete = list.metadata.continue_.as_deref().unwrap_or_default().is_empty();
        Ok((list.items.into_iter().filter_map(|item| serde_json::to_value(item).ok()).collect(), complete))
    }

    async fn events(&self, namespace: &str) -> Listed {
        let events = resource("", "v1", "Event", "events");
        self.ask(&Api::namespaced_with(self.client.clone(), namespace, &events), ListParams::default()).await
    }

    async fn namespace(&self) -> Result<Value, Answer> {
        let api: Api<DynamicObject> =
            Api::all_with(self.client.clone(), &resource("", "v1", "Namespace", "namespaces"));
        let namespace = tokio::time::timeout_at(self.deadline, api.get(self.scene.namespace)).await;
        let namespace = namespace.map_err(|_elapsed| Answer::Transient("no answer in time".to_owned()))?;
        let namespace = namespace.map_err(|error| answer_of(&error))?;
        serde_json::to_value(namespace).map_err(|e| Answer::Refused(e.to_string()))
    }

    /// The Deployments and `DaemonSets` of the controllers of these stories, in all namespaces.
    async fn workloads(&self, stories: &[Story]) -> Vec<(&'static str, Listed)> {
        let labels: Vec<&str> =
            CONTROLLERS.iter().filter(|c| stories.contains(&c.story)).flat_map(|c| c.labels).copied().collect();
        if labels.is_empty() {
            return Vec::new();
        }
        let params = ListParams::default().labels(&format!("app.kubernetes.io/name in ({})", labels.join(",")));
        let ask = async |kind, plural| {
            self.ask(&Api::all_with(self.client.clone(), &resource("apps", "v1", kind, plural)), params.clone()).await
        };
        let (deployments, daemon_sets) =
            futures::join!(ask("Deployment", "deployments"), ask("DaemonSet", "daemonsets"));
        vec![("Deployment", deployments), ("DaemonSet", daemon_sets)]
    }

    async fn leases(&self, stories: &[Story]) -> Listed {
        if !CONTROLLERS.iter().any(|c| stories.contains(&c.story) && !c.leases.is_empty()) {
            return Ok((Vec::new(), true));
        }
        let leases = resource("coordination.k8s.io", "v1", "Lease", "leases");
        // There is one for each node, too; those say nothing about controllers.
        let params = ListParams::default().fields("metadata.namespace!=kube-node-lease");
        self.ask(&Api::all_with(self.client.clone(), &leases), params).await
    }

    async fn logs(&self, evidence: &Evidence) -> Vec<LogTail> {
        let containers: Vec<_> = containers::in_trouble(evidence).filter(Container::has_run).take(LOGS).collect();
        let api: Api<Pod> = Api::namespaced(self.client.clone(), self.scene.namespace);
        let tails = containers.iter().map(async |container| {
            let previous = container.has_previous_log();
            match self.tail(&api, container, previous).await {
                // It has ended, or begun, since its state was read: then it is the other log that tells.
                None if container.restarts() > 0 => self.tail(&api, container, !previous).await,
                tail => tail,
            }
        });
        join_all(tails).await.into_iter().flatten().collect()
    }

    async fn tail(&self, api: &Api<Pod>, container: &Container<'_>, previous: bool) -> Option<LogTail> {
        let params = LogParams {
            container: Some(container.name().to_owned()),
            previous,
            tail_lines: i64::try_from(LOG_LINES).ok(),
            limit_bytes: Some(32 * 1024),
            ..LogParams::default()
        };
        let text = tokio::time::timeout_at(self.deadline, api.logs(container.pod.name(), &params)).await.ok()?.ok()?;
        let told = text.lines().filter(|line| !UNAVAILABLE.iter().any(|words| line.starts_with(words)));
        let lines: Vec<String> = told.map(|line| clean(line, LONGEST)).collect();
        let lines = lines[lines.len().saturating_sub(LOG_LINES)..].to_vec();
        let (pod, container) = (container.pod.name().to_owned(), container.name().to_owned());
        (!lines.is_empty()).then_some(LogTail { pod, container, previous, lines })
    }

    /// In a namespace of others, what carries the run's id in its name or labels; an event counts by its object's name.
    fn is_ours(&self, item: &Value) -> bool {
        let Some(run) = self.scene.only_of_run else { return true };
        let names = [text_at(item, "/metadata/name"), text_at(item, "/involvedObject/name")];
        let labels = item.pointer("/metadata/labels").and_then(Value::as_object);
        names.iter().any(|name| name.contains(run))
            || labels.is_some_and(|labels| labels.get(crate::cluster::RUN_LABEL).and_then(Value::as_str) == Some(run))
    }
}

fn resource(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    }
}

fn take_list(evidence: &mut Evidence, kind: &'static Kind, list: Listed) {
    match list {
        Ok((items, complete)) => {
            evidence.objects.extend(items.into_iter().map(Object));
            if complete {
                evidence.listed.insert(kind.name.to_owned());
            } else {
                evidence.gaps.push(format!("only the first {LIST_LIMIT} {} were read", kind.plural));
            }
        }
        // The collection of a kind that exists is never "not found", even in a namespace that does not exist.
        Err(Answer::NotFound(_)) => drop(evidence.unknown_kinds.insert(kind.name.to_owned())),
        Err(answer) => evidence.gaps.push(gap(kind.plural, answer)),
    }
}

fn taken(evidence: &mut Evidence, what: &str, list: Listed) -> Vec<Value> {
    match list {
        Ok((items, _complete)) => items,
        Err(answer) => {
            evidence.gaps.push(gap(what, answer));
            Vec::new()
        }
    }
}

fn gap(what: &str, answer: Answer) -> String {
    let reason = match answer {
        Answer::Forbidden(_) => "no permission".to_owned(),
        Answer::Transient(text)
        | Answer::Unauthorized(text)
        | Answer::NotFound(text)
        | Answer::Conflict(text)
        | Answer::Refused(text) => text,
    };
    clean(&format!("{what}: {reason}"), LONGEST)
}
