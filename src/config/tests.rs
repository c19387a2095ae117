//! Precedence, and what is told of wrong input.

use std::path::Path;

use futures::FutureExt;
use futures::future::LocalBoxFuture;

use super::*;
use crate::check::{About, Grant};
use crate::context::Context;
use crate::failure::Failure;

struct Sample;

impl Check for Sample {
    fn about(&self) -> &'static About {
        static ABOUT: About = About { name: "sample", aliases: &[], summary: "", proves: &[] };
        &ABOUT
    }
    fn settings(&self) -> &'static [Setting] {
        static SETTINGS: &[Setting] = &[
            Setting {
                key: "host",
                env: &["HOST_NEW", "HOST_OLD"],
                kind: Kind::HostName,
                default: Some("example.local"),
                help: "",
            },
            Setting { key: "token", env: &["TOKEN"], kind: Kind::Secret, default: None, help: "" },
            Setting { key: "count", env: &[], kind: Kind::Integer { min: 1, max: 9 }, default: Some("1"), help: "" },
            Setting { key: "annotations", env: &[], kind: Kind::Pairs, default: None, help: "" },
        ];
        SETTINGS
    }
    fn grants(&self) -> &'static [Grant] {
        &[]
    }
    fn run<'a>(&'a self, _cx: &'a Context) -> LocalBoxFuture<'a, Result<(), Failure>> {
        async { Ok(()) }.boxed_local()
    }
}

static CHECKS: &[&dyn Check] = &[&Sample];

fn sources(file: &str, env: &[(&str, &str)], set: &[&str]) -> Sources {
    let file = ConfigFile::parse(Path::new("k.yaml"), file).unwrap();
    let env = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let mut sources = Sources { file, env, ..Sources::default() };
    for assignment in set {
        sources.set(assignment).unwrap();
    }
    sources
}

fn problems(sources: &Sources) -> Vec<String> {
    Config::resolve(sources, CHECKS).unwrap_err().0.iter().map(ToString::to_string).collect()
}

const FILE: &str = "timeout: 3m\nchecks:\n  sample:\n    host: file.example\n    count: 3\n";

#[test]
fn flag_beats_environment_beats_file_beats_default() {
    let host =
        |sources: Sources| Config::resolve(&sources, CHECKS).unwrap().of("sample").text("host").unwrap().to_owned();
    assert_eq!(host(sources("", &[], &[])), "example.local");
    assert_eq!(host(sources(FILE, &[], &[])), "file.example");
    assert_eq!(host(sources(FILE, &[("HOST_OLD", "old.example")], &[])), "old.example");
    assert_eq!(host(sources(FILE, &[("HOST_OLD", "old.example"), ("HOST_NEW", "new.example")], &[])), "new.example");
    assert_eq!(host(sources(FILE, &[("HOST_NEW", "new.example")], &["sample.host=flag.example"])), "flag.example");
}

#[test]
fn an_empty_environment_variable_is_unset() {
    let config = Config::resolve(&sources("", &[("HOST_NEW", "")], &[]), CHECKS).unwrap();
    assert!(!config.of("sample").is_given("host"));
}

#[test]
fn a_bare_timeout_means_minutes_as_in_the_go_tool() {
    let mut sources = sources("", &[], &[]);
    sources.flag("--timeout", "", "timeout", "20");
    assert_eq!(Config::resolve(&sources, CHECKS).unwrap().core.timeout.as_secs(), 1200);
}

#[test]
fn two_flags_must_not_say_different_things_about_one_setting() {
    let mut given = sources("", &[], &["sample.host=one.example", "sample.host=two.example"]);
    assert_eq!(Config::resolve(&given, CHECKS).unwrap().of("sample").text("host"), Some("two.example"));
    given.flag("--host", "sample", "host", "two.example");
    assert!(Config::resolve(&given, CHECKS).is_ok());
    given.flag("--other", "sample", "host", "three.example");
    assert_eq!(problems(&given), ["--other should be left out, or agree with --host"]);
}

#[test]
fn every_problem_is_told_at_once_with_field_value_and_expectation() {
    let file = "timeout: soon\nclusterNmae: x\nchecks:\n  sample:\n    count: 10\n    hots: x\n  smaple: {a: b}\n";
    let told = problems(&sources(file, &[("HOST_NEW", "not a host")], &["other.key=1"]));
    assert_eq!(told.len(), 7, "{told:#?}");
    let has = |parts: &[&str]| told.iter().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["checks.smaple", "one of the checks sample"]));
    assert!(has(&["--set other.key", "one of the checks sample"]));
    assert!(has(&["clusterNmae should be one of clusterName"]));
    assert!(has(&["checks.sample.count is \"10\"", "from 1 to 9"]));
    assert!(has(&["timeout is \"soon\"", "90s or 15m"]));
    assert!(has(&["checks.sample.hots", "one of host, token, count"]));
    assert!(has(&["HOST_NEW is \"not a host\"", "a DNS name"]));
}

#[test]
fn pairs_are_a_mapping_in_the_file_and_only_where_they_are_taken() {
    let file = "checks:\n  sample:\n    annotations: {a.b/c: '[1,2]', d: 5}\n";
    let values = Config::resolve(&sources(file, &[], &[]), CHECKS).unwrap().of("sample").pairs("annotations");
    assert_eq!((values["a.b/c"].as_str(), values["d"].as_str()), ("[1,2]", "5"));
    let wrong = sources("checks:\n  sample:\n    annotations: {a: {b: c}}\n    host: {a: b}\n", &[], &[]);
    assert_eq!(problems(&wrong).len(), 2);
}

#[test]
fn a_wrong_secret_is_not_shown() {
    let file = "checks:\n  sample:\n    token: [{a: hunter2}]\n";
    let told = problems(&sources(file, &[], &[]));
    assert_eq!(told, ["checks.sample.token should be a text that is not empty"]);
    let config = Config::resolve(&sources("", &[("TOKEN", "hunter2")], &[]), CHECKS).unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(config.of("sample").shown()["token"], "***");
}

#[test]
fn a_file_that_is_no_mapping_is_refused_in_few_words() {
    let error = ConfigFile::parse(Path::new("k.yaml"), &"x".repeat(5000)).unwrap_err().to_string();
    assert!(error.contains("a mapping of settings") && error.len() < 300, "{error}");
    assert!(ConfigFile::parse(Path::new("k.yaml"), "a: [").unwrap_err().to_string().contains("k.yaml should be YAML"));
}

#[test]
fn a_step_may_not_outlast_its_check() {
    let error = Config::resolve(&sources("timeout: 1m\nstepTimeout: 2m\n", &[], &[]), CHECKS).unwrap_err();
    assert!(error.to_string().contains("stepTimeout is \"120s\""), "{error}");
}
