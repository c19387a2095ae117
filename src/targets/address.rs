//! A target as an address on the command line: `context://NAME`, `in-cluster`, `eks://REGION/CLUSTER`, `argocd://NAMESPACE/CLUSTER`,
//! `argocd://NAMESPACE?SELECTOR`.

use super::{Given, Way, Which};
use crate::aws::eks::EksTarget;
use crate::cluster::Access;
use crate::config::ConfigError;

/// What an address may look like, to complete "should be …".
pub(super) const FORMS: &str = "a name of targets: in the configuration, context://NAME, in-cluster, eks://REGION/CLUSTER, \
                                argocd://NAMESPACE/CLUSTER or argocd://NAMESPACE?LABEL=VALUE,…";

/// Reads an address: a name for the target, and the way. `None` where it is none, so that it can only be a name.
pub(super) fn parse(given: &str, access: &Access) -> Result<Option<(String, Given)>, ConfigError> {
    let wrong = |expected: &str| Err(ConfigError::one("--target", Some(given.to_owned()), expected));
    if given == "in-cluster" {
        return Ok(Some((given.to_owned(), Given::Way(Way::InCluster))));
    }
    let Some((scheme, rest)) = given.split_once("://") else { return Ok(None) };
    match scheme {
        "context" if rest.is_empty() => wrong("context://NAME, with a context of the kubeconfig"),
        "context" => {
            let access = Access { kubeconfig: access.kubeconfig.clone(), context: Some(rest.to_owned()) };
            Ok(Some((rest.to_owned(), Given::Way(Way::Kubeconfig(access)))))
        }
        "eks" => match rest.split_once('/') {
            Some((region, cluster)) if !region.is_empty() && !cluster.is_empty() => {
                let (region, cluster) = (region.to_owned(), cluster.to_owned());
                let name = cluster.clone();
                let eks = EksTarget { cluster, region, ..EksTarget::default() };
                Ok(Some((name, Given::Way(Way::Eks(Box::new(eks))))))
            }
            _ => wrong("eks://REGION/CLUSTER; a role or a profile stands in targets: of the configuration"),
        },
        "argocd" => {
            let cluster = rest.split_once('/').map(|(namespace, name)| (namespace, Which::Named(name.to_owned())));
            let labels = || rest.split_once('?').map(|(ns, labels)| (ns, Which::Labelled(labels.to_owned())));
            match cluster.or_else(labels) {
                Some((namespace, which)) if !namespace.is_empty() && !which.text().is_empty() => {
                    let name = which.text().to_owned();
                    Ok(Some((name, Given::ArgoCd { namespace: namespace.to_owned(), which })))
                }
                _ => wrong("argocd://NAMESPACE/CLUSTER or argocd://NAMESPACE?LABEL=VALUE,…"),
            }
        }
        _ => wrong(FORMS),
    }
}
