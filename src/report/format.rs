//! The formats of reports: one table, from which they are parsed, listed and rendered.

use std::str::FromStr;

use super::{html, json, junit, markdown, plain, prometheus};
use crate::result::RunResult;

/// A format of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The whole result as data.
    Json,
    /// For CI systems.
    Junit,
    /// A page to look at.
    Html,
    /// For pull requests and wikis.
    Markdown,
    /// Metrics.
    Prometheus,
    /// What is printed where there is no terminal.
    Text,
}

/// What there is to know about a format.
#[derive(Debug)]
pub struct About {
    /// The format.
    pub format: Format,
    /// The name on the command line.
    pub name: &'static str,
    /// Other names that mean the same.
    pub aliases: &'static [&'static str],
    /// The usual end of a file's name, without the dot.
    pub extension: &'static str,
    /// The media type, for stores and servers.
    pub media_type: &'static str,
    /// What it is for, in one line.
    pub summary: &'static str,
}

/// Every format.
pub static FORMATS: &[About] = &[
    About {
        format: Format::Json,
        name: "json",
        aliases: &[],
        extension: "json",
        media_type: "application/json",
        summary: "the whole result as data; its schema is docs/report.schema.json",
    },
    About {
        format: Format::Junit,
        name: "junit",
        aliases: &["xml"],
        extension: "xml",
        media_type: "application/xml",
        summary: "one test case per check, for CI systems",
    },
    About {
        format: Format::Html,
        name: "html",
        aliases: &[],
        extension: "html",
        media_type: "text/html; charset=utf-8",
        summary: "one self-contained page with a timeline of all steps",
    },
    About {
        format: Format::Markdown,
        name: "markdown",
        aliases: &["md"],
        extension: "md",
        media_type: "text/markdown; charset=utf-8",
        summary: "for pull requests and wikis",
    },
    About {
        format: Format::Prometheus,
        name: "prometheus",
        aliases: &["openmetrics", "prom"],
        extension: "prom",
        media_type: "text/plain; version=0.0.4; charset=utf-8",
        summary: "metrics for node_exporter's text file collector or a Pushgateway",
    },
    About {
        format: Format::Text,
        name: "text",
        aliases: &["txt"],
        extension: "txt",
        media_type: "text/plain; charset=utf-8",
        summary: "the story of the run as plain lines",
    },
];

impl Format {
    /// What there is to know about it.
    ///
    /// # Panics
    /// Never: a test walks the table.
    pub fn about(self) -> &'static About {
        FORMATS.iter().find(|about| about.format == self).unwrap_or(&FORMATS[0])
    }

    /// The names of all formats, to complete "one of …".
    pub fn names() -> String {
        FORMATS.iter().map(|about| about.name).collect::<Vec<_>>().join(", ")
    }
}

impl std::fmt::Display for Format {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.about().name)
    }
}

/// A name that no format has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is no format of reports: should be one of {}", Format::names())]
pub struct UnknownFormat {
    /// As given.
    pub name: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let lower = name.to_ascii_lowercase();
        let named = |about: &&About| about.name == lower || about.aliases.contains(&lower.as_str());
        match FORMATS.iter().find(named) {
            Some(about) => Ok(about.format),
            None => Err(UnknownFormat { name: name.to_owned() }),
        }
    }
}

/// A result that a format cannot hold. No result that this program makes is one.
#[derive(Debug, thiserror::Error)]
#[error("the result cannot be written as {format}: {reason}")]
pub struct RenderError {
    /// The format.
    pub format: Format,
    /// Why not.
    pub reason: String,
}

/// Renders runs, stored or fresh, as one report. The text ends with a line break.
pub fn render(results: &[RunResult], format: Format) -> Result<String, RenderError> {
    let failed = |reason: String| RenderError { format, reason };
    match format {
        Format::Json => json::render(results).map_err(|error| failed(error.to_string())),
        Format::Junit => junit::render(results).map_err(|error| failed(error.to_string())),
        Format::Html => Ok(html::render(results)),
        Format::Markdown => Ok(markdown::render(results)),
        Format::Prometheus => Ok(prometheus::render(results, "")),
        Format::Text => Ok(plain::render(results)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_in_the_table_once_and_parses_back() {
        let all = [Format::Json, Format::Junit, Format::Html, Format::Markdown, Format::Prometheus, Format::Text];
        assert_eq!(FORMATS.iter().map(|about| about.format).collect::<Vec<_>>(), all);
        for about in FORMATS {
            assert_eq!(about.format.about().name, about.name);
            for name in about.aliases.iter().chain([&about.name]) {
                assert_eq!(name.parse(), Ok(about.format));
                let owners = FORMATS.iter().filter(|other| other.name == *name || other.aliases.contains(name));
                assert_eq!(owners.count(), 1, "{name}");
            }
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let error = "pdf".parse::<Format>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"pdf\" is no format of reports: should be one of json, junit, html, markdown, prometheus, text"
        );
    }

    #[test]
    fn every_format_renders_every_sample_and_ends_its_last_line() {
        use crate::report::sample;
        let samples = [sample::every_verdict(), sample::all_passed(), sample::hostile(), sample::run(Vec::new())];
        for results in samples.chunks(1).chain([samples.as_slice()]) {
            for about in FORMATS {
                let text = render(results, about.format).unwrap();
                assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}: {text:?}", about.name);
                // No control character of the cluster's is in any of them.
                assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{}: {text:?}", about.name);
            }
        }
    }
}
