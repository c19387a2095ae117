//! The containers of a cluster: images loaded, and everything removed that containerd and kubelet leave behind.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::mount::{UnmountFlags, unmount};

use crate::command::{command, run};
use crate::site::Site;
use crate::{Error, Result, process};

/// Imports an OCI archive, and returns the names of its images.
pub(crate) async fn load(site: &Site, archive: &Path) -> Result<Vec<String>> {
    let mut import = command("ctr", ["--namespace", "k8s.io", "images", "import"]);
    import.arg(archive).env("CONTAINERD_ADDRESS", site.containerd_socket());
    let output = run(import).await?;
    let names = output.lines().filter_map(|line| line.strip_prefix("unpacking ")?.split_whitespace().next());
    Ok(names.map(str::to_owned).collect())
}

/// The names of the images on the node.
pub(crate) async fn images(site: &Site) -> Result<Vec<String>> {
    let mut list = command("ctr", ["--namespace", "k8s.io", "images", "list", "--quiet"]);
    list.env("CONTAINERD_ADDRESS", site.containerd_socket());
    Ok(run(list).await?.lines().map(str::to_owned).collect())
}

/// Removes images; containers that were made from them go on.
pub(crate) async fn remove_images(site: &Site, names: &[&String]) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut remove = command("ctr", ["--namespace", "k8s.io", "images", "remove"]);
    remove.args(names).env("CONTAINERD_ADDRESS", site.containerd_socket());
    run(remove).await.map(drop)
}

/// Kills all containers and their shims. containerd need not be there, nor kubelet, which would start them again.
pub(crate) async fn kill(site: &Site) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let start = Instant::now();
    loop {
        let left = processes(site);
        if left.is_empty() {
            return Ok(());
        }
        if let (Some(pid), true) = (left.first(), start.elapsed() > PATIENCE) {
            return Err(Error::Unkillable { component: "a container".to_owned(), pid: *pid, waited: PATIENCE });
        }
        left.into_iter().for_each(process::kill);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Every process in the cgroup of a container of the cluster, and what works for it: shims and runc.
pub(crate) fn processes(site: &Site) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    for cgroup in cgroups(&bundles(site)) {
        for folder in folders_below(&cgroup) {
            let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            found.extend(pids.lines().filter_map(|pid| pid.parse::<i32>().ok()));
        }
    }
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if is_runtime(site, &fs::read(entry.path().join("cmdline")).unwrap_or_default()) {
            found.insert(pid);
        }
    }
    found
}

/// Whether this command line (words end with a zero byte) is a shim or runc at work for this cluster: both are given
/// paths in its folder.
fn is_runtime(site: &Site, command_line: &[u8]) -> bool {
    let folder = [site.dir().as_os_str().as_encoded_bytes(), b"/"].concat();
    let mut words = command_line.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    let name = program.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    matches!(name, b"containerd-shim-runc-v2" | b"runc") && words.any(|word| word.starts_with(&folder))
}

/// Unmounts everything below the cluster's folder, removes its cgroups, and the files that lie elsewhere.
pub(crate) fn clean(site: &Site) -> Result<()> {
    let bundles = bundles(site);
    for bundle in &bundles {
        // The sockets of the shims have names made of digests; the bundle says which is its own.
        if let Ok(address) = fs::read_to_string(bundle.join("address")) {
            let _ = fs::remove_file(address.trim().trim_start_matches("unix://"));
        }
    }
    for mount in mounts(site)?.into_iter().rev() {
        let failed = |error: rustix::io::Errno| Error::file("unmount", &mount)(error.into());
        // What a mount covered may be gone with it.
        match unmount(&mount, UnmountFlags::DETACH) {
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    for cgroup in cgroups(&bundles) {
        for folder in folders_below(&cgroup).into_iter().rev() {
            let _ = fs::remove_dir(folder);
        }
        // The one that containerd makes for all containers, unless somebody else has containers in it.
        let _ = cgroup.parent().map(fs::remove_dir);
    }
    clean_network_results(site);
    clean_log_links(site);
    clean_plugin_socket();
    // Folders that the first cluster made, and that nobody needs empty.
    for folder in [
        "/var/log/containers",
        "/var/lib/cni/results",
        "/var/lib/cni",
        "/run/containerd/s",
        "/run/containerd",
        "/var/lib/kubelet/device-plugins",
        "/var/lib/kubelet",
    ] {
        let _ = fs::remove_dir(folder);
    }
    Ok(())
}

/// The mounts below the cluster's folder, in the order in which they were made.
pub(crate) fn mounts(site: &Site) -> Result<Vec<PathBuf>> {
    let table = "/proc/self/mountinfo";
    let text = fs::read_to_string(table).map_err(Error::file("read", table))?;
    Ok(mount_points(&text).filter(|point| point.starts_with(site.dir())).collect())
}

/// The fifth field of each line; blanks and the like stand there as `\040` (`proc_pid_mountinfo(5)`), which never occurs
/// in our own paths.
fn mount_points(mountinfo: &str) -> impl Iterator<Item = PathBuf> {
    mountinfo.lines().filter_map(|line| Some(PathBuf::from(line.split(' ').nth(4)?)))
}

/// The folders that containerd keeps of the containers; their names are the containers' ids.
fn bundles(site: &Site) -> Vec<PathBuf> {
    let folder = site.path("containerd/state/io.containerd.runtime.v2.task/k8s.io");
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// The cgroups of the containers, in every hierarchy (v1) or in the one (v2).
fn cgroups(bundles: &[PathBuf]) -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies: Vec<_> =
        fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path()).chain([root.to_owned()]).collect();
    let mut found = Vec::new();
    for bundle in bundles {
        let Some(id) = bundle.file_name() else { continue };
        found.extend(hierarchies.iter().map(|hierarchy| hierarchy.join("k8s.io").join(id)).filter(|it| it.is_dir()));
    }
    found
}

/// The folder and all below it, parents first.
fn folders_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(folders_below(&entry.path()));
        }
    }
    found
}

/// What the network plugins remember for the end of a pod that never came.
fn clean_network_results(site: &Site) {
    let ours = format!("{}-", site.namespace());
    let folder = Path::new("/var/lib/cni/results");
    let names = || {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect::<Vec<_>>()
    };
    for name in names() {
        let Some(sandbox) = name.strip_prefix(&ours).and_then(|rest| rest.strip_suffix("-eth0")) else { continue };
        let _ = fs::remove_file(folder.join(&name));
        let _ = fs::remove_file(folder.join(format!("cni-loopback-{sandbox}-lo")));
    }
}

/// kubelet links every log into one folder of the machine.
fn clean_log_links(site: &Site) {
    for entry in fs::read_dir("/var/log/containers").into_iter().flatten().flatten() {
        if fs::read_link(entry.path()).is_ok_and(|target| target.starts_with(site.dir())) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// kubelet makes this socket whatever its folder is, and all kubelets of a machine the same: the last one leaves it.
fn clean_plugin_socket() {
    let socket = "/var/lib/kubelet/device-plugins/kubelet.sock";
    if std::os::unix::net::UnixStream::connect(socket).is_err() {
        let _ = fs::remove_file(socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Addresses;

    #[test]
    fn only_the_runtime_of_this_cluster_is_its_own() {
        let site = Site::new(Path::new("/x"), "blue", Addresses::of(1).unwrap());
        assert!(is_runtime(&site, b"/usr/bin/containerd-shim-runc-v2\0-address\0/x/blue/containerd.sock\0"));
        assert!(is_runtime(&site, b"runc\0--root\0/x/blue/runc/k8s.io\0"));
        assert!(!is_runtime(&site, b"runc\0--root\0/x/blue2/runc/k8s.io\0"));
        assert!(!is_runtime(&site, b"tail\0-f\0/x/blue/log/etcd.log\0"));
    }

    #[test]
    fn mount_points_are_the_fifth_field() {
        let table =
            "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n37 35 0:4 / /proc rw - proc proc rw\n";
        assert_eq!(mount_points(table).collect::<Vec<_>>(), [Path::new("/mnt2"), Path::new("/proc")]);
    }

    #[test]
    fn parents_stand_before_children() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        let found = folders_below(folder.path());
        assert_eq!(found, [folder.path().to_owned(), folder.path().join("a"), folder.path().join("a/b")]);
    }
}
