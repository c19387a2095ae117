//! cert-manager's cainjector: tells the API server which authority to trust at the webhook.

use async_trait::async_trait;
use kube::api::{Api, PostParams};
use serde_json::json;

use super::{CERT_MANAGER, NAMESPACE, TOOLS};
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::Seen;
use crate::{Result, identity, manifest};

pub(in crate::components) struct Cainjector;

#[async_trait]
impl Component for Cainjector {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "cert-manager-cainjector",
            about: "makes the API server trust cert-manager's webhook",
            profile: Some(Profile::Full),
            // The webhook's Service is of use only with kube-proxy.
            needs: &["cert-manager-controller", "cert-manager-webhook", "kube-proxy"],
            tools: TOOLS,
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        manifest::apply(cx, NAMESPACE, super::objects(cx, "cainjector").await?).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        Ok(Invocation::new(cx.tool(&CERT_MANAGER)?.program("cert-manager"))
            .arg("cainjector")
            .file("kubeconfig", identity::service_account(cx, NAMESPACE, "cert-manager-cainjector").await?))
    }

    /// Done once the API server takes an Issuer: it has then asked the webhook over a connection that it trusts.
    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        let issuer = json!({
            "apiVersion": "cert-manager.io/v1",
            "kind": "Issuer",
            "metadata": {"name": "test-cluster-asks-the-webhook"},
            "spec": {"selfSigned": {}},
        });
        let issuer = manifest::object(issuer)?;
        let (resource, _) = manifest::resource(cx, &issuer).await?;
        let api: Api<manifest::Object> = Api::namespaced_with(cx.client(), "default", &resource);
        let dry = PostParams { dry_run: true, ..PostParams::default() };
        let asked = || async { api.create(&dry, &issuer).await.map_err(|error| error.to_string()) };
        seen.until("an Issuer that the webhook lets pass".to_owned(), asked).await;
        Ok(())
    }
}
