//! What a component is given: the site, the built tools, and the API.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersion, GroupVersionKind};
use kube::discovery::{self, ApiGroup, Scope};
use tokio::sync::Mutex;

use crate::site::Site;
use crate::tool::{Built, GoTool};
use crate::{Error, Result, kubeconfig, state::State};

/// What a component is given.
#[derive(Clone)]
pub struct Context(Arc<Inner>);

struct Inner {
    site: Site,
    tools: BTreeMap<String, Built>,
    client: Client,
    groups: Mutex<HashMap<String, Arc<ApiGroup>>>,
}

impl Context {
    pub(crate) async fn new(site: Site, state: &State) -> Result<Self> {
        let client = client(&site).await?;
        let tools = state.tools.iter().map(|(name, path)| (name.clone(), Built::at(path.clone()))).collect();
        Ok(Self(Arc::new(Inner { site, tools, client, groups: Mutex::default() })))
    }

    /// The cluster's names, paths and addresses.
    pub fn site(&self) -> &Site {
        &self.0.site
    }

    /// The admin's client.
    pub fn client(&self) -> Client {
        self.0.client.clone()
    }

    /// A built tool.
    pub fn tool(&self, tool: &GoTool) -> Result<&Built> {
        self.0.tools.get(tool.name).ok_or_else(|| Error::NoComponent {
            name: tool.name.to_owned(),
            known: self.0.tools.keys().cloned().collect::<Vec<_>>().join(", "),
        })
    }

    /// How the API server serves a kind.
    pub(crate) async fn resource(&self, kind: &GroupVersionKind) -> Result<(ApiResource, Scope)> {
        let version = GroupVersion::gv(&kind.group, &kind.version);
        let mut groups = self.0.groups.lock().await;
        let known = |group: &ApiGroup| {
            let mut resources = group.versioned_resources(&kind.version).into_iter();
            resources.find(|(resource, _)| resource.kind == kind.kind).map(|(resource, caps)| (resource, caps.scope))
        };
        if let Some(found) = groups.get(&version.api_version()).and_then(|group| known(group)) {
            return Ok(found);
        }
        let action = format!("list the kinds of {}", version.api_version());
        let group = discovery::pinned_group(&self.0.client, &version).await.map_err(Error::api(action.clone()))?;
        let found = known(&group);
        groups.insert(version.api_version(), Arc::new(group));
        found.ok_or_else(|| Error::Manifest { manifest: action, problem: format!("no kind {} there", kind.kind) })
    }
}

/// A client with the admin's identity.
pub(crate) async fn client(site: &Site) -> Result<Client> {
    let path = kubeconfig::of_user(site, "admin", "admin", &["system:masters"])?;
    let damaged = |error: &dyn std::error::Error| Error::State { path: path.clone(), problem: error.to_string() };
    let kubeconfig = Kubeconfig::read_from(&path).map_err(|error| damaged(&error))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(|error| damaged(&error))?;
    Client::try_from(config).map_err(|error| damaged(&error))
}
