//! What a component is.

use std::time::Duration;

use async_trait::async_trait;

use crate::Result;
use crate::context::Context;
use crate::packages::Package;
use crate::process::Invocation;
use crate::ready::Seen;
use crate::tool::GoTool;

/// Which components a cluster gets without naming them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Profile {
    /// The control plane, one node and the cluster's DNS.
    Core,
    /// And the add-ons that the checks prove: ingress, DNS zone, certificates, canary releases.
    Full,
}

/// What is known of a component without a cluster.
#[derive(Debug)]
pub struct Facts {
    /// Its name in commands.
    pub name: &'static str,
    /// What it is there for, in a few words.
    pub about: &'static str,
    /// The smallest profile that has it; `None` for one that is only there when it is asked for.
    pub profile: Option<Profile>,
    /// The components that have to be ready before it is prepared. Asking for a component asks for these, too.
    pub needs: &'static [&'static str],
    /// The programs that are built for it.
    pub tools: &'static [&'static GoTool],
    /// The programs that the system has to have for it.
    pub packages: &'static [Package],
}

/// One process of the cluster. To add one, see the README of this crate.
#[async_trait]
pub trait Component: Send + Sync {
    /// What is known of it without a cluster.
    fn facts(&self) -> &'static Facts;

    /// Makes what has to be there before its process starts: configuration, manifests. Repeating it changes nothing.
    async fn prepare(&self, _cx: &Context) -> Result<()> {
        Ok(())
    }

    /// How its process is started.
    async fn invocation(&self, cx: &Context) -> Result<Invocation>;

    /// Returns when it does its work. The caller sees to the deadline, and to a process that ends meanwhile.
    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()>;

    /// How long its process has to end by itself when it is asked to (SIGTERM) before it is killed.
    fn grace(&self) -> Duration {
        Duration::from_secs(5)
    }
}
