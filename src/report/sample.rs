//! Results of every kind, for the tests of all displays and reports.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::event::Event;
use crate::failure::{Certainty, Failure, ObjectRef, Origin};
use crate::result::{CheckResult, CleanupResult, RunResult, SCHEMA, StepResult, Survivor, Target};
use crate::verdict::Verdict;

const RUN: &str = "k3f9x2m1ab";

/// A run with a check of every verdict.
pub(crate) fn every_verdict() -> RunResult {
    run(vec![ingress(), cert_manager(), autoscaler(), datadog(), fluent(), rollouts()])
}

/// A run in which everything passed.
pub(crate) fn all_passed() -> RunResult {
    run(vec![cert_manager(), rollouts()])
}

/// A run in which every text that the cluster can choose tries to break out of its report.
pub(crate) fn hostile() -> RunResult {
    let evil = "<script>alert(1)</script> ]]> \u{1b}[2J\u{1b}]0;pwned\u{7}\n# heading | `tick` \"quote' & @channel \u{202e}txt";
    let failure = Failure::failed(evil)
        .saw(evil)
        .on(ObjectRef::new(evil, evil, evil))
        .because(Certainty::Certain, Origin::Outside, evil)
        .next(evil)
        .next("```\nkubectl")
        .detail(evil, vec![evil.to_owned(), "```".to_owned(), "</pre></details>".to_owned()]);
    let mut broken = step(evil, 10, 100, json!({evil: evil, "list": [evil, {evil: evil}]}));
    broken.verdict = Verdict::Failed;
    broken.failure = Some(failure.clone());
    let mut check = check(evil, Verdict::Failed, vec![broken]);
    check.namespace = Some(evil.to_owned());
    check.settings = BTreeMap::from([(evil.to_owned(), evil.to_owned())]);
    check.reason = Some(evil.to_owned());
    check.failure = Some(failure);
    check.cleanup = Some(CleanupResult {
        verdict: Verdict::Failed,
        duration_ms: 5,
        survivors: vec![Survivor { object: ObjectRef::cluster_scoped(evil, evil), held_by: vec![evil.to_owned()] }],
    });
    let mut result = run(vec![check]);
    result.target = Target {
        name: evil.to_owned(),
        server: evil.to_owned(),
        context: Some(evil.to_owned()),
        kubernetes: evil.to_owned(),
        add_ons: BTreeMap::from([(evil.to_owned(), evil.to_owned())]),
    };
    result.settings = BTreeMap::from([(evil.to_owned(), evil.to_owned())]);
    result.notices = vec![evil.to_owned()];
    result
}

/// A run of these checks.
pub(crate) fn run(checks: Vec<CheckResult>) -> RunResult {
    let end =
        |check: &CheckResult| check.start_ms + check.duration_ms + check.cleanup.as_ref().map_or(0, |c| c.duration_ms);
    let verdict = Verdict::worst(checks.iter().map(|check| check.verdict));
    RunResult {
        schema: SCHEMA.to_owned(),
        version: "0.1.0".to_owned(),
        run: RUN.to_owned(),
        target: Target {
            name: "blue".to_owned(),
            server: "https://10.88.0.2:6443".to_owned(),
            context: Some("blue-admin".to_owned()),
            kubernetes: "v1.34.4".to_owned(),
            add_ons: BTreeMap::from([("cert-manager".to_owned(), "v1.19.1".to_owned())]),
        },
        started: "2026-11-21T02:14:07.250Z".parse().unwrap(),
        duration_ms: checks.iter().map(end).max().unwrap_or_default(),
        verdict,
        exit_code: crate::exit::of_run(verdict, None),
        checks,
        settings: texts(&[("timeout", "15m"), ("stepTimeout", "5m"), ("image", "kibertas-rs:0.1.0")]),
        notices: Vec::new(),
    }
}

/// The events that lead to a result, in the order of their times.
pub(crate) fn events(result: &RunResult) -> Vec<Event> {
    let checks = result.checks.iter().filter(|check| check.verdict != Verdict::Skipped).map(|check| check.name.clone());
    let mut timed = Vec::new();
    for result in &result.checks {
        let check = &result.name;
        if let Some(namespace) = &result.namespace {
            timed.push((result.start_ms, Event::CheckStarted { check: check.clone(), namespace: namespace.clone() }));
        }
        for step in &result.steps {
            timed.push((step.start_ms, Event::StepStarted { check: check.clone(), step: step.name.clone() }));
            let end = step.start_ms + step.duration_ms;
            timed.push((end, Event::StepFinished { check: check.clone(), step: step.clone() }));
        }
        let mut end = result.start_ms + result.duration_ms;
        if let Some(cleanup) = &result.cleanup {
            timed.push((end, Event::CleanupStarted { check: check.clone() }));
            end += cleanup.duration_ms;
            timed.push((end, Event::CleanupFinished { check: check.clone(), cleanup: cleanup.clone() }));
        }
        timed.push((end, Event::CheckFinished { result: Box::new(result.clone()) }));
    }
    timed.sort_by_key(|(at, _)| *at);
    let opening =
        Event::RunStarted { run: result.run.clone(), target: result.target.clone(), checks: checks.collect() };
    let end = Event::RunFinished { result: Box::new(result.clone()) };
    std::iter::once(opening).chain(timed.into_iter().map(|(_, event)| event)).chain([end]).collect()
}

fn ingress() -> CheckResult {
    let namespace = "kibertas-ingress-blue-k3f9x2m1ab";
    let host = "kibertas-k3f9x2m1ab.blue.e2e.test";
    let failure = Failure::failed(format!("the record of {host} to be 10.88.0.2"))
        .saw("10.88.0.9 (waited 5 min 00 s)")
        .on(ObjectRef::new("Ingress", namespace, "kibertas-web-k3f9x2m1ab"))
        .because(
            Certainty::Likely,
            Origin::Cluster,
            "external-dns does not own the record: its TXT record names owner green",
        )
        .next("kubectl -n external-dns logs deployment/external-dns --tail 50")
        .next(format!("dig +short @10.88.0.2 {host}"))
        .detail(
            format!("events of Ingress {namespace}/kibertas-web-k3f9x2m1ab"),
            vec!["4 min ago  Normal  Sync  Scheduled for sync".to_owned()],
        )
        .detail(
            "log of external-dns",
            vec![
                "level=info msg=\"All records are already up to date\"".to_owned(),
                "level=warning msg=\"Skipping endpoint: owner id does not match\"".to_owned(),
            ],
        );
    let mut dns = step(
        "DNS record",
        2_410,
        300_000,
        json!({"resolver": "10.88.0.2:53", "zone": "blue.e2e.test", "answers": ["10.88.0.9"]}),
    );
    dns.verdict = Verdict::Failed;
    dns.failure = Some(failure.clone());
    let steps = vec![
        step("permissions", 2, 96, json!({"asked": 23})),
        step("namespace", 98, 21, json!({"namespace": namespace})),
        step(
            "back end ready",
            119,
            1_480,
            json!({"image": "kibertas-rs:0.1.0", "pods": ["kibertas-web-k3f9x2m1ab-7d9f8-x2x9k"]}),
        ),
        step("load balancer address", 1_600, 810, json!({"addresses": ["10.88.0.2"], "class": "traefik"})),
        dns,
    ];
    let mut check = check("ingress", Verdict::Failed, steps);
    check.reason = Some(format!("DNS record: {}", failure.summary()));
    check.failure = Some(failure);
    check.settings = texts(&[("host", host), ("ingressClass", "traefik"), ("dnsCheck", "true")]);
    check.cleanup = Some(CleanupResult {
        verdict: Verdict::Failed,
        duration_ms: 120_000,
        survivors: vec![Survivor {
            object: ObjectRef::cluster_scoped("Namespace", namespace),
            held_by: vec![
                "Some resources are remaining: ingresses.networking.k8s.io has 1 resource instances".to_owned(),
                "finalizer ingress.k8s.aws/resources".to_owned(),
            ],
        }],
    });
    check.api_requests = 121;
    check
}

fn cert_manager() -> CheckResult {
    let steps = vec![
        step("permissions", 2, 110, json!({"asked": 31})),
        step("namespace", 112, 19, json!({"namespace": "kibertas-cert-manager-blue-k3f9x2m1ab"})),
        step("issuer ready", 131, 220, json!({"issuer": "kibertas-ca-k3f9x2m1ab", "kind": "Issuer"})),
        step("certificate ready", 351, 640, json!({"revision": 1, "request": "kibertas-web-k3f9x2m1ab-1"})),
        step(
            "chain verified",
            991,
            4,
            json!({
                "subject": "CN=kibertas-web-k3f9x2m1ab",
                "names": ["web.k3f9x2m1ab.test"],
                "notAfter": "2026-11-21T03:14:08Z",
                "keyMatches": true,
            }),
        ),
        step("TLS handshake", 995, 6, json!({"protocol": "TLSv1.3", "cipher": "TLS13_AES_256_GCM_SHA384"})),
    ];
    let mut check = check("cert-manager", Verdict::Passed, steps);
    check.cleanup = Some(CleanupResult { verdict: Verdict::Passed, duration_ms: 530, survivors: Vec::new() });
    check.api_requests = 52;
    check
}

fn rollouts() -> CheckResult {
    let steps = vec![
        step("permissions", 3, 101, json!({"asked": 27})),
        step("namespace", 104, 18, json!({"namespace": "kibertas-rollouts-blue-k3f9x2m1ab"})),
        step("first version healthy", 122, 2_310, json!({"replicas": 4, "revision": 1})),
        step("canary at 25 %", 2_432, 1_650, json!({"weight": 25, "canary": "1 of 4 replicas"})),
        step("one step promoted", 4_082, 1_420, json!({"weight": 50, "canary": "2 of 4 replicas"})),
        step("promoted in full", 5_502, 2_870, json!({"stable": "6f7c9d", "canaryLabels": []})),
        step("aborted", 8_372, 1_930, json!({"phase": "Degraded", "stable": "6f7c9d", "weight": 0})),
        step("back to stable", 10_302, 1_210, json!({"phase": "Healthy"})),
    ];
    let mut check = check("rollouts", Verdict::Passed, steps);
    check.cleanup = Some(CleanupResult { verdict: Verdict::Passed, duration_ms: 1_200, survivors: Vec::new() });
    check.api_requests = 88;
    check
}

fn autoscaler() -> CheckResult {
    let failure = Failure::inconclusive("the permissions that the check declares")
        .saw("not allowed: list nodes")
        .because(Certainty::Certain, Origin::Harness, "the credentials of this run may not list nodes")
        .next("kubectl auth can-i list nodes -A");
    let mut permissions = step("permissions", 3, 140, json!({"asked": 25}));
    permissions.verdict = Verdict::Inconclusive;
    permissions.failure = Some(failure.clone());
    let mut check = check("cluster-autoscaler", Verdict::Inconclusive, vec![permissions]);
    check.reason = Some(format!("permissions: {}", failure.summary()));
    check.failure = Some(failure);
    check.api_requests = 25;
    check
}

fn datadog() -> CheckResult {
    let mut check = check("datadog-agent", Verdict::Skipped, Vec::new());
    check.reason = Some("apiKey (DD_API_KEY) should be the API key of the Datadog account".to_owned());
    check.settings = texts(&[("applicationKey", "***"), ("query", "avg:kubernetes.cpu.user.total{*}")]);
    check.namespace = None;
    check
}

fn fluent() -> CheckResult {
    let failure = Failure::cancelled("an object with this run's nonce").saw("no new objects (waited 42.0 s)");
    let mut objects = step("objects in the bucket", 1_830, 42_000, json!({"bucket": "kubernetes-logs", "listed": 0}));
    objects.verdict = Verdict::Cancelled;
    objects.failure = Some(failure.clone());
    let steps = vec![
        step("permissions", 3, 99, json!({"asked": 21})),
        step("lines written", 102, 1_728, json!({"lines": 100, "nonce": "n-k3f9x2m1ab"})),
        objects,
    ];
    let mut check = check("fluent", Verdict::Cancelled, steps);
    check.reason = Some("the check was ended by signal 15".to_owned());
    check.failure = Some(failure);
    check.cleanup = Some(CleanupResult { verdict: Verdict::Skipped, duration_ms: 0, survivors: Vec::new() });
    check.api_requests = 33;
    check
}

fn check(name: &str, verdict: Verdict, steps: Vec<StepResult>) -> CheckResult {
    let start_ms = steps.first().map_or(2, |step| step.start_ms);
    let end = steps.iter().map(|step| step.start_ms + step.duration_ms).max().unwrap_or(start_ms);
    CheckResult {
        name: name.to_owned(),
        verdict,
        reason: None,
        failure: None,
        start_ms,
        duration_ms: end - start_ms,
        namespace: Some(format!("kibertas-{name}-blue-{RUN}")),
        steps,
        cleanup: None,
        api_requests: 0,
        settings: BTreeMap::new(),
    }
}

fn step(name: &str, start_ms: u64, duration_ms: u64, evidence: Value) -> StepResult {
    let evidence = match evidence {
        Value::Object(map) => map.into_iter().collect(),
        _ => BTreeMap::new(),
    };
    StepResult { name: name.to_owned(), verdict: Verdict::Passed, start_ms, duration_ms, evidence, failure: None }
}

fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}
