//! The schemas that the chart's renders are held against are those of a real API server.
//!
//! `UPDATE_CHART=1 cargo test --test argo_cd -- schemas` writes them anew.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::world::{World, trial};

/// The kinds that the chart makes, by the name of their definition.
const KINDS: &[(&str, &str)] = &[
    ("clusterrole", "io.k8s.api.rbac.v1.ClusterRole"),
    ("clusterrolebinding", "io.k8s.api.rbac.v1.ClusterRoleBinding"),
    ("configmap", "io.k8s.api.core.v1.ConfigMap"),
    ("cronjob", "io.k8s.api.batch.v1.CronJob"),
    ("job", "io.k8s.api.batch.v1.Job"),
    ("networkpolicy", "io.k8s.api.networking.v1.NetworkPolicy"),
    ("pod", "io.k8s.api.core.v1.Pod"),
    ("role", "io.k8s.api.rbac.v1.Role"),
    ("rolebinding", "io.k8s.api.rbac.v1.RoleBinding"),
    ("serviceaccount", "io.k8s.api.core.v1.ServiceAccount"),
];

const DEFINITIONS: &str = "definitions.json";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![trial(world, "schemas::are_the_api_server_s", compare)]
}

fn compare(world: &World) -> Result<(), Failed> {
    let openapi: Value = serde_json::from_str(&world.kubectl(&["get", "--raw", "/openapi/v2"])?)?;
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/chart/schemas"].iter().collect();
    for (name, text) in schemas(&openapi)? {
        let path = folder.join(name);
        if std::env::var_os("UPDATE_CHART").is_some() {
            std::fs::write(&path, &text)?;
        } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
            return Err(format!("{} is not what the API server says", path.display()).into());
        }
    }
    Ok(())
}

/// One file per kind that refers to one file of definitions, pruned to what the kinds need.
fn schemas(openapi: &Value) -> Result<BTreeMap<String, String>, Failed> {
    let mut needed: BTreeSet<String> = BTreeSet::new();
    let mut open: Vec<String> = KINDS.iter().map(|(_, name)| (*name).to_owned()).collect();
    let mut definitions = serde_json::Map::new();
    while let Some(name) = open.pop() {
        if needed.insert(name.clone()) {
            let definition = openapi["definitions"].get(&name).ok_or_else(|| format!("no definition {name}"))?;
            let strict = strict(definition, &mut open);
            definitions.insert(name, strict);
        }
    }
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    for (kind, name) in KINDS {
        let schema = json!({"$ref": format!("{DEFINITIONS}#/definitions/{name}")});
        files.insert(format!("{kind}.json"), format!("{schema:#}\n"));
    }
    files.insert(DEFINITIONS.to_owned(), format!("{:#}\n", json!({"definitions": definitions})));
    Ok(files)
}

/// A definition without its prose, that takes no unknown field; what it refers to is added to `open`.
fn strict(schema: &Value, open: &mut Vec<String>) -> Value {
    let Value::Object(schema) = schema else { return schema.clone() };
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let name = reference.trim_start_matches("#/definitions/");
        open.push(name.to_owned());
        return json!({"$ref": format!("#/definitions/{name}")});
    }
    // The API's JSON has numbers or texts in these two, while its schema says texts.
    match schema.get("format").and_then(Value::as_str) {
        Some("int-or-string") => return json!({"type": ["integer", "string"]}),
        Some(_) | None => {}
    }
    let mut strict = serde_json::Map::new();
    for key in ["type", "required", "enum"] {
        if let Some(value) = schema.get(key) {
            strict.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(Value::Object(properties)) = schema.get("properties") {
        let inner = properties.iter().map(|(key, inner)| (key.clone(), self::strict(inner, open)));
        strict.insert("properties".to_owned(), Value::Object(inner.collect()));
        strict.insert("additionalProperties".to_owned(), json!(false));
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner @ Value::Object(_)) = schema.get(key) {
            strict.insert(key.to_owned(), self::strict(inner, open));
        }
    }
    // A quantity may be written as a number.
    if schema.get("description").and_then(Value::as_str).is_some_and(|text| text.starts_with("Quantity is")) {
        return json!({"type": ["string", "number"]});
    }
    Value::Object(strict)
}
