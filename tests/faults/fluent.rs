//! Logs, shipped and not: by the real shipper into the real S3 server, and by a trial that ships in its place.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_compression::tokio::write::GzipEncoder;
use kibertas::probe::log::{first_line, numbered_line};
use libtest_mimic::{Failed, Trial};
use tokio::io::AsyncWriteExt;

use super::run::{self, Report, Running};
use super::world::{World, alone, on_whole};

/// Fifty years.
const YEARS: Duration = Duration::from_secs(50 * 365 * 86_400);
/// Ends a wait that is in vain. It holds for the whole check, so it leaves time for the pod on a busy machine.
const IN_VAIN: [&str; 2] = ["--timeout", "25s"];
/// More than the answer to a request or the look at an object takes, and less than a wait.
const AT_ONCE: Duration = Duration::from_secs(10);
const BUCKET: &str = "bucket";
const FIRST: &str = "first line in the bucket";
const ALL: &str = "all lines in the bucket";
/// As many bytes as an object may have.
const GIBIBYTE: usize = 1 << 30;
/// As much memory as that may take, in KiB.
const MEMORY: u64 = 64 << 10;

pub(crate) fn trials(world: &Arc<World>) -> Vec<Trial> {
    vec![
        on_whole(world, "fluent::passes", passes),
        on_whole(world, "fluent::lines_longer_than_the_runtime_takes_pass", |world| {
            let long = ["fluent", "--set", "fluent.lines=5", "--set", "fluent.lineLength=40000"];
            run::test(&world.environment(), &long)?.expect_pass()
        }),
        alone(world, "fluent::shipper_stopped", |world| {
            let _stopped = world.stopped("otel-collector")?;
            // Nothing else goes on meanwhile, so the pod takes less.
            let report = run::test(&world.environment(), &["fluent", "--timeout", "15s"])?;
            report.expect(1, "failed", Some(FIRST), &["object under s3://kubernetes-logs/logs/", "shipper"])
        }),
        alone(world, "fluent::server_restarted_in_the_middle", |world| {
            let mut running = run::start(&world.environment(), &["fluent"])?;
            running.until("lines written")?;
            world.wait(world.cluster().restart("versitygw"))?;
            running.finish()?.expect_pass()
        }),
        on_whole(world, "fluent::another_bucket", |world| {
            let place = Place::new(world, "another-bucket")?;
            let report = place.start(world, &IN_VAIN)?.finish()?;
            report.expect(1, "failed", Some(FIRST), &["no object under s3://another-bucket/logs/"])
        }),
        on_whole(world, "fluent::only_older_objects", |world| {
            let place = Place::new(world, "older-objects")?;
            place.put_with("logs/old.txt", |file| file.set_modified(SystemTime::UNIX_EPOCH + YEARS))?;
            let report = place.start(world, &IN_VAIN)?.finish()?;
            let words = ["no new object under s3://older-objects/logs/", "logs/old.txt", "older than the run"];
            report.expect(1, "failed", Some(FIRST), &words)
        }),
        on_whole(world, "fluent::objects_of_another_cluster", |world| {
            let report = shipped(world, "another-cluster", |_| lines("run9.green", None))?;
            report.expect(1, "failed", Some(FIRST), &["none with a line of this run", "run9.green"])
        }),
        on_whole(world, "fluent::line_lost", |world| {
            let report = shipped(world, "line-lost", |nonce| lines(nonce, Some(2)))?;
            report.expect(1, "failed", Some(ALL), &["3 of 4 lines, missing 2"])
        }),
        on_whole(world, "fluent::line_truncated_ends_at_once", |world| {
            let report = shipped(world, "line-truncated", |nonce| lines(nonce, None).replacen("..end", "", 1))?;
            report.expect(1, "failed", Some(ALL), &["1 truncated line,", "logs/shipped.txt"])?;
            report.expect_within(ALL, AT_ONCE)
        }),
        on_whole(world, "fluent::lines_doubled_are_told_and_refused_on_demand", lines_doubled),
        on_whole(world, "fluent::forbidden", |world| {
            let (key, secret) = world.cluster().s3().stranger;
            let stranger = [("AWS_ACCESS_KEY_ID", key), ("AWS_SECRET_ACCESS_KEY", secret)];
            let words = ["AccessDenied", "status 403", "s3:ListBucket", "\"origin\":\"harness\""];
            refused(world, &stranger, (3, "inconclusive"), &words)
        }),
        on_whole(world, "fluent::secret_key_wrong", |world| {
            let wrong = [("AWS_SECRET_ACCESS_KEY", "no-such-secret")];
            refused(world, &wrong, (3, "inconclusive"), &["SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"])
        }),
        on_whole(world, "fluent::bucket_gone", |world| {
            refused(world, &[("LOG_BUCKET_NAME", "gone-bucket")], (1, "failed"), &["NoSuchBucket", "LOG_BUCKET_NAME"])
        }),
        on_whole(world, "fluent::region_wrong", |world| {
            refused(world, &[("AWS_REGION", "eu-west-1")], (3, "inconclusive"), &["ap-northeast-1", "another region"])
        }),
        on_whole(world, "fluent::server_unreachable", |world| {
            let nowhere = format!("http://{}:9", world.cluster().node_address());
            let environment = world.environment_with(&[("AWS_ENDPOINT_URL_S3", &nowhere)]);
            let report = run::test(&environment, &["fluent", "--step-timeout", "2s"])?;
            report.expect(3, "inconclusive", Some(BUCKET), &["Connection refused", "\"origin\":\"outside\""])
        }),
        on_whole(world, "fluent::objects_of_a_gibibyte_take_little_memory", gibibyte),
    ]
}

fn passes(world: &World) -> Result<(), Failed> {
    let report = run::test(&world.environment(), &["fluent"])?;
    report.expect_pass()?;
    for (key, expected) in [("lines", 101), ("lost", 0), ("truncated", 0), ("doubled", 0)] {
        if report.evidence(ALL, key) != expected {
            return Err(format!("{key}: {} instead of {expected}", report.evidence(ALL, key)).into());
        }
    }
    if report.evidence(ALL, "latencyMs").is_u64() { Ok(()) } else { Err("no latency is told".into()) }
}

/// A refusal that is final: told at once, before anything was written.
fn refused(
    world: &World,
    other: &[(&'static str, &str)],
    (code, verdict): (i32, &str),
    words: &[&str],
) -> Result<(), Failed> {
    let report = run::test(&world.environment_with(other), &["fluent"])?;
    report.expect(code, verdict, Some(BUCKET), words)?;
    report.expect_within(BUCKET, AT_ONCE)
}

/// A bucket that no shipper writes to; on the server a bucket is a folder, and an object a file.
struct Place {
    bucket: &'static str,
    folder: PathBuf,
}

impl Place {
    fn new(world: &World, bucket: &'static str) -> Result<Self, Failed> {
        let folder = world.cluster().site().path("s3").join(bucket);
        std::fs::create_dir_all(&folder)?;
        Ok(Self { bucket, folder })
    }

    /// Four lines are asked for, and `logs/` is the path.
    fn start(&self, world: &World, args: &[&str]) -> Result<Running, Failed> {
        let environment = world.environment_with(&[("LOG_BUCKET_NAME", self.bucket), ("LOG_PATH", "logs/")]);
        let mut all = vec!["fluent", "--set", "fluent.lines=3"];
        all.extend(args);
        run::start(&environment, &all)
    }

    /// Writes an object, which is there as a whole or not at all.
    fn put(&self, key: &str, content: &[u8]) -> Result<(), Failed> {
        self.put_with(key, |file| std::io::Write::write_all(file, content))
    }

    fn put_with(&self, key: &str, write: impl FnOnce(&mut std::fs::File) -> std::io::Result<()>) -> Result<(), Failed> {
        let object = self.folder.join(key);
        std::fs::create_dir_all(object.parent().ok_or("a key without a folder")?)?;
        let mut file = tempfile::NamedTempFile::new_in(self.folder.parent().ok_or("no parent")?)?;
        write(file.as_file_mut())?;
        file.persist(object)?;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            eprintln!("{} stays: {error}", self.folder.display());
        }
    }
}

/// A run whose lines are shipped by the trial, as `content` makes them of the run's nonce.
fn shipped(world: &World, bucket: &'static str, content: impl FnOnce(&str) -> String) -> Result<Report, Failed> {
    let place = Place::new(world, bucket)?;
    let mut running = place.start(world, &IN_VAIN)?;
    running.until("lines written")?;
    let nonce = nonce(world, &running)?;
    place.put("logs/shipped.txt", content(&nonce).as_bytes())?;
    running.finish()
}

fn nonce(world: &World, running: &Running) -> Result<String, Failed> {
    Ok(format!("{}.{}", running.run()?, world.cluster().site().name()))
}

/// The lines as the pod writes them, without one.
fn lines(nonce: &str, without: Option<u32>) -> String {
    let line = |number: u32| match number {
        0 => first_line(nonce, 3),
        number => numbered_line(nonce, number, 3, 200),
    };
    (0..=3).filter(|&number| Some(number) != without).map(|number| format!("{}\n", line(number))).collect()
}

fn lines_doubled(world: &World) -> Result<(), Failed> {
    for (allowed, bucket) in [("true", "doubled-told"), ("false", "doubled-refused")] {
        let place = Place::new(world, bucket)?;
        let allow = format!("fluent.allowDoubled={allowed}");
        let mut running = place.start(world, &[&IN_VAIN[..], &["--set", &allow]].concat())?;
        running.until("lines written")?;
        let lines = lines(&nonce(world, &running)?, None);
        place.put("logs/shipped.txt", lines.repeat(2).as_bytes())?;
        let report = running.finish()?;
        if report.evidence(ALL, "doubled") != 4 {
            return Err(format!("doubled: {}", report.evidence(ALL, "doubled")).into());
        }
        match allowed {
            "true" => report.expect_pass()?,
            _ => report.expect(1, "failed", Some(ALL), &["4 of them more than once: 0–3"])?,
        }
    }
    Ok(())
}

/// The lines are at the ends of two objects of a gibibyte: one plain, one that becomes so large when it is unpacked.
fn gibibyte(world: &World) -> Result<(), Failed> {
    let place = Place::new(world, "gibibyte")?;
    let member = world.wait(gzip(&vec![b'.'; GIBIBYTE / 64]))?;
    let mut running = place.start(world, &["--timeout", "5m"])?;
    running.until("lines written")?;
    let nonce = nonce(world, &running)?;
    let (begin, rest) = (lines(&nonce, None), lines(&nonce, Some(0)));
    let begin = begin.lines().next().unwrap_or_default();
    place.put_with("logs/plain.txt", |file| {
        use std::io::{Seek, SeekFrom, Write};
        file.seek(SeekFrom::Start(GIBIBYTE as u64))?;
        writeln!(file, "{begin}")
    })?;
    let last = world.wait(gzip(rest.as_bytes()))?;
    place.put("logs/packed.gz", &[member.repeat(64), last].concat())?;
    running.until(ALL)?;
    let peak = running.peak_memory()?;
    let report = running.finish()?;
    report.expect_pass()?;
    let read = report.evidence(ALL, "bytesRead").as_u64().unwrap_or_default();
    println!("{read} bytes read with a peak of {peak} KiB in {} ms", report.check()["durationMs"]);
    if read < 2 * GIBIBYTE as u64 {
        return Err(format!("only {read} bytes were read").into());
    }
    if peak <= MEMORY { Ok(()) } else { Err(format!("a peak of {peak} KiB is more than {MEMORY}").into()) }
}

async fn gzip(content: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzipEncoder::new(Vec::new());
    encoder.write_all(content).await?;
    encoder.shutdown().await?;
    Ok(encoder.into_inner())
}
