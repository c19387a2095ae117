//! A Prometheus Pushgateway: groups of metrics, which a `PUT` replaces as a whole.
//!
//! <https://github.com/prometheus/pushgateway#api>

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::request::{Reply, Request};
use crate::server::{Rules, taken};

/// The gateway.
#[derive(Default)]
pub struct Pushgateway {
    /// The groups by their paths, such as `job/kibertas/cluster/blue`.
    pub groups: Mutex<BTreeMap<String, String>>,
}

/// Whether a text is in the text format, as far as the gateway cares: comments, and samples without a timestamp.
fn is_text_format(text: &str) -> bool {
    let sample = |line: &str| {
        let (series, value) = line.rsplit_once(' ')?;
        let name = series.split('{').next()?;
        let named = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
        (named && value.parse::<f64>().is_ok()).then_some(())
    };
    text.ends_with('\n') && text.lines().all(|line| line.starts_with('#') || sample(line).is_some())
}

impl Rules for Pushgateway {
    fn reply(&self, request: &Request) -> Reply {
        let Some(group) = request.path.strip_prefix("/metrics/") else { return Reply::text(404, "404 page not found") };
        let parts: Vec<&str> = group.split('/').collect();
        if parts.len() % 2 != 0 || !matches!(parts[0], "job" | "job@base64") || parts.iter().any(|part| part.is_empty())
        {
            return Reply::text(400, "odd number of components in grouping key, or no job");
        }
        let text = String::from_utf8_lossy(&request.body).into_owned();
        match request.method.as_str() {
            "PUT" if !is_text_format(&text) => Reply::text(400, "text format parsing error"),
            "PUT" => {
                taken(&self.groups).insert(group.to_owned(), text);
                Reply { status: 200, headers: Vec::new(), body: Vec::new() }
            }
            _ => Reply::text(405, "Method Not Allowed"),
        }
    }
}
