//! Which clusters a command line and a configuration mean, and what Argo CD's Secrets lead to.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::argo_cd::{Which, clusters};
use super::*;
use crate::cluster::faults::{Say, scripted, status};
use crate::config::{Config, ConfigFile, Sources};

const FILE: &str = "
clusterName: common
targets:
  - name: blue
    context: blue-admin
    kubeconfig: /etc/blue
    checks: {ingress: {host: kibertas.blue.example.com}}
  - name: green
    inCluster: true
    settings: {clusterName: verdant, timeout: 3m}
  - name: prod
    argocd: {namespace: argocd, selector: env=prod}
";

fn sources(file: &str) -> Sources {
    let mut sources = Sources::default();
    sources.file = ConfigFile::parse(Path::new("k.yaml"), file).unwrap();
    sources
}

fn chosen(file: &str, given: &[&str], context: Option<&str>) -> Result<Vec<String>, String> {
    let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
    let access = Access { kubeconfig: None, context: context.map(str::to_owned) };
    let targets = choose(&sources(file), &given, &access, true).map_err(|error| error.to_string())?;
    Ok(targets.iter().map(|target| format!("{}: {}", target.name().unwrap_or("-"), target.place())).collect())
}

#[test]
fn the_configurations_targets_are_all_meant_unless_somebody_chooses() {
    let all = ["blue: context blue-admin", "green: the Pod's own cluster", "prod: Argo CD in argocd, cluster env=prod"];
    assert_eq!(chosen(FILE, &[], None).unwrap(), all);
    assert_eq!(chosen(FILE, &["green", "blue"], None).unwrap(), [all[1], all[0]]);
    assert_eq!(chosen(FILE, &[], Some("x")).unwrap(), ["-: context x"], "a context is a choice as well");
    assert_eq!(chosen("", &[], None).unwrap(), ["-: the kubeconfig's current context"]);
}

#[test]
fn addresses_need_no_configuration() {
    let arn = "context://arn:aws:eks:eu-west-1:1:cluster/blue";
    let given = ["in-cluster", arn, "argocd://argocd/green", "argocd://cd?env=prod,tier!=test", "eks://eu-west-1/blue"];
    assert_eq!(
        chosen("", &given, None).unwrap(),
        [
            "in-cluster: the Pod's own cluster",
            "arn:aws:eks:eu-west-1:1:cluster/blue: context arn:aws:eks:eu-west-1:1:cluster/blue",
            "green: Argo CD in argocd, cluster green",
            "env=prod,tier!=test: Argo CD in cd, cluster env=prod,tier!=test",
            "blue: EKS cluster blue in eu-west-1",
        ]
    );
}

#[test]
fn wrong_choices_are_answered_with_what_would_be_right() {
    let wrong = |given: &[&str], context| chosen(FILE, given, context).unwrap_err();
    let unknown = wrong(&["yellow"], None);
    assert!(unknown.contains("--target is \"yellow\", but should be a name of targets:"), "{unknown}");
    assert!(unknown.ends_with("(it has blue, green, prod)"), "{unknown}");
    assert!(wrong(&["blue", "blue"], None).contains("--target is \"blue\", but should be given once"));
    assert!(wrong(&["blue"], Some("x")).contains("--context is \"x\", but should be left out"));
    for address in [
        "argocd://",
        "argocd://ns",
        "argocd:///x",
        "argocd://ns/",
        "argocd://ns?",
        "context://",
        "ssh://x",
        "eks://x",
        "eks:///x",
        "eks://x/",
    ] {
        assert!(wrong(&[address], None).contains(&format!("--target is {address:?}, but should be")), "{address}");
    }
    // The context is the way to Argo CD here.
    assert!(chosen("", &["argocd://argocd/green"], Some("hub")).is_ok());
}

#[test]
fn wrong_entries_name_their_field() {
    let error = |entry: &str| chosen(&format!("targets: [{entry}]"), &[], None).unwrap_err();
    let several = "reached by exactly one of context";
    assert!(error("{name: x}").contains(several), "{}", error("{name: x}"));
    assert!(error("{name: x, context: a, inCluster: true}").contains(several));
    assert!(error("{context: a}").contains("targets[0] should be right, but there is this: missing field `name`"));
    assert!(error("{name: x, contxt: a}").contains("unknown field `contxt`, expected one of `name`"));
    assert!(error("{name: x, inCluster: 3}").contains("targets[0].inCluster should be right"));
    assert!(error("{name: x, argocd: {namespace: a}}").contains("targets[0].argocd should be a namespace with either"));
    assert!(error("{name: 'a://b', context: c}").contains("targets[0].name is \"a://b\""));
    assert!(error("{name: x, context: a}, {name: x, context: b}").contains("targets[1].name is \"x\""));
    let common = error("{name: x, context: a, settings: {publish: /tmp}}");
    assert!(common.contains("targets[0].settings.publish should be left out, or at the top of the file"), "{common}");
    let error = ConfigFile::parse(Path::new("k.yaml"), "targets: x").unwrap_err().to_string();
    assert!(error.contains("targets should be a list of mappings, each with a name"), "{error}");
}

#[test]
fn what_a_target_has_for_itself_wins_over_file_and_environment_and_a_flag_over_it() {
    let mut sources = sources(&format!("{FILE}checks: {{ingress: {{host: common.example.com, class: nginx}}}}\n"));
    sources.env.insert("EXTERNAL_HOSTNAME".to_owned(), "env.example.com".to_owned());
    sources.env.insert("CLUSTER_NAME".to_owned(), "env".to_owned());
    let resolve = |sources: &Sources, index: usize| {
        let targets = choose(sources, &[], &Access::default(), true).unwrap();
        let config = Config::resolve(&sources.of_target(targets[index].overlay.clone()), crate::checks::ALL).unwrap();
        let ingress = config.of("ingress");
        let text = |key| ingress.text(key).unwrap_or_default().to_owned();
        (config.core.cluster_name.clone().unwrap_or_default(), text("host"), text("class"))
    };
    let line = |name: &str, host: &str| (name.to_owned(), host.to_owned(), "nginx".to_owned());
    assert_eq!(resolve(&sources, 0), line("blue", "kibertas.blue.example.com"));
    assert_eq!(resolve(&sources, 1), line("verdant", "env.example.com"));
    sources.set("ingress.host=flag.example.com").unwrap();
    assert_eq!(resolve(&sources, 0), line("blue", "flag.example.com"));
}

#[test]
fn wrong_settings_of_a_target_name_where_they_stand() {
    let file =
        "targets: [{name: x, context: a, settings: {timeout: never, nope: 1}, checks: {ingress: {hots: a}, nope: {}}}]";
    let sources = sources(file);
    let targets = choose(&sources, &[], &Access::default(), true).unwrap();
    let error =
        Config::resolve(&sources.of_target(targets[0].overlay.clone()), crate::checks::ALL).unwrap_err().to_string();
    for field in
        ["settings.timeout is \"never\"", "settings.nope should", "checks.ingress.hots should", "checks.nope is"]
    {
        assert!(error.contains(&format!("targets[0].{field}")), "{field}: {error}");
    }
}

fn secret(name: &str, data: &[(&str, &str)]) -> Value {
    let data: serde_json::Map<String, Value> =
        data.iter().map(|(key, value)| ((*key).to_owned(), json!(BASE64_STANDARD.encode(value)))).collect();
    json!({"metadata": {"name": name, "namespace": "argocd"}, "data": data})
}

fn list(secrets: &[Value]) -> Say {
    Say::Json(200, json!({"apiVersion": "v1", "kind": "SecretList", "metadata": {}, "items": secrets}))
}

async fn known(say: Say, which: &Which) -> Result<Vec<argo_cd::Known>, String> {
    let (client, _served) = scripted(vec![say]);
    clusters(&client, "argocd", which).await.map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_cluster_is_found_by_its_name_or_its_secrets() {
    let config = r#"{"bearerToken": "hush", "tlsClientConfig": {"insecure": true, "serverName": "api"}}"#;
    let green = secret("cluster-1", &[("name", "green"), ("server", "https://green:6443"), ("config", config)]);
    let own = secret("own", &[("name", "hub"), ("server", "https://kubernetes.default.svc"), ("config", "{}")]);
    for name in ["green", "cluster-1"] {
        let found = known(list(&[own.clone(), green.clone()]), &Which::Named(name.to_owned())).await.unwrap();
        let [green] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((green.name.as_str(), green.secret.as_str()), ("green", "argocd/cluster-1"));
        let argo_cd::By::Config(config) = &green.by else { panic!("{green:?}") };
        assert_eq!(config.cluster_url.to_string(), "https://green:6443/");
        assert!(config.accept_invalid_certs && config.tls_server_name.as_deref() == Some("api"));
        assert!(config.auth_info.token.is_some());
    }
    let found = known(list(&[own, green]), &Which::Labelled("env=prod".to_owned())).await.unwrap();
    let names: Vec<_> = found.iter().map(|known| (known.name.as_str(), matches!(known.by, argo_cd::By::Own))).collect();
    assert_eq!(names, [("hub", true), ("green", false)], "Argo CD's own cluster is the one that it runs in");
}

#[tokio::test]
async fn a_cluster_of_eks_is_known_by_the_region_in_its_server() {
    let config = r#"{"awsAuthConfig": {"clusterName": "green", "roleARN": "arn:aws:iam::1:role/x", "profile": ""}}"#;
    let of = |server| list(&[secret("c", &[("server", server), ("config", config)])]);
    let which = Which::Named("c".to_owned());
    let found = known(of("https://0AB1.gr7.ap-northeast-1.eks.amazonaws.com"), &which).await.unwrap();
    let argo_cd::By::Eks(eks) = &found[0].by else { panic!("{found:?}") };
    assert_eq!((eks.cluster.as_str(), eks.region.as_str()), ("green", "ap-northeast-1"));
    assert_eq!((eks.role_arn.as_deref(), eks.profile.as_deref()), (Some("arn:aws:iam::1:role/x"), None));
    let error = known(of("https://10.0.0.1:6443"), &which).await.unwrap_err();
    assert!(error.contains("its awsAuthConfig needs a server of EKS"), "{error}");
}

#[tokio::test]
async fn what_argo_cd_does_not_know_is_told_with_what_it_knows() {
    let green = secret("c", &[("name", "green"), ("server", "https://green"), ("config", "{}")]);
    let blue = Which::Named("blue".to_owned());
    let error = known(list(&[green]), &blue).await.unwrap_err();
    assert_eq!(error, "--target: Argo CD in namespace argocd knows no cluster \"blue\"; it knows green");
    assert!(known(list(&[]), &blue).await.unwrap_err().ends_with("it knows none but its own, in-cluster"));
    let own = known(list(&[]), &Which::Named("in-cluster".to_owned())).await.unwrap();
    assert!(matches!(own[0].by, argo_cd::By::Own), "there need not be a Secret for it");
    let denied = known(status(403, "secrets is forbidden"), &blue).await.unwrap_err();
    assert!(denied.ends_with("list of secrets in namespace argocd: secrets is forbidden"), "{denied}");
}

#[tokio::test]
async fn no_value_of_a_secret_is_in_an_error() {
    let which = Which::Named("c".to_owned());
    let error = async |data: &[(&str, &str)]| known(list(&[secret("c", data)]), &which).await.unwrap_err();
    assert_eq!(error(&[]).await, "the Secret argocd/c of Argo CD's cluster: it has no server");
    let texts = [
        error(&[("server", "https://x"), ("config", "{\"bearerToken\": hush}")]).await,
        error(&[("server", "https://x"), ("config", "{\"bearerToken\": [\"hush\"]}")]).await,
        error(&[("server", "https://x"), ("config", "{\"tlsClientConfig\": {\"caData\": \"hush!\"}}")]).await,
    ];
    for text in texts {
        assert!(text.starts_with("the Secret argocd/c of Argo CD's cluster: its config"), "{text}");
        assert!(!text.contains("hush"), "{text}");
    }
}
