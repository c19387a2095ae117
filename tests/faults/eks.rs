//! The real cluster as one of EKS: AWS is a stand-in that verifies every signature, and the door of the API server keeps the rules of
//! aws-iam-authenticator. Behind the door is the real API server.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kibertas::aws::Keys;
use kibertas::aws::eks::{Connected, EksTarget, Endpoints, connect, connect_renewing};
use kube::api::{ListParams, ObjectMeta, PostParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use libtest_mimic::{Failed, Trial};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use stand_ins::authority::Authority;
use stand_ins::aws::front::{Authenticator, Behind, Front};
use stand_ins::aws::{Aws, Cluster, Principal, Role};
use stand_ins::server::Server;

use super::world::{Environment, World, on_whole};

const REGION: &str = "ap-northeast-1";
const ROLE: &str = "arn:aws:iam::123456789012:role/proofs";
const BASE: &str = "arn:aws:iam::999999999999:role/ci";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        on_whole(world, "eks::namespaces_are_listed_with_a_token_of_our_own", |world| {
            let scene = Scene::new(world, &[ROLE], Duration::from_secs(900))?;
            world.wait(async {
                let Connected { client, server, .. } =
                    connect(&scene.target()).await.map_err(|error| error.to_string())?;
                if server != scene.front.url() {
                    return Err(format!("the server is {server}").into());
                }
                let names = namespaces(&client).await?;
                if names.iter().any(|name| name == "kube-system") {
                    Ok(())
                } else {
                    Err(format!("{names:?}, {:?}", scene.front.refusals()).into())
                }
            })
        }),
        on_whole(world, "eks::a_role_without_access_entry_is_told", |world| {
            let scene = Scene::new(world, &["arn:aws:iam::123456789012:role/other"], Duration::from_secs(900))?;
            let error = world.wait(connect(&scene.target())).err().ok_or("it is let in")?.to_string();
            let who = "refuses arn:aws:sts::123456789012:assumed-role/proofs/kibertas-rs (401 Unauthorized)";
            if error.contains(who) && error.contains("no access entry") { Ok(()) } else { Err(error.into()) }
        }),
        on_whole(world, "eks::tokens_are_renewed_while_a_watch_goes_on", renewed),
    ]
}

/// AWS with one cluster, and its door.
pub(crate) struct Scene {
    front: Front,
    aws: Server<Aws>,
}

impl Scene {
    fn new(world: &World, entries: &[&str], valid: Duration) -> Result<Self, Failed> {
        let base = Principal {
            key: "AKIAEXAMPLE".to_owned(),
            secret: "a-secret".to_owned(),
            token: None,
            expires: None,
            arn: BASE.to_owned(),
            may: vec!["sts:AssumeRole"],
        };
        let role = Role {
            arn: ROLE.to_owned(),
            trusts: BASE.to_owned(),
            external_id: Some("tenant-7".to_owned()),
            may: vec!["eks:DescribeCluster"],
        };
        let aws = Server::plain(Aws::new(REGION, "123456789012").principal(base).role(role))?;
        let authority = Authority::new()?;
        let authenticator = Authenticator {
            cluster: "blue".to_owned(),
            sts: aws.address(),
            entries: entries.iter().map(|entry| (*entry).to_owned()).collect(),
            valid,
        };
        let front = Front::open(authority.identity(&["127.0.0.1"])?, behind(world)?, authenticator)?;
        let cluster = Cluster { endpoint: front.url(), authority: authority.pem().to_owned(), status: "ACTIVE" };
        aws.rules().set_cluster("blue", cluster);
        Ok(Self { front, aws })
    }

    /// With an access entry for the role.
    pub(crate) fn open(world: &World) -> Result<Self, Failed> {
        Self::new(world, &[ROLE], Duration::from_secs(900))
    }

    /// The configuration of a target that leads here.
    pub(crate) fn declared(name: &str) -> String {
        let eks = json!({"cluster": "blue", "region": REGION, "roleArn": ROLE, "externalId": "tenant-7"});
        json!({"targets": [{"name": name, "eks": eks}]}).to_string()
    }

    /// Where AWS is, and as whom it is asked.
    pub(crate) fn environment(&self) -> Environment {
        vec![
            ("AWS_ENDPOINT_URL_EKS", self.aws.url()),
            ("AWS_ENDPOINT_URL_STS", self.aws.url()),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "a-secret".to_owned()),
        ]
    }

    fn target(&self) -> EksTarget {
        EksTarget {
            cluster: "blue".to_owned(),
            region: REGION.to_owned(),
            role_arn: Some(ROLE.to_owned()),
            external_id: Some("tenant-7".to_owned()),
            endpoints: Endpoints { eks: Some(self.aws.url()), sts: Some(self.aws.url()) },
            keys: Some(Keys { id: "AKIAEXAMPLE".to_owned(), secret: "a-secret".to_owned(), token: None }),
            ..EksTarget::default()
        }
    }
}

/// The real API server, asked with the admin's certificate.
fn behind(world: &World) -> Result<Behind, Failed> {
    let view = world.kubeconfig()?;
    let pem = |value: &Value| -> Result<Vec<u8>, Failed> {
        Ok(base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap_or_default())?)
    };
    let user = &view["users"][0]["user"];
    let cluster = &view["clusters"][0]["cluster"];
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem(&cluster["certificate-authority-data"])?) {
        roots.add(certificate?)?;
    }
    let certificates =
        CertificateDer::pem_slice_iter(&pem(&user["client-certificate-data"])?).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(&pem(&user["client-key-data"])?)?;
    let tls = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_client_auth_cert(certificates, key)?;
    let server = cluster["server"].as_str().and_then(|url| url.strip_prefix("https://")).ok_or("no server")?;
    Ok(Behind { address: server.parse()?, tls: tls.into() })
}

async fn namespaces(client: &Client) -> Result<Vec<String>, Failed> {
    let list = Api::<Namespace>::all(client.clone()).list(&ListParams::default()).await?;
    Ok(list.into_iter().filter_map(|namespace| namespace.metadata.name).collect())
}

/// The door takes tokens of eight seconds, and the program renews them after two: requests go on being let in long after the first
/// token has ended, and a watch that began with that one still sees what happens.
fn renewed(world: &World) -> Result<(), Failed> {
    let scene = Scene::new(world, &[ROLE], Duration::from_secs(8))?;
    let watched = world.wait(async {
        let Connected { client, .. } =
            connect_renewing(&scene.target(), Duration::from_secs(2)).await.map_err(|error| error.to_string())?;
        let api: Api<ConfigMap> = Api::namespaced(client.clone(), "default");
        let only = WatchParams::default().fields("metadata.name=trial-eks-renewal");
        let watch = api.watch(&only, "0").await?;
        let mut watch = std::pin::pin!(watch);
        for _ in 0..12 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            namespaces(&client).await?;
        }
        let metadata = ObjectMeta { name: Some("trial-eks-renewal".to_owned()), ..ObjectMeta::default() };
        api.create(&PostParams::default(), &ConfigMap { metadata, ..ConfigMap::default() }).await?;
        let seen = tokio::time::timeout(Duration::from_secs(10), async {
            while let Some(event) = watch.try_next().await? {
                if let WatchEvent::Added(_) = event {
                    return Ok::<_, kube::Error>(true);
                }
            }
            Ok(false)
        });
        Ok::<_, Failed>(seen.await??)
    });
    world.kubectl(&["delete", "configmap", "trial-eks-renewal", "-n", "default", "--ignore-not-found"])?;
    println!("{} tokens, {} sessions", scene.front.tokens(), scene.aws.rules().sessions());
    if !watched? {
        return Err("the watch ended without the ConfigMap".into());
    }
    if scene.front.tokens() < 4 || !scene.front.refusals().is_empty() {
        return Err(format!("{} tokens, refused: {:?}", scene.front.tokens(), scene.front.refusals()).into());
    }
    Ok(())
}
