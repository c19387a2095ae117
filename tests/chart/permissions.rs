//! The chart's RBAC is what the enabled checks declare: no rule more, no rule less.

use std::collections::BTreeSet;

use kibertas::check::{Check, EVENTS_GRANT, Grant, Scope, all_grants};
use kibertas::checks;
use kibertas::compare::baseline::Keeping;
use kibertas::compare::baseline::ring::GRANTS;
use kibertas::config::{Config, ConfigFile, Sources};
use kibertas::diagnosis::optional_grants;
use serde_json::{Value, json};

use super::render::{objects, of_kind, template_in, template_with};

/// One verb on one resource at one place: namespace (empty: the whole cluster), name (empty: all), group, resource, verb.
type Permission = [String; 5];

/// Values under which other grants are needed each time.
fn scenarios() -> Vec<Value> {
    let mut scenarios = vec![
        json!({}),
        json!({"rbac": {"optional": false}}),
        json!({"config": {"baselines": "configmap://ops/kept"}}),
        json!({"env": {"KIBERTAS_BASELINES": "configmap://proofs/kept"}, "config": {"resourceNamespace": "proofs"}}),
        json!({"config": {"baselines": "s3://reports/baselines"}}),
        json!({"config": {"resourceNamespace": "proofs"}}),
        json!({"env": {"RESOURCE_NAMESPACE": "proofs"}, "checks": ["cert-manager", "rollouts"]}),
        json!({"env": {"KIBERTAS_AUTOSCALER_SCALE_IN": "T"}, "config": {"checks": {"autoscaler": {"autoscaler": "cluster-autoscaler"}}}}),
        json!({"extraEnv": [{"name": "KIBERTAS_AUTOSCALER_SCALE_IN", "value": "true"}], "checks": ["autoscaler"]}),
        json!({"config": {"checks": {"cert-manager": {"issuerKind": "ClusterIssuer", "issuerName": "x", "renewal": false},
                                     "rollouts": {"trafficRouter": "traefik", "analysis": false}}}}),
        json!({"config": {"events": "ops"}}),
        json!({"env": {"KIBERTAS_EVENTS": "ops"}, "config": {"resourceNamespace": "proofs"}, "rbac": {"optional": false}}),
    ];
    for check in checks::ALL {
        scenarios.push(json!({"checks": [check.about().name]}));
        scenarios.push(json!({"checks": [check.about().name], "config": {"resourceNamespace": "proofs"}}));
    }
    scenarios
}

#[test]
fn roles_are_exactly_what_the_enabled_checks_declare() {
    for values in scenarios() {
        let rendered = objects(&template_with(&values).unwrap());
        let (granted, declared) = (granted(&rendered), declared(&values, &rendered));
        // A check that only asks an outside service needs nothing but what explains its failures.
        let least = if values["checks"] == json!(["datadog-agent"]) { 2 } else { 9 };
        assert!(declared.len() >= least, "{values}: {declared:?}");
        let more: Vec<_> = granted.difference(&declared).collect();
        let less: Vec<_> = declared.difference(&granted).collect();
        assert!(more.is_empty() && less.is_empty(), "{values}\ntoo much: {more:?}\nmissing: {less:?}");
    }
}

#[test]
fn nothing_is_granted_by_wildcard_and_secrets_are_listed_nowhere_but_in_a_given_namespace() {
    for values in scenarios() {
        for [namespace, _, group, resource, verb] in granted(&objects(&template_with(&values).unwrap())) {
            assert!(![&group, &resource, &verb].into_iter().any(|part| part == "*"), "{values}");
            let listed = resource == "secrets" && ["list", "watch", "delete"].contains(&verb.as_str());
            assert!(!listed || namespace == "proofs", "{values}: {verb} secrets in {namespace:?}");
        }
    }
}

#[test]
fn a_check_of_an_outside_service_has_no_right_that_it_could_use() {
    let values = json!({"checks": ["datadog-agent"], "rbac": {"optional": false}});
    assert_eq!(granted(&objects(&template_with(&values).unwrap())), BTreeSet::new());
}

#[test]
fn one_job_per_check_has_that_check_s_permissions_alone() {
    let values = json!({"jobPer": "check", "checks": ["ingress", "cert-manager"], "job": {"enabled": true}});
    let rendered = objects(&template_with(&values).unwrap());
    assert_eq!(of_kind(&rendered, "Job").len(), 2);
    for name in ["ingress", "cert-manager"] {
        let account = format!("add-ons-kibertas-rs-{name}");
        let jobs = of_kind(&rendered, "Job");
        let job = jobs.iter().find(|job| job["spec"]["template"]["spec"]["serviceAccountName"] == account).unwrap();
        assert_eq!(job["spec"]["template"]["spec"]["containers"][0]["args"][1], name);
        let of_account = |object: &&Value| {
            object["kind"] != "ClusterRole" || object["metadata"]["name"] == format!("kibertas-{account}")
        };
        let of_account: Vec<Value> = rendered.iter().filter(of_account).cloned().collect();
        assert_eq!(granted(&of_account), declared(&json!({"checks": [name]}), &rendered));
    }
}

#[test]
fn every_role_is_bound_to_the_chart_s_own_account() {
    for values in scenarios() {
        let rendered = objects(&template_with(&values).unwrap());
        for kind in ["Role", "ClusterRole"] {
            let bindings = of_kind(&rendered, &format!("{kind}Binding"));
            for role in of_kind(&rendered, kind) {
                let (name, namespace) = (&role["metadata"]["name"], &role["metadata"]["namespace"]);
                let binds = |b: &&&Value| b["roleRef"]["name"] == *name && b["metadata"]["namespace"] == *namespace;
                let binding = bindings.iter().find(binds).unwrap_or_else(|| panic!("{values}: {name} is not bound"));
                assert_eq!(binding["roleRef"]["kind"], kind);
                let subject =
                    json!([{"kind": "ServiceAccount", "name": "add-ons-kibertas-rs", "namespace": "kibertas"}]);
                assert_eq!(binding["subjects"], subject, "{values}");
            }
        }
    }
}

#[test]
fn releases_of_the_same_name_in_two_namespaces_share_no_object() {
    let operations = |namespaces: &[&str]| json!({"enabled": true, "namespaces": namespaces});
    for more in scenarios() {
        for namespaces in [&[][..], &["shop", "one"]] {
            let mut values = more.clone();
            values["rolloutOperations"] = operations(namespaces);
            let names = |namespace: &str| -> BTreeSet<[String; 3]> {
                let rendered = objects(&template_in(namespace, &values).unwrap());
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let about = |object: &Value| {
                    let metadata = &object["metadata"];
                    [text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"])]
                };
                assert!(rendered.len() > 8, "{values}");
                rendered.iter().map(about).collect()
            };
            let (one, two) = (names("one"), names("two"));
            assert_eq!(one.intersection(&two).collect::<Vec<_>>(), Vec::<&[String; 3]>::new(), "{values}");
        }
    }
}

/// What the Roles and `ClusterRoles` of a render grant.
fn granted(objects: &[Value]) -> BTreeSet<Permission> {
    let mut granted = BTreeSet::new();
    for role in objects.iter().filter(|object| object["kind"] == "Role" || object["kind"] == "ClusterRole") {
        let namespace = role["metadata"]["namespace"].as_str().unwrap_or_default();
        for rule in role["rules"].as_array().unwrap() {
            let all = |key: &str| rule[key].as_array().cloned().unwrap_or_default();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let names = if rule["resourceNames"].is_null() { vec![json!("")] } else { all("resourceNames") };
            for (group, resource) in
                all("apiGroups").iter().flat_map(|g| all("resources").into_iter().map(move |r| (g.clone(), r)))
            {
                for (verb, name) in all("verbs").iter().flat_map(|v| names.iter().map(move |n| (v, n))) {
                    granted.insert([namespace.to_owned(), text(name), text(&group), text(&resource), text(verb)]);
                }
            }
        }
    }
    granted
}

/// What the checks that these values enable declare, under the settings that the program itself reads from the render.
fn declared(values: &Value, rendered: &[Value]) -> BTreeSet<Permission> {
    let config = config(values, rendered);
    let optional = values["rbac"]["optional"] != false;
    let asked = values["checks"].as_array().cloned().unwrap_or_default();
    let enabled = |check: &&&dyn Check| asked.is_empty() || asked.iter().any(|name| name == check.about().name);
    let mut declared = BTreeSet::new();
    for check in checks::ALL.iter().filter(enabled) {
        let needed = |grant: &Grant| {
            let anyway = Grant { optional: false, ..*grant };
            (optional || !grant.optional) && anyway.is_needed(config.of(check.about().name), &config.core)
        };
        for grant in all_grants(*check).copied().chain(optional_grants()).filter(needed) {
            let (namespace, name) = match grant.scope {
                Scope::Namespace => (config.core.resource_namespace.as_deref().unwrap_or_default(), ""),
                Scope::Cluster => ("", ""),
                Scope::Object { namespace, name } => (namespace, name),
            };
            for verb in grant.verbs {
                declared.insert([namespace, name, grant.group, grant.resource, verb].map(str::to_owned));
            }
        }
    }
    if let Some(Keeping::Ring { namespace, name }) = Keeping::of(&config.core).unwrap() {
        for grant in GRANTS {
            let Scope::Object { name: named, .. } = grant.scope else { panic!("{grant:?}") };
            let name = if named.is_empty() { "" } else { &name };
            for verb in grant.verbs {
                declared.insert([&namespace, name, grant.group, grant.resource, verb].map(str::to_owned));
            }
        }
    }
    if let Some(namespace) = &config.core.events {
        for verb in EVENTS_GRANT.verbs {
            declared.insert([namespace, "", EVENTS_GRANT.group, EVENTS_GRANT.resource, verb].map(str::to_owned));
        }
    }
    declared
}

/// The configuration as the program reads it from the ConfigMap and the environment of these values.
pub(crate) fn config(values: &Value, rendered: &[Value]) -> Config {
    let file = of_kind(rendered, "ConfigMap")[0]["data"]["config.yaml"].as_str().unwrap();
    let file = ConfigFile::parse(std::path::Path::new("config.yaml"), file).unwrap();
    let mut sources = Sources::default();
    sources.file = file;
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    for (name, value) in values["env"].as_object().into_iter().flatten() {
        sources.env.insert(name.clone(), text(value));
    }
    for variable in values["extraEnv"].as_array().into_iter().flatten() {
        sources.env.insert(text(&variable["name"]), text(&variable["value"]));
    }
    Config::resolve(&sources, checks::ALL).unwrap()
}
