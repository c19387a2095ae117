//! The check `datadog-agent` with the real cluster beside a stand-in of Datadog: what the cluster itself has to do with it.
//! Every other fault is in tests/datadog.

use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::json;
use stand_ins::datadog::{Agent, Datadog};
use stand_ins::server::Server;

use crate::run;
use crate::world::{World, on_whole};

const NAMESPACE: &str = "trial-datadog";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        on_whole(world, "datadog-agent: metrics that arrive", arriving),
        on_whole(world, "datadog-agent: the agent's pods do not start", agent_without_pods),
    ]
}

/// A run against a site with this agent's metrics.
fn against(world: &World, agent: Agent) -> Result<run::Report, Failed> {
    let datadog = Datadog::new().api_key("key-of-the-api").application_key("key-of-the-application").receives(agent);
    let datadog = Server::plain(datadog)?;
    let set = |key: &str, value: &str| format!("datadog-agent.{key}={value}");
    let settings = [
        set("apiKey", "key-of-the-api"),
        set("appKey", "key-of-the-application"),
        set("baseUrl", &datadog.url()),
        set("clusterName", "blue"),
    ];
    let mut args = vec!["datadog-agent", "--step-timeout", "5s"];
    args.extend(settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
    run::test(&world.environment(), &args)
}

fn arriving(world: &World) -> Result<(), Failed> {
    let report = against(world, Agent::of_cluster("blue"))?;
    report.expect(0, "passed", None, &[])?;
    let check = report.check();
    if check["namespace"].is_null() && check["cleanup"].is_null() {
        Ok(())
    } else {
        Err(format!("it created something: {} {:#}", check["namespace"], check["cleanup"]).into())
    }
}

/// A `DaemonSet` as the agent's chart makes it, whose image is nowhere.
fn agent_without_pods(world: &World) -> Result<(), Failed> {
    let labels = json!({"app": "datadog", "app.kubernetes.io/name": "datadog"});
    let container = json!({"name": "agent", "image": "registry.invalid/agent:7"});
    let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "apps/v1", "kind": "DaemonSet",
         "metadata": {"name": "datadog", "namespace": NAMESPACE, "labels": labels},
         "spec": {"selector": {"matchLabels": {"app": "datadog"}},
                  "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}},
    ]});
    world.apply(&objects)?;
    let outcome = against(world, Agent::of_cluster("blue").stopped_ago(600)).and_then(|report| {
        let words = [
            "the newest point is 10 min old",
            "the Datadog agent has no ready pod of",
            "DaemonSet trial-datadog/datadog",
        ];
        report.expect(1, "failed", Some("fresh points"), &words)
    });
    world.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])?;
    outcome
}
