//! The clusters that Argo CD knows: Secrets with a label, each with a name, a server and credentials.
//!
//! <https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters>

use k8s_openapi::api::core::v1::Secret;
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, ResourceExt as _};
use serde::Deserialize;
use serde_json::json;

use crate::aws::eks::EksTarget;
use crate::cluster::connect::innermost;

/// The label of the Secrets that are clusters.
const CLUSTERS: &str = "argocd.argoproj.io/secret-type=cluster";
/// The server of Argo CD's own cluster, as seen from inside.
const OWN_SERVER: &str = "https://kubernetes.default.svc";
/// The name of Argo CD's own cluster, for which there need not be a Secret.
const OWN_NAME: &str = "in-cluster";

/// Which of the clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// The one of this name, or whose Secret has this name.
    Named(String),
    /// Those whose Secrets have these labels.
    Labelled(String),
}

impl Which {
    /// As it was given.
    pub fn text(&self) -> &str {
        match self {
            Self::Named(text) | Self::Labelled(text) => text,
        }
    }
}

/// A cluster that Argo CD knows.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name in Argo CD.
    pub name: String,
    /// The Secret, as `namespace/name`; for messages.
    pub secret: String,
    /// How to reach it.
    pub by: By,
}

/// How a cluster that Argo CD knows is reached.
#[derive(Debug, Clone)]
pub enum By {
    /// It is the cluster that Argo CD itself runs in.
    Own,
    /// By these credentials.
    Config(Box<kube::Config>),
    /// As a cluster of EKS, by credentials of AWS that are found where this runs.
    Eks(Box<EksTarget>),
}

/// Why Argo CD's clusters are not known.
#[derive(Debug, thiserror::Error)]
pub enum ArgoCdError {
    /// The Secrets cannot be listed.
    #[error("the clusters of Argo CD cannot be read: list of secrets in namespace {namespace}: {reason}")]
    List {
        /// The namespace.
        namespace: String,
        /// The API server's answer.
        reason: String,
    },
    /// None of them is meant.
    #[error("--target: Argo CD in namespace {namespace} knows no cluster {given:?}; it knows {known}")]
    Unknown {
        /// The namespace.
        namespace: String,
        /// What was looked for.
        given: String,
        /// The names of those that there are.
        known: String,
    },
    /// A Secret does not say how to reach the cluster.
    #[error("the Secret {secret} of Argo CD's cluster: {reason}")]
    Secret {
        /// The Secret, as `namespace/name`.
        secret: String,
        /// What is wrong. No value is in it.
        reason: String,
    },
}

/// What Argo CD keeps under `config`: <https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#clusters>.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ClusterConfig {
    username: Option<String>,
    password: Option<String>,
    bearer_token: Option<String>,
    tls_client_config: TlsClientConfig,
    aws_auth_config: Option<AwsAuth>,
    exec_provider_config: Option<ExecProvider>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TlsClientConfig {
    insecure: bool,
    server_name: Option<String>,
    ca_data: Option<String>,
    cert_data: Option<String>,
    key_data: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AwsAuth {
    cluster_name: String,
    #[serde(rename = "roleARN")]
    role_arn: Option<String>,
    profile: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExecProvider {
    command: String,
    args: Vec<String>,
    env: std::collections::BTreeMap<String, String>,
    api_version: String,
    install_hint: Option<String>,
}

/// Reads the Secrets of the clusters that are meant; at least one is found.
pub async fn clusters(client: &Client, namespace: &str, which: &Which) -> Result<Vec<Known>, ArgoCdError> {
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let labels = match which {
        Which::Named(_) => CLUSTERS.to_owned(),
        Which::Labelled(labels) => format!("{CLUSTERS},{labels}"),
    };
    let secrets = api.list(&ListParams::default().labels(&labels)).await.map_err(|error| ArgoCdError::List {
        namespace: namespace.to_owned(),
        reason: match error {
            kube::Error::Api(status) => status.message.clone(),
            other => innermost(&other),
        },
    })?;
    let named = |secret: &Secret| text(secret, "name").unwrap_or_else(|| secret.name_any());
    let meant: Vec<&Secret> = match which {
        Which::Labelled(_) => secrets.items.iter().collect(),
        Which::Named(name) => {
            let by_cluster: Vec<&Secret> = secrets.items.iter().filter(|secret| named(secret) == *name).collect();
            let by_secret = || secrets.items.iter().filter(|secret| secret.name_any() == *name).collect();
            if by_cluster.is_empty() { by_secret() } else { by_cluster }
        }
    };
    if meant.is_empty() {
        if *which == Which::Named(OWN_NAME.to_owned()) {
            return Ok(vec![Known { name: OWN_NAME.to_owned(), secret: String::new(), by: By::Own }]);
        }
        let names: Vec<String> = secrets.items.iter().map(named).collect();
        let known = if names.is_empty() { "none but its own, in-cluster".to_owned() } else { names.join(", ") };
        return Err(ArgoCdError::Unknown { namespace: namespace.to_owned(), given: which.text().to_owned(), known });
    }
    let mut known = Vec::with_capacity(meant.len());
    for secret in meant {
        known.push(read(secret, &named(secret)).await?);
    }
    Ok(known)
}

fn text(secret: &Secret, key: &str) -> Option<String> {
    let bytes = secret.data.as_ref()?.get(key)?;
    String::from_utf8(bytes.0.clone()).ok().filter(|text| !text.is_empty())
}

/// Reads one Secret. Nothing of its values is in an error.
async fn read(secret: &Secret, name: &str) -> Result<Known, ArgoCdError> {
    let place = format!("{}/{}", secret.namespace().unwrap_or_default(), secret.name_any());
    let wrong = |reason: String| ArgoCdError::Secret { secret: place.clone(), reason };
    let server = text(secret, "server").ok_or_else(|| wrong("it has no server".to_owned()))?;
    if server.trim_end_matches('/') == OWN_SERVER {
        return Ok(Known { name: name.to_owned(), secret: place, by: By::Own });
    }
    let config = text(secret, "config").unwrap_or_else(|| "{}".to_owned());
    let config: ClusterConfig = serde_json::from_str(&config).map_err(|error| {
        wrong(format!("its config is no JSON of Argo CD (line {}, column {})", error.line(), error.column()))
    })?;
    if let Some(AwsAuth { cluster_name: cluster, role_arn, profile }) = config.aws_auth_config {
        let region = region_of(&server).map(str::to_owned);
        let region = region
            .ok_or_else(|| wrong("its awsAuthConfig needs a server of EKS, which names the region".to_owned()))?;
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let (role_arn, profile) = (given(role_arn), given(profile));
        let eks = EksTarget { cluster, region, role_arn, profile, ..EksTarget::default() };
        return Ok(Known { name: name.to_owned(), secret: place, by: By::Eks(Box::new(eks)) });
    }
    let kubeconfig: Kubeconfig = serde_json::from_value(kubeconfig(&server, &config))
        .map_err(|error| wrong(format!("its config makes no kubeconfig ({:?})", error.classify())))?;
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| wrong(format!("its config cannot be used: {}", innermost(&error))))?;
    Ok(Known { name: name.to_owned(), secret: place, by: By::Config(Box::new(config)) })
}

/// The region in the URL of an API server of EKS, such as `https://0123.gr7.eu-west-1.eks.amazonaws.com`:
/// <https://docs.aws.amazon.com/eks/latest/userguide/cluster-endpoint.html>
fn region_of(server: &str) -> Option<&str> {
    let host = server.trim_start_matches("https://").split(['/', ':']).next()?;
    let (before, _) = host.split_once(".eks.")?;
    before.rsplit('.').next().filter(|region| region.contains('-'))
}

/// The same as a kubeconfig. Bytes are in base64 in both.
fn kubeconfig(server: &str, config: &ClusterConfig) -> serde_json::Value {
    let tls = &config.tls_client_config;
    let exec = config.exec_provider_config.as_ref().map(|exec| {
        let env: Vec<_> = exec.env.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        json!({"command": exec.command, "args": exec.args, "env": env, "apiVersion": exec.api_version,
               "installHint": exec.install_hint, "interactiveMode": "Never"})
    });
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "target",
        "contexts": [{"name": "target", "context": {"cluster": "target", "user": "target"}}],
        "clusters": [{"name": "target", "cluster": {
            "server": server,
            "insecure-skip-tls-verify": tls.insecure,
            "tls-server-name": tls.server_name,
            "certificate-authority-data": tls.ca_data,
        }}],
        "users": [{"name": "target", "user": {
            "username": config.username,
            "password": config.password,
            "token": config.bearer_token,
            "client-certificate-data": tls.cert_data,
            "client-key-data": tls.key_data,
            "exec": exec,
        }}],
    })
}
