//! The cluster's network namespace, its link to the machine, and the machine's routes into it.

use crate::command::{command, run};
use crate::process::in_namespace;
use crate::site::Site;
use crate::{Error, Result};

/// Settings of the kernel inside the namespace: the node routes for its pods.
const SETTINGS: &str = "echo 1 > /proc/sys/net/ipv4/ip_forward";

/// Makes what is missing of the network, and leaves alone what is there.
pub(crate) async fn up(site: &Site) -> Result<()> {
    let (namespace, link, addresses) = (site.namespace(), site.link(), site.addresses());
    if !namespace_works(site).await {
        let file = site.namespace_file();
        if file.exists() {
            // The name outlived the namespace itself, as a restart of the machine leaves it.
            std::fs::remove_file(&file).map_err(Error::file("remove", &file))?;
        }
        ip(&["netns", "add", &namespace]).await?;
    }
    if ip(&["-n", &namespace, "link", "show", "eth0"]).await.is_err() {
        if ip(&["link", "show", &link]).await.is_ok() {
            ip(&["link", "delete", &link]).await?;
        }
        ip(&["link", "add", &link, "type", "veth", "peer", "name", "eth0", "netns", &namespace]).await?;
    }
    let (host, node) = (addresses.host().to_string(), addresses.node().to_string());
    ip(&["address", "replace", &format!("{host}/24"), "dev", &link]).await?;
    ip(&["link", "set", &link, "up"]).await?;
    ip(&["-n", &namespace, "address", "replace", &format!("{node}/24"), "dev", "eth0"]).await?;
    ip(&["-n", &namespace, "link", "set", "eth0", "up"]).await?;
    ip(&["-n", &namespace, "link", "set", "lo", "up"]).await?;
    ip(&["-n", &namespace, "route", "replace", "default", "via", &host]).await?;
    for range in [addresses.pod_range(), addresses.service_range()] {
        ip(&["route", "replace", &range, "via", &node]).await?;
    }
    let mut settings = in_namespace(site);
    settings.args(["sh", "-c", SETTINGS]);
    run(settings).await?;
    Ok(())
}

/// Lets what comes from the cluster pass this machine, as to another cluster. It ends with the link.
pub(crate) fn forward(site: &Site) -> Result<()> {
    let switch = format!("/proc/sys/net/ipv4/conf/{}/forwarding", site.link());
    std::fs::write(&switch, "1").map_err(Error::file("write", switch))
}

/// Removes all of it. The routes go with the link.
pub(crate) async fn down(site: &Site) -> Result<()> {
    let (namespace, link) = (site.namespace(), site.link());
    if ip(&["link", "show", &link]).await.is_ok() {
        ip(&["link", "delete", &link]).await?;
    }
    if site.namespace_file().exists() {
        ip(&["netns", "delete", &namespace]).await?;
    }
    Ok(())
}

async fn namespace_works(site: &Site) -> bool {
    let mut entered = in_namespace(site);
    entered.arg("true");
    run(entered).await.is_ok()
}

async fn ip(arguments: &[&str]) -> Result<String> {
    run(command("ip", arguments)).await
}
