//! Ingress and DNS, whole and broken.

use std::net::IpAddr;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::run;
use super::world::{World, alone, on_whole};

/// A record of somebody else: of the addresses for documentation (<https://www.rfc-editor.org/rfc/rfc5737>).
const ELSEWHERE: &str = "192.0.2.7";
/// What the back end of another run is known by.
const NONCE_OF_ANOTHER: &str = "somebody-else";
/// Ends a wait that is in vain. It holds for each step, so it leaves time for the pod on a busy machine.
const IN_VAIN: [&str; 2] = ["--step-timeout", "20s"];
/// The same for trials that have the machine to themselves, and keep all others waiting.
const ALONE_IN_VAIN: [&str; 2] = ["--step-timeout", "10s"];

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
            let report = run::test(&world.environment(), &[&["ingress"], &ALONE_IN_VAIN[..]].concat())?;
            report.expect(1, "failed", Some("load balancer address"), &["no address", "traefik"])
        }),
        alone(world, "ingress::external_dns_stopped", |world| {
            let _stopped = world.stopped("external-dns")?;
            let report = run::test(&world.environment(), &[&["ingress"], &ALONE_IN_VAIN[..]].concat())?;
            let (server, zone) = (world.cluster().dns_server().to_string(), world.cluster().zone());
            let words = ["NXDOMAIN", &server, &format!("in zone {zone}"), "external-dns", "only the name is broken"];
            report.expect(1, "failed", Some("dns record"), &words)
        }),
        on_whole(world, "ingress::dns_record_of_somebody_else", record_of_somebody_else),
        alone(world, "ingress::a_wildcard_record_proves_no_external_dns", wildcard),
        on_whole(world, "ingress::another_back_end_answers_200", another_back_end),
        on_whole(world, "ingress::back_end_cannot_be_pulled", |world| {
            let environment = world.environment_with(&[("KIBERTAS_IMAGE", "kibertas.invalid/nothing:here")]);
            let report = run::test(&environment, &[&["ingress"], &IN_VAIN[..]].concat())?;
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
    until_it_leads_to(world, &host, ELSEWHERE)?;
    let environment = world.environment_with(&[("KIBERTAS_INGRESS_ZONE", ""), ("EXTERNAL_HOSTNAME", &host)]);
    let report = run::test(&environment, &[&["ingress"], &IN_VAIN[..]].concat())?;
    let node = world.cluster().node_address().to_string();
    let owner = format!("ingress/{}/web", bystander.namespace);
    report.expect(1, "failed", Some("dns record"), &[ELSEWHERE, &node, &owner])
}

/// Every name of the zone leads to the entrance, whether external-dns runs or not.
fn wildcard(world: &World) -> Result<(), Failed> {
    let zone = format!("wild.{}", world.cluster().zone());
    let node = world.cluster().node_address().to_string();
    let annotations = json!({
        "external-dns.alpha.kubernetes.io/hostname": format!("*.{zone}"),
        "external-dns.alpha.kubernetes.io/target": node,
    });
    let _bystander = Bystander::create(world, "wild", "unused.invalid", &annotations)?;
    until_it_leads_to(world, &format!("any.{zone}"), &node)?;
    let environment = world.environment_with(&[("KIBERTAS_INGRESS_ZONE", &zone)]);
    let test = || run::test(&environment, &[&["ingress"], &ALONE_IN_VAIN[..]].concat());
    let report = test()?;
    report.expect(0, "passed", None, &[])?;
    if !report.evidence("dns record", "wildcard").is_string() {
        return Err("the wildcard is not told".into());
    }
    let _stopped = world.stopped("external-dns")?;
    let words = ["wildcard record", &zone, "KIBERTAS_INGRESS_ZONE", "TXT record"];
    test()?.expect(3, "inconclusive", Some("dns record"), &words)?;
    // A host that somebody gives may have had its record for ever: the evidence says what that proves.
    let host = format!("any.{zone}");
    let environment = world.environment_with(&[("KIBERTAS_INGRESS_ZONE", ""), ("EXTERNAL_HOSTNAME", &host)]);
    let report = run::test(&environment, &[&["ingress"], &ALONE_IN_VAIN[..]].concat())?;
    report.expect(0, "passed", None, &[])?;
    match report.evidence("dns record", "recordBefore").as_str() {
        Some(text) if text.contains(&node) && text.contains("that external-dns writes now is not") => Ok(()),
        other => Err(format!("recordBefore is {other:?}").into()),
    }
}

/// Another Ingress, to which the controller gives precedence, has the host: status 200, but not from this run.
fn another_back_end(world: &World) -> Result<(), Failed> {
    let host = format!("shared.{}", world.cluster().zone());
    let annotations = json!({"traefik.ingress.kubernetes.io/router.priority": "100000"});
    let bystander = Bystander::create(world, "shared", &host, &annotations)?;
    bystander.serve(&host)?;
    let environment = world.environment_with(&[("KIBERTAS_INGRESS_ZONE", ""), ("EXTERNAL_HOSTNAME", &host)]);
    let report = run::test(&environment, &[&["ingress", "--no-dns-check"], &IN_VAIN[..]].concat())?;
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

    /// Gives it a back end that answers everything, and waits until it does so for the host, through the controller.
    fn serve(&self, host: &str) -> Result<(), Failed> {
        let labels = json!({"app": "web"});
        let environment = self.world.environment();
        let image = environment.iter().find(|(name, _)| *name == "KIBERTAS_IMAGE").map(|(_, image)| image);
        let container = json!({"name": "web", "image": image, "args": ["probe", "http"],
                               "env": [{"name": kibertas::probe::NONCE_ENV, "value": NONCE_OF_ANOTHER}]});
        self.apply(&[
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": self.namespace},
                   "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8080}]}}),
            json!({"apiVersion": "v1", "kind": "Pod",
                   "metadata": {"name": "web", "namespace": self.namespace, "labels": labels},
                   "spec": {"containers": [container], "terminationGracePeriodSeconds": 1}}),
        ])?;
        let wait = ["wait", "-n", &self.namespace, "pod/web", "--for=condition=Ready", "--timeout=60s"];
        self.world.kubectl(&wait)?;
        // The controller learns of a Ready pod by itself, and loads its rules some time after that.
        let node = self.world.cluster().node_address();
        self.world.poll(&format!("{NONCE_OF_ANOTHER} to answer at {node} for {host}"), async || {
            let mut stream = TcpStream::connect((node, 80)).await?;
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            if answer.contains(NONCE_OF_ANOTHER) { Ok(()) } else { Err(answer.into()) }
        })
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
fn until_it_leads_to(world: &World, host: &str, address: &str) -> Result<(), Failed> {
    let address: IpAddr = address.parse()?;
    let name = kibertas::dns::name(host).ok_or("no DNS name")?;
    let servers = [world.cluster().dns_server()];
    world.poll(&format!("{host} to lead to {address}"), async || {
        match kibertas::dns::resolve::addresses_of(&servers, &name).await {
            Ok(all) if all.contains(&address) => Ok(()),
            other => Err(format!("{other:?}").into()),
        }
    })
}
