//! As whom the cluster is reached: the credentials that are found, or those of a role that is assumed with them.

use aws_config::SdkConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials as _, SharedCredentialsProvider};
use aws_sdk_sts::error::ProvideErrorMetadata as _;
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_sdk_sts::operation::assume_role_with_web_identity::AssumeRoleWithWebIdentityError;

use super::partition;
use super::said::{Asked, Said};
use super::{EksError, EksTarget};
use crate::aws::Way;
use crate::cluster::connect::innermost;

/// What the session of an assumed role is called by default.
const SESSION: &str = "kibertas-rs";
/// Who may assume a role is said twice: by the role, and by whoever assumes it.
const TRUST: &str = "; the role's trust policy has to allow it as well, with the external id if it demands one";

/// Where credentials come from; each asking gives ones that are valid now.
#[derive(Debug, Clone)]
pub(super) struct Source {
    provider: SharedCredentialsProvider,
    target: EksTarget,
}

impl Source {
    /// Finds the source; STS is asked only with [`Source::keys`].
    pub(super) async fn find(target: &EksTarget) -> Result<Self, EksError> {
        let way = Way {
            region: Some(target.region.clone()),
            profile: target.profile.clone(),
            keys: target.keys.clone(),
            endpoint: None,
        };
        let none = |reason: String| EksError::NoCredentials { reason };
        let found = way.find().await.map_err(|error| none(error.to_string()))?;
        let base = found.credentials_provider().ok_or_else(|| none("there is no source of any".to_owned()))?;
        let provider = match &target.role_arn {
            None => base,
            Some(role) => SharedCredentialsProvider::new(assumed(role, target, &found, base).await),
        };
        Ok(Self { provider, target: target.clone() })
    }

    /// Credentials that are valid now.
    pub(super) async fn keys(&self) -> Result<Credentials, EksError> {
        self.provider.provide_credentials().await.map_err(|error| self.missing(&error))
    }

    fn missing(&self, error: &CredentialsError) -> EksError {
        let Some((action, said)) = said_by_sts(error) else {
            return EksError::NoCredentials { reason: innermost(error) };
        };
        let resource = match (action, &self.target.role_arn) {
            ("sts:AssumeRole", Some(role)) => role.clone(),
            _ => "the role of the ServiceAccount".to_owned(),
        };
        said.error(&Asked { service: "STS", action, resource, hint: TRUST, target: &self.target })
    }
}

async fn assumed(
    role: &str,
    target: &EksTarget,
    found: &SdkConfig,
    base: SharedCredentialsProvider,
) -> AssumeRoleProvider {
    let sts = target.endpoints.sts.clone().unwrap_or_else(|| partition::endpoint("sts", &target.region));
    let config = found.clone().into_builder().endpoint_url(sts).build();
    let role = AssumeRoleProvider::builder(role)
        .configure(&config)
        .session_name(target.session_name.as_deref().unwrap_or(SESSION));
    let role = match &target.external_id {
        Some(id) => role.external_id(id),
        None => role,
    };
    role.build_from_provider(base).await
}

/// What STS itself said, somewhere down the chain.
fn said_by_sts(error: &CredentialsError) -> Option<(&'static str, Said)> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source()).find_map(|error| {
        let said = |code: Option<&str>, message: Option<&str>| Said {
            status: 0,
            code: code.unwrap_or_default().to_owned(),
            message: message.unwrap_or_default().to_owned(),
        };
        if let Some(error) = error.downcast_ref::<AssumeRoleError>() {
            return Some(("sts:AssumeRole", said(error.code(), error.message())));
        }
        let error = error.downcast_ref::<AssumeRoleWithWebIdentityError>()?;
        Some(("sts:AssumeRoleWithWebIdentity", said(error.code(), error.message())))
    })
}
