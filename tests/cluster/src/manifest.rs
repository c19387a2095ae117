//! Manifests: read from the modules that they belong to, and applied.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{GroupVersionKind, ResourceExt};
use kube::discovery::Scope;
use kube::runtime::{conditions, wait::await_condition};
use serde_json::Value;

use crate::context::Context;
use crate::{Error, Result};

/// An object of any kind, as it stands in a manifest.
pub type Object = DynamicObject;

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
    Ok(documents.into_iter().filter(|document| document.get("kind").is_some()).collect())
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

/// Applies objects in an order that works: namespaces and definitions first, then what needs them.
///
/// `namespace` is where namespaced objects go that name none.
pub(crate) async fn apply(cx: &Context, namespace: &str, objects: Vec<Object>) -> Result<()> {
    let (first, rest): (Vec<_>, Vec<_>) =
        objects.into_iter().partition(|object| matches!(kind(object), "Namespace" | "CustomResourceDefinition"));
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
    let types = object.types.clone().unwrap_or_default();
    let gvk = GroupVersionKind::try_from(&types)
        .map_err(|error| Error::Manifest { manifest: action.clone(), problem: error.to_string() })?;
    let (resource, scope) = cx.resource(&gvk).await?;
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
