//! Takes a cluster down, and leaves nothing of it but the cached programs.

use std::path::Path;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};

use crate::process::Process;
use crate::site::{ROOT, Site};
use crate::state::State;
use crate::{Error, Result, containers, host, network, up};

/// Takes the cluster down. One that is not there is fine.
pub(crate) async fn down(name: &str) -> Result<bool> {
    host::check()?;
    let lock = up::lock(name).await?;
    let state = State::load(name)?;
    if let Some(state) = &state {
        let site = state.site(name)?;
        remove(&site).await?;
        check(&site)?;
    }
    lock.remove();
    // Once the last cluster is gone.
    if crate::state::names().is_empty() {
        let root = Path::new(ROOT);
        let _ = std::fs::remove_file(root.join(".lock"));
        for folder in root.ancestors().take(2) {
            let _ = std::fs::remove_dir(folder);
        }
    }
    Ok(state.is_some())
}

/// Removes everything of the cluster.
pub(crate) async fn remove(site: &Site) -> Result<()> {
    // Nothing of it is needed any more, so nothing is asked to end by itself. kubelet is among them, which would
    // start the containers again.
    stream::iter(recorded(site))
        .map(|component| async move {
            match Process::find(site, &component)? {
                Some(process) => process.stop(site, Duration::ZERO).await,
                None => Ok(()),
            }
        })
        .buffer_unordered(32)
        .try_collect::<Vec<_>>()
        .await?;
    containers::kill(site).await?;
    containers::clean(site)?;
    network::down(site).await?;
    let mounts = containers::mounts(site)?;
    if !mounts.is_empty() {
        // Removing files through a mount would remove what is mounted.
        return Err(left(site, mounts.iter().map(|mount| format!("the mount {}", mount.display()))));
    }
    if site.dir().exists() {
        std::fs::remove_dir_all(site.dir()).map_err(Error::file("remove", site.dir()))?;
    }
    Ok(())
}

/// The components that have a record of a process.
fn recorded(site: &Site) -> Vec<String> {
    let entries = std::fs::read_dir(site.path("process")).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned())).collect()
}

/// Looks once more for what must not be there.
fn check(site: &Site) -> Result<()> {
    let places = [site.namespace_file(), Path::new("/sys/class/net").join(site.link()), site.dir().to_owned()];
    let found: Vec<_> = places.into_iter().filter(|place| place.exists()).map(|it| it.display().to_string()).collect();
    if found.is_empty() { Ok(()) } else { Err(left(site, found)) }
}

fn left(site: &Site, what: impl IntoIterator<Item = String>) -> Error {
    Error::Left { name: site.name().to_owned(), left: what.into_iter().collect() }
}
