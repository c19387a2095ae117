//! Records a fixture of the diagnosis: gathers what a cluster says about a failure and prints it as YAML, with what the
//! diagnosis says now. Whoever records it has to see that this is right.
//!
//! ```console
//! cargo run --example record_evidence -- CHECK STEP NAMESPACE KIND/NAME EXPECTED SEEN HOW_IT_WAS_MADE
//! ```
//!
//! A KIND/NAME of `-` stands for a failure without an object. With the path of a fixture alone, that fixture is printed anew with
//! what the diagnosis says now.

use kibertas::cluster::Access;
use kibertas::diagnosis::{Scene, causes, conclude, gather::gather};
use kibertas::failure::{Failure, ObjectRef};
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
        [check, step, namespace, object, expected, seen, made] => {
            let mut failure = Failure::failed(expected.as_str()).saw(seen.as_str());
            if let Some((kind, name)) = object.split_once('/') {
                failure = failure.on(ObjectRef::new(kind, namespace, name));
            }
            let cluster = Access::default().connect(None).await?;
            let scene = Scene { check, step, namespace, only_of_run: None };
            let evidence = gather(&cluster.client, &scene, &failure).await;
            let mut evidence = serde_json::to_value(&evidence)?;
            forget_noise(&mut evidence);
            (json!("real"), json!(made), failure, serde_json::from_value(evidence)?)
        }
        _ => {
            let usage = "FIXTURE.yaml | CHECK STEP NAMESPACE KIND/NAME EXPECTED SEEN HOW_IT_WAS_MADE";
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
    ];
    match value {
        Value::Object(map) => {
            map.retain(|key, value| !NOISE.contains(&key.as_str()) && !matches!(value, Value::Null));
            map.values_mut().for_each(forget_noise);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_noise),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
