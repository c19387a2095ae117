//! The OpenTelemetry collector as log shipper: from the pods' logs on the node to S3.

use async_trait::async_trait;
use serde_json::json;

use super::versitygw;
use crate::component::{Component, Facts};
use crate::context::Context;
use crate::process::Invocation;
use crate::ready::{self, Seen};
use crate::tool::{GoTool, go_files};
use crate::{Result, state};

const OTEL: GoTool = GoTool {
    name: "otel",
    files: go_files!("otel", "main.go"),
    programs: &["otel-collector"],
    variables: &[],
    additions: &[],
    assets: &[],
};

const METRICS_PORT: u16 = 8888;

pub(crate) struct OtelCollector;

#[async_trait]
impl Component for OtelCollector {
    fn facts(&self) -> &'static Facts {
        &Facts {
            name: "otel-collector",
            about: "ships the pods' logs to S3, as gzip below logs/",
            profile: None,
            needs: &["versitygw", "kubelet"],
            tools: &[&OTEL],
            packages: &[],
        }
    }

    async fn prepare(&self, cx: &Context) -> Result<()> {
        let node = cx.site().addresses().node();
        let config = json!({
            "receivers": {"filelog": {
                "include": [cx.site().path("log/pods/*/*/*.log")],
                "include_file_path": true,
                "start_at": "end",
                "poll_interval": "200ms",
                "operators": [{"type": "container"}],
            }},
            "exporters": {"awss3": {
                "s3uploader": {
                    "region": versitygw::REGION,
                    "s3_bucket": versitygw::BUCKET,
                    "s3_prefix": "logs",
                    "endpoint": format!("http://{node}:{}", versitygw::PORT),
                    "s3_force_path_style": true,
                    "compression": "gzip",
                },
                "marshaler": "body",
            }},
            "service": {
                "telemetry": {"metrics": {"readers": [
                    {"pull": {"exporter": {"prometheus": {"host": node, "port": METRICS_PORT}}}},
                ]}},
                "pipelines": {"logs": {"receivers": ["filelog"], "exporters": ["awss3"]}},
            },
        });
        state::write(&cx.site().path("otel-collector.json"), &config)
    }

    async fn invocation(&self, cx: &Context) -> Result<Invocation> {
        Ok(Invocation::new(cx.tool(&OTEL)?.program("otel-collector"))
            .env("AWS_ACCESS_KEY_ID", versitygw::ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", versitygw::SECRET_KEY)
            .file("config", cx.site().path("otel-collector.json")))
    }

    async fn ready(&self, cx: &Context, seen: &Seen) -> Result<()> {
        ready::http(cx, seen, METRICS_PORT, "/metrics").await;
        Ok(())
    }
}
