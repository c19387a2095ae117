//! Identities of the controllers: a ServiceAccount's token and nothing more, so that a grant that is missing in a
//! controller's own manifests shows here as it would anywhere.

use std::path::PathBuf;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{Api, PostParams};
use serde_json::json;

use crate::context::Context;
use crate::kubeconfig::{self, Credentials};
use crate::{Error, Result, manifest};

/// Ten years: nobody renews the tokens of a test cluster.
const SECONDS_VALID: i64 = 10 * 365 * 24 * 3600;

/// The kubeconfig of a ServiceAccount. Namespace, account and file are made if they are missing.
pub(crate) async fn service_account(cx: &Context, namespace: &str, name: &str) -> Result<PathBuf> {
    let path = cx.site().path("identity").join(format!("{namespace}.{name}")).with_added_extension("kubeconfig");
    if path.exists() {
        return Ok(path);
    }
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}});
    manifest::apply(cx, namespace, vec![manifest::object(account)?]).await?;
    kubeconfig::write(cx.site(), &path, &Credentials::Token(&token(cx, namespace, name).await?))?;
    Ok(path)
}

/// A token of a ServiceAccount that is there.
pub(crate) async fn token(cx: &Context, namespace: &str, name: &str) -> Result<String> {
    let request = TokenRequest {
        spec: TokenRequestSpec { expiration_seconds: Some(SECONDS_VALID), ..TokenRequestSpec::default() },
        ..TokenRequest::default()
    };
    let action = || format!("give a token to the ServiceAccount {namespace}/{name}");
    Api::<ServiceAccount>::namespaced(cx.client(), namespace)
        .create_token_request(name, &PostParams::default(), &request)
        .await
        .map_err(Error::api(action()))?
        .status
        .map(|status| status.token)
        .ok_or_else(|| Error::Manifest { manifest: action(), problem: "the answer holds no token".to_owned() })
}
