//! Records a fixture of the diagnosis: gathers what a cluster says about a failure and prints it as YAML.
//!
//! ```console
//! cargo run --example record_evidence -- CHECK NAMESPACE KIND/NAME EXPECTED SEEN > src/diagnosis/fixtures/ID.yaml
//! ```
//!
//! A KIND/NAME of `-` stands for a failure without an object.

use kibertas::cluster::Access;
use kibertas::diagnosis::{Scene, conclude, gather::gather};
use kibertas::failure::{Failure, ObjectRef};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [check, namespace, object, expected, seen] = args.as_slice() else {
        return Err("usage: record_evidence CHECK NAMESPACE KIND/NAME EXPECTED SEEN".into());
    };
    let mut failure = Failure::failed(expected.as_str()).saw(seen.as_str());
    if let Some((kind, name)) = object.split_once('/') {
        failure = failure.on(ObjectRef::new(kind, namespace, name));
    }
    let cluster = Access::default().connect(None).await?;
    let scene = Scene { check, step: "", namespace, only_of_run: None };
    let evidence = gather(&cluster.client, &scene, &failure).await;
    let concluded = conclude(failure.clone(), &evidence);
    let fixture = serde_json::json!({"failure": failure, "evidence": evidence, "concluded": concluded});
    print!("{}", serde_saphyr::to_string(&fixture)?);
    Ok(())
}
