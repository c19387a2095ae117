//! Reports published to the real S3 server, and baselines kept there and in a ConfigMap: read back, and what is told when it goes wrong.

use std::path::PathBuf;
use std::sync::Arc;

use kibertas::place::{Place, S3Access, Store};
use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use super::run::{self, Report, Running};
use super::world::{Environment, World, on_whole};

/// A check that needs little of the cluster.
const CHECK: &str = "cert-manager";

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        on_whole(world, "published::reports_are_read_back_with_their_types", reports),
        on_whole(world, "published::bucket_gone_is_told_before_the_run", |world| {
            refused_before(world, &[], "s3://no-such-bucket/x", &["NoSuchBucket"])
        }),
        on_whole(world, "published::forbidden_is_told_before_the_run", |world| {
            let (key, secret) = world.cluster().s3().stranger;
            let stranger = [("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", secret)];
            let bucket = Bucket::new(world, "reports-forbidden")?;
            let words = ["AccessDenied", "status 403", "lack s3:GetObject"];
            refused_before(world, &stranger, &bucket.url(), &words)
        }),
        on_whole(world, "published::secret_key_wrong_is_told_before_the_run", |world| {
            let wrong = [("AWS_SECRET_ACCESS_KEY", "not-the-secret")];
            let bucket = Bucket::new(world, "reports-signature")?;
            refused_before(world, &wrong, &bucket.url(), &["SignatureDoesNotMatch", "AWS_ACCESS_KEY_ID"])
        }),
        on_whole(world, "published::region_wrong_is_told_before_the_run", |world| {
            let wrong = [("AWS_REGION", "eu-west-1")];
            let bucket = Bucket::new(world, "reports-region")?;
            refused_before(world, &wrong, &bucket.url(), &["ap-northeast-1", "s3Region"])
        }),
        on_whole(world, "published::server_away_is_a_warning_and_no_verdict", |world| {
            let nowhere = format!("http://{}:9", world.cluster().node_address());
            let environment = world.environment_with(&[("AWS_ENDPOINT_URL_S3", &nowhere)]);
            let report = run::test(&environment, &[CHECK, "--publish", "s3://reports/x"])?;
            report.expect_pass()?;
            noticed(&report, &["the reports are not published: s3://reports/x", "Connection refused"])?;
            told(&report.progress, &["the reports may not be published"])
        }),
        on_whole(world, "published::bucket_gone_in_the_middle_changes_no_verdict", |world| {
            let bucket = Bucket::new(world, "reports-vanish")?;
            let running = started(world, &[CHECK, "--publish", &bucket.url()])?;
            drop(bucket);
            let report = running.finish()?;
            report.expect_pass()?;
            noticed(&report, &["the reports are not published: s3://reports-vanish/all: NoSuchBucket"])
        }),
        on_whole(world, "published::baselines_in_s3", |world| {
            let bucket = Bucket::new(world, "kept-baselines")?;
            let url = bucket.url();
            baselines(world, &url)?;
            // As a side: the folder, and the last of its files.
            let cluster = world.cluster().site().name().to_owned();
            let names = bucket.files(&format!("all/{cluster}"))?;
            let file = format!("{url}/{cluster}/{}", names.last().ok_or("nothing was kept")?);
            let compared = ["compare", &format!("{url}/{cluster}"), &file];
            let (code, text) = run::other(&world.environment(), &compared)?;
            if code == Some(0) && text.contains(CHECK) { Ok(()) } else { Err(format!("{code:?}: {text}").into()) }
        }),
        on_whole(world, "published::baselines_in_a_config_map", |world| {
            let kept = "configmap://default/trial-baselines";
            let outcome = baselines(world, kept);
            let size = world.kubectl(&["get", "configmap", "trial-baselines", "-n", "default", "-o", "json"]);
            world.kubectl(&["delete", "configmap", "trial-baselines", "-n", "default"])?;
            outcome?;
            let map: Value = serde_json::from_str(&size?)?;
            let entries = map["binaryData"].as_object().ok_or("no binaryData")?;
            println!("{} entries, {} bytes in all", entries.len(), map.to_string().len());
            if entries.len() == 2 { Ok(()) } else { Err(format!("{} entries", entries.len()).into()) }
        }),
        on_whole(world, "published::baselines_in_a_config_map_that_may_not_be_written", |world| {
            let account = super::account::Account::of_chart(world, CHECK, "ring", None, &serde_json::json!({}))?;
            let environment = account.environment();
            let report = with_baselines(environment, "configmap://default/trial-forbidden", &[CHECK])?.finish()?;
            told(&report.progress, &["configmap://default/trial-forbidden", "cannot get resource \"configmaps\""])?;
            if report.code == Some(2) { Ok(()) } else { Err(format!("exit code {:?}", report.code).into()) }
        }),
    ]
}

/// A bucket of a trial; on the server it is a folder, and an object a file.
struct Bucket {
    name: &'static str,
    folder: PathBuf,
}

impl Bucket {
    fn new(world: &World, name: &'static str) -> Result<Self, Failed> {
        let folder = world.cluster().site().path("s3").join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(Self { name, folder })
    }

    fn url(&self) -> String {
        format!("s3://{}/all", self.name)
    }

    fn files(&self, folder: &str) -> Result<Vec<String>, Failed> {
        let entries = std::fs::read_dir(self.folder.join(folder))?.collect::<Result<Vec<_>, _>>()?;
        let mut names: Vec<String> =
            entries.into_iter().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        Ok(names)
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("{} stays: {error}", self.folder.display());
        }
    }
}

fn reports(world: &World) -> Result<(), Failed> {
    let bucket = Bucket::new(world, "reports-published")?;
    let url = bucket.url();
    let report = run::test(&world.environment(), &[CHECK, "--publish", &url])?;
    report.expect_pass()?;
    let cluster = world.cluster().site().name().to_owned();
    let id = report.json["run"].as_str().ok_or("no run")?.to_owned();
    let all = ["report.html", "report.json", "report.md", "report.prom", "report.txt", "report.xml"];
    for run in [id.as_str(), "latest"] {
        let names = bucket.files(&format!("all/{cluster}/{run}"))?;
        if names != all {
            return Err(format!("{run}: {names:?}").into());
        }
    }
    // Read back through the server, as the next run does.
    let read = world.wait(async {
        let place = Place::parse(&url)?;
        let store = Store::open(place, &access(world)).await.map_err(|error| error.to_string())?;
        store.read(&format!("{cluster}/latest/report.json")).await.map_err(|error| error.to_string())
    })?;
    let read: Value = serde_json::from_slice(&read.ok_or("no latest report")?)?;
    if read["run"] != id.as_str() {
        return Err(format!("latest is of run {}", read["run"]).into());
    }
    let kind = world.wait(content_type(world, bucket.name, &format!("all/{cluster}/{id}/report.html")))?;
    if !kind.starts_with("text/html") {
        return Err(format!("the page is {kind}").into());
    }
    Ok(())
}

fn access(world: &World) -> S3Access {
    let s3 = world.cluster().s3();
    let keys = kibertas::aws::Keys { id: s3.access_key.to_owned(), secret: s3.secret_key.to_owned(), token: None };
    let way = kibertas::aws::Way {
        region: Some(s3.region.to_owned()),
        endpoint: Some(format!("http://{}", s3.address)),
        keys: Some(keys),
        profile: None,
    };
    S3Access { way, path_style: None }
}

/// What a browser would be told of an object.
async fn content_type(world: &World, bucket: &str, key: &str) -> Result<String, Failed> {
    let found = access(world).way.find().await.map_err(|error| error.to_string())?;
    let config = aws_sdk_s3::config::Builder::from(&found)
        .force_path_style(true)
        .endpoint_url(format!("http://{}", world.cluster().s3().address));
    let client = aws_sdk_s3::Client::from_conf(config.build());
    let head = client.head_object().bucket(bucket).key(key).send().await.map_err(|error| format!("{error:?}"))?;
    Ok(head.content_type().unwrap_or_default().to_owned())
}

/// A run that has come as far as its first step, so that its place is proved.
fn started(world: &World, args: &[&str]) -> Result<Running, Failed> {
    let mut running = run::start(&world.environment(), args)?;
    running.until(" run ")?;
    Ok(running)
}

fn with_baselines(environment: &Environment, kept: &str, args: &[&str]) -> Result<Running, Failed> {
    let mut environment = environment.clone();
    environment.push(("KIBERTAS_BASELINES", kept.to_owned()));
    environment.push(("KIBERTAS_BASELINES_KEPT", "2".to_owned()));
    run::start(&environment, args)
}

/// Three runs, of which two stay; the second and third are compared with the one before.
fn baselines(world: &World, kept: &str) -> Result<(), Failed> {
    for count in 1..=3 {
        let run = with_baselines(&world.environment(), kept, &[CHECK, "--baseline", "last"])?.finish()?;
        run.expect_pass()?;
        let nothing = format!("is kept in {kept} yet");
        match count {
            1 => told(&run.progress, &[&nothing])?,
            _ if run.progress.contains(&nothing) => return Err(format!("run {count} knows of none before").into()),
            _ => told(&run.progress, &["certificate"])?,
        }
    }
    Ok(())
}

/// A run that ends before anything is created, with these words, and without its secrets.
fn refused_before(world: &World, other: &[(&'static str, &str)], url: &str, words: &[&str]) -> Result<(), Failed> {
    let report = run::test(&world.environment_with(other), &[CHECK, "--publish", url])?;
    if report.code != Some(2) || !report.json.is_null() {
        return Err(format!("exit code {:?}\n{}", report.code, report.progress).into());
    }
    told(&report.progress, &["publish is", "a place in S3 that this run may read and write"])?;
    told(&report.progress, words)?;
    let secrets = ["testsecret", "strangersecret", "not-the-secret"];
    match secrets.iter().find(|secret| report.progress.contains(*secret)) {
        Some(secret) => Err(format!("it shows {secret}").into()),
        None => Ok(()),
    }
}

fn noticed(report: &Report, words: &[&str]) -> Result<(), Failed> {
    told(&report.json["notices"].to_string(), words)
}

fn told(text: &str, words: &[&str]) -> Result<(), Failed> {
    match words.iter().find(|word| !text.contains(*word)) {
        Some(word) => Err(format!("it does not say {word:?}:\n{text}").into()),
        None => Ok(()),
    }
}
