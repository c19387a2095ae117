//! `DescribeCluster`, as a signed request: one call does not need the client of a whole service.
//!
//! <https://docs.aws.amazon.com/eks/latest/APIReference/API_DescribeCluster.html>

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use serde::Deserialize;

use super::partition;
use super::said::{Asked, Said};
use super::{EksError, EksTarget};
use crate::clock;
use crate::cluster::call::backoff;
use crate::cluster::connect::innermost;

/// The most tries while EKS is overloaded.
const TRIES: usize = 5;
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(10);

/// What a cluster is, as far as the way to it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Described {
    /// The API server's URL.
    pub(super) endpoint: String,
    /// Its certificate authority: PEM in base64.
    pub(super) authority: String,
    pub(super) status: String,
}

/// A client for what is signed here. It goes through the proxy that the environment names, if any.
pub(super) fn http() -> Result<reqwest::Client, EksError> {
    let failed = |error: &dyn std::error::Error| EksError::Refused { action: "a request", said: innermost(error) };
    let tls = crate::tls::client_config(None).map_err(|error| failed(&error))?;
    reqwest::Client::builder()
        .user_agent(concat!("kibertas-rs/", env!("CARGO_PKG_VERSION")))
        // A signed request is for one host.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(ANSWER)
        .tls_backend_preconfigured(tls)
        .build()
        .map_err(|error| failed(&error))
}

/// Asks EKS for the cluster, which has to be active.
pub(super) async fn cluster(
    http: &reqwest::Client,
    target: &EksTarget,
    keys: &Credentials,
) -> Result<Described, EksError> {
    let root = target.endpoints.eks.clone().unwrap_or_else(|| partition::endpoint("eks", &target.region));
    let url = format!("{}/clusters/{}", root.trim_end_matches('/'), target.cluster);
    let mut delays = backoff().take(TRIES - 1);
    loop {
        let (error, passes) = match once(http, target, keys, &url).await? {
            Ok(described) => return Ok(described),
            Err(failed) => failed,
        };
        match delays.next() {
            Some(delay) if passes => tokio::time::sleep(delay * 4).await,
            _ => return Err(error),
        }
    }
}

/// One try; a refusal comes with whether it may pass.
async fn once(
    http: &reqwest::Client,
    target: &EksTarget,
    keys: &Credentials,
    url: &str,
) -> Result<Result<Described, (EksError, bool)>, EksError> {
    let unreachable = |reason: String| EksError::Unreachable {
        service: "EKS",
        endpoint: url.split("/clusters/").next().unwrap_or_default().to_owned(),
        region: target.region.clone(),
        reason,
    };
    let request = signed(url, target, keys)?;
    let reply = match http.execute(request).await {
        Ok(reply) => reply,
        Err(error) => return Ok(Err((unreachable(innermost(&error.without_url())), true))),
    };
    let status = reply.status().as_u16();
    let kind = reply.headers().get("x-amzn-errortype").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(':').next().unwrap_or_default().to_owned();
    let body = match reply.bytes().await {
        Ok(body) => body,
        Err(error) => return Ok(Err((unreachable(innermost(&error.without_url())), true))),
    };
    if status != 200 {
        let said = refusal(status, kind, &body);
        // Where the account is not known, its part of the ARN stays open.
        let account = target.role_arn.as_deref().and_then(|role| role.split(':').nth(4)).unwrap_or("*");
        let partition = target.role_arn.as_deref().and_then(|role| role.split(':').nth(1)).unwrap_or("aws");
        let resource = format!("arn:{partition}:eks:{}:{account}:cluster/{}", target.region, target.cluster);
        let asked = Asked { service: "EKS", action: "eks:DescribeCluster", resource, hint: "", target };
        return Ok(Err((said.error(&asked), said.passes())));
    }
    parsed(target, &body).map(Ok)
}

/// <https://docs.aws.amazon.com/IAM/latest/UserGuide/create-signed-request.html>
fn signed(url: &str, target: &EksTarget, keys: &Credentials) -> Result<reqwest::Request, EksError> {
    let failed = |said: String| EksError::Refused { action: "eks:DescribeCluster", said };
    let identity = keys.clone().into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&target.region)
        .name("eks")
        .time(SystemTime::from(clock::now()))
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| failed(innermost(&error)))?;
    let signable = SignableRequest::new("GET", url, std::iter::empty(), SignableBody::Bytes(&[]));
    let signable = signable.map_err(|error| failed(innermost(&error)))?;
    let (instructions, _signature) =
        sign(signable, &params.into()).map_err(|error| failed(innermost(&error)))?.into_parts();
    let mut request = http::Request::get(url).body("").map_err(|error| failed(error.to_string()))?;
    instructions.apply_to_request_http1x(&mut request);
    reqwest::Request::try_from(request).map_err(|error| failed(innermost(&error)))
}

/// An error is `{"message": …}` with its code in a header, or in the body as `__type`.
fn refusal(status: u16, kind: String, body: &[u8]) -> Said {
    let json: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = |keys: [&str; 2]| keys.iter().find_map(|key| json[*key].as_str()).unwrap_or_default().to_owned();
    let code = if kind.is_empty() { text(["__type", "code"]) } else { kind };
    let code = code.rsplit('#').next().unwrap_or_default().to_owned();
    let message = crate::report::printable::one_line(&text(["message", "Message"])).into_owned();
    Said { status, code, message }
}

fn parsed(target: &EksTarget, body: &[u8]) -> Result<Described, EksError> {
    #[derive(Deserialize)]
    struct Reply {
        cluster: Cluster,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cluster {
        status: String,
        // Both are missing as long as the cluster is being made.
        endpoint: Option<String>,
        certificate_authority: Option<Authority>,
    }
    #[derive(Deserialize)]
    struct Authority {
        data: Option<String>,
    }
    let wrong = |said: String| EksError::Refused { action: "eks:DescribeCluster", said };
    let reply: Reply = serde_json::from_slice(body).map_err(|error| wrong(format!("no answer of EKS: {error}")))?;
    let Cluster { status, endpoint, certificate_authority } = reply.cluster;
    // While it is updated the API server goes on serving.
    if status != "ACTIVE" && status != "UPDATING" {
        return Err(EksError::NotActive { cluster: target.cluster.clone(), region: target.region.clone(), status });
    }
    let authority = certificate_authority.and_then(|authority| authority.data);
    let (Some(endpoint), Some(authority)) = (endpoint, authority) else {
        return Err(wrong("the answer has no endpoint or no certificate authority".to_owned()));
    };
    Ok(Described { endpoint, authority, status })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> EksTarget {
        EksTarget { cluster: "blue".into(), region: "eu-west-1".into(), ..EksTarget::default() }
    }

    #[test]
    fn only_an_active_cluster_is_one() {
        let body = |status: &str| {
            format!(
                r#"{{"cluster": {{"status": "{status}", "endpoint": "https://x", "certificateAuthority": {{"data": "eA=="}}}}}}"#
            )
        };
        assert_eq!(parsed(&target(), body("ACTIVE").as_bytes()).unwrap().endpoint, "https://x");
        let deleting = parsed(&target(), body("DELETING").as_bytes()).unwrap_err().to_string();
        assert_eq!(deleting, "the EKS cluster \"blue\" in eu-west-1 is DELETING, not ACTIVE");
        let creating = parsed(&target(), br#"{"cluster": {"status": "CREATING"}}"#).unwrap_err();
        assert!(matches!(creating, EksError::NotActive { .. }), "{creating}");
        assert!(parsed(&target(), b"<html>").unwrap_err().to_string().contains("no answer of EKS"));
    }

    #[test]
    fn errors_are_read_from_header_or_body() {
        let body = br#"{"message": "No cluster found for name: blue."}"#;
        let said = refusal(404, "ResourceNotFoundException".into(), body);
        assert_eq!(
            (said.code.as_str(), said.message.as_str()),
            ("ResourceNotFoundException", "No cluster found for name: blue.")
        );
        let body = br#"{"__type": "com.amazon.coral.service#ExpiredTokenException", "Message": "expired"}"#;
        let said = refusal(403, String::new(), body);
        assert_eq!((said.code.as_str(), said.message.as_str()), ("ExpiredTokenException", "expired"));
        assert_eq!(refusal(502, String::new(), b"<html>"), Said { status: 502, ..Said::default() });
    }
}
