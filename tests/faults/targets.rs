//! Several clusters at once: two real ones, and names that are meant to be out of reach or to lead to the same cluster.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use libtest_mimic::{Failed, Trial};
use serde_json::{Value, json};
use stand_ins::server::Server;
use stand_ins::webhook::Webhook;

use super::eks::Scene;
use super::run::{self, Report};
use super::world::{Environment, World, on_whole};

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        on_whole(world, "targets::two_pass_side_by_side_in_one_report", side_by_side),
        on_whole(world, "targets::one_message_tells_of_all", one_message),
        on_whole(world, "targets::one_out_of_reach_hides_nothing_of_the_other", out_of_reach),
        on_whole(world, "targets::a_cluster_that_argo_cd_knows", argo_cd),
        on_whole(world, "targets::a_cluster_of_eks", eks),
        on_whole(world, "targets::operations_are_for_those_that_are_named", operations),
        on_whole(world, "targets::one_cluster_under_two_names_is_refused", two_names),
    ]
}

/// Whether a trial is one of these, which all need the second cluster.
pub(crate) fn is_one(trial: &Trial) -> bool {
    trial.name().starts_with("targets::")
}

/// A folder with a kubeconfig.
struct Clusters {
    folder: tempfile::TempDir,
    /// The kubeconfig of the shared cluster, which is `blue`.
    view: Value,
}

impl Clusters {
    /// The contexts are `blue` and its second name `alias`, `green`, and `gone`, where nobody listens.
    fn new(world: &World) -> Result<Self, Failed> {
        let (own, green) = (world.kubeconfig()?, world.beside()?.kubeconfig()?);
        let blue = own["clusters"][0]["cluster"].clone();
        let mut gone = blue.clone();
        gone["server"] = json!("https://127.0.0.1:1");
        let cluster = |name: &str, cluster: &Value| json!({"name": name, "cluster": cluster});
        let user = |name: &str, view: &Value| json!({"name": name, "user": view["users"][0]["user"]});
        let context = |name: &str, cluster: &str, user: &str| json!({"name": name, "context": {"cluster": cluster, "user": user}});
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": "blue",
            "clusters": [cluster("blue", &blue), cluster("green", &green["clusters"][0]["cluster"]), cluster("gone", &gone)],
            "users": [user("blue", &own), user("green", &green)],
            "contexts": [context("blue", "blue", "blue"), context("alias", "blue", "blue"),
                         context("green", "green", "green"), context("gone", "gone", "blue")]});
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("kubeconfig"), config.to_string())?;
        Ok(Self { folder, view: own })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The trials' environment with this kubeconfig, and without a name for the cluster.
    fn environment(&self, world: &World) -> Environment {
        let mut environment = world.environment();
        environment.retain(|(name, _)| !matches!(*name, "KUBECONFIG" | "CLUSTER_NAME"));
        environment.push(("KUBECONFIG", self.path("kubeconfig").display().to_string()));
        environment
    }
}

/// Cluster, verdict and number of passed steps of each run.
fn runs(report: &Report) -> Vec<(String, String, usize)> {
    let line = |run: &Value| {
        let passed = run["checks"][0]["steps"].as_array().into_iter().flatten();
        let passed = passed.filter(|step| step["verdict"] == "passed").count();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&run["target"]["name"]), text(&run["verdict"]), passed)
    };
    report.json["runs"].as_array().into_iter().flatten().map(line).collect()
}

fn demand(holds: bool, what: impl FnOnce() -> String) -> Result<(), Failed> {
    if holds { Ok(()) } else { Err(what().into()) }
}

fn side_by_side(world: &World) -> Result<(), Failed> {
    let clusters = Clusters::new(world)?;
    let config = "targets:\n  - {name: blue, context: blue}\n  - name: verdant\n    context: green\n    checks: {cert-manager: {count: 2}}\n";
    std::fs::write(clusters.path("kibertas.yaml"), config)?;
    let path = |name: &str| clusters.path(name).display().to_string();
    let (config, page, xml) =
        (path("kibertas.yaml"), format!("html={}", path("page.html")), format!("junit={}", path("x.xml")));
    let args = ["cert-manager", "--config", &config, "--report", &page, "--report", &xml, "--compare"];
    let report = run::test(&clusters.environment(world), &args)?;
    let found = runs(&report);
    let names: Vec<_> = found.iter().map(|(name, verdict, _)| (name.as_str(), verdict.as_str())).collect();
    let shown = || format!("exit code {:?}, {found:?}\n{}", report.code, report.progress);
    demand(report.code == Some(0) && names == [("blue", "passed"), ("verdant", "passed")], shown)?;
    demand(found.iter().all(|(.., steps)| *steps > 3), shown)?;
    let ids: Vec<&Value> = [0, 1].map(|run| &report.json["runs"][run]["run"]).into();
    demand(ids[0] != ids[1], || format!("one id for two runs: {ids:?}"))?;
    let counts = [0, 1].map(|run| report.json["runs"][run]["checks"][0]["settings"]["count"].clone());
    demand(counts == ["1", "2"], || format!("the target's own setting does not count: {counts:?}"))?;
    for words in ["blue    cert-manager", "verdant cert-manager", "verdant (Kubernetes v"] {
        demand(report.progress.contains(words), || format!("{words:?} is not shown\n{}", report.progress))?;
    }
    let text = |name: &str| std::fs::read_to_string(clusters.path(name));
    demand(text("page.html")?.contains("id=\"run-1\""), || "the page has one run only".to_owned())?;
    demand(text("x.xml")?.matches("<testsuite ").count() == 2, || "JUnit has not two suites".to_owned())?;
    std::fs::write(clusters.path("both.json"), report.json.to_string())?;
    let (code, compared) = run::other(&clusters.environment(world), &["compare", &path("both.json")])?;
    demand(code == Some(0) && compared.contains("verdant"), || format!("{code:?}: {compared}"))
}

/// The people who are told hear of blue and of what is out of reach in one message, and each cluster has its own Events.
fn one_message(world: &World) -> Result<(), Failed> {
    let clusters = Clusters::new(world)?;
    let receiver = Server::plain(Webhook::new("a-secret"))?;
    let mut environment = clusters.environment(world);
    environment.push(("KIBERTAS_WEBHOOK_URL", receiver.url()));
    environment.push(("KIBERTAS_WEBHOOK_SECRET", "a-secret".to_owned()));
    std::fs::write(clusters.path("kibertas.yaml"), "events: default\nnotify: [{service: webhook}]\n")?;
    let config = clusters.path("kibertas.yaml").display().to_string();
    let targets = ["--target", "context://blue", "--target", "context://gone", "--target", "context://green"];
    let report = run::test(&environment, &[&["cert-manager", "--config", &config][..], &targets].concat())?;
    demand(report.code == Some(3), || format!("exit code {:?}\n{}", report.code, report.progress))?;
    let bodies = receiver.rules().bodies.lock().map_err(|_| "the receiver broke")?.clone();
    let [body] = bodies.values().collect::<Vec<_>>()[..] else {
        return Err(format!("{} messages", bodies.len()).into());
    };
    let names: Vec<&Value> = body["runs"].as_array().into_iter().flatten().map(|part| &part["cluster"]).collect();
    demand(names == ["blue", "gone", "green"], || format!("{body:#}"))?;
    for (run, cluster) in [(0, &**world), (2, world.beside()?)] {
        let id = report.json["runs"][run]["run"].as_str().ok_or("no run")?;
        let events = cluster.kubectl(&["get", "events.events.k8s.io", "-n", "default", "-o", "json"])?;
        demand(events.contains(id), || format!("no Event of run {id}"))?;
    }
    Ok(())
}

fn out_of_reach(world: &World) -> Result<(), Failed> {
    let clusters = Clusters::new(world)?;
    let environment = clusters.environment(world);
    let report =
        run::test(&environment, &["cert-manager", "--target", "context://gone", "--target", "context://blue"])?;
    let found = runs(&report);
    let shown = || format!("exit code {:?}, {found:?}\n{}", report.code, report.progress);
    let names: Vec<_> = found.iter().map(|(name, verdict, _)| (name.as_str(), verdict.as_str())).collect();
    demand(report.code == Some(3) && names == [("gone", "inconclusive"), ("blue", "passed")], shown)?;
    let failure = &report.json["runs"][0]["checks"][0]["failure"];
    let seen = failure["seen"].as_str().unwrap_or_default();
    demand(seen.contains("https://127.0.0.1:1 does not answer"), || format!("{failure:#}"))?;
    demand(failure["next"][0] == "kubectl --context gone get --raw /readyz", || format!("{failure:#}"))?;
    // Alone it has to answer, and a context that is not there is a mistake.
    let alone = run::test(&environment, &["cert-manager", "--target", "context://gone"])?;
    demand(alone.code == Some(2), || format!("{:?}", alone.code))?;
    let wrong = run::test(&environment, &["cert-manager", "--target", "context://no", "--target", "context://blue"])?;
    demand(wrong.code == Some(2) && wrong.progress.contains("should be one of blue, alias, green, gone"), || {
        wrong.progress
    })
}

/// Argo CD's Secret of a cluster, as `argocd cluster add` writes it.
fn argo_cd(world: &World) -> Result<(), Failed> {
    let clusters = Clusters::new(world)?;
    let (cluster, user) = (&clusters.view["clusters"][0]["cluster"], &clusters.view["users"][0]["user"]);
    let config = json!({"tlsClientConfig": {
        "insecure": false, "caData": cluster["certificate-authority-data"],
        "certData": user["client-certificate-data"], "keyData": user["client-key-data"],
    }});
    let encoded = |text: &str| BASE64_STANDARD.encode(text);
    let namespace = "trial-targets-argo-cd";
    world.apply(&json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "cluster-known", "namespace": namespace, "labels": {
            "argocd.argoproj.io/secret-type": "cluster", "colour": "green",
        }}, "data": {
            "name": encoded("known"), "server": encoded(cluster["server"].as_str().unwrap_or_default()),
            "config": encoded(&config.to_string()),
        }},
    ]}))?;
    let environment = clusters.environment(world);
    let by_name = format!("argocd://{namespace}/known");
    let by_labels = format!("argocd://{namespace}?colour=green");
    let found = [by_name.as_str(), by_labels.as_str()]
        .map(|target| run::test(&environment, &["cert-manager", "--target", target]));
    let unknown = run::test(&environment, &["cert-manager", "--target", &format!("argocd://{namespace}/other")]);
    world.kubectl(&["delete", "namespace", namespace])?;
    for report in found {
        let report = report?;
        report.expect_pass()?;
        demand(report.json["target"]["name"] == "known", || format!("{:#}", report.json["target"]))?;
    }
    let unknown = unknown?;
    let words = format!("Argo CD in namespace {namespace} knows no cluster \"other\"; it knows known");
    demand(unknown.code == Some(2) && unknown.progress.contains(&words), || unknown.progress)
}

/// The whole way through the program: `DescribeCluster`, `AssumeRole`, token, the API server's door, and a check behind it.
fn eks(world: &World) -> Result<(), Failed> {
    let clusters = Clusters::new(world)?;
    let scene = Scene::open(world)?;
    let config = Scene::declared("blue-eks");
    std::fs::write(clusters.path("kibertas.yaml"), config)?;
    let mut environment = clusters.environment(world);
    environment.retain(|(name, _)| *name != "KUBECONFIG");
    environment.extend(scene.environment());
    let config = clusters.path("kibertas.yaml").display().to_string();
    let report = run::test(&environment, &["cert-manager", "--config", &config])?;
    report.expect_pass()?;
    demand(report.json["target"]["name"] == "blue-eks", || format!("{:#}", report.json["target"]))
}

fn operations(world: &World) -> Result<(), Failed> {
    let clusters = Clusters::new(world)?;
    let environment = clusters.environment(world);
    let named = ["--target", "context://blue", "--target", "context://green"];
    let (code, listed) = run::other(&environment, &[&["rollouts", "list", "-A", "-o", "json"][..], &named].concat())?;
    let listed: Value = serde_json::from_str(&listed)?;
    let names: Vec<_> = listed.as_array().into_iter().flatten().map(|one| one["target"]["name"].clone()).collect();
    demand(code == Some(0) && names == ["blue", "green"], || format!("{code:?}: {listed:#}"))?;
    // Where one of them does not answer, nothing is done in any.
    let args = ["rollouts", "promote", "--full", "--all", "--yes", "-n", "default", "--target", "context://gone"];
    let (code, out) = run::other(&environment, &[&args[..], &named].concat())?;
    demand(code == Some(2) && out.is_empty(), || format!("{code:?}: {out}"))?;
    // A list in the configuration chooses nothing for operations.
    let config = clusters.path("kibertas.yaml");
    std::fs::write(&config, "targets: [{name: a, context: gone}]\n")?;
    let (code, out) = run::other(&environment, &["rollouts", "list", "-A", "--config", &text(&config)])?;
    demand(code == Some(0), || format!("{code:?}: {out}"))
}

/// Neither gets the other's verdict, nor is a Rollout promoted twice.
fn two_names(world: &World) -> Result<(), Failed> {
    let clusters = Clusters::new(world)?;
    let environment = clusters.environment(world);
    let targets = ["--target", "context://blue", "--target", "context://green", "--target", "context://alias"];
    let uid = world.kubectl(&["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"])?;
    let said = format!(
        "the targets blue and alias are one cluster (its namespace kube-system has the uid {uid}): name every cluster once"
    );
    let report = run::test(&environment, &[&["cert-manager"][..], &targets].concat())?;
    demand(report.code == Some(2) && report.progress.contains(&said), || report.progress.clone())?;
    demand(!report.progress.contains("passed"), || format!("something ran: {}", report.progress))?;
    let args = ["rollouts", "promote", "--all", "--yes", "-n", "default"];
    let (code, out) = run::other(&environment, &[&args[..], &targets].concat())?;
    demand(code == Some(2) && out.is_empty(), || format!("{code:?}: {out}"))
}

fn text(path: &Path) -> String {
    path.display().to_string()
}
