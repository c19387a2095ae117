//! The pods of checks: our own image, under the `restricted` Pod Security level, small, and quick to go.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, Pod, PodSecurityContext, PodSpec, Probe,
    ResourceRequirements, SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The unprivileged user of the image.
const USER: i64 = 65_532;
/// The port of `probe http` in a pod.
pub const HTTP_PORT: i32 = 8080;
/// The label by which a check's Services and selectors find its pods.
pub const APP_LABEL: &str = "app.kubernetes.io/name";

/// A pod template's spec that runs this program with `args`.
///
/// `serves_http`: whether it listens on [`HTTP_PORT`], and is ready only once it does.
pub fn pod_spec(image: &str, args: &[&str], env: &[(&str, &str)], serves_http: bool) -> PodSpec {
    let quantity = |text: &str| Quantity(text.to_owned());
    PodSpec {
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        // The program ends at once on SIGTERM; nothing is lost by a short grace period, and clean-up is quick.
        termination_grace_period_seconds: Some(2),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }),
            ..PodSecurityContext::default()
        }),
        containers: vec![Container {
            name: "kibertas".to_owned(),
            image: Some(image.to_owned()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            args: Some(args.iter().map(|&arg| arg.to_owned()).collect()),
            env: (!env.is_empty()).then(|| {
                let var = |&(name, value): &(&str, &str)| EnvVar {
                    name: name.to_owned(),
                    value: Some(value.to_owned()),
                    ..EnvVar::default()
                };
                env.iter().map(var).collect()
            }),
            ports: serves_http.then(|| {
                vec![ContainerPort {
                    name: Some("http".to_owned()),
                    container_port: HTTP_PORT,
                    ..ContainerPort::default()
                }]
            }),
            readiness_probe: serves_http.then(|| Probe {
                http_get: Some(HTTPGetAction {
                    path: Some("/healthz".to_owned()),
                    port: IntOrString::Int(HTTP_PORT),
                    ..HTTPGetAction::default()
                }),
                period_seconds: Some(1),
                failure_threshold: Some(3),
                ..Probe::default()
            }),
            resources: Some(ResourceRequirements {
                requests: Some([("cpu".to_owned(), quantity("10m")), ("memory".to_owned(), quantity("16Mi"))].into()),
                limits: Some([("memory".to_owned(), quantity("64Mi"))].into()),
                ..ResourceRequirements::default()
            }),
            security_context: Some(SecurityContext {
                allow_privilege_escalation: Some(false),
                read_only_root_filesystem: Some(true),
                run_as_non_root: Some(true),
                capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
                ..SecurityContext::default()
            }),
            ..Container::default()
        }],
        ..PodSpec::default()
    }
}

/// Whether a pod has the condition Ready; phase Running alone is not enough.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True")
}

/// Why a pod will not become ready, if its state says so: an image that cannot be pulled, a container that crashes.
///
/// `CrashLoopBackOff` counts from the second restart on, because the first may be a start-up race.
pub fn broken(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
    for container in containers {
        let waiting = container.state.as_ref().and_then(|s| s.waiting.as_ref());
        let reason = waiting.and_then(|w| w.reason.as_deref()).unwrap_or_default();
        let message = waiting.and_then(|w| w.message.as_deref()).unwrap_or_default();
        let name = pod.metadata.name.as_deref().unwrap_or("?");
        match reason {
            "ImagePullBackOff" | "ErrImageNeverPull" | "InvalidImageName" | "CreateContainerConfigError" => {
                return Some(format!("pod {name}: {reason}: {message}"));
            }
            "CrashLoopBackOff" if container.restart_count >= 2 => {
                let ended = container.last_state.as_ref().and_then(|s| s.terminated.as_ref());
                let code = ended.map_or_else(String::new, |t| format!(", last exit code {}", t.exit_code));
                return Some(format!("pod {name}: {reason} after {} restarts{code}", container.restart_count));
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(status: serde_json::Value) -> Pod {
        serde_json::from_value(serde_json::json!({"metadata": {"name": "p"}, "status": status})).unwrap()
    }

    #[test]
    fn running_is_not_ready() {
        assert!(!is_ready(&pod(serde_json::json!({"phase": "Running"}))));
        let conditions = serde_json::json!([{"type": "Ready", "status": "True"}]);
        assert!(is_ready(&pod(serde_json::json!({"conditions": conditions}))));
    }

    #[test]
    fn a_first_restart_is_forgiven_and_a_loop_is_not() {
        let crashing = |restarts: i32| {
            pod(serde_json::json!({"containerStatuses": [{
                "name": "c", "ready": false, "restartCount": restarts, "image": "", "imageID": "",
                "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 3}},
            }]}))
        };
        assert_eq!(broken(&crashing(1)), None);
        assert_eq!(broken(&crashing(2)).unwrap(), "pod p: CrashLoopBackOff after 2 restarts, last exit code 3");
    }
}
