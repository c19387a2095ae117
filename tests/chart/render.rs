//! Helm, as its users run it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use test_cluster::Progress;

/// A program of the test cluster's tools: from the cache, or built now.
pub(crate) fn program(name: &'static str) -> PathBuf {
    static PROGRAMS: OnceLock<Vec<(&'static str, PathBuf)>> = OnceLock::new();
    let programs = PROGRAMS.get_or_init(|| {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let build = |name| (name, runtime.block_on(test_cluster::program(name, &Progress::plain())).unwrap());
        ["helm", "kubeconform"].map(build).into()
    });
    programs.iter().find(|(known, _)| *known == name).unwrap().1.clone()
}

/// Runs Helm without the user's own configuration.
pub(crate) fn helm(args: &[&str]) -> Output {
    let home = tempfile::tempdir().unwrap();
    Command::new(program("helm")).args(args).env_clear().env("HOME", home.path()).output().unwrap()
}

/// What `helm template` renders for a file of values.
pub(crate) fn template(values: &Path) -> String {
    let (chart, values) = (super::chart(""), values.to_string_lossy());
    let args = ["template", "add-ons", &chart.to_string_lossy(), "--namespace", "kibertas", "--values", &values];
    let output = helm(&args);
    assert!(output.status.success(), "{values}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The same for values as data.
pub(crate) fn template_with(values: &Value) -> Result<String, String> {
    template_in("kibertas", values)
}

/// The same in a namespace of choice.
pub(crate) fn template_in(namespace: &str, values: &Value) -> Result<String, String> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), values.to_string()).unwrap();
    let (chart, file) = (super::chart(""), file.path().to_string_lossy().into_owned());
    let output = helm(&["template", "add-ons", &chart.to_string_lossy(), "--namespace", namespace, "--values", &file]);
    if output.status.success() {
        Ok(String::from_utf8(output.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The objects of a render.
pub(crate) fn objects(rendered: &str) -> Vec<Value> {
    let documents = rendered.split("\n---").map(|text| text.trim_start_matches("---"));
    let objects = documents.map(|text| serde_saphyr::from_str::<Value>(text).unwrap_or_else(|e| panic!("{e}: {text}")));
    objects.filter(|object| !object.is_null()).collect()
}

/// The objects of a kind.
pub(crate) fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}
