//! Brings a cluster up: from nothing, from where it stands, or from what a crash has left.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures::{StreamExt, TryStreamExt, stream};

use crate::component::{Component, Profile};
use crate::context::Context;
use crate::host::{self, Go};
use crate::lock::Lock;
use crate::packages::{self, OURS};
use crate::progress::Progress;
use crate::site::{self, ROOT, Site};
use crate::state::{self, State};
use crate::tool::GoTool;
use crate::{Error, KubernetesVersion, Result, components, down, network, process, start};

/// What a cluster is to have, and what may be done for it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Components by profile.
    pub profile: Profile,
    /// Components besides.
    pub with: Vec<String>,
    /// The version of Kubernetes. `None`: the one that the cluster has, the default for a new one.
    pub kubernetes: Option<KubernetesVersion>,
    /// Whether missing Debian packages may be installed.
    pub install: bool,
}

/// At most so many builds at once: each alone keeps several cores busy, and memory is finite.
const BUILDS: usize = 2;

/// Brings the cluster up, and returns what its components are given. Components that it has already stay.
pub(crate) async fn up(name: &str, options: &Options, progress: &Progress) -> Result<Context> {
    site::check_name(name)?;
    host::check()?;
    let wanted = components::select(options.profile, options.with.iter().map(String::as_str))?;
    let lock = lock(name).await?;
    let result = up_locked(name, wanted, options, progress).await;
    if result.is_err() && matches!(State::load(name), Ok(None)) {
        // It failed before there was anything of the cluster.
        lock.remove();
    }
    result
}

async fn up_locked(
    name: &str,
    mut wanted: BTreeSet<String>,
    options: &Options,
    progress: &Progress,
) -> Result<Context> {
    let before = State::load(name)?;
    let kubernetes = version(name, before.as_ref(), options.kubernetes)?;
    wanted.extend(before.iter().flat_map(|state| state.components.clone()));
    let wanted = registered(&wanted);
    let packages: Vec<_> =
        OURS.iter().chain(wanted.iter().flat_map(|component| component.facts().packages)).copied().collect();
    packages::ensure(&packages, options.install, progress).await?;
    let tools = built(&wanted, kubernetes, progress).await?;

    let (state, site) = stored(name, before, kubernetes, &wanted, tools, progress).await?;
    for folder in ["log", "process", "tmp"] {
        let folder = site.path(folder);
        std::fs::create_dir_all(&folder).map_err(Error::file("create", folder))?;
    }
    link_programs(&site, &wanted, &state.tools)?;
    network::up(&site).await?;
    let cx = Context::new(site, &state).await?;
    start::all(&cx, &wanted, progress).await?;
    Ok(cx)
}

/// The version that the cluster is of, or will be: what one version has stored need not be what another one reads.
fn version(name: &str, before: Option<&State>, asked: Option<KubernetesVersion>) -> Result<KubernetesVersion> {
    let Some(before) = before else { return Ok(asked.unwrap_or_default()) };
    let has = KubernetesVersion::of_cluster(&before.kubernetes)?;
    match asked.filter(|asked| *asked != has) {
        None => Ok(has),
        Some(asked) => Err(Error::OtherKubernetes {
            name: name.to_owned(),
            has: before.kubernetes.clone(),
            asked: asked.to_string(),
        }),
    }
}

/// Nobody else changes the cluster while this is held.
pub(crate) async fn lock(name: &str) -> Result<Lock> {
    Lock::take(Path::new(ROOT).join(format!(".{name}.lock"))).await
}

/// The components of these names, in the registry's order.
fn registered(names: &BTreeSet<String>) -> Vec<&'static dyn Component> {
    components::ALL.iter().copied().filter(|component| names.contains(component.facts().name)).collect()
}

/// All tools of these components, from the cache or built now, by name.
async fn built(
    wanted: &[&'static dyn Component],
    kubernetes: KubernetesVersion,
    progress: &Progress,
) -> Result<BTreeMap<String, PathBuf>> {
    let go = Go::find().await?;
    let mut tools: Vec<&'static GoTool> = Vec::new();
    for tool in wanted.iter().flat_map(|component| component.facts().tools).map(|tool| kubernetes.variant(tool)) {
        if !tools.iter().any(|known| known.name == tool.name) {
            tools.push(tool);
        }
    }
    let missing = tools.iter().filter(|tool| !matches!(tool.cached(&go), Ok(Some(_)))).count();
    if missing > 0 {
        progress.say(&format!(
            "{missing} of {} components are built now, and kept for next time; the first time, this takes minutes each",
            tools.len()
        ));
    }
    stream::iter(tools)
        .map(|tool| {
            let go = &go;
            async move {
                let built = tool.ensure(go, progress).await?;
                Ok((tool.name.to_owned(), built.path().to_owned()))
            }
        })
        .buffer_unordered(BUILDS)
        .try_collect()
        .await
}

/// A program of any tool, from the cache or built now. Needs neither root nor a cluster.
pub async fn program(name: &str, progress: &Progress) -> Result<PathBuf> {
    let tool = components::tools().into_iter().find(|tool| tool.programs.contains(&name)).ok_or_else(|| {
        Error::NoComponent {
            name: name.to_owned(),
            known: components::tools().iter().flat_map(|tool| tool.programs).copied().collect::<Vec<_>>().join(", "),
        }
    })?;
    let go = Go::find().await?;
    Ok(tool.ensure(&go, progress).await?.program(name))
}

/// The cluster's state, brought up to date and stored.
async fn stored(
    name: &str,
    before: Option<State>,
    kubernetes: KubernetesVersion,
    wanted: &[&'static dyn Component],
    tools: BTreeMap<String, PathBuf>,
    progress: &Progress,
) -> Result<(State, Site)> {
    let boot = process::boot_id()?;
    // Clusters that come up at the same time must not choose the same index.
    let _lock = Lock::take(Path::new(ROOT).join(".lock")).await?;
    let index = match before {
        Some(before) if before.boot == boot => before.index,
        Some(before) => {
            progress.say(&format!(
                "{name}: the machine was restarted since this cluster ran; its objects are not kept over that, and it \
                 starts empty"
            ));
            down::remove(&before.site(name)?).await?;
            before.index
        }
        None => {
            // What is there without a stored state is the rest of an interrupted `down`.
            let rest = Path::new(ROOT).join(name);
            if rest.exists() {
                let index = state::free_index().await?;
                let site = Site::new(Path::new(ROOT), name, state::addresses(name, index)?);
                down::remove(&site).await?;
            }
            state::free_index().await?
        }
    };
    let components = wanted.iter().map(|component| component.facts().name.to_owned()).collect();
    let state = State { index, boot, kubernetes: kubernetes.to_string(), components, tools };
    state.save(name)?;
    let site = state.site(name)?;
    Ok((state, site))
}

/// Links all programs into one folder, kubectl among them.
fn link_programs(site: &Site, wanted: &[&'static dyn Component], tools: &BTreeMap<String, PathBuf>) -> Result<()> {
    let bin = site.bin();
    std::fs::create_dir_all(&bin).map_err(Error::file("create", &bin))?;
    for tool in wanted.iter().flat_map(|component| component.facts().tools) {
        let Some(folder) = tools.get(tool.name) else { continue };
        for program in tool.programs {
            let target = folder.join("bin").join(program);
            // The program of Kubernetes is whichever part its name says.
            let name = if tool.name == components::KUBERNETES.name { "kubectl" } else { program };
            let link = bin.join(name);
            if std::fs::read_link(&link).ok().as_ref() != Some(&target) {
                std::fs::remove_file(&link).or_else(process::ignore_missing).map_err(Error::file("remove", &link))?;
                std::os::unix::fs::symlink(&target, &link).map_err(Error::file("link", &link))?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_keeps_its_version_and_is_never_turned_into_another() {
        let newer: KubernetesVersion = "1.36".parse().unwrap();
        let state = State {
            index: 1,
            boot: String::new(),
            kubernetes: newer.to_string(),
            components: BTreeSet::new(),
            tools: BTreeMap::new(),
        };
        assert_eq!(version("green", None, None).unwrap(), KubernetesVersion::default());
        assert_eq!(version("green", None, Some(newer)).unwrap(), newer);
        assert_eq!(version("green", Some(&state), None).unwrap(), newer);
        assert_eq!(version("green", Some(&state), Some(newer)).unwrap(), newer);
        let error = version("green", Some(&state), Some(KubernetesVersion::default())).unwrap_err().to_string();
        assert!(error.contains("is of Kubernetes v1.36.1, not v1.34.4"), "{error}");
        assert!(error.contains("cargo cluster down green"), "{error}");
    }
}
