//! The way to the cluster: a kubeconfig that was named, else the usual places, else the Pod's own account. Never another one
//! silently: what was named has to work.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::result::Target;

/// How long the first answer of the API server may take.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// Whose credentials are used inside a cluster.
const POD: &str = "the Pod's ServiceAccount";

/// How to reach the cluster, as given on the command line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// `--kubeconfig`.
    pub kubeconfig: Option<PathBuf>,
    /// `--context`.
    pub context: Option<String>,
}

/// A cluster that has answered.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// What it is called, where it is and which version it has.
    pub target: Target,
}

/// Why the cluster cannot be reached. Each names the field, the value and what would be right.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The kubeconfig cannot be read.
    #[error("{field} {path}: should be a kubeconfig that can be read, but {reason}")]
    Kubeconfig {
        /// `--kubeconfig` or `KUBECONFIG`.
        field: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such context.
    #[error("--context {context:?}: should be one of {known}")]
    Context {
        /// As given.
        context: String,
        /// The contexts that are there.
        known: String,
    },
    /// There is neither a kubeconfig nor a Pod's account.
    #[error(
        "no cluster: give --kubeconfig FILE, set KUBECONFIG, or run inside a Pod with a ServiceAccount \
         (looked for {looked_for})"
    )]
    Nowhere {
        /// The places.
        looked_for: String,
    },
    /// The configuration makes no client, such as a key that is no key.
    #[error("the credentials for {server}: {reason}")]
    Credentials {
        /// The API server's URL.
        server: String,
        /// What is wrong.
        reason: String,
    },
    /// The API server refuses who we are.
    #[error(
        "{server} refuses the credentials of {who} (401 Unauthorized): they are expired or not of this cluster; log in again"
    )]
    Unauthorized {
        /// The API server's URL.
        server: String,
        /// The context, or the Pod's account.
        who: String,
    },
    /// The API server does not answer.
    #[error("{server} does not answer: {reason}; is the server of {who} right, and is the cluster running?")]
    Unreachable {
        /// The API server's URL.
        server: String,
        /// The context, or the Pod's account.
        who: String,
        /// What happened.
        reason: String,
    },
}

impl ConnectError {
    /// Whether the cluster was asked and did not do: not what somebody has written, but how the cluster is now.
    pub fn is_of_cluster(&self) -> bool {
        matches!(self, Self::Unauthorized { .. } | Self::Unreachable { .. })
    }
}

impl Access {
    /// Finds the configuration and asks the API server for its version; nothing is touched.
    pub async fn connect(&self, cluster_name: Option<&str>) -> Result<Cluster, ConnectError> {
        let (config, context, default_name) = self.config().await?;
        let who = context.as_ref().map_or_else(|| POD.to_owned(), |c| format!("context {c:?}"));
        let name = cluster_name.map_or(default_name, str::to_owned);
        Cluster::reach(config, who, context, name).await
    }

    /// The client's configuration, the context's name and what the cluster is called by default.
    async fn config(&self) -> Result<(Config, Option<String>, String), ConnectError> {
        let (kubeconfig, path) = match &self.kubeconfig {
            Some(path) => (read("--kubeconfig", path)?, path.display().to_string()),
            None => match std::env::var_os("KUBECONFIG").filter(|v| !v.is_empty()) {
                Some(paths) => (read_all(&paths)?, paths.to_string_lossy().into_owned()),
                None => match default_kubeconfig() {
                    Some(path) => (read("kubeconfig", &path)?, path.display().to_string()),
                    None => return in_cluster(self.context.as_deref()),
                },
            },
        };
        let known: Vec<String> = kubeconfig.contexts.iter().map(|c| c.name.clone()).collect();
        let context = self.context.clone().or_else(|| kubeconfig.current_context.clone()).filter(|c| !c.is_empty());
        let context = match (context, known.as_slice()) {
            (Some(context), _) => context,
            (None, [only]) => only.clone(),
            (None, _) => {
                let reason = "it has no current-context; give --context NAME".to_owned();
                return Err(ConnectError::Kubeconfig { field: "kubeconfig", path, reason });
            }
        };
        if !known.contains(&context) {
            let known = if known.is_empty() { "none: the kubeconfig has no contexts".into() } else { known.join(", ") };
            return Err(ConnectError::Context { context, known });
        }
        let named = kubeconfig.contexts.iter().find(|c| c.name == context).and_then(|c| c.context.as_ref());
        let name = named.map_or_else(|| context.clone(), |c| c.cluster.clone());
        let options = KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(kubeconfig, &options)
            .await
            .map_err(|e| ConnectError::Kubeconfig { field: "kubeconfig", path, reason: innermost(&e) })?;
        Ok((config, Some(context), name))
    }
}

impl Cluster {
    /// The Pod's own cluster, by its ServiceAccount.
    pub async fn of_pod(name: &str) -> Result<Self, ConnectError> {
        let (config, _, _) = in_cluster(None)?;
        Self::reach(config, POD.to_owned(), None, name.to_owned()).await
    }

    /// Makes the client and asks the API server for its version; nothing is touched. `who`: whose credentials they are.
    pub(crate) async fn reach(
        config: Config,
        who: String,
        context: Option<String>,
        name: String,
    ) -> Result<Self, ConnectError> {
        let server = config.cluster_url.to_string().trim_end_matches('/').to_owned();
        let plugin = config.auth_info.exec.as_ref().and_then(|exec| exec.command.clone());
        let credentials = |error: &dyn std::error::Error| {
            let reason = match &plugin {
                Some(plugin) => format!("the plug-in {plugin:?} does not give any: {}", innermost(error)),
                None => innermost(error),
            };
            ConnectError::Credentials { server: server.clone(), reason }
        };
        let client = client_of(config).map_err(|error| credentials(&error))?;
        let unreachable =
            |reason: String| ConnectError::Unreachable { server: server.clone(), who: who.clone(), reason };
        let version = match tokio::time::timeout(FIRST_ANSWER, client.apiserver_version()).await {
            Err(_elapsed) => return Err(unreachable(format!("no answer within {} s", FIRST_ANSWER.as_secs()))),
            Ok(Err(kube::Error::Api(status))) if status.code == 401 => {
                return Err(ConnectError::Unauthorized { server, who });
            }
            Ok(Err(kube::Error::Auth(error))) => return Err(credentials(&error)),
            Ok(Err(error)) => return Err(unreachable(innermost(&error))),
            Ok(Ok(version)) => version,
        };
        let target = Target { name, server, context, kubernetes: version.git_version, ..Target::default() };
        Ok(Self { client, target })
    }
}

fn client_of(mut config: Config) -> kube::Result<Client> {
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(kube::client::ClientBuilder::try_from(config)?.build())
}

fn read(field: &'static str, path: &Path) -> Result<Kubeconfig, ConnectError> {
    Kubeconfig::read_from(path).map_err(|e| ConnectError::Kubeconfig {
        field,
        path: path.display().to_string(),
        reason: innermost(&e),
    })
}

/// `KUBECONFIG` is a list of files; those that are not there are passed over, as kubectl does, but not all of them.
fn read_all(paths: &std::ffi::OsStr) -> Result<Kubeconfig, ConnectError> {
    let mut merged: Option<Kubeconfig> = None;
    for path in std::env::split_paths(paths).filter(|p| p.exists()) {
        let next = read("KUBECONFIG", &path)?;
        merged = Some(match merged {
            None => next,
            Some(first) => first.merge(next).map_err(|e| ConnectError::Kubeconfig {
                field: "KUBECONFIG",
                path: path.display().to_string(),
                reason: innermost(&e),
            })?,
        });
    }
    merged.ok_or_else(|| ConnectError::Kubeconfig {
        field: "KUBECONFIG",
        path: paths.to_string_lossy().into_owned(),
        reason: "there is no such file".to_owned(),
    })
}

fn default_kubeconfig() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from)?;
    Some(home.join(".kube").join("config")).filter(|path| path.exists())
}

fn in_cluster(context: Option<&str>) -> Result<(Config, Option<String>, String), ConnectError> {
    if let Some(context) = context {
        let known = "none: there is no kubeconfig".to_owned();
        return Err(ConnectError::Context { context: context.to_owned(), known });
    }
    let config = Config::incluster().map_err(|_| ConnectError::Nowhere {
        looked_for: "$KUBECONFIG, ~/.kube/config and the Pod's account".to_owned(),
    })?;
    Ok((config, None, "in-cluster".to_owned()))
}

/// The last of an error's sources: the wrappers above it only say that something failed.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
