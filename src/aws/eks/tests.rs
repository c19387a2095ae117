//! The way to a cluster of a stand-in of AWS, which verifies every signature, through a door that keeps aws-iam-authenticator's rules.

use stand_ins::authority::Authority;
use stand_ins::aws::front::{Authenticator, Behind, Front};
use stand_ins::aws::{Aws, Cluster, Principal, Role};
use stand_ins::kubernetes::Kubernetes;
use stand_ins::request::Reply;
use stand_ins::script::Act;
use stand_ins::server::Server;

use super::*;

const REGION: &str = "ap-northeast-1";
const ROLE: &str = "arn:aws:iam::123456789012:role/proofs";
const BASE: &str = "arn:aws:iam::999999999999:role/ci";
/// The role of a ServiceAccount by IRSA, and the token that its trust policy takes.
const IRSA: &str = "arn:aws:iam::123456789012:role/irsa";
const PROJECTED: &str = "projected-service-account-token";
const SECRET: &str = "wJalrXUtnFEMI-the-secret";

/// AWS, the cluster blue in it, and its door.
struct Scene {
    front: Front,
    aws: Server<Aws>,
    _api: Server<Kubernetes>,
}

impl Scene {
    fn with_entries(entries: &[&str]) -> Self {
        let role = |arn: &str, external: Option<&str>, may: &[&'static str]| Role {
            arn: arn.to_owned(),
            trusts: BASE.to_owned(),
            external_id: external.map(str::to_owned),
            may: may.to_vec(),
        };
        let aws = Aws::new(REGION, "123456789012")
            .principal(Principal {
                key: "AKIAEXAMPLE".to_owned(),
                secret: SECRET.to_owned(),
                token: None,
                expires: None,
                arn: BASE.to_owned(),
                may: vec!["sts:AssumeRole"],
            })
            .role(role(ROLE, Some("tenant-7"), &["eks:DescribeCluster"]))
            .role(role("arn:aws:iam::123456789012:role/blind", None, &[]))
            .role(Role { trusts: PROJECTED.to_owned(), ..role(IRSA, None, &["eks:DescribeCluster"]) })
            .principal(Principal {
                key: "ASIAPOD".to_owned(),
                secret: "pod-secret".to_owned(),
                token: Some("pod-token".to_owned()),
                expires: None,
                arn: "arn:aws:sts::123456789012:assumed-role/pods/eks-blue-proofs".to_owned(),
                may: vec!["eks:DescribeCluster"],
            });
        let aws = Server::plain(aws).unwrap();
        let authority = Authority::new().unwrap();
        let api = Server::tls(Kubernetes::new(), authority.identity(&["127.0.0.1"]).unwrap()).unwrap();
        let trusted = tempfile::NamedTempFile::new().unwrap();
        authority.write(trusted.path()).unwrap();
        let tls = crate::tls::client_config(Some(trusted.path())).unwrap().into();
        let authenticator = Authenticator {
            cluster: "blue".to_owned(),
            sts: aws.address(),
            entries: entries.iter().map(|entry| (*entry).to_owned()).collect(),
            valid: Duration::from_secs(900),
        };
        let identity = authority.identity(&["127.0.0.1"]).unwrap();
        let front = Front::open(identity, Behind { address: api.address(), tls }, authenticator).unwrap();
        let cluster = |status| Cluster { endpoint: front.url(), authority: authority.pem().to_owned(), status };
        aws.rules().set_cluster("blue", cluster("ACTIVE"));
        aws.rules().set_cluster("new", cluster("CREATING"));
        Self { front, aws, _api: api }
    }

    fn target(&self) -> EksTarget {
        let endpoints = Endpoints { eks: Some(self.aws.url()), sts: Some(self.aws.url()) };
        EksTarget {
            cluster: "blue".to_owned(),
            region: REGION.to_owned(),
            role_arn: Some(ROLE.to_owned()),
            external_id: Some("tenant-7".to_owned()),
            endpoints,
            keys: Some(Keys { id: "AKIAEXAMPLE".to_owned(), secret: SECRET.to_owned(), token: None }),
            ..EksTarget::default()
        }
    }
}

async fn told(target: &EksTarget) -> String {
    let error = connect(target).await.err().expect("it is refused").to_string();
    assert!(!error.contains(SECRET) && !error.contains("X-Amz-Signature"), "{error}");
    error
}

#[tokio::test]
async fn an_assumed_role_with_an_access_entry_reaches_the_cluster() {
    let scene = Scene::with_entries(&[ROLE]);
    let Connected { client, server, .. } = connect(&scene.target()).await.unwrap();
    assert_eq!(server, scene.front.url());
    assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.34.0");
    assert_eq!((scene.front.tokens(), scene.aws.rules().sessions()), (1, 2), "{:?}", scene.front.refusals());
}

#[tokio::test]
async fn tokens_are_renewed_and_one_that_is_good_is_kept() {
    let scene = Scene::with_entries(&[ROLE]);
    let Connected { client, .. } = connect_renewing(&scene.target(), Duration::ZERO).await.unwrap();
    client.apiserver_version().await.unwrap();
    // Signatures have whole seconds.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    client.apiserver_version().await.unwrap();
    assert!(scene.front.tokens() >= 2, "{}", scene.front.tokens());
    let Connected { client, .. } = connect(&scene.target()).await.unwrap();
    let before = scene.front.tokens();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    client.apiserver_version().await.unwrap();
    assert_eq!(scene.front.tokens(), before);
}

#[tokio::test]
async fn credentials_that_cannot_be_renewed_are_the_next_requests_error() {
    let scene = Scene::with_entries(&[ROLE]);
    let Connected { client, .. } = connect_renewing(&scene.target(), Duration::ZERO).await.unwrap();
    let refusal =
        "<ErrorResponse><Error><Code>AccessDenied</Code><Message>taken away</Message></Error></ErrorResponse>";
    scene.aws.script().always("/", Act::Reply(Reply::text(403, refusal)));
    // The token at hand is good for some minutes more, as far as the program is concerned; the door asks STS each time.
    assert!(client.apiserver_version().await.is_err());
    let error = client.apiserver_version().await.unwrap_err();
    let answer = crate::cluster::call::answer_of(&error);
    assert!(matches!(answer, crate::cluster::call::Answer::Unauthorized(_)), "{answer:?}");
    let text = innermost(&error);
    assert!(text.contains("may not sts:AssumeRole on arn:aws:iam::123456789012:role/proofs"), "{text}");
    scene.aws.script().end();
    client.apiserver_version().await.unwrap();
}

#[tokio::test]
async fn each_refusal_has_its_words() {
    let scene = Scene::with_entries(&[]);
    let target = scene.target();
    let with = |change: &dyn Fn(&mut EksTarget)| {
        let mut changed = target.clone();
        change(&mut changed);
        changed
    };
    let refused = told(&target).await;
    assert!(
        refused.contains("refuses arn:aws:sts::123456789012:assumed-role/proofs/kibertas-rs (401 Unauthorized)")
            && refused.contains("no access entry for this role")
            && refused.contains("--cluster-name blue"),
        "{refused}"
    );
    let other = told(&with(&|t| t.external_id = Some("tenant-8".into()))).await;
    assert!(
        other.starts_with(
            "the credentials may not sts:AssumeRole on arn:aws:iam::123456789012:role/proofs (AccessDenied: User: "
        ) && other.contains("external id"),
        "{other}"
    );
    let blind = told(&with(&|t| t.role_arn = Some("arn:aws:iam::123456789012:role/blind".into()))).await;
    assert!(
        blind.starts_with(
            "the credentials may not eks:DescribeCluster on arn:aws:eks:ap-northeast-1:123456789012:cluster/blue"
        ),
        "{blind}"
    );
    let gone = told(&with(&|t| t.cluster = "green".into())).await;
    assert!(gone.starts_with("there is no EKS cluster \"green\" in ap-northeast-1 of account 123456789012"), "{gone}");
    let new = told(&with(&|t| t.cluster = "new".into())).await;
    assert_eq!(new, "the EKS cluster \"new\" in ap-northeast-1 is CREATING, not ACTIVE");
    let region = told(&with(&|t| t.region = "eu-west-1".into())).await;
    assert!(
        region.starts_with("eu-west-1 is the wrong region for STS (SignatureDoesNotMatch: Credential should be"),
        "{region}"
    );
    let keys = |secret: &str| Some(Keys { id: "AKIAEXAMPLE".into(), secret: secret.into(), token: None });
    let secret = told(&with(&|t| t.keys = keys("another"))).await;
    assert!(secret.starts_with("AWS does not accept the credentials (SignatureDoesNotMatch: "), "{secret}");
    let unknown = Some(Keys { id: "AKIAUNKNOWN".into(), secret: "x".into(), token: None });
    let unknown = told(&with(&|t| t.keys = unknown.clone())).await;
    assert!(unknown.starts_with("AWS does not accept the credentials (InvalidClientTokenId: "), "{unknown}");
}

#[tokio::test]
async fn a_session_that_has_ended_is_told_as_such() {
    let scene = Scene::with_entries(&[ROLE]);
    connect(&scene.target()).await.unwrap();
    scene.aws.rules().expire_sessions();
    // The keys of that session, as somebody might have exported them.
    let keys = Keys {
        id: "ASIAEXAMPLE000000001".to_owned(),
        secret: "session-secret-1".to_owned(),
        token: Some("session+token/1==".to_owned()),
    };
    let own = EksTarget { keys: Some(keys), role_arn: None, external_id: None, ..scene.target() };
    let error = told(&own).await;
    assert!(error.starts_with("the AWS credentials have expired (ExpiredTokenException: "), "{error}");
    let again = EksTarget { role_arn: Some(ROLE.to_owned()), ..own };
    let error = told(&again).await;
    assert!(error.starts_with("the AWS credentials have expired (ExpiredToken: "), "{error}");
}

#[tokio::test]
async fn overload_passes_and_nobody_listening_is_told() {
    let scene = Scene::with_entries(&[ROLE]);
    let slow = Reply::text(429, "{}").header("x-amzn-ErrorType", "ThrottlingException");
    scene.aws.script().next(2, "/clusters/", Act::Reply(slow));
    connect(&scene.target()).await.unwrap();
    let mut target = scene.target();
    target.endpoints.eks = Some("http://127.0.0.1:9".to_owned());
    let error = told(&target).await;
    assert!(
        error.starts_with("EKS at http://127.0.0.1:9 does not answer: ") && error.contains("right region"),
        "{error}"
    );
}

fn refused(cluster: &str, region: &str, role: Option<&str>) -> String {
    let target = EksTarget {
        cluster: cluster.to_owned(),
        region: region.to_owned(),
        role_arn: role.map(str::to_owned),
        ..EksTarget::default()
    };
    check(&target).unwrap_err().to_string()
}

/// This test binary again, as a pod's process whose environment says who it is.
fn in_a_pod(scene: &Scene, environment: &[(&str, &str)]) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "aws::eks::tests::a_process_of_a_pod", "--ignored", "--nocapture"])
        .env_clear()
        .envs([(UNDER_TEST, scene.aws.url().as_str()), ("AWS_REGION", REGION), ("AWS_EC2_METADATA_DISABLED", "true")])
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    assert_eq!((scene.front.tokens(), scene.front.refusals()), (1, Vec::new()), "{said}");
}

/// Where the stand-in is.
const UNDER_TEST: &str = "EKS_UNDER_TEST";

#[tokio::test]
#[ignore = "a process of its own, started by the tests of IRSA and EKS Pod Identity"]
async fn a_process_of_a_pod() {
    let url = std::env::var(UNDER_TEST).expect("those tests say where the stand-in is");
    let endpoints = Endpoints { eks: Some(url.clone()), sts: Some(url) };
    let (cluster, region) = ("blue".to_owned(), REGION.to_owned());
    let Connected { client, .. } =
        connect(&EksTarget { cluster, region, endpoints, ..EksTarget::default() }).await.unwrap();
    assert_eq!(client.apiserver_version().await.unwrap().git_version, "v1.34.0");
}

#[test]
fn irsa_is_found_by_itself() {
    let scene = Scene::with_entries(&[IRSA]);
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), PROJECTED).unwrap();
    let sts = scene.aws.url();
    let file = token.path().to_str().unwrap();
    in_a_pod(&scene, &[("AWS_WEB_IDENTITY_TOKEN_FILE", file), ("AWS_ROLE_ARN", IRSA), ("AWS_ENDPOINT_URL_STS", &sts)]);
    assert!(scene.aws.rules().sessions() > 0);
}

/// <https://docs.aws.amazon.com/eks/latest/userguide/pod-id-how-it-works.html>
#[test]
fn eks_pod_identity_is_found_by_itself() {
    use stand_ins::request::Request;
    use stand_ins::server::Rules;

    struct Agent;
    impl Rules for Agent {
        fn reply(&self, request: &Request) -> Reply {
            match (request.path.as_str(), request.header("authorization")) {
                ("/v1/credentials", PROJECTED) => Reply::json(
                    200,
                    &serde_json::json!({
                        "AccessKeyId": "ASIAPOD", "SecretAccessKey": "pod-secret", "Token": "pod-token",
                        "AccountId": "123456789012", "Expiration": "2099-01-01T00:00:00Z",
                    }),
                ),
                _ => Reply::text(400, "no"),
            }
        }
    }
    let agent = Server::plain(Agent).unwrap();
    let scene = Scene::with_entries(&["arn:aws:iam::123456789012:role/pods"]);
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), PROJECTED).unwrap();
    let url = format!("{}/v1/credentials", agent.url());
    in_a_pod(
        &scene,
        &[
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", &url),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.path().to_str().unwrap()),
        ],
    );
    assert!(!agent.requests().is_empty());
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    assert!(refused("../x", "eu-west-1", None).starts_with("cluster \"../x\" should be letters"));
    assert!(refused("", "eu-west-1", None).starts_with("cluster"));
    assert!(refused("blue", "evil.example/", None).starts_with("region \"evil.example/\""));
    assert!(refused("blue", "eu-west-1", Some("admin")).starts_with("role \"admin\""));
}

#[test]
fn a_cluster_without_a_certificate_authority_is_no_cluster() {
    let described = |authority: &str| Described {
        endpoint: "https://x.eks.example".to_owned(),
        authority: authority.to_owned(),
        status: "ACTIVE".to_owned(),
    };
    assert!(config_of(&described("???")).unwrap_err().to_string().contains("no base64"));
    assert!(config_of(&described("")).unwrap_err().to_string().contains("no certificate authority"));
}
