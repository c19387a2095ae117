//! Images that do not reach the node.

use super::{Cause, Finding};
use crate::diagnosis::containers::{Container, in_trouble};
use crate::diagnosis::evidence::Evidence;
use crate::diagnosis::wording::{has_any, quoted, shell_word};
use crate::failure::{Certainty, Failure, Origin};

/// The causes, the more specific first.
///
/// Reasons: <https://github.com/kubernetes/kubernetes/blob/v1.34.4/pkg/kubelet/images/types.go>; the texts come from containerd.
pub(super) static CAUSES: &[Cause] = &[
    Cause {
        id: "image-name-invalid",
        about: "The image's name is none.",
        sign: "A container waits with InvalidImageName.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: name_invalid,
    },
    Cause {
        id: "image-never-pulled",
        about: "The image is not on the node and must not be pulled.",
        sign: "A container waits with ErrImageNeverPull.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: never_pulled,
    },
    Cause {
        id: "image-rate-limited",
        about: "The registry has no more pulls for us for now.",
        sign: "An image cannot be pulled: `toomanyrequests` or `429`.",
        certainty: Certainty::Certain,
        origin: Origin::Outside,
        find: rate_limited,
    },
    Cause {
        id: "image-pull-unauthorized",
        about: "The registry wants credentials that the node or the pod does not have.",
        sign: "An image cannot be pulled: `401`, `403`, `unauthorized`, `no basic auth credentials`.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: unauthorized,
    },
    Cause {
        id: "image-registry-untrusted",
        about: "The node does not trust the registry's certificate.",
        sign: "An image cannot be pulled: an x509 error.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: untrusted,
    },
    Cause {
        id: "image-platform-missing",
        about: "The image is not built for the node's platform.",
        sign: "An image cannot be pulled: `no match for platform in manifest`.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: platform_missing,
    },
    Cause {
        id: "image-registry-unreachable",
        about: "The node cannot reach the registry, or cannot resolve its name.",
        sign: "An image cannot be pulled: a name that does not resolve, a refused connection, a timeout.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: unreachable,
    },
    Cause {
        id: "image-not-found",
        about: "The registry does not have the image.",
        sign: "An image cannot be pulled: `not found` or `manifest unknown`.",
        certainty: Certainty::Certain,
        origin: Origin::Harness,
        find: not_found,
    },
    Cause {
        id: "image-pull-fails",
        about: "The image cannot be pulled, for a reason that is in the message.",
        sign: "A container waits with ErrImagePull or ImagePullBackOff.",
        certainty: Certainty::Certain,
        origin: Origin::Cluster,
        find: pull_fails,
    },
];

/// The container whose image cannot be pulled, with everything that was said about that.
fn failed_pull(evidence: &Evidence) -> Option<(Container<'_>, String)> {
    let waits = ["ErrImagePull", "ImagePullBackOff", "ImageInspectError", "RegistryUnavailable"];
    let container = in_trouble(evidence).find(|container| waits.contains(&container.waits_for()))?;
    // While the kubelet backs off, only the event still tells the error.
    let about = |name: &str| name == container.pod.name();
    let events =
        evidence.events_with(&["Failed"]).filter(|event| about(&event.name) && event.message.contains("ull image"));
    let event = events.map(|event| event.message.as_str()).next().unwrap_or_default();
    let text = if event.is_empty() { container.wait_message().to_owned() } else { event.to_owned() };
    Some((container, text))
}

fn matching(evidence: &Evidence, words: &[&str]) -> Option<(String, String)> {
    let (container, text) = failed_pull(evidence)?;
    // The image's own name may have any of the words in it.
    let image = container.image();
    let said = text.replace(image, "");
    has_any(&said, words).then(|| (quoted(image), innermost(&text)))
}

/// The end of a chain of errors, where the fault itself is.
fn innermost(text: &str) -> String {
    let text = text.rsplit_once("failed to do request: ").map_or(text, |(_, inner)| inner);
    let text = text.rsplit_once("failed to resolve reference ").map_or(text, |(_, inner)| inner);
    quoted(text)
}

fn repair(finding: Finding) -> Finding {
    finding.next("set KIBERTAS_IMAGE to an image that the nodes can pull")
}

fn name_invalid(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let container = in_trouble(evidence).find(|container| container.waits_for() == "InvalidImageName")?;
    Some(repair(Finding::new(format!("{:?} is not the name of an image", quoted(container.image())))))
}

fn never_pulled(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let container = in_trouble(evidence).find(|container| container.waits_for() == "ErrImageNeverPull")?;
    let node = container.pod.text("/spec/nodeName");
    Some(repair(
        Finding::new(format!(
            "the image {} is not on node {node}, and the pod forbids to pull it",
            quoted(container.image())
        ))
        .next(format!("kubectl get node {} -o jsonpath='{{.status.images[*].names}}'", shell_word(node))),
    ))
}

fn rate_limited(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (image, said) = matching(evidence, &["toomanyrequests", "429 Too Many Requests", "rate limit"])?;
    Some(
        repair(Finding::new(format!("the registry allows no more pulls of {image} for now: {said}")))
            .next("use a mirror, or pull with credentials"),
    )
}

fn unauthorized(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = [
        "401 Unauthorized",
        "403 Forbidden",
        "unauthorized",
        "no basic auth credentials",
        "authorization failed",
        "pull access denied",
    ];
    let (image, said) = matching(evidence, &words)?;
    Some(repair(Finding::new(format!("the registry does not let the node pull {image}: {said}")).next(
        "see which credentials the node has: its instance role, or imagePullSecrets of the pod's ServiceAccount",
    )))
}

fn untrusted(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (image, said) = matching(evidence, &["x509:"])?;
    Some(repair(
        Finding::new(format!("the node does not trust the certificate of the registry of {image}: {said}"))
            .next("see the registry's certificate, and the trusted roots in the node's container runtime"),
    ))
}

fn platform_missing(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (image, said) = matching(evidence, &["no match for platform in manifest"])?;
    Some(repair(
        Finding::new(format!("{image} is not built for the node's platform: {said}"))
            .next("kubectl get nodes -L kubernetes.io/arch,kubernetes.io/os"),
    ))
}

fn unreachable(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let words = [
        "no such host",
        "name resolution",
        "server misbehaving",
        "connection refused",
        "i/o timeout",
        "deadline exceeded",
        "no route to host",
        "network is unreachable",
        "connection reset",
    ];
    let (image, said) = matching(evidence, &words)?;
    Some(repair(
        Finding::new(format!("the node cannot reach the registry of {image}: {said}"))
            .next("see the node's DNS, its route out (NAT, proxy, VPC endpoint) and the registry itself"),
    ))
}

fn not_found(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (image, said) = matching(evidence, &["not found", "manifest unknown", "404"])?;
    Some(repair(Finding::new(format!("the registry does not have the image {image}: {said}"))))
}

fn pull_fails(_failure: &Failure, evidence: &Evidence) -> Option<Finding> {
    let (container, text) = failed_pull(evidence)?;
    Some(repair(Finding::new(format!(
        "the image {} cannot be pulled: {}",
        quoted(container.image()),
        innermost(&text)
    ))))
}
