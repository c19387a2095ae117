//! Manifests: read from the modules that they belong to, and applied.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind, ResourceExt};
use kube::discovery::Scope;
use kube::runtime::{conditions, wait::await_condition};
use serde_json::{Value, json};

use crate::context::Context;
use crate::{Error, Result};

/// An object of any kind, as it stands in a manifest.
pub(crate) type Object = DynamicObject;

/// Who owns the fields that are applied.
pub(crate) const FIELD_MANAGER: &str = "test-cluster";

/// Reads a YAML file, or all of a folder in the order of their names.
pub(crate) fn read_yaml(path: &Path) -> Result<Vec<Value>> {
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        files = std::fs::read_dir(path)
            .map_err(Error::file("read", path))?
            .map(|entry| Ok(entry.map_err(Error::file("read", path))?.path()))
            .collect::<Result<Vec<PathBuf>>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"));
        files.sort();
    }
    let mut objects = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(Error::file("read", &file))?;
        objects.extend(parse_yaml(&file.display().to_string(), &text)?);
    }
    Ok(objects)
}

/// The documents of a YAML text that are objects of the API.
pub(crate) fn parse_yaml(manifest: &str, text: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| Error::Manifest { manifest: manifest.to_owned(), problem: error.to_string() })?;
    // A kustomization lies among manifests, but is none.
    let is_object = |document: &Value| {
        let version = document["apiVersion"].as_str().unwrap_or_default();
        document["kind"].is_string() && !version.starts_with("kustomize.config.k8s.io/")
    };
    Ok(documents.into_iter().filter(is_object).collect())
}

/// Keeps objects as JSON, which is read a great deal faster than YAML.
pub(crate) fn save(path: &Path, objects: &[Value]) -> Result<()> {
    crate::state::write(path, &objects)
}

/// The objects that [`save`] wrote.
pub(crate) fn load(path: &Path) -> Result<Vec<Object>> {
    crate::state::read(path)?.ok_or_else(|| Error::Manifest {
        manifest: path.display().to_string(),
        problem: "it is not among the tool's assets".to_owned(),
    })
}

/// An object written in Rust.
pub(crate) fn object(value: Value) -> Result<Object> {
    let shown = value.to_string();
    serde_json::from_value(value).map_err(|error| Error::Manifest { manifest: shown, problem: error.to_string() })
}

/// The object's kind; empty if it has none.
pub(crate) fn kind(object: &Object) -> &str {
    object.types.as_ref().map_or("", |types| types.kind.as_str())
}

/// An endpoint of a Service without selector: a process on the node. `ports` are names, protocols and numbers; the
/// names are those of the Service's ports.
pub(crate) fn endpoint_on_node(cx: &Context, service: &str, ports: &[(&str, &str, u16)]) -> Result<Object> {
    let port = |(name, protocol, port): &(&str, &str, u16)| json!({"name": name, "protocol": protocol, "port": port});
    object(json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": format!("{service}-node"), "labels": {"kubernetes.io/service-name": service}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [cx.site().addresses().node()], "conditions": {"ready": true}}],
        "ports": ports.iter().map(port).collect::<Vec<_>>(),
    }))
}

/// Lets bindings grant to the ServiceAccount in this namespace, whichever namespace they name.
pub(crate) fn bind_in(objects: &mut [Object], namespace: &str) {
    for object in objects.iter_mut().filter(|object| kind(object).ends_with("RoleBinding")) {
        for subject in object.data["subjects"].as_array_mut().into_iter().flatten() {
            if subject["kind"] == "ServiceAccount" {
                subject["namespace"] = json!(namespace);
            }
        }
    }
}

/// Applies objects in an order that works: namespaces and definitions first, then what needs them.
///
/// `namespace` is where namespaced objects go that name none; it is made if it is missing.
pub(crate) async fn apply(cx: &Context, namespace: &str, objects: Vec<Object>) -> Result<()> {
    let itself = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    let objects = objects.into_iter().chain([object(itself)?]);
    let (first, rest): (Vec<_>, Vec<_>) =
        objects.partition(|object| matches!(kind(object), "Namespace" | "CustomResourceDefinition"));
    let definitions: Vec<_> =
        first.iter().filter(|object| kind(object) == "CustomResourceDefinition").map(ResourceExt::name_any).collect();
    apply_all(cx, namespace, first).await?;
    stream::iter(definitions).map(|name| established(cx, name)).buffer_unordered(16).try_collect::<Vec<_>>().await?;
    apply_all(cx, namespace, rest).await
}

async fn apply_all(cx: &Context, namespace: &str, objects: Vec<Object>) -> Result<()> {
    stream::iter(objects)
        .map(|object| apply_one(cx, namespace, object))
        .buffer_unordered(8)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(())
}

/// Server-side apply: an object that is there already is brought into the wanted shape.
async fn apply_one(cx: &Context, namespace: &str, mut object: Object) -> Result<()> {
    let name = object.name_any();
    let action = format!("apply {} {name}", kind(&object));
    let (resource, scope) = resource(cx, &object).await?;
    let api: Api<Object> = if scope == Scope::Namespaced {
        let namespace = object.namespace().unwrap_or_else(|| namespace.to_owned());
        object.metadata.namespace = Some(namespace.clone());
        Api::namespaced_with(cx.client(), &namespace, &resource)
    } else {
        Api::all_with(cx.client(), &resource)
    };
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    api.patch(&name, &parameters, &Patch::Apply(&object)).await.map_err(Error::api(action))?;
    Ok(())
}

/// How the API server serves objects of this kind.
pub(crate) async fn resource(cx: &Context, object: &Object) -> Result<(ApiResource, Scope)> {
    let types = object.types.clone().unwrap_or_default();
    let kind = GroupVersionKind::try_from(&types)
        .map_err(|error| Error::Manifest { manifest: object.name_any(), problem: error.to_string() })?;
    cx.resource(&kind).await
}

/// Waits until the API server serves the objects of a definition.
async fn established(cx: &Context, name: String) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let api: Api<CustomResourceDefinition> = Api::all(cx.client());
    let wait = await_condition(api, &name, conditions::is_crd_established());
    match tokio::time::timeout(PATIENCE, wait).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(Error::Manifest { manifest: name, problem: error.to_string() }),
        Err(_) => Err(Error::Condition {
            object: format!("CustomResourceDefinition {name}"),
            expected: "established",
            seen: "no condition Established=True".to_owned(),
            waited: PATIENCE,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "# only a comment\n---\nkind: A\nmetadata: {name: a}\n---\n---\nkind: B\n";

    #[test]
    fn documents_without_a_kind_are_no_objects() {
        let objects = parse_yaml("two.yaml", TWO).unwrap();
        assert_eq!(objects.iter().map(|object| object["kind"].as_str().unwrap()).collect::<Vec<_>>(), ["A", "B"]);
    }

    #[test]
    fn a_broken_manifest_is_named() {
        let error = parse_yaml("broken.yaml", "a: [").unwrap_err().to_string();
        assert!(error.starts_with("broken.yaml: "), "{error}");
    }

    #[test]
    fn a_folder_is_read_in_order_and_kept_as_json() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = |kind: &str| format!("apiVersion: v1\nkind: {kind}\nmetadata: {{name: x}}\n");
        std::fs::write(folder.path().join("b.yaml"), manifest("B")).unwrap();
        std::fs::write(folder.path().join("a.yml"), manifest("A")).unwrap();
        std::fs::write(folder.path().join("README.md"), "not: a manifest").unwrap();
        let kept = folder.path().join("kept.json");
        save(&kept, &read_yaml(folder.path()).unwrap()).unwrap();
        let objects = load(&kept).unwrap();
        assert_eq!(objects.iter().map(kind).collect::<Vec<_>>(), ["A", "B"]);
    }
}
