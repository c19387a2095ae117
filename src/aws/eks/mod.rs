//! An EKS cluster by name and region: no kubeconfig, no exec plug-in, no AWS command line.
//!
//! `DescribeCluster` tells the API server and its certificate authority; each request carries a bearer token that is made here from a
//! presigned URL of STS, and made anew before it expires.

mod bearer;
mod credentials;
mod describe;
mod error;
mod partition;
mod said;
mod token;

use std::time::Duration;

use base64::Engine as _;
use kube::{Client, Config};

use self::bearer::Bearer;
use self::describe::Described;
pub use self::error::EksError;
use self::token::Tokens;
use super::Keys;
use crate::cluster::connect::innermost;

/// How long the first answer of the API server may take.
const FIRST_ANSWER: Duration = Duration::from_secs(10);
/// How old a token gets. It is valid for 15 minutes, whatever `X-Amz-Expires` says:
/// <https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster>
const RENEW_AFTER: Duration = Duration::from_secs(10 * 60);

/// An EKS cluster, and as whom it is reached.
#[derive(Debug, Clone, Default)]
pub struct EksTarget {
    /// The cluster's name.
    pub cluster: String,
    /// Its region.
    pub region: String,
    /// The role to assume, such as one of the cluster's account; `None`: the credentials that are found, as they are.
    pub role_arn: Option<String>,
    /// What the role's trust policy demands as `sts:ExternalId`.
    pub external_id: Option<String>,
    /// What the session of the assumed role is called in `CloudTrail`; `None`: `kibertas-rs`.
    pub session_name: Option<String>,
    /// The profile of the shared files; `None`: `AWS_PROFILE`, or `default`.
    pub profile: Option<String>,
    /// Other servers than those of the region.
    pub endpoints: Endpoints,
    /// The access key; `None`: as the AWS command line would find one, IRSA and EKS Pod Identity included.
    pub keys: Option<Keys>,
}

/// Servers in place of AWS's own, such as VPC endpoints with names of their own.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    /// EKS.
    pub eks: Option<String>,
    /// STS. The cluster takes tokens of AWS's own servers only, so for real clusters this is one of theirs.
    pub sts: Option<String>,
}

/// A cluster whose API server accepts us.
#[derive(Clone)]
pub struct Connected {
    /// The client, which renews its tokens by itself.
    pub client: Client,
    /// The API server's URL.
    pub server: String,
    /// The version that the API server tells.
    pub kubernetes: String,
}

/// Finds the cluster and proves that its API server accepts us.
pub async fn connect(target: &EksTarget) -> Result<Connected, EksError> {
    connect_renewing(target, RENEW_AFTER).await
}

/// The same with tokens that are renewed when they are so old, for tests of that.
pub async fn connect_renewing(target: &EksTarget, renew_after: Duration) -> Result<Connected, EksError> {
    check(target)?;
    let found = credentials::Source::find(target).await?;
    let keys = found.keys().await?;
    let http = describe::http()?;
    let described = describe::cluster(&http, target, &keys).await?;
    let server = described.endpoint.clone();
    let config = config_of(&described)?;
    let tokens = Tokens::new(target, found);
    let bearer = Bearer::new(tokens.clone(), renew_after);
    let broken = |error: kube::Error| EksError::Endpoint { server: server.clone(), reason: innermost(&error) };
    let client = kube::client::ClientBuilder::try_from(config).map_err(broken)?.with_layer(&bearer).build();
    let unreachable = |reason: String| EksError::Unanswered { server: server.clone(), reason };
    match tokio::time::timeout(FIRST_ANSWER, client.apiserver_version()).await {
        Ok(Ok(version)) => Ok(Connected { client, server, kubernetes: version.git_version }),
        Ok(Err(kube::Error::Api(status))) if status.code == 401 => {
            let who = tokens.who(&http).await?;
            Err(EksError::Unauthorized { cluster: target.cluster.clone(), region: target.region.clone(), server, who })
        }
        Ok(Err(kube::Error::Service(error))) if error.is::<EksError>() => Err(error
            .downcast::<EksError>()
            .map_or_else(|error| unreachable(innermost(error.as_ref())), |error| *error)),
        Ok(Err(error)) => Err(unreachable(innermost(&error))),
        Err(_elapsed) => Err(unreachable(format!("no answer within {} s", FIRST_ANSWER.as_secs()))),
    }
}

/// Names that would lead a request elsewhere go no further.
fn check(target: &EksTarget) -> Result<(), EksError> {
    // <https://docs.aws.amazon.com/eks/latest/APIReference/API_CreateCluster.html#AmazonEKS-CreateCluster-request-name>
    let in_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let name = &target.cluster;
    if name.is_empty() || name.len() > 100 || !name.chars().all(in_name) {
        return Err(EksError::Name { field: "cluster", value: name.clone(), expected: "letters, digits, '-' and '_'" });
    }
    if !partition::is_region(&target.region) {
        let value = target.region.clone();
        return Err(EksError::Name {
            field: "region",
            value,
            expected: "the name of a region, such as ap-northeast-1",
        });
    }
    match &target.role_arn {
        Some(role) if !(role.starts_with("arn:") && role.contains(":role/")) => Err(EksError::Name {
            field: "role",
            value: role.clone(),
            expected: "the ARN of a role, such as arn:aws:iam::123456789012:role/NAME",
        }),
        _ => Ok(()),
    }
}

/// The way to the API server that EKS described; who we are is the token's matter.
fn config_of(described: &Described) -> Result<Config, EksError> {
    let wrong = |reason: String| EksError::Endpoint { server: described.endpoint.clone(), reason };
    let url = described.endpoint.parse().map_err(|error: http::uri::InvalidUri| wrong(error.to_string()))?;
    let pem = base64::engine::general_purpose::STANDARD.decode(&described.authority);
    let pem = pem.map_err(|error| wrong(format!("its certificate authority is no base64: {error}")))?;
    let certificates =
        <rustls::pki_types::CertificateDer<'_> as rustls::pki_types::pem::PemObject>::pem_slice_iter(&pem);
    let certificates: Result<Vec<_>, _> = certificates.map(|found| found.map(|one| one.to_vec())).collect();
    let certificates = certificates.map_err(|error| wrong(format!("its certificate authority is no PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(wrong("it has no certificate authority".to_owned()));
    }
    let mut config = Config::new(url);
    config.root_cert = Some(certificates);
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(config)
}

#[cfg(test)]
mod tests;
