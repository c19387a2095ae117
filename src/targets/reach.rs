//! From the way to a cluster to a client that its API server has answered.

use super::argo_cd::{self, ArgoCdError, By};
use super::{Given, Target, Way};
use crate::aws;
use crate::aws::eks::{Connected, EksError, EksTarget};
use crate::cluster::{Access, Cluster, ConnectError};
use crate::config::ConfigError;

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The way to the cluster, or to the one that Argo CD runs in.
    #[error("{}{error}", .target.as_ref().map(|name| format!("target {name}: ")).unwrap_or_default())]
    Connect {
        /// The target's name, where it has one.
        target: Option<String>,
        /// What is wrong.
        error: ConnectError,
    },
    /// The way to a cluster of EKS.
    #[error("target {target}: {error}")]
    Eks {
        /// The target's name.
        target: String,
        /// What is wrong.
        error: EksError,
    },
    /// What Argo CD knows.
    #[error(transparent)]
    ArgoCd(#[from] ArgoCdError),
    /// Two names, and one cluster behind them.
    #[error("the targets {first} and {second} are one cluster ({why}): name every cluster once")]
    OneCluster {
        /// The name that came first.
        first: String,
        /// The other one.
        second: String,
        /// What tells it.
        why: String,
    },
    /// Two targets are the same.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl TargetError {
    /// What is wrong, without the target's name.
    pub fn reason(&self) -> String {
        match self {
            Self::Connect { error, .. } => error.to_string(),
            Self::Eks { error, .. } => error.to_string(),
            Self::ArgoCd(_) | Self::Config(_) | Self::OneCluster { .. } => self.to_string(),
        }
    }

    /// Whether the cluster was asked and did not do: not what somebody has written, but how the cluster is now.
    pub fn is_of_cluster(&self) -> bool {
        match self {
            Self::Connect { error, .. } => error.is_of_cluster(),
            Self::Eks { error, .. } => error.is_of_cluster(),
            Self::ArgoCd(_) | Self::Config(_) | Self::OneCluster { .. } => false,
        }
    }
}

/// Reads what Argo CD knows, so that every target is a cluster of its own. `hub`: where Argo CD runs.
pub async fn resolve(targets: Vec<Target<Given>>, hub: &Access) -> Result<Vec<Target>, TargetError> {
    let mut resolved: Vec<Target> = Vec::with_capacity(targets.len());
    for Target { overlay, way } in targets {
        let (namespace, which) = match way {
            Given::ArgoCd { namespace, which } => (namespace, which),
            Given::Way(way) => {
                resolved.push(Target { overlay, way });
                continue;
            }
        };
        let target = overlay.as_ref().map(|overlay| overlay.target.clone());
        let connect = |error| TargetError::Connect { target, error };
        let cluster = hub.connect(None).await.map_err(connect)?;
        for known in argo_cd::clusters(&cluster.client, &namespace, &which).await? {
            let overlay = match which {
                argo_cd::Which::Named(_) => overlay.clone(),
                argo_cd::Which::Labelled(_) => overlay.as_ref().map(|overlay| overlay.for_cluster(&known.name)),
            };
            resolved.push(Target { overlay, way: Way::Known(Box::new(known)) });
        }
    }
    for (index, target) in resolved.iter().enumerate() {
        if resolved[..index].iter().any(|other| other.name() == target.name()) {
            let name = target.name().map(str::to_owned);
            return Err(ConfigError::one("--target", name, "found once: two targets lead to it").into());
        }
    }
    Ok(resolved)
}

impl Target {
    /// Connects; `cluster_name` is what the cluster is called. `hub`: where Argo CD runs, for the cluster that is its own.
    pub async fn connect(&self, hub: &Access, cluster_name: Option<&str>) -> Result<Cluster, TargetError> {
        let name = cluster_name.or(self.name());
        let connected = match &self.way {
            Way::Kubeconfig(access) => access.connect(name).await,
            Way::InCluster => Cluster::of_pod(name.unwrap_or("in-cluster")).await,
            Way::Eks(eks) => return self.connect_eks(eks, name).await,
            Way::Known(known) => match &known.by {
                By::Own => hub.connect(name).await,
                By::Config(config) => {
                    let who = format!("the Secret {} of Argo CD", known.secret);
                    Cluster::reach((**config).clone(), who, None, name.unwrap_or(&known.name).to_owned()).await
                }
                By::Eks(eks) => return self.connect_eks(eks, name).await,
            },
        };
        connected.map_err(|error| TargetError::Connect { target: self.name().map(str::to_owned), error })
    }

    async fn connect_eks(&self, eks: &EksTarget, name: Option<&str>) -> Result<Cluster, TargetError> {
        let mut eks = eks.clone();
        let given = |variable: &str| std::env::var(variable).ok().filter(|url| !url.is_empty());
        // Where the AWS command line looks: https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
        eks.endpoints.eks = eks.endpoints.eks.or_else(|| given("AWS_ENDPOINT_URL_EKS"));
        eks.endpoints.sts = eks.endpoints.sts.or_else(|| given("AWS_ENDPOINT_URL_STS"));
        let error = |error| TargetError::Eks { target: self.name().unwrap_or(&eks.cluster).to_owned(), error };
        let Connected { client, server, kubernetes } = aws::eks::connect(&eks).await.map_err(error)?;
        let name = name.unwrap_or(&eks.cluster).to_owned();
        let target = crate::result::Target { name, server, kubernetes, ..Default::default() };
        Ok(Cluster { client, target })
    }

    /// What tells by itself whether the cluster answers.
    pub fn question(&self) -> String {
        match &self.way {
            Way::Kubeconfig(Access { kubeconfig, context }) => {
                let file = kubeconfig.as_ref().map(|path| format!(" --kubeconfig {}", path.display()));
                let context = context.as_ref().map(|context| format!(" --context {context}"));
                format!("kubectl{}{} get --raw /readyz", file.unwrap_or_default(), context.unwrap_or_default())
            }
            Way::InCluster => "kubectl get --raw /readyz".to_owned(),
            Way::Eks(eks) => format!("aws eks describe-cluster --name {} --region {}", eks.cluster, eks.region),
            Way::Known(_) => "argocd cluster get ".to_owned() + self.name().unwrap_or_default(),
        }
    }

    /// Where it is, as far as that is known without asking.
    pub fn place(&self) -> String {
        self.way.place()
    }
}

impl Way {
    fn place(&self) -> String {
        match self {
            Self::Kubeconfig(Access { context: Some(context), .. }) => format!("context {context}"),
            Self::Kubeconfig(_) => "the kubeconfig's current context".to_owned(),
            Self::InCluster => "the Pod's own cluster".to_owned(),
            Self::Eks(eks) => format!("EKS cluster {} in {}", eks.cluster, eks.region),
            Self::Known(known) => match &known.by {
                By::Own => "Argo CD's own cluster".to_owned(),
                By::Config(config) => config.cluster_url.to_string(),
                By::Eks(eks) => format!("EKS cluster {} in {}", eks.cluster, eks.region),
            },
        }
    }
}

impl Target<Given> {
    /// Where it is, as far as that is known without asking.
    pub fn place(&self) -> String {
        match &self.way {
            Given::Way(way) => way.place(),
            Given::ArgoCd { namespace, which } => format!("Argo CD in {namespace}, cluster {}", which.text()),
        }
    }
}
