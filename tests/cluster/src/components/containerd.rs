//! containerd: runs the containers, with runc and the network plugins of Debian.

use async_trait::async_trait;
use serde_json::json;

use crate::component::{Component, Facts, Profile};
use crate::context::Context;
use crate::packages::Package;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::site::Site;
use crate::{Result, image, state};

const CONTAINERD: Package = Package { program: "containerd", name: "containerd" };
/// Debian keeps the network plugins here.
const PLUGINS: &str = "/usr/lib/cni";

pub(crate) struct Containerd;

#[async_trait]
impl Component for Containerd {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "containerd",
            about: "runs the containers, with runc and CNI",
            profile: Some(Profile::Core),
            needs: &[],
            tools: &[],
            packages: &[
                CONTAINERD,
                Package { program: "ctr", name: "containerd" },
                Package { program: "runc", name: "runc" },
                Package { program: "/usr/lib/cni/ptp", name: "containernetworking-plugins" },
            ],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let site = cx.site();
        state::write_text(&site.path("containerd.toml"), config(site, &pause_reference()?))?;
        // The plugin `ptp` and not `bridge`: every packet is routed, so that a Service works between two pods of the
        // node without the kernel's br_netfilter.
        let network = json!({
            "cniVersion": "0.4.0",
            "name": site.namespace(),
            "plugins": [{
                "type": "ptp",
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "dataDir": site.path("cni/addresses"),
                    "ranges": [[{"subnet": site.addresses().pod_range()}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            }],
        });
        state::write(&site.path("cni/conf/10-pods.conflist"), &network)
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        let program = CONTAINERD.find().unwrap_or_else(|| CONTAINERD.program.into());
        Ok(Invocation::new(program).arg("--config").arg(cx.site().path("containerd.toml").display().to_string()))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::unix(seen, &cx.site().containerd_socket()).await;
        Ok(())
    }
}

/// The name of the sandbox image.
pub(crate) fn pause_reference() -> Result<String> {
    Ok(image::of_pause()?.reference("kibertas.local/pause", ""))
}

/// Everything lies in the cluster's folder, so that several clusters never meet and nothing is left afterwards.
fn config(site: &Site, pause: &str) -> String {
    let dir = site.dir().display();
    format!(
        r#"version = 2
root = "{dir}/containerd/root"
state = "{dir}/containerd/state"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{dir}/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without CAP_SYS_RESOURCE a score below containerd's own cannot be set, and runc fails.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{PLUGINS}"
    conf_dir = "{dir}/cni/conf"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{dir}/runc"
"#,
        socket = site.containerd_socket().display()
    )
}
