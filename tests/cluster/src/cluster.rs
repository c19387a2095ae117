//! The cluster as tests use it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use kube::Client;
use tokio::process::Command;

use crate::component::{Component, Profile};
use crate::context::Context;
use crate::process::{self, Process};
use crate::progress::Progress;
use crate::site::Site;
use crate::state::State;
use crate::up::{self, Options};
use crate::{Error, Result, components, containers, down, network, start, state};

/// A cluster that is up. Dropping it leaves the cluster as it is.
#[derive(Clone)]
pub struct Cluster {
    cx: Context,
    kubeconfig: PathBuf,
}

/// How a cluster is.
#[derive(Clone, Debug)]
pub struct Status {
    /// Its names, paths and addresses.
    pub site: Site,
    /// The version of Kubernetes that it is of, such as `v1.34.4`.
    pub kubernetes: String,
    /// Its components, in the registry's order.
    pub components: Vec<ComponentStatus>,
}

/// How a component is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentStatus {
    /// Its name.
    pub name: &'static str,
    /// What it is there for.
    pub about: &'static str,
    /// Its process, if that is alive.
    pub pid: Option<i32>,
}

/// How the S3 server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct S3 {
    /// Where it listens; plain HTTP, buckets as paths.
    pub address: SocketAddr,
    /// The region that requests have to name.
    pub region: &'static str,
    /// The access key's id.
    pub access_key: &'static str,
    /// The secret access key.
    pub secret_key: &'static str,
    /// Access key and secret of an account that may do nothing in the bucket.
    pub stranger: (&'static str, &'static str),
    /// The bucket into which `otel-collector` ships the pods' logs.
    pub bucket: &'static str,
}

impl Cluster {
    /// Brings the cluster up, or makes sure that it is. Missing Debian packages are installed.
    pub async fn up(name: &str, profile: Profile, with: &[&str], progress: &Progress) -> Result<Self> {
        let with = with.iter().map(|&component| component.to_owned()).collect();
        Self::up_with(name, &Options { profile, with, kubernetes: None, install: true }, progress).await
    }

    /// Brings the cluster up, or makes sure that it is.
    pub async fn up_with(name: &str, options: &Options, progress: &Progress) -> Result<Self> {
        Ok(Self::of(up::up(name, options, progress).await?))
    }

    /// A cluster that was brought up before, as it stands.
    pub async fn find(name: &str) -> Result<Self> {
        let state = State::load(name)?.ok_or_else(|| Error::NoCluster { name: name.to_owned() })?;
        Ok(Self::of(Context::new(state.site(name)?, &state).await?))
    }

    /// The names of all clusters on this machine.
    pub fn names() -> Vec<String> {
        state::names()
    }

    fn of(cx: Context) -> Self {
        Self { kubeconfig: cx.site().kubeconfig(), cx }
    }

    /// Its names, paths and addresses.
    pub fn site(&self) -> &Site {
        self.cx.site()
    }

    /// The admin's kubeconfig; it needs no other file.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A client with the admin's identity.
    pub fn client(&self) -> Client {
        self.cx.client()
    }

    /// The DNS zone that the cluster's BIND serves and external-dns writes, such as `blue.test`.
    pub fn zone(&self) -> String {
        self.site().zone()
    }

    /// The node's address; Traefik listens there, too. The machine reaches it, the pods and the Services.
    pub fn node_address(&self) -> Ipv4Addr {
        self.site().addresses().node()
    }

    /// The cluster's BIND, which answers for its zone.
    pub fn dns_server(&self) -> SocketAddr {
        self.site().addresses().dns_server()
    }

    /// The S3 server, if the cluster has the component `versitygw`.
    pub fn s3(&self) -> S3 {
        components::s3(self.site())
    }

    /// Stops a component and waits until its process is gone. One that is stopped already is fine.
    pub async fn stop(&self, component: &str) -> Result<()> {
        let component = self.component(component)?;
        let _lock = up::lock(self.site().name()).await?;
        self.stop_locked(component).await
    }

    /// Starts a component and waits until it is ready. One that runs already is fine.
    pub async fn start(&self, component: &str) -> Result<()> {
        let component = self.component(component)?;
        let _lock = up::lock(self.site().name()).await?;
        match Process::find(self.site(), component.facts().name)? {
            Some(_) => Ok(()),
            None => start::process(&self.cx, component, &[]).await,
        }
    }

    /// Stops a component and starts it again.
    pub async fn restart(&self, component: &str) -> Result<()> {
        self.restart_with(component, &[]).await
    }

    /// Stops a component and starts it again with flags instead of its own of the same name, such as `--interval=20s`: a defect. It
    /// lasts until the component is started anew or the cluster brought up again.
    pub async fn restart_with(&self, component: &str, flags: &[String]) -> Result<()> {
        let component = self.component(component)?;
        let _lock = up::lock(self.site().name()).await?;
        self.stop_locked(component).await?;
        start::process(&self.cx, component, flags).await
    }

    async fn stop_locked(&self, component: &'static dyn Component) -> Result<()> {
        match Process::find(self.site(), component.facts().name)? {
            Some(process) => process.stop(self.site(), component.grace()).await,
            None => Ok(()),
        }
    }

    /// The component, if this cluster has it.
    fn component(&self, name: &str) -> Result<&'static dyn Component> {
        let state =
            State::load(self.site().name())?.ok_or_else(|| Error::NoCluster { name: self.site().name().to_owned() })?;
        if !state.components.contains(name) {
            let known = state.components.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Error::NoComponent { name: name.to_owned(), known });
        }
        components::named(name)
    }

    /// Lets this cluster and another reach each other's nodes, pods and Services, for as long as both are up.
    pub fn connect(&self, other: &Self) -> Result<()> {
        network::forward(self.site())?;
        network::forward(other.site())
    }

    /// Loads an OCI archive into the node, and returns the names of its images.
    pub async fn load(&self, archive: &Path) -> Result<Vec<String>> {
        containers::load(self.site(), archive).await
    }

    /// A command that runs inside the cluster's network namespace, with KUBECONFIG and PATH (kubectl) set.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = process::in_namespace(self.site());
        command.env("KUBECONFIG", &self.kubeconfig).env("PATH", process::search_path(self.site()));
        command.arg(program);
        command
    }

    /// The last lines of a component's log; empty if it has none.
    pub fn log_tail(&self, component: &str, lines: usize) -> String {
        start::log_tail(self.site(), component, lines)
    }

    /// How its components are.
    pub fn status(&self) -> Result<Status> {
        let name = self.site().name();
        let state = State::load(name)?.ok_or_else(|| Error::NoCluster { name: name.to_owned() })?;
        let mut statuses = Vec::new();
        for facts in components::ALL.iter().map(|component| component.facts()) {
            if state.components.contains(facts.name) {
                let pid = Process::find(self.site(), facts.name)?.map(|process| process.id());
                statuses.push(ComponentStatus { name: facts.name, about: facts.about, pid });
            }
        }
        Ok(Status { site: self.site().clone(), kubernetes: state.kubernetes, components: statuses })
    }

    /// Takes the cluster down and leaves nothing of it.
    pub async fn down(self) -> Result<()> {
        Self::remove(self.site().name()).await.map(drop)
    }

    /// Takes a cluster down by its name, and says whether there was one.
    pub async fn remove(name: &str) -> Result<bool> {
        down::down(name).await
    }
}
