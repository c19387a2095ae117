//! Records a fixture of the diagnosis: gathers what a cluster says about a failure and prints it as YAML, with what the
//! diagnosis says now. Whoever records it has to see that this is right.
//!
//! ```console
//! cargo run --example record_evidence -- CHECK STEP NAMESPACE KIND/NAME EXPECTED SEEN HOW_IT_WAS_MADE
//! ```
//!
//! A KIND/NAME of `-` stands for a failure without an object. With `--report REPORT.json HOW_IT_WAS_MADE` the failure is that of a
//! real run, whose objects were kept (`--keep`). With the path of a fixture alone, that fixture is printed anew with what the
//! diagnosis says now.

use kibertas::cluster::Access;
use kibertas::diagnosis::evidence::Evidence;
use kibertas::diagnosis::{Scene, causes, conclude, gather::gather};
use kibertas::failure::{Failure, ObjectRef};
use kibertas::result::RunResult;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (source, made, failure, evidence) = match args.as_slice() {
        [file] => {
            let fixture: Value = serde_saphyr::from_str(&std::fs::read_to_string(file)?)?;
            let part = |name: &str| fixture.get(name).cloned().unwrap_or_else(|| json!({}));
            (
                part("source"),
                part("made"),
                serde_json::from_value(part("failure"))?,
                serde_json::from_value(part("evidence"))?,
            )
        }
        [option, file, made] if option == "--report" => {
            let run: RunResult = serde_json::from_str(&std::fs::read_to_string(file)?)?;
            let check = run.checks.iter().find(|check| check.failure.is_some()).ok_or("nothing failed in that run")?;
            let failure = check.failure.clone().ok_or("no failure")?;
            let failure = Failure { cause: None, next: Vec::new(), details: Vec::new(), ..failure };
            let step = check.broken_step().map(|step| step.name.clone()).unwrap_or_default();
            let namespace = check.namespace.clone().unwrap_or_default();
            let own = namespace.contains(&run.run);
            let scene = Scene {
                check: &check.name,
                step: &step,
                namespace: &namespace,
                namespace_used: true,
                only_of_run: (!own).then_some(run.run.as_str()),
            };
            (json!("real"), json!(made), failure.clone(), recorded(&scene, &failure).await?)
        }
        [check, step, namespace, object, expected, seen, made] => {
            let mut failure = Failure::failed(expected.as_str()).saw(seen.as_str());
            if let Some((kind, name)) = object.split_once('/') {
                failure = failure.on(ObjectRef::new(kind, namespace, name));
            }
            let scene = Scene { check, step, namespace, namespace_used: true, only_of_run: None };
            let evidence = recorded(&scene, &failure).await?;
            (json!("real"), json!(made), failure, evidence)
        }
        _ => {
            let usage = "FIXTURE.yaml | --report REPORT.json HOW_IT_WAS_MADE | CHECK STEP NAMESPACE KIND/NAME EXPECTED SEEN HOW_IT_WAS_MADE";
            return Err(format!("usage: record_evidence {usage}").into());
        }
    };
    let found = causes::find(&failure, &evidence);
    let concluded = conclude(failure.clone(), &evidence);
    let expect = found.first().zip(concluded.cause).map(|(best, cause)| {
        json!({
            "id": best.cause.id,
            "certainty": cause.certainty,
            "origin": cause.origin,
            "says": cause.text,
            "next": concluded.next.first(),
        })
    });
    let fixture = json!({"source": source, "made": made, "expect": expect, "failure": failure, "evidence": evidence});
    print!("{}", serde_saphyr::to_string(&fixture)?);
    Ok(())
}

/// What the cluster says now; of one that does not answer, what a run notes then.
async fn recorded(scene: &Scene<'_>, failure: &Failure) -> Result<Evidence, Box<dyn std::error::Error>> {
    let evidence = match Access::default().connect(None).await {
        Ok(cluster) => gather(&cluster.client, scene, failure).await,
        Err(_) => Evidence {
            check: scene.check.to_owned(),
            step: scene.step.to_owned(),
            namespace: scene.namespace.to_owned(),
            gaps: vec!["the API server did not answer within 1 s".to_owned()],
            ..Evidence::default()
        },
    };
    let mut evidence = serde_json::to_value(&evidence)?;
    forget_noise(&mut evidence);
    Ok(serde_json::from_value(evidence)?)
}

/// Removes what no cause asks for, so that a fixture can be read.
fn forget_noise(value: &mut Value) {
    const NOISE: &[&str] = &[
        "addresses",
        "allocatable",
        "capacity",
        "creationTimestamp",
        "daemonEndpoints",
        "deployment.kubernetes.io/desired-replicas",
        "deployment.kubernetes.io/max-replicas",
        "deployment.kubernetes.io/revision",
        "dnsPolicy",
        "enableServiceLinks",
        "features",
        "finishedAt",
        "generateName",
        "hostIP",
        "hostIPs",
        "imagePullPolicy",
        "lastHeartbeatTime",
        "lastProbeTime",
        "lastTransitionTime",
        "lastUpdateTime",
        "nodeInfo",
        "ownerReferences",
        "podIP",
        "podIPs",
        "pod-template-hash",
        "preemptionPolicy",
        "priority",
        "progressDeadlineSeconds",
        "qosClass",
        "restartPolicy",
        "revisionHistoryLimit",
        "runtimeHandlers",
        "schedulerName",
        "startTime",
        "startedAt",
        "template",
        "terminationGracePeriodSeconds",
        "terminationMessagePath",
        "terminationMessagePolicy",
        "volumeMounts",
        "config",
        "internalTrafficPolicy",
        "ipFamilies",
        "ipFamilyPolicy",
        "sessionAffinity",
        "clusterIPs",
        "nodeRef",
        "targetRef",
        "automountServiceAccountToken",
        "serviceAccount",
        "kubernetes.io/metadata.name",
        "request",
        "jobTemplate",
        "securityContext",
        "resources",
        "volumes",
        "kibertas.dev/expires",
        "readOnlyRootFilesystem",
        "requirements",
        "disruption",
        "karpenter.sh/nodepool-hash",
        "volumesInUse",
    ];
    /// Events of everything that goes well.
    const EVERYDAY: &[&str] =
        &["ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Created", "Pulled", "Pulling", "Started"];
    let is_noise = |key: &str| NOISE.contains(&key) || key.starts_with("alb.ingress.kubernetes.io/");
    let everyday = |item: &Value| {
        item["type"] == "Normal" && EVERYDAY.iter().any(|reason| item["reason"] == **reason) && item["at"].is_string()
    };
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !is_noise(key) && !matches!(value, Value::Null));
            map.values_mut().for_each(forget_noise);
        }
        Value::Array(items) => {
            items.retain(|item| !everyday(item));
            items.iter_mut().for_each(forget_noise);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
