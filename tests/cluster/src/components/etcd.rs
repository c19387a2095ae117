//! etcd: what the API server stores. Debian's 3.4 would not do: the streaming lists of newer clients fail on it.

use async_trait::async_trait;

use crate::Result;
use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::tool::{GoTool, go_files};

const ETCD: GoTool =
    GoTool { name: "etcd", files: go_files!("etcd"), programs: &["etcd"], variables: &[], additions: &[], assets: &[] };

pub(crate) const CLIENT_PORT: u16 = 2379;
const PEER_PORT: u16 = 2380;

pub(crate) struct Etcd;

#[async_trait]
impl Component for Etcd {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "etcd",
            about: "stores the API server's objects",
            profile: Some(Profile::Core),
            needs: &[],
            tools: &[&ETCD],
            packages: &[],
        }
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let url = |port: u16| format!("http://{}:{port}", cx.site().addresses().node());
        Ok(Invocation::new(cx.tool(&ETCD)?.program("etcd"))
            .file("data-dir", cx.site().path("etcd"))
            .flag("listen-client-urls", url(CLIENT_PORT))
            .flag("advertise-client-urls", url(CLIENT_PORT))
            .flag("listen-peer-urls", url(PEER_PORT))
            .flag("initial-advertise-peer-urls", url(PEER_PORT))
            .flag("initial-cluster", format!("default={}", url(PEER_PORT)))
            // The data of a test cluster need not survive a power cut.
            .arg("--unsafe-no-fsync"))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, CLIENT_PORT, "/health").await;
        Ok(())
    }
}
