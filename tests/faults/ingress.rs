//! Ingress and DNS, whole and broken.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};

use super::run;
use super::world::{World, alone, on_whole};

/// A record of somebody else: of the addresses for documentation (<https://www.rfc-editor.org/rfc/rfc5737>).
const ELSEWHERE: &str = "192.0.2.7";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        on_whole(world, "ingress::passes", |world| run::test(&world.environment(), &["ingress"])?.expect_pass()),
        on_whole(world, "ingress::passes_without_dns", |world| {
            let report = run::test(&world.environment(), &["ingress", "--no-dns-check"])?;
            report.expect_pass()?;
            let asked =
                report.check()["steps"].as_array().into_iter().flatten().any(|step| step["name"] == "dns record");
            if asked { Err("it asked for DNS all the same".into()) } else { Ok(()) }
        }),
        on_whole(world, "ingress::class_that_is_not_there", |world| {
            let report = run::test(&world.environment(), &["ingress", "--ingress-class-name", "alb"])?;
            let words = ["IngressClass alb", "the cluster has only traefik", "INGRESS_CLASS_NAME"];
            report.expect(1, "failed", Some("ingress class"), &words)
        }),
        alone(world, "ingress::controller_stopped", |world| {
            let _stopped = world.stopped("traefik")?;
            let report = run::test(&world.environment(), &["ingress", "--step-timeout", "5s"])?;
            report.expect(1, "failed", Some("load balancer address"), &["no address", "traefik"])
        }),
        alone(world, "ingress::external_dns_stopped", |world| {
            let _stopped = world.stopped("external-dns")?;
            let report = run::test(&world.environment(), &["ingress", "--step-timeout", "5s"])?;
            let (server, zone) = (world.cluster().dns_server().to_string(), world.cluster().zone());
            let words = ["NXDOMAIN", &server, &format!("in zone {zone}"), "external-dns", "only the name is broken"];
            report.expect(1, "failed", Some("dns record"), &words)
        }),
        on_whole(world, "ingress::dns_record_of_somebody_else", record_of_somebody_else),
        on_whole(world, "ingress::another_back_end_answers_200", another_back_end),
        on_whole(world, "ingress::back_end_cannot_be_pulled", |world| {
            let environment = world.environment_with(&[("KIBERTAS_IMAGE", "kibertas.invalid/nothing:here")]);
            let report = run::test(&environment, &["ingress", "--step-timeout", "15s"])?;
            report.expect(1, "failed", Some("back end ready"), &["kibertas.invalid/nothing:here", "pull"])
        }),
    ]
}

/// Another Ingress has the host's record point elsewhere, as a forgotten one of the other cluster would.
fn record_of_somebody_else(world: &World) -> Result<(), Failed> {
    let host = format!("taken.{}", world.cluster().zone());
    let annotations = json!({
        "external-dns.alpha.kubernetes.io/hostname": host,
        "external-dns.alpha.kubernetes.io/target": ELSEWHERE,
    });
    let bystander = Bystander::create(world, "taken", "unused.invalid", &annotations)?;
    world.wait(resolves_to(world, &host, ELSEWHERE))?;
    let environment = world.environment_with(&[("KIBERTAS_INGRESS_ZONE", ""), ("EXTERNAL_HOSTNAME", &host)]);
    let report = run::test(&environment, &["ingress", "--step-timeout", "8s"])?;
    let node = world.cluster().node_address().to_string();
    let owner = format!("ingress/{}/web", bystander.namespace);
    report.expect(1, "failed", Some("dns record"), &[ELSEWHERE, &node, &owner])
}

/// Another Ingress, to which the controller gives precedence, has the host: status 200, but not from this run.
fn another_back_end(world: &World) -> Result<(), Failed> {
    let host = format!("shared.{}", world.cluster().zone());
    let annotations = json!({"traefik.ingress.kubernetes.io/router.priority": "100000"});
    let bystander = Bystander::create(world, "shared", &host, &annotations)?;
    bystander.serve(world)?;
    let environment = world.environment_with(&[("KIBERTAS_INGRESS_ZONE", ""), ("EXTERNAL_HOSTNAME", &host)]);
    let report = run::test(&environment, &["ingress", "--no-dns-check", "--step-timeout", "8s"])?;
    report.expect(
        1,
        "failed",
        Some("http at the address"),
        &["200 from the back end of another run, pod web", "another Ingress has the same host"],
    )
}

/// An Ingress of somebody else, in a namespace of its own.
struct Bystander<'w> {
    world: &'w World,
    namespace: String,
}

impl<'w> Bystander<'w> {
    fn create(world: &'w World, name: &str, host: &str, annotations: &Value) -> Result<Self, Failed> {
        let bystander = Self { world, namespace: format!("bystander-{name}") };
        let backend = json!({"service": {"name": "web", "port": {"number": 80}}});
        bystander.apply(&[
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": bystander.namespace}}),
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress",
                   "metadata": {"name": "web", "namespace": bystander.namespace, "annotations": annotations},
                   "spec": {"ingressClassName": "traefik", "rules": [{"host": host, "http": {"paths": [
                       {"path": "/", "pathType": "Prefix", "backend": backend}]}}]}}),
        ])?;
        Ok(bystander)
    }

    /// Gives it a back end that answers everything, and waits until it does.
    fn serve(&self, world: &World) -> Result<(), Failed> {
        let labels = json!({"app": "web"});
        let environment = world.environment();
        let image = environment.iter().find(|(name, _)| *name == "KIBERTAS_IMAGE").map(|(_, image)| image);
        let container = json!({"name": "web", "image": image, "args": ["probe", "http"],
                               "env": [{"name": kibertas::probe::NONCE_ENV, "value": "somebody-else"}]});
        self.apply(&[
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": self.namespace},
                   "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}}),
            json!({"apiVersion": "v1", "kind": "Pod",
                   "metadata": {"name": "web", "namespace": self.namespace, "labels": labels},
                   "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}),
        ])?;
        let wait = ["wait", "-n", &self.namespace, "pod/web", "--for=condition=Ready", "--timeout=60s"];
        world.kubectl(&wait)?;
        Ok(())
    }

    fn apply(&self, items: &[Value]) -> Result<(), Failed> {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        Ok(self.world.apply(&list)?)
    }
}

impl Drop for Bystander<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.world.kubectl(&["delete", "namespace", &self.namespace, "--timeout=60s"]) {
            eprintln!("{} stays: {error}", self.namespace);
        }
    }
}

/// Waits until the cluster's DNS server tells this address.
async fn resolves_to(world: &World, host: &str, address: &str) -> Result<(), Failed> {
    let address: IpAddr = address.parse()?;
    let name = kibertas::dns::name(host).ok_or("no DNS name")?;
    let servers = [world.cluster().dns_server()];
    let told = async {
        while !kibertas::dns::resolve::addresses_of(&servers, &name).await.is_ok_and(|all| all.contains(&address)) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), told)
        .await
        .map_err(|_| format!("{host} does not lead to {address}").into())
}
