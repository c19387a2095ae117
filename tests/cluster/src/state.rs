//! What is remembered of a cluster between two commands.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::address::Addresses;
use crate::site::{self, ROOT, Site};
use crate::{Error, KubernetesVersion, Result, command};

/// One cluster, as stored in `cluster.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) index: u8,
    /// The boot in which the cluster was started: afterwards its namespaces and mounts are gone.
    pub(crate) boot: String,
    /// The version of Kubernetes that it is of, such as `v1.34.4`. Clusters from before there was a choice have the first one.
    #[serde(default = "first_version")]
    pub(crate) kubernetes: String,
    /// The components that it is meant to have.
    pub(crate) components: BTreeSet<String>,
    /// Where the programs of each tool are.
    pub(crate) tools: BTreeMap<String, PathBuf>,
}

fn first_version() -> String {
    KubernetesVersion::default().to_string()
}

impl State {
    fn file(name: &str) -> PathBuf {
        Path::new(ROOT).join(name).join("cluster.json")
    }

    /// The stored state; `None` if there is no such cluster.
    pub(crate) fn load(name: &str) -> Result<Option<Self>> {
        site::check_name(name)?;
        read(&Self::file(name))
    }

    pub(crate) fn save(&self, name: &str) -> Result<()> {
        write(&Self::file(name), self)
    }

    pub(crate) fn site(&self, name: &str) -> Result<Site> {
        Ok(Site::new(Path::new(ROOT), name, addresses(name, self.index)?))
    }
}

/// The addresses of the cluster with that index.
pub(crate) fn addresses(name: &str, index: u8) -> Result<Addresses> {
    let damaged = || Error::State { path: State::file(name), problem: format!("index {index}") };
    Addresses::of(index).ok_or_else(damaged)
}

/// The names of all clusters on this machine.
pub(crate) fn names() -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(ROOT)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| State::file(name).exists())
        .collect();
    names.sort();
    names
}

/// The lowest index that no cluster has, and whose ranges the machine does not route elsewhere.
pub(crate) async fn free_index() -> Result<u8> {
    let mut taken = BTreeSet::new();
    for name in names() {
        taken.extend(State::load(&name)?.map(|state| state.index));
    }
    let routes = command::run(command::command("ip", ["-4", "route", "show", "table", "all"])).await?;
    (1..=Addresses::LAST)
        .filter(|index| !taken.contains(index))
        .find(|index| {
            Addresses::of(*index).is_some_and(|addresses| {
                let ranges = [addresses.link_range(), addresses.pod_range(), addresses.service_range()];
                !routes.split_whitespace().any(|word| ranges.iter().any(|range| word == range))
            })
        })
        .ok_or(Error::NoAddresses(Addresses::LAST))
}

/// Reads a JSON file; `None` if there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::file("read", path)(error)),
    };
    serde_json::from_slice(&text)
        .map(Some)
        .map_err(|error| Error::State { path: path.to_owned(), problem: error.to_string() })
}

/// Writes a JSON file as a whole or not at all.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::State { path: path.to_owned(), problem: error.to_string() })?;
    write_text(path, text)
}

/// Writes a file as a whole or not at all, readable for its owner only: it may hold keys.
pub(crate) fn write_text(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(Error::file("create", folder))?;
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(Error::file("write in", folder))?;
    file.write_all(text.as_ref()).map_err(Error::file("write", path))?;
    file.persist(path).map_err(|error| Error::file("write", path)(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_is_read_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/cluster.json");
        assert_eq!(read::<State>(&path).unwrap(), None);
        let state = State {
            index: 3,
            boot: "b".to_owned(),
            kubernetes: "v1.36.1".to_owned(),
            components: BTreeSet::from(["etcd".to_owned()]),
            tools: BTreeMap::from([("etcd".to_owned(), PathBuf::from("/x"))]),
        };
        write(&path, &state).unwrap();
        assert_eq!(read(&path).unwrap(), Some(state));
    }

    #[test]
    fn a_cluster_from_before_there_was_a_choice_is_of_the_first_version() {
        let stored = serde_json::json!({"index": 3, "boot": "b", "components": [], "tools": {}});
        assert_eq!(serde_json::from_value::<State>(stored).unwrap().kubernetes, "v1.34.4");
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.json");
        std::fs::write(&path, "{").unwrap();
        let error = read::<State>(&path).unwrap_err().to_string();
        assert!(error.contains("cluster.json is damaged"), "{error}");
    }
}
