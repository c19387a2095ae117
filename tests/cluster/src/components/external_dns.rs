//! external-dns: writes a DNS record into BIND's zone for the host of every Ingress.

use async_trait::async_trait;

use super::bind;
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::tool::{Asset, GoTool, go_files};
use crate::{Result, identity, manifest};

const MODULE: &str = "sigs.k8s.io/external-dns";
const ROLE: &str = "kustomize/external-dns-clusterrole.yaml";
const BINDING: &str = "kustomize/external-dns-clusterrolebinding.yaml";

const EXTERNAL_DNS: GoTool = GoTool {
    name: "external-dns",
    files: go_files!("external-dns"),
    programs: &["external-dns"],
    variables: &[],
    additions: &[],
    assets: &[Asset::Objects { module: MODULE, path: ROLE }, Asset::Objects { module: MODULE, path: BINDING }],
};

const NAMESPACE: &str = "external-dns";
const HEALTH_PORT: u16 = 7979;

pub(crate) struct ExternalDns;

#[async_trait]
impl Component for ExternalDns {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "external-dns",
            about: "writes the hosts of Ingresses into BIND's zone",
            profile: Some(Profile::Full),
            needs: &["kube-apiserver", "bind"],
            tools: &[&EXTERNAL_DNS],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let tool = cx.tool(&EXTERNAL_DNS)?;
        let mut objects = tool.objects(ROLE)?;
        objects.extend(tool.objects(BINDING)?);
        manifest::bind_in(&mut objects, NAMESPACE);
        manifest::apply(cx, NAMESPACE, objects).await
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let (site, addresses) = (cx.site(), cx.site().addresses());
        Ok(Invocation::new(cx.tool(&EXTERNAL_DNS)?.program("external-dns"))
            .file("kubeconfig", identity::service_account(cx, NAMESPACE, "external-dns").await?)
            .flag("source", "ingress")
            .flag("domain-filter", site.zone())
            .flag("provider", "rfc2136")
            .flag("rfc2136-host", addresses.dns_server().ip())
            .flag("rfc2136-port", addresses.dns_server().port())
            .flag("rfc2136-zone", site.zone())
            .flag("rfc2136-tsig-keyname", bind::KEY)
            .flag("rfc2136-tsig-secret-alg", bind::KEY_ALGORITHM)
            .arg("--rfc2136-tsig-axfr")
            .flag("rfc2136-min-ttl", "5s")
            // As a variable, since anybody may read the arguments of a process.
            .env("EXTERNAL_DNS_RFC2136_TSIG_SECRET", bind::key(site)?)
            .flag("txt-owner-id", site.name())
            .flag("policy", "sync")
            .flag("interval", "5s")
            .arg("--events")
            .flag("min-event-sync-interval", "1s")
            .flag("metrics-address", format!("{}:{HEALTH_PORT}", addresses.node())))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, HEALTH_PORT, "/healthz").await;
        Ok(())
    }
}
