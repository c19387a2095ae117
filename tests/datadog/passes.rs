//! What has to pass, how fast, and with how many questions.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kibertas::clock;
use stand_ins::authority::Authority;
use stand_ins::datadog::{Agent, Datadog, now};
use stand_ins::proxy::Proxy;
use stand_ins::request::Reply;
use stand_ins::script::Act;
use stand_ins::server::Server;

use crate::run::{API_KEY, APP_KEY, Run};
use crate::{agent, site};

const QUERY: &str = "/api/v1/query";

#[test]
fn metrics_that_arrive() {
    let datadog = Server::plain(site().receives(agent()).receives(Agent::of_cluster("green"))).unwrap();
    let outcome = Run::at(&datadog.url()).args(&["--debug", "--log-level", "debug"]).go();
    outcome.passed().tell("none");
    assert_eq!(outcome.evidence("series of this cluster", "series"), 1);
    assert!(outcome.evidence("fresh points", "ageSeconds").as_i64().unwrap() <= 8, "{}", outcome.printed);
    assert_eq!(outcome.check()["settings"]["apiKey"], "***");
    assert!(outcome.check()["namespace"].is_null() && outcome.check()["cleanup"].is_null());
    // A point a second that is a second on its way; the rest is for a busy machine.
    assert!(outcome.seconds() < 12.0, "{}", outcome.seconds());
    let queries = datadog.requests().into_iter().filter(|request| request.path == QUERY);
    assert!(queries.clone().count() <= 8);
    for query in queries {
        assert_eq!(query.parameter("query"), "avg:kubernetes.cpu.user.total{kube_cluster_name:blue}");
        let to: i64 = query.parameter("to").parse().unwrap();
        assert!((now() - to).abs() < 700, "seconds, not milliseconds");
    }
}

#[test]
fn the_verdict_comes_at_most_a_second_after_the_point() {
    // The first point is from 5 s after now, and needs 2 s on its way.
    let there = now() + 7;
    let datadog = Server::plain(site().receives(agent().starts_at(there - 2).late(2))).unwrap();
    let outcome = Run::at(&datadog.url()).step_timeout("20s").go();
    outcome.passed().tell("the agent comes up 5 s later, its points take 2 s");
    let after = outcome.verdict_at() - f64::from(i32::try_from(there).unwrap());
    println!("the verdict came {after:.2} s after the point was there");
    assert!(after >= 0.0, "{after} s");
    // It asks at least every 0.8 s. However slow the machine, the first question that finds the point is the last one.
    let asked =
        datadog.requests().into_iter().filter(|request| request.path == QUERY).map(|request| since_1970(request.at));
    let then = f64::from(i32::try_from(there).unwrap());
    let since: Vec<f64> = asked.map(|at| at - then).filter(|since| *since > 0.1).collect();
    assert!(since.len() <= 1, "asked {since:?} s after it was there");
    assert_eq!(outcome.evidence("fresh points", "settled"), false);
}

/// A moment as seconds since 1970.
fn since_1970(at: Instant) -> f64 {
    clock::now().duration_since(Timestamp::UNIX_EPOCH).as_secs_f64() - at.elapsed().as_secs_f64()
}

#[test]
fn late_points_are_waited_for() {
    let datadog = Server::plain(site().receives(agent().late(6))).unwrap();
    let outcome = Run::at(&datadog.url()).step_timeout("20s").go();
    outcome.passed().tell("points arrive 6 s late");
    assert!((6.0..18.0).contains(&outcome.seconds()), "{}", outcome.seconds());
}

#[test]
fn with_a_freshness_two_questions_are_enough() {
    let datadog = Server::plain(site().receives(agent().stopped_ago(90))).unwrap();
    let outcome = Run::at(&datadog.url()).env("KIBERTAS_DATADOG_FRESHNESS", "2m").go();
    outcome.passed().tell("freshness 2m, newest point 90 s old");
    assert_eq!(outcome.evidence("fresh points", "settled"), true);
    assert_eq!(outcome.evidence("fresh points", "requests"), 2);
    assert_eq!(datadog.requests().len(), 2);
}

#[test]
fn a_rate_limit_is_obeyed() {
    let datadog = Server::plain(site().limit(2, 4).receives(agent().starts_at(now() + 5))).unwrap();
    let outcome = Run::at(&datadog.url()).step_timeout("30s").go();
    outcome.passed().tell("2 queries in 4 s allowed, the agent comes up 5 s later");
    // Not even once too often: what is left is known from the reply before.
    let queries = datadog.requests().into_iter().filter(|request| request.path == QUERY).count();
    assert!(queries <= 8, "{queries} queries");
}

#[test]
fn a_429_for_a_while_is_outlasted() {
    let datadog = Server::plain(site().receives(agent())).unwrap();
    let limited = Reply::json(429, &serde_json::json!({"errors": ["Rate limit reached"]}));
    let limited = limited.header("X-RateLimit-Limit", 100).header("X-RateLimit-Period", 60);
    let limited = limited.header("X-RateLimit-Remaining", 0).header("X-RateLimit-Reset", 2);
    datadog.script().next(2, QUERY, Act::Reply(limited));
    let outcome = Run::at(&datadog.url()).step_timeout("20s").go();
    outcome.passed().tell("429 twice, each for 2 s");
    let times: Vec<_> = datadog.requests().into_iter().filter(|request| request.path == QUERY).map(|r| r.at).collect();
    for pair in times[..3].windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_secs(2), "asked again after {:?}", pair[1] - pair[0]);
    }
}

#[test]
fn short_outages_are_outlasted() {
    let datadog = Server::plain(site().receives(agent())).unwrap();
    datadog.script().next(2, "/api/v1/validate", Act::HangUp);
    datadog.script().next(1, "/api/v1/validate", Act::Reply(Reply::text(502, "<html>bad gateway</html>")));
    datadog.script().next(1, QUERY, Act::Late(Duration::from_millis(700)));
    datadog.script().next(1, QUERY, Act::Silence);
    let failed = Reply::json(200, &serde_json::json!({"status": "error", "error": "Query timed out"}));
    datadog.script().next(1, QUERY, Act::Reply(failed));
    let run = Run::at(&datadog.url()).env("KIBERTAS_DATADOG_HTTP_TIMEOUT", "1s");
    run.step_timeout("20s").go().passed().tell("hang-ups, 502, silence and a timed-out query, once each");
}

#[test]
fn the_site_chooses_the_host_through_a_proxy_over_verified_tls() {
    let authority = Authority::new().unwrap();
    let identity = authority.identity(&["api.datadoghq.eu"]).unwrap();
    let datadog = Server::tls(site().receives(agent()), identity).unwrap();
    let proxy = Proxy::start(&[("api.datadoghq.eu", datadog.address())]).unwrap();
    let run = Run::at("").env("DD_SITE", "datadoghq.eu").env("DD_PROXY_HTTPS", &proxy.url());
    let ca = run.folder().join("ca.pem");
    authority.write(&ca).unwrap();
    run.env("KIBERTAS_DATADOG_CA_FILE", &ca.to_string_lossy()).go().passed().tell("none, TLS, through a proxy");
    assert!(proxy.asked().iter().all(|name| name == "api.datadoghq.eu") && !proxy.asked().is_empty());
}

#[test]
fn a_clock_that_differs_from_datadogs() {
    for ahead in [300, -300] {
        // The agent's points are right by Datadog's clock.
        let datadog = Server::plain(site().clock_ahead(ahead).receives(agent())).unwrap();
        let outcome = Run::at(&datadog.url()).go();
        outcome.passed().tell(&format!("Datadog's clock is {ahead} s ahead"));
        let seen = outcome.evidence("API key valid", "clockAheadSeconds").as_i64().unwrap();
        assert!((seen - ahead).abs() <= 1, "{seen}");
    }
}

#[test]
fn nodes_whose_clocks_are_ahead() {
    let datadog = Server::plain(site().receives(agent().clock_ahead(400))).unwrap();
    Run::at(&datadog.url()).go().passed().tell("the nodes' clocks are 400 s ahead, the agent sends");
}

#[test]
fn a_scoped_application_key_and_other_settings() {
    let datadog = Datadog::new().api_key(API_KEY).scoped_application_key(APP_KEY, &["timeseries_query"]);
    let datadog = Server::plain(datadog.receives(Agent::of_cluster("green-2"))).unwrap();
    let run = Run::at(&datadog.url()).env("DD_CLUSTER_NAME", "Green-2");
    let query = "avg:kubernetes.cpu.user.total{env:test} by {host}";
    run.env("QUERY_METRICS", query).go().passed();
    let asked = datadog.requests().into_iter().find(|request| request.path == QUERY).unwrap();
    assert_eq!(asked.parameter("query"), "avg:kubernetes.cpu.user.total{env:test,kube_cluster_name:green-2} by {host}");
}
