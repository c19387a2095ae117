//! The entries of `targets` in the configuration file.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Given, Target, Way, Which};
use crate::aws::eks::EksTarget;
use crate::cluster::Access;
use crate::config::{ConfigError, Overlay};

/// One entry. Exactly one of the ways is given.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    name: String,
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
    #[serde(default)]
    in_cluster: bool,
    argocd: Option<ArgoCd>,
    eks: Option<Eks>,
    settings: Option<Value>,
    checks: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ArgoCd {
    namespace: String,
    cluster: Option<String>,
    selector: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Eks {
    cluster: String,
    region: String,
    role_arn: Option<String>,
    external_id: Option<String>,
    session_name: Option<String>,
    profile: Option<String>,
}

/// Reads all entries. `access`: the kubeconfig of the command line, for contexts without one of their own.
pub(super) fn read(entries: &[Map<String, Value>], access: &Access) -> Result<Vec<Target<Given>>, ConfigError> {
    let mut targets: Vec<Target<Given>> = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let place = format!("targets[{index}]");
        let target = one(entry, &place, access)?;
        if targets.iter().any(|other| other.name() == target.name()) {
            let name = target.name().map(str::to_owned);
            return Err(ConfigError::one(format!("{place}.name"), name, "another one: an earlier target has it"));
        }
        targets.push(target);
    }
    Ok(targets)
}

fn one(entry: &Map<String, Value>, place: &str, access: &Access) -> Result<Target<Given>, ConfigError> {
    let entry: Entry = serde_path_to_error::deserialize(Value::Object(entry.clone())).map_err(|error| {
        let field = match error.path().to_string().as_str() {
            "." => place.to_owned(),
            path => format!("{place}.{path}"),
        };
        ConfigError::one(field, None, format!("right, but there is this: {}", error.inner()))
    })?;
    let wrong = |key: &str, value: Option<String>, expected: &str| {
        Err(ConfigError::one(format!("{place}.{key}"), value, expected))
    };
    if entry.name.trim().is_empty() || entry.name.contains("://") {
        return wrong("name", Some(entry.name), "a short name such as blue");
    }
    let by_kubeconfig = entry.context.is_some() || entry.kubeconfig.is_some();
    let ways = [by_kubeconfig, entry.in_cluster, entry.argocd.is_some(), entry.eks.is_some()];
    if ways.iter().filter(|given| **given).count() != 1 {
        let expected = "reached by exactly one of context (with or without kubeconfig), kubeconfig, inCluster: true, eks and argocd";
        return Err(ConfigError::one(place, Some(entry.name), expected));
    }
    let way = match (entry.argocd, entry.eks) {
        (_, Some(eks)) => Given::Way(Way::Eks(Box::new(EksTarget {
            cluster: eks.cluster,
            region: eks.region,
            role_arn: eks.role_arn,
            external_id: eks.external_id,
            session_name: eks.session_name,
            profile: eks.profile,
            ..EksTarget::default()
        }))),
        (Some(ArgoCd { namespace, cluster, selector }), None) => {
            let which = match (cluster, selector) {
                (Some(name), None) if !name.is_empty() => Which::Named(name),
                (None, Some(labels)) if !labels.is_empty() => Which::Labelled(labels),
                _ => return wrong("argocd", None, "a namespace with either a cluster or a selector"),
            };
            Given::ArgoCd { namespace, which }
        }
        (None, None) if entry.in_cluster => Given::Way(Way::InCluster),
        (None, None) => Given::Way(Way::Kubeconfig(Access {
            kubeconfig: entry.kubeconfig.or_else(|| access.kubeconfig.clone()),
            context: entry.context,
        })),
    };
    let overlay = Overlay::parse(&entry.name, place, entry.settings, entry.checks)?;
    Ok(Target { overlay: Some(overlay), way })
}
