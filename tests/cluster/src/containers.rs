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

/// Every process in the cluster's cgroup, and every shim that speaks to the cluster's containerd.
pub(crate) fn processes(site: &Site) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    for cgroup in cgroups(site) {
        for folder in folders_below(&cgroup) {
            let pids = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            found.extend(pids.lines().filter_map(|pid| pid.parse::<i32>().ok()));
        }
    }
    let socket = site.containerd_socket().into_os_string().into_encoded_bytes();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let mut words = line.split(|byte| *byte == 0);
        let program = words.next().unwrap_or_default();
        if program.ends_with(b"containerd-shim-runc-v2") && words.any(|word| word == socket) {
            found.insert(pid);
        }
    }
    found
}

/// Unmounts everything below the cluster's folder, removes its cgroups, and the files that lie elsewhere.
pub(crate) fn clean(site: &Site) -> Result<()> {
    clean_sockets(site);
    for mount in mounts(site)?.into_iter().rev() {
        let failed = |error: rustix::io::Errno| Error::file("unmount", &mount)(error.into());
        // What a mount covered may be gone with it.
        match unmount(&mount, UnmountFlags::DETACH) {
            Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(failed(error)),
        }
    }
    for cgroup in cgroups(site) {
        for folder in folders_below(&cgroup).into_iter().rev() {
            let _ = fs::remove_dir(folder);
        }
    }
    clean_network_results(site);
    clean_log_links(site);
    // Folders that the first cluster made, and that nobody needs empty.
    for folder in [
        "/var/log/containers",
        "/var/lib/cni/results",
        "/var/lib/cni",
        "/run/containerd/s",
        "/run/containerd",
        "/run/docker/runtime-runc",
        "/run/docker",
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

/// The fifth field of each line; blanks and the like stand there as `\040` (proc_pid_mountinfo(5)), which never occurs
/// in our own paths.
fn mount_points(mountinfo: &str) -> impl Iterator<Item = PathBuf> {
    mountinfo.lines().filter_map(|line| Some(PathBuf::from(line.split(' ').nth(4)?)))
}

/// The cluster's cgroup in every hierarchy (v1) or in the one (v2).
pub(crate) fn cgroups(site: &Site) -> Vec<PathBuf> {
    let name = site.cgroup();
    let name = name.trim_start_matches('/');
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = hierarchies.chain([root.to_owned()]).map(|hierarchy| hierarchy.join(name)).collect();
    found.retain(|path| path.is_dir());
    found.sort();
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

/// The shims' sockets have names made of digests; the bundle of each task says which is its own.
fn clean_sockets(site: &Site) {
    let tasks = site.path("containerd/state/io.containerd.runtime.v2.task/k8s.io");
    for entry in fs::read_dir(tasks).into_iter().flatten().flatten() {
        if let Ok(address) = fs::read_to_string(entry.path().join("address")) {
            let _ = fs::remove_file(address.trim().trim_start_matches("unix://"));
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mount_points_are_the_fifth_field() {
        let table = "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw\n37 35 0:4 / /proc rw - proc proc rw\n";
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
