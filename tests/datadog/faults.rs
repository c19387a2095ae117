//! What must not pass, each fault with its own verdict and words.

use std::process::Command;

use serde_json::json;
use stand_ins::authority::Authority;
use stand_ins::datadog::{Agent, Datadog};
use stand_ins::kubernetes::Kubernetes;
use stand_ins::proxy::Proxy;
use stand_ins::request::Reply;
use stand_ins::script::Act;
use stand_ins::server::Server;

use crate::run::{API_KEY, APP_KEY, Outcome, Run};
use crate::{agent, site};

const QUERY: &str = "/api/v1/query";

/// A run against a site.
fn at(datadog: Datadog) -> Outcome {
    let datadog = Server::plain(datadog).unwrap();
    Run::at(&datadog.url()).go()
}

#[test]
fn api_key_wrong() {
    let outcome = at(Datadog::new().api_key("another").application_key(APP_KEY).receives(agent()));
    outcome.ended("inconclusive", "API key valid", "HTTP 403 Forbidden", "does not know the API key (DD_API_KEY)");
    outcome.fault_of("harness").tell("API key wrong");
}

#[test]
fn keys_swapped() {
    let datadog = Server::plain(site().receives(agent())).unwrap();
    let outcome = Run::at(&datadog.url()).env("DD_API_KEY", APP_KEY).env("DD_APP_KEY", API_KEY).go();
    outcome.ended("inconclusive", "API key valid", "HTTP 403", "the two keys are swapped").tell("keys swapped");
}

#[test]
fn application_key_unknown() {
    let outcome = at(Datadog::new().api_key(API_KEY).application_key("another").receives(agent()));
    outcome.ended("inconclusive", "query accepted", "HTTP 403", "does not know the application key (DD_APP_KEY)");
    outcome.fault_of("harness").tell("application key unknown");
}

#[test]
fn application_key_without_the_scope() {
    let scopes = &["monitors_read", "metrics_read"];
    let outcome = at(Datadog::new().api_key(API_KEY).scoped_application_key(APP_KEY, scopes).receives(agent()));
    outcome.ended("inconclusive", "query accepted", "HTTP 403", "it lacks the scope timeseries_query");
    outcome.fault_of("harness").tell("application key without the scope");
}

#[test]
fn only_another_clusters_series() {
    let outcome = at(site().receives(Agent::of_cluster("green")).receives(Agent::of_cluster("blue-2")));
    let seen = "no series of kube_cluster_name:blue, only of other clusters: blue-2, green";
    outcome.ended("failed", "series of this cluster", seen, "other clusters send this metric, but nobody as");
    outcome.fault_of("cluster").tell("only another cluster's series");
}

#[test]
fn no_series_at_all() {
    let outcome = at(site());
    let seen = "no series of kube_cluster_name:blue, nor of any other kube_cluster_name";
    outcome.ended("failed", "series of this cluster", seen, "no cluster sends this metric").tell("no series at all");
}

#[test]
fn a_reply_that_is_about_another_cluster() {
    let datadog = Server::plain(site().receives(agent())).unwrap();
    let point = json!([stand_ins::datadog::now() * 1000 + 2000, 1.0]);
    let series = json!([{"scope": "kube_cluster_name:green", "tag_set": [], "pointlist": [point]}]);
    datadog.script().always(QUERY, Act::Reply(Reply::json(200, &json!({"status": "ok", "series": series}))));
    let outcome = Run::at(&datadog.url()).go();
    let seen = "only of kube_cluster_name:green";
    outcome.ended("failed", "series of this cluster", seen, "").tell("the reply is about another cluster");
}

#[test]
fn series_older_than_the_run() {
    let outcome = at(site().receives(agent().stopped_ago(600)));
    outcome.ended("failed", "fresh points", "the newest point is 10 min old", "the agent stopped sending 6");
    outcome.fault_of("cluster").tell("series older than the run");
}

#[test]
fn the_agent_does_not_run() {
    let set = json!({
        "metadata": {"namespace": "monitoring", "name": "datadog", "labels": {"app.kubernetes.io/name": "datadog"}},
        "status": {"desiredNumberScheduled": 3, "numberReady": 0},
    });
    let datadog = Server::plain(site().receives(agent().stopped_ago(600))).unwrap();
    let outcome = Run::on(Kubernetes::new().list("/apis/apps/v1/daemonsets", vec![set]), &datadog.url()).go();
    let cause = "the Datadog agent has no ready pod of 3 (DaemonSet monitoring/datadog)";
    outcome.ended("failed", "fresh points", "the newest point is 10 min old", cause).tell("the agent does not run");
}

#[test]
fn all_points_null() {
    let outcome = at(site().receives(agent().without_values()));
    outcome.ended("failed", "fresh points", "points are null", "have no values").tell("all points null");
}

#[test]
fn clocks_of_nodes_ahead() {
    let outcome = at(site().receives(agent().clock_ahead(400).stopped_ago(5)));
    let cause = "sends no more, and the clock of a host of it is ahead";
    outcome.ended("failed", "fresh points", "6 min ahead of Datadog's clock", cause);
    outcome.tell("stopped 5 s ago, the nodes' clocks are 400 s ahead");
}

#[test]
fn errors_of_datadog_for_ever() {
    let datadog = Server::plain(site().receives(agent())).unwrap();
    datadog.script().always(QUERY, Act::Reply(Reply::text(503, "upstream connect error")));
    let outcome = Run::at(&datadog.url()).go();
    outcome.ended("inconclusive", "query accepted", "HTTP 503 Service Unavailable", "with an error of its own");
    outcome.fault_of("outside").tell("5xx for ever");
}

#[test]
fn errors_of_datadog_once_the_series_were_seen() {
    let datadog = Server::plain(site().receives(agent().stopped_ago(600))).unwrap();
    datadog.script().next(1, QUERY, Act::Late(std::time::Duration::ZERO));
    datadog.script().always(QUERY, Act::Reply(Reply::text(500, "")));
    let outcome = Run::at(&datadog.url()).go();
    outcome
        .ended("inconclusive", "fresh points", "HTTP 500", "with an error of its own")
        .tell("5xx from the second query on");
}

#[test]
fn a_limit_longer_than_the_step() {
    let outcome = at(site().limit(0, 3600).receives(agent()));
    outcome.ended("inconclusive", "query accepted", "HTTP 429 Too Many Requests", "allows no more queries for now");
    assert!(outcome.seconds() < 2.0, "waiting is in vain, but took {} s", outcome.seconds());
    outcome.fault_of("outside").tell("429 for longer than the step");
}

#[test]
fn nothing_answers() {
    let datadog = Server::plain(site()).unwrap();
    datadog.script().always("/", Act::Silence);
    let outcome = Run::at(&datadog.url()).go();
    outcome.ended("inconclusive", "API key valid", "", "cannot be reached from here").tell("no answer");
    let nobody = Run::at("http://127.0.0.1:1").go();
    nobody.ended("inconclusive", "API key valid", "refused", "cannot be reached from here").tell("connection refused");
}

#[test]
fn tls_not_trusted() {
    let authority = Authority::new().unwrap();
    let datadog = Server::tls(site().receives(agent()), authority.identity(&["127.0.0.1"]).unwrap()).unwrap();
    let outcome = Run::at(&datadog.url()).go();
    outcome.ended("inconclusive", "API key valid", "UnknownIssuer", "is not trusted here");
    assert!(outcome.seconds() < 2.0 && datadog.requests().is_empty(), "no key is sent to a stranger");
    outcome.fault_of("harness").tell("TLS not trusted");

    let elsewhere = Server::tls(site(), authority.identity(&["api.example.com"]).unwrap()).unwrap();
    let run = Run::at(&elsewhere.url());
    let ca = run.folder().join("ca.pem");
    authority.write(&ca).unwrap();
    let outcome = run.env("KIBERTAS_DATADOG_CA_FILE", &ca.to_string_lossy()).go();
    outcome.ended("inconclusive", "API key valid", "not valid for", "is not trusted here");
    outcome.tell("TLS for another name");
}

#[test]
fn wrong_site() {
    let authority = Authority::new().unwrap();
    let tls = |name: &str| authority.identity(&[name]).unwrap();
    let ours = Server::tls(site().receives(agent()), tls("api.datadoghq.eu")).unwrap();
    let other = Server::tls(Datadog::new().api_key("of-us5"), tls("api.us5.datadoghq.com")).unwrap();
    let hosts = [("api.datadoghq.eu", ours.address()), ("api.us5.datadoghq.com", other.address())];
    let proxy = Proxy::start(&hosts).unwrap();
    let run = |site: &str| {
        let run = Run::at("").env("DD_SITE", site).env("DD_PROXY_HTTPS", &proxy.url());
        let ca = run.folder().join("ca.pem");
        authority.write(&ca).unwrap();
        run.env("KIBERTAS_DATADOG_CA_FILE", &ca.to_string_lossy()).go()
    };
    run("datadoghq.eu").passed();
    let outcome = run("us5.datadoghq.com");
    let cause = "at the site us5.datadoghq.com (DD_SITE): it is mistyped or revoked, or belongs to another site";
    outcome.ended("inconclusive", "API key valid", "HTTP 403", cause).fault_of("harness").tell("wrong site");
    let outcome = run("datadog.eu");
    let cause = "nothing answers at datadog.eu (DD_SITE), which is none of Datadog's sites";
    outcome.ended("inconclusive", "API key valid", "", cause).fault_of("harness").tell("no such site");
}

#[test]
fn what_answers_is_not_datadog() {
    let datadog = Server::plain(site()).unwrap();
    for (reply, fault) in [
        (Reply::text(200, "<html>Please log in</html>"), "a login page"),
        (Reply::text(404, "no such page"), "404"),
        (Reply::text(302, "").header("location", "https://login.example.com"), "a redirect"),
    ] {
        datadog.script().end();
        datadog.script().always("/", Act::Reply(reply));
        let outcome = Run::at(&datadog.url()).go();
        outcome.ended("inconclusive", "API key valid", "HTTP ", "what answers is not Datadog's API").tell(fault);
    }
}

#[test]
fn a_query_that_datadog_does_not_take() {
    let datadog = Server::plain(site().receives(agent())).unwrap();
    let outcome = Run::at(&datadog.url()).env("QUERY_METRICS", "median:kubernetes.cpu.user.total{*}").go();
    outcome.ended("inconclusive", "query accepted", "Error parsing query", "does not take the query (QUERY_METRICS)");
    outcome.fault_of("harness").tell("200 with an error about the query");
}

#[test]
fn without_keys_it_is_an_error_by_name_and_skipped_inside_all() {
    let run = |args: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_kibertas-rs")).env_clear().arg("test").args(args).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for name in ["datadog-agent", "datadog"] {
        let (code, told) = run(&[name]);
        assert_eq!(code, Some(2), "{told}");
        assert!(told.contains("apiKey (DD_API_KEY) and appKey (DD_APP_KEY) should be set"), "{told}");
    }
    let config =
        kibertas::config::Config::resolve(&kibertas::config::Sources::default(), kibertas::checks::ALL).unwrap();
    let plan = kibertas::runner::Plan::make(&[], kibertas::checks::ALL, &config).unwrap();
    let planned = plan.checks.iter().find(|planned| planned.check.about().name == "datadog-agent").unwrap();
    assert!(planned.skipped.as_ref().unwrap().contains("DD_API_KEY"), "{:?}", planned.skipped);
}
