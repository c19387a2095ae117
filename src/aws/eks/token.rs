//! The bearer token: a presigned URL of STS, by which the cluster asks AWS who we are.
//!
//! <https://github.com/kubernetes-sigs/aws-iam-authenticator#api-authorization-from-outside-a-cluster>

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4;
use base64::Engine as _;
use jiff::Timestamp;

use super::credentials::Source;
use super::partition;
use super::said::{Asked, Said};
use super::{EksError, EksTarget};
use crate::clock;
use crate::cluster::connect::innermost;

/// What every token begins with.
const PREFIX: &str = "k8s-aws-v1.";
/// The header that binds a token to one cluster.
const CLUSTER_ID: &str = "x-k8s-aws-id";
/// `X-Amz-Expires`, as every client of EKS has it.
const EXPIRES: Duration = Duration::from_secs(60);

/// Makes tokens for one cluster.
#[derive(Debug, Clone)]
pub(super) struct Tokens {
    target: EksTarget,
    source: Source,
}

impl Tokens {
    pub(super) fn new(target: &EksTarget, source: Source) -> Self {
        Self { target: target.clone(), source }
    }

    /// A token that is valid from now on, with credentials that are.
    pub(super) async fn make(&self) -> Result<String, EksError> {
        let keys = self.source.keys().await?;
        let url = presigned(&self.target, &keys, clock::now())?;
        Ok(format!("{PREFIX}{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(url)))
    }

    /// The ARN that STS knows us by, asked as the cluster asks.
    pub(super) async fn who(&self, http: &reqwest::Client) -> Result<String, EksError> {
        let keys = self.source.keys().await?;
        let url = presigned(&self.target, &keys, clock::now())?;
        let unreachable = |error: reqwest::Error| EksError::Unreachable {
            service: "STS",
            endpoint: endpoint(&self.target),
            region: self.target.region.clone(),
            reason: innermost(&error.without_url()),
        };
        let reply = http.get(url).header(CLUSTER_ID, &self.target.cluster).send().await.map_err(unreachable)?;
        let status = reply.status().as_u16();
        let body = reply.text().await.map_err(unreachable)?;
        let text = |tag: &str| element(&body, tag).map(|text| crate::report::printable::one_line(text).into_owned());
        if status == 200 {
            return Ok(text("Arn").unwrap_or_else(|| "the credentials".to_owned()));
        }
        let said =
            Said { status, code: text("Code").unwrap_or_default(), message: text("Message").unwrap_or_default() };
        let resource = "*".to_owned();
        let asked = Asked { service: "STS", action: "sts:GetCallerIdentity", resource, hint: "", target: &self.target };
        Err(said.error(&asked))
    }
}

fn endpoint(target: &EksTarget) -> String {
    target.endpoints.sts.clone().unwrap_or_else(|| partition::endpoint("sts", &target.region))
}

/// The content of the first element of this name. An answer of STS has no attributes in those that are of interest here.
fn element<'x>(xml: &'x str, tag: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{tag}>"))?;
    rest.split_once(&format!("</{tag}>")).map(|(text, _)| text)
}

fn presigned(target: &EksTarget, keys: &Credentials, at: Timestamp) -> Result<String, EksError> {
    let failed = |said: String| EksError::Refused { action: "sts:GetCallerIdentity", said };
    let url = format!("{}/?Action=GetCallerIdentity&Version=2011-06-15", endpoint(target).trim_end_matches('/'));
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(EXPIRES);
    let identity = keys.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&target.region)
        .name("sts")
        .time(SystemTime::from(at))
        .settings(settings)
        .build()
        .map_err(|error| failed(innermost(&error)))?;
    let headers = std::iter::once((CLUSTER_ID, target.cluster.as_str()));
    let signable = SignableRequest::new("GET", url.as_str(), headers, SignableBody::Bytes(&[]));
    let signable = signable.map_err(|error| failed(innermost(&error)))?;
    let (instructions, _signature) =
        sign(signable, &params.into()).map_err(|error| failed(innermost(&error)))?.into_parts();
    let mut request = http::Request::get(url).body(()).map_err(|error| failed(error.to_string()))?;
    instructions.apply_to_request_http1x(&mut request);
    Ok(request.uri().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_what_other_clients_of_eks_presign() {
        let target = EksTarget { cluster: "blue".into(), region: "ap-northeast-1".into(), ..EksTarget::default() };
        let keys = Credentials::new("AKIAIOSFODNN7EXAMPLE", "secret", Some("session+/=".into()), None, "test");
        let at = "2026-11-21T10:00:00Z".parse().unwrap();
        let url = presigned(&target, &keys, at).unwrap();
        let (root, query) = url.split_once('?').unwrap();
        assert_eq!(root, "https://sts.ap-northeast-1.amazonaws.com/");
        let mut parameters: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        parameters.sort();
        let signature = parameters.iter().position(|(name, _)| name == "X-Amz-Signature").unwrap();
        assert_eq!(parameters.remove(signature).1.len(), 64);
        let expected = [
            ("Action", "GetCallerIdentity"),
            ("Version", "2011-06-15"),
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
            ("X-Amz-Credential", "AKIAIOSFODNN7EXAMPLE/20261121/ap-northeast-1/sts/aws4_request"),
            ("X-Amz-Date", "20261121T100000Z"),
            ("X-Amz-Expires", "60"),
            ("X-Amz-Security-Token", "session+/="),
            ("X-Amz-SignedHeaders", "host;x-k8s-aws-id"),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parameters, expected);
    }

    #[test]
    fn elements_are_found_by_name() {
        assert_eq!(element("<a><Arn>arn:x</Arn></a>", "Arn"), Some("arn:x"));
        assert_eq!(element("<a><Arn>arn:x", "Arn"), None);
    }
}
