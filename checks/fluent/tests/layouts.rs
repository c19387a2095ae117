//! Objects as shippers write them: their documented key formats, given to `LOG_PATH` as they are, and their contents.

use std::io::Write;
use std::time::Duration;

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use tokio::io::AsyncWriteExt;

use super::stand_in::StandIn;
use super::{bucket, search, time, wanted};
use crate::context::lone_step;
use crate::verdict::Verdict;

/// How the lines are wrapped.
#[derive(Clone, Copy)]
enum Content {
    /// Each line alone.
    Body,
    /// fluent-bit's `json_lines`.
    JsonLines,
    /// fluentd's `out_file` format: time, tag and record.
    TimeTagJson,
    /// One JSON document for all, as `otlp_json` of the OpenTelemetry collector.
    Document,
}

#[derive(Clone, Copy)]
enum Packed {
    Plain,
    Gzip,
    Zstd,
}

struct Layout {
    name: &'static str,
    /// The setting `LOG_PATH`.
    path: &'static str,
    /// When the run began; the objects were written 30 s later.
    since: &'static str,
    /// The objects; the lines are shared among them.
    keys: &'static [&'static str],
    content: Content,
    packed: Packed,
}

const LAYOUTS: &[Layout] = &[
    // <https://docs.fluentbit.io/manual/data-pipeline/outputs/s3#s3-key-format>
    Layout {
        name: "fluent-bit, default s3_key_format",
        path: "/fluent-bit-logs/$TAG/%Y/%m/%d/%H/%M/%S",
        since: "2026-11-21T15:00:10Z",
        keys: &[
            "fluent-bit-logs/kube.var.log.containers.log_kibertas-1_x/2026/11/21/15/00/05-objectYzBnQZ1v",
            "fluent-bit-logs/kube.var.log.containers.log_kibertas-1_x/2026/11/21/15/00/35-objectA7mW2kQe",
        ],
        content: Content::JsonLines,
        packed: Packed::Plain,
    },
    Layout {
        name: "fluent-bit, gzip, UUID, a chunk that began before midnight",
        path: "/logs/%Y/%m/%d/%H_%M_%S/$UUID.gz",
        since: "2027-01-01T00:00:05Z",
        keys: &["logs/2026/12/31/23_51_02/k3F9x2m1.gz", "logs/2027/01/01/00_00_20/Q1w2E3r4.gz"],
        content: Content::JsonLines,
        packed: Packed::Gzip,
    },
    // <https://docs.fluentd.org/output/s3#s3_object_key_format>
    Layout {
        name: "fluentd, the Go tool's default path, hourly slices with gzip",
        path: "fluentd/test/{namespace}/dt=%Y%m%d",
        since: "2026-11-21T23:59:50Z",
        keys: &[
            "fluentd/test/kibertas-1/dt=20261121/20261121-23_0.gz",
            "fluentd/test/kibertas-1/dt=20261122/20261122-00_0.gz",
        ],
        content: Content::TimeTagJson,
        packed: Packed::Gzip,
    },
    Layout {
        name: "fluentd, hourly slices in the key, the slice of the hour before",
        path: "logs/%Y%m%d-%H_%{index}.%{file_extension}",
        since: "2026-11-21T16:00:02Z",
        keys: &["logs/20261121-15_3.gz", "logs/20261121-16_0.gz"],
        content: Content::JsonLines,
        packed: Packed::Gzip,
    },
    Layout {
        name: "fluentd, path by tag, text",
        path: "logs/${tag}/%Y/%m/%d/",
        since: "2026-11-21T16:00:02Z",
        keys: &["logs/kubernetes.log/2026/11/21/16_0.txt"],
        content: Content::TimeTagJson,
        packed: Packed::Plain,
    },
    // <https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/awss3exporter>
    Layout {
        name: "OpenTelemetry collector, by the minute, gzip",
        path: "logs/year=%Y/month=%m/day=%d/hour=%H/minute=%M/",
        since: "2026-11-21T15:59:58Z",
        keys: &[
            "logs/year=2026/month=11/day=21/hour=15/minute=59/logs_1.txt.gz",
            "logs/year=2026/month=11/day=21/hour=16/minute=00/logs_2.txt.gz",
        ],
        content: Content::Body,
        packed: Packed::Gzip,
    },
    Layout {
        name: "OpenTelemetry collector, otlp_json, zstd",
        path: "logs/",
        since: "2026-11-21T15:59:58Z",
        keys: &["logs/year=2026/month=11/day=21/hour=15/minute=59/logs_1.json.zst"],
        content: Content::Document,
        packed: Packed::Zstd,
    },
];

impl Layout {
    /// The objects' contents, with the lines of `numbers` shared among them in turn.
    async fn contents(&self, numbers: &[u32]) -> Vec<Vec<u8>> {
        let mut contents = Vec::new();
        for at in 0..self.keys.len() {
            let lines = numbers.iter().skip(at).step_by(self.keys.len()).map(|&number| wanted().line(number));
            contents.push(self.packed.pack(&self.content.wrap(lines)).await);
        }
        contents
    }

    /// The outcome of a search in a bucket with these objects, each of whose steps has so long.
    async fn outcome(&self, contents: Vec<Vec<u8>>, patience: Duration) -> Result<(), crate::failure::Failure> {
        let server = StandIn::empty().await;
        let since = time(self.since);
        server.put(&format!("{}-old", self.keys[0]), since - Duration::from_secs(1), b"old".to_vec());
        for (key, content) in self.keys.iter().zip(contents) {
            server.put(key, since + Duration::from_secs(30), content);
        }
        let bucket = bucket(&server).await;
        let mut search = search(&bucket, self.path, since, Duration::from_secs(40));
        search.until_first(&lone_step(patience)).await?;
        search.until_all(&lone_step(patience)).await
    }
}

impl Content {
    fn wrap(self, lines: impl Iterator<Item = String>) -> Vec<u8> {
        let mut wrapped = Vec::new();
        for (at, line) in lines.enumerate() {
            let record = serde_json::json!({"log": format!("{line}\n"), "stream": "stdout"});
            match self {
                Self::Body => writeln!(wrapped, "{line}"),
                Self::JsonLines => writeln!(wrapped, "{record}"),
                Self::TimeTagJson => writeln!(wrapped, "2026-11-21T15:00:00+00:00\tkubernetes.log\t{record}"),
                Self::Document => write!(wrapped, "{}{record}", if at == 0 { "[" } else { "," }),
            }
            .expect("memory takes all");
        }
        wrapped
    }
}

impl Packed {
    async fn pack(self, content: &[u8]) -> Vec<u8> {
        match self {
            Self::Plain => content.to_vec(),
            Self::Gzip => {
                let mut encoder = GzipEncoder::new(Vec::new());
                encoder.write_all(content).await.expect("memory takes all");
                encoder.shutdown().await.expect("memory takes all");
                encoder.into_inner()
            }
            Self::Zstd => {
                let mut encoder = ZstdEncoder::new(Vec::new());
                encoder.write_all(content).await.expect("memory takes all");
                encoder.shutdown().await.expect("memory takes all");
                encoder.into_inner()
            }
        }
    }
}

/// For a search that ends by itself, on a machine that is busy with other tests.
const AMPLE: Duration = Duration::from_secs(30);
/// For one that has to run out of time after it has seen everything.
const IN_VAIN: Duration = Duration::from_secs(4);

#[tokio::test]
async fn every_layout_is_found_and_read() {
    for layout in LAYOUTS {
        let contents = layout.contents(&[0, 1, 2, 3, 4, 5]).await;
        let outcome = layout.outcome(contents, AMPLE).await;
        assert_eq!(outcome, Ok(()), "{}", layout.name);
    }
}

#[tokio::test]
async fn a_lost_line_is_named_in_every_layout() {
    let each = LAYOUTS.iter().map(async |layout| {
        let contents = layout.contents(&[0, 1, 2, 4, 5]).await;
        let failure = layout.outcome(contents, IN_VAIN).await.expect_err(layout.name);
        assert_eq!(failure.verdict, Verdict::Failed, "{}", layout.name);
        assert!(failure.seen.starts_with("5 of 6 lines, missing 3"), "{}: {failure}", layout.name);
    });
    futures::future::join_all(each).await;
}

#[tokio::test]
async fn a_truncated_line_ends_the_search_at_once_in_every_layout() {
    for layout in LAYOUTS {
        let mut lines: Vec<String> = (0..=5).map(|number| wanted().line(number)).collect();
        lines[3].truncate(60);
        let mut contents = vec![layout.packed.pack(&layout.content.wrap(lines.into_iter())).await];
        contents.resize(layout.keys.len(), Vec::new());
        let failure = layout.outcome(contents, AMPLE).await.expect_err(layout.name);
        assert!(failure.seen.contains("1 truncated line,"), "{}: {failure}", layout.name);
        assert!(!failure.seen.contains("waited"), "{}: {failure}", layout.name);
    }
}

#[tokio::test]
async fn what_is_there_instead_is_told() {
    let layout = &LAYOUTS[5];
    let other = crate::checks::fluent::lines::Wanted { nonce: "run9.green".to_owned(), ..wanted() };
    let another = vec![format!("{}\n", other.line(1)).into_bytes()];
    let (another, nothing, unread) = futures::join!(
        layout.outcome(another, IN_VAIN),
        layout.outcome(vec![], IN_VAIN),
        layout.outcome(vec![b"PAR1....PAR1".to_vec()], IN_VAIN),
    );
    let failure = another.expect_err("another's line");
    assert!(failure.seen.contains("1 new object "), "{failure}");
    assert!(failure.seen.contains("lines of other runs or clusters: run9.green"), "{failure}");
    let failure = nothing.expect_err("nothing new");
    assert!(failure.seen.contains("no new object") && failure.seen.contains("older than the run"), "{failure}");
    assert_eq!(failure.verdict, Verdict::Failed);
    let failure = unread.expect_err("unread");
    assert!(failure.seen.contains("not read: 1 parquet"), "{failure}");
    // The lines may well be in it.
    assert_eq!(failure.verdict, Verdict::Inconclusive);
    assert!(failure.cause.is_some_and(|cause| cause.text.contains("a format that is not read here: parquet")));
}
