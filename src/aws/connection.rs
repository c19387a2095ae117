//! The way to AWS: region, credentials and TLS, the same for every service.
//!
//! Credentials are found as the AWS command line finds them: environment, profile, IRSA (`AWS_WEB_IDENTITY_TOKEN_FILE`), EKS Pod
//! Identity (`AWS_CONTAINER_CREDENTIALS_FULL_URI`), instance.
//! <https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html>

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::{Credentials, RuntimeComponents, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};

/// The region that servers other than AWS mostly have, where none is given.
const USUAL_REGION: &str = "us-east-1";
/// How long one connection may take to come about, and one reply to begin.
const CONNECT: Duration = Duration::from_secs(5);
const REPLY: Duration = Duration::from_secs(20);

/// What is known of the way beforehand; the rest is found.
#[derive(Debug, Clone, Default)]
pub struct Way {
    /// The region; `None`: as the AWS command line would find it, and `us-east-1` at an endpoint of one's own.
    pub region: Option<String>,
    /// The service's URL, where it is not that of AWS. It is the service's alone: credentials are asked for elsewhere.
    pub endpoint: Option<String>,
    /// The profile of the shared files; `None`: `AWS_PROFILE`, or `default`.
    pub profile: Option<String>,
    /// The access key; `None`: the one that is found.
    pub keys: Option<Keys>,
}

/// Credentials that were given, rather than found. They are never shown.
#[derive(Clone)]
pub struct Keys {
    /// The access key's id.
    pub id: String,
    /// Its secret.
    pub secret: String,
    /// The session's token, where the key is a temporary one.
    pub token: Option<String>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(***)")
    }
}

/// There is no region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no region: AWS_REGION is not set, and neither profile nor instance tells one")]
pub struct NoRegion;

impl Way {
    /// Finds region and credentials' source; nothing is asked of any service of AWS yet.
    pub async fn find(&self) -> Result<SdkConfig, NoRegion> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http_client())
            .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT).read_timeout(REPLY).build());
        let usual = self.endpoint.as_ref().map(|_| USUAL_REGION.to_owned());
        // An endpoint of one's own has no instance to ask for its region.
        if let Some(region) = self.region.clone().or(usual) {
            loader = loader.region(Region::new(region));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(keys) = &self.keys {
            let (id, secret) = (keys.id.as_str(), keys.secret.as_str());
            loader = loader.credentials_provider(Credentials::new(id, secret, keys.token.clone(), None, "settings"));
        }
        let found = loader.load().await;
        if found.region().is_none() { Err(NoRegion) } else { Ok(found) }
    }
}

/// The same TLS as everywhere else in this program: rustls with ring, and the machine's certificates.
fn http_client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector =
            Connector::builder().tls_provider(Provider::Rustls(CryptoMode::Ring)).proxy_config(ProxyConfig::from_env());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.build()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_never_show() {
        let keys = Keys { id: "AKIA1".into(), secret: "hush".into(), token: Some("hushed".into()) };
        let way = Way { keys: Some(keys), ..Way::default() };
        let shown = format!("{way:?}");
        assert!(!shown.contains("AKIA1") && !shown.contains("hush"), "{shown}");
    }

    #[tokio::test]
    async fn an_endpoint_of_ones_own_needs_no_region() {
        let keys = Keys { id: "x".into(), secret: "y".into(), token: None };
        let way = Way { endpoint: Some("http://127.0.0.1:9".into()), keys: Some(keys), ..Way::default() };
        assert_eq!(way.find().await.unwrap().region().map(Region::as_ref), Some("us-east-1"));
        let elsewhere = Way { region: Some("eu-west-1".into()), ..way };
        assert_eq!(elsewhere.find().await.unwrap().region().map(Region::as_ref), Some("eu-west-1"));
    }
}
