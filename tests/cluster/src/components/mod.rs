//! The registry of components: one line each.

mod argo_cd;
mod argo_rollouts;
mod argo_workflows;
mod bind;
mod cert_manager;
mod cluster_autoscaler_stand_in;
mod containerd;
mod coredns;
mod etcd;
mod external_dns;
mod helm;
mod karpenter;
mod kube_apiserver;
mod kube_controller_manager;
mod kube_proxy;
mod kube_scheduler;
mod kubeconform;
mod kubelet;
mod kubernetes;
mod kwok;
mod otel_collector;
mod traefik;
mod versitygw;

use std::collections::BTreeSet;

use crate::component::{Component, Profile};
use crate::tool::GoTool;
use crate::{Error, Result};

pub(crate) use karpenter::NODE_TAINT;
pub(crate) use kubernetes::KUBERNETES;
pub use kubernetes::KubernetesVersion;
pub(crate) use versitygw::s3;

/// All components.
pub static ALL: &[&dyn Component] = &[
    &etcd::Etcd,
    &containerd::Containerd,
    &kube_apiserver::KubeApiserver,
    &kube_controller_manager::KubeControllerManager,
    &kube_scheduler::KubeScheduler,
    &kubelet::Kubelet,
    &kube_proxy::KubeProxy,
    &coredns::Coredns,
    &bind::Bind,
    &traefik::Traefik,
    &cert_manager::Controller,
    &cert_manager::Webhook,
    &cert_manager::Cainjector,
    &argo_rollouts::ArgoRollouts,
    &external_dns::ExternalDns,
    &kwok::Kwok,
    &karpenter::Karpenter,
    &cluster_autoscaler_stand_in::ClusterAutoscalerStandIn,
    &versitygw::Versitygw,
    &otel_collector::OtelCollector,
    &argo_cd::Redis,
    &argo_cd::RepoServer,
    &argo_cd::Controller,
    &argo_cd::ApplicationSets,
    &argo_cd::Notifications,
    &argo_workflows::ArgoWorkflows,
];

/// The component of that name.
pub fn named(name: &str) -> Result<&'static dyn Component> {
    ALL.iter().copied().find(|component| component.facts().name == name).ok_or_else(|| Error::NoComponent {
        name: name.to_owned(),
        known: ALL.iter().map(|component| component.facts().name).collect::<Vec<_>>().join(", "),
    })
}

/// All tools, those of no component among them, each once.
pub(crate) fn tools() -> Vec<&'static GoTool> {
    let mut tools: Vec<&'static GoTool> = vec![&kubeconform::KUBECONFORM];
    for tool in ALL.iter().flat_map(|component| component.facts().tools) {
        if !tools.iter().any(|known| known.name == tool.name) {
            tools.push(tool);
        }
    }
    tools
}

/// The components of a profile, those asked for besides, and what they all need.
pub(crate) fn select<'a>(profile: Profile, with: impl IntoIterator<Item = &'a str>) -> Result<BTreeSet<String>> {
    let in_profile = |component: &&&dyn Component| component.facts().profile.is_some_and(|it| it <= profile);
    let mut selected: BTreeSet<_> =
        ALL.iter().filter(in_profile).map(|component| component.facts().name.to_owned()).collect();
    let mut open: Vec<String> = with.into_iter().map(str::to_owned).chain(selected.clone()).collect();
    while let Some(name) = open.pop() {
        let component = named(&name)?;
        selected.insert(name);
        open.extend(component.facts().needs.iter().filter(|it| !selected.contains(**it)).map(|it| (*it).to_owned()));
    }
    Ok(selected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_every_need_is_met() {
        let mut names = BTreeSet::new();
        for component in ALL {
            let facts = component.facts();
            assert!(names.insert(facts.name), "{} is there twice", facts.name);
            assert!(facts.name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'));
            for need in facts.needs {
                let needed = named(need).unwrap().facts();
                // What a profile has cannot need what it has not.
                assert!(facts.profile.is_none_or(|it| needed.profile.is_some_and(|needed| needed <= it)), "{need}");
            }
        }
    }

    #[test]
    fn tools_have_a_module_and_their_programs() {
        let versions = KubernetesVersion::all().map(|version| version.variant(KUBERNETES));
        for tool in tools().into_iter().chain(versions) {
            let (name, module) = tool.files[0];
            assert_eq!(name, "go.mod");
            assert!(module.starts_with("module "), "{}", tool.name);
            assert!(
                tool.files.iter().any(|(name, _)| *name == "main.go") || module.contains("\ntool "),
                "{}",
                tool.name
            );
            assert!(!tool.programs.is_empty(), "{}", tool.name);
        }
    }

    #[test]
    fn a_selection_is_closed() {
        let core = select(Profile::Core, []).unwrap();
        assert!(core.contains("kubelet") && core.contains("etcd"));
        assert!(core.is_subset(&select(Profile::Full, []).unwrap()));
        let error = select(Profile::Core, ["no-such"]).unwrap_err().to_string();
        assert!(error.contains("`no-such`") && error.contains("kube-apiserver"), "{error}");
    }
}
