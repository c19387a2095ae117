//! `kibertas-rs config`, on the configuration that the chart renders and on wrong ones.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::render::{objects, of_kind, template_with};

/// Exit code, standard output and standard error of `kibertas-rs config ARGS` with a file on standard input.
fn config(args: &[&str], file: &str, env: &[(&str, &str)]) -> (i32, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_kibertas-rs"))
        .arg("config")
        .args(args)
        .env_clear()
        .envs(env.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(file.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn each_target_is_looked_at_by_itself() {
    let targets = json!([
        {"name": "blue", "context": "blue", "checks": {"ingress": {"host": "kibertas.blue.example.com"}}},
        {"name": "green", "eks": {"cluster": "green", "region": "eu-west-1"}, "settings": {"timeout": "5m"}},
    ]);
    let rendered = objects(&template_with(&json!({"config": {"targets": targets}})).unwrap());
    let file = of_kind(&rendered, "ConfigMap")[0]["data"]["config.yaml"].as_str().unwrap().to_owned();
    let (code, said, errors) = config(&["check", "-"], &file, &[]);
    assert_eq!(code, 0, "{said}{errors}");
    let (blue, green) = said.split_once("target green\n").unwrap();
    assert!(blue.contains("target blue\n") && blue.contains("ingress would run"), "{said}");
    assert!(green.contains("ingress would be skipped"), "{said}");
    let (_, shown, _) = config(&["show", "-", "--output", "json"], &file, &[]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    let timeout = shown[1]["settings"].as_array().unwrap().iter().find(|one| one["setting"] == "timeout").unwrap();
    assert_eq!((&timeout["value"], &timeout["from"]), (&json!("5m"), &json!("target green")));
    // The chart refuses what the program would refuse.
    for wrong in
        [json!({"name": "x"}), json!({"name": "x", "context": "a", "inCluster": true}), json!({"context": "a"})]
    {
        assert!(template_with(&json!({"config": {"targets": [wrong]}})).is_err(), "{wrong}");
    }
    let (code, _, errors) =
        config(&["check", "-"], "targets: [{name: x, context: a, checks: {ingress: {hots: b}}}]", &[]);
    assert!(code == 2 && errors.contains("targets[0].checks.ingress.hots"), "{errors}");
}

#[test]
fn what_the_chart_renders_is_a_right_configuration() {
    let notify = json!([{"service": "github", "repository": "platform/add-ons", "commit": "0".repeat(40)}]);
    let settings = json!({"clusterName": "blue", "timeout": "10m", "events": "ops", "notify": notify, "checks": {
        "ingress": {"host": "kibertas.blue.example.com", "class": "alb", "annotations": {"a.b/c": "1,2"}},
        "autoscaler": {"scaleIn": true, "maxNewNodes": 2},
    }});
    let rendered = objects(&template_with(&json!({"config": settings})).unwrap());
    let file = of_kind(&rendered, "ConfigMap")[0]["data"]["config.yaml"].as_str().unwrap().to_owned();
    let (code, said, errors) = config(&["check", "-"], &file, &[("GITHUB_TOKEN", "t")]);
    assert_eq!(code, 0, "{said}{errors}");
    assert!(said.contains("ingress would run"), "{said}");
    let (_, shown, _) = config(&["show", "-", "--output", "json"], &file, &[]);
    let shown: Vec<Value> = serde_json::from_str(&shown).unwrap();
    let of = |setting: &str| shown.iter().find(|one| one["setting"] == setting).unwrap().clone();
    assert_eq!(of("clusterName"), json!({"setting": "clusterName", "value": "blue", "from": "file"}));
    assert_eq!(of("checks.ingress.annotations")["value"], r#"{"a.b/c":"1,2"}"#);
    assert_eq!(of("stepTimeout")["from"], "default");
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let (code, said, errors) = config(&["check", "-"], "timeout: soon\nchecks:\n  ingress: {hots: x}\n", &[]);
    assert_eq!((code, said.as_str()), (2, ""));
    for told in ["timeout is \"soon\"", "checks.ingress.hots should be one of"] {
        assert!(errors.contains(told), "{errors}");
    }
    let (code, _, errors) = config(&["check", "/nowhere.yaml"], "", &[]);
    assert_eq!(code, 2);
    assert!(errors.contains("/nowhere.yaml"), "{errors}");
}

#[test]
fn a_check_that_would_be_skipped_is_told_with_the_reason() {
    let (code, said, _) = config(&["check"], "", &[]);
    assert_eq!(code, 0);
    assert!(
        said.starts_with("the configuration is right\n") && said.contains("ingress would be skipped: host"),
        "{said}"
    );
}

#[test]
fn the_later_source_wins_and_is_named() {
    let env = [("KIBERTAS_TIMEOUT", "7m"), ("CLUSTER_NAME", "green")];
    let (_, shown, _) = config(&["show", "-", "--set", "clusterName=grey"], "timeout: 5m\nclusterName: blue\n", &env);
    let line = |key: &str| shown.lines().find(|line| line.starts_with(key)).unwrap().to_owned();
    assert!(line("timeout").ends_with("7m (environment KIBERTAS_TIMEOUT)"), "{shown}");
    assert!(line("clusterName").ends_with("grey (flag)"), "{shown}");
}
