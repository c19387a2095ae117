//! One side of a comparison: a report or a folder of reports, here, in S3, or at a URL.

use std::path::Path;
use std::time::Duration;

use super::{BaselineError, all_parsed, is_report, report, reports};
use crate::cluster::connect::innermost;
use crate::place::{Place, S3Access, Store};
use crate::result::RunResult;

/// How long a report may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);
/// The largest report that is read from a URL, in bytes.
const LARGEST: usize = 64 << 20;

/// Whether a side is read from S3, and so needs the settings of the way there.
pub fn needs_s3(side: &str) -> bool {
    side.starts_with("s3://")
}

/// The results of a side, oldest first: of a file, of all `.json` files of a folder, or of a URL. S3 keys that end in `.json` are files.
pub async fn read(side: &str, access: &S3Access) -> Result<Vec<RunResult>, BaselineError> {
    match side.split_once("://") {
        Some(("http" | "https", _)) => download(side).await,
        Some(("configmap", _)) => {
            let reason = "is compared with as --baseline last, with the setting baselines; no other side is read from a ConfigMap";
            Err(BaselineError::place(side, reason))
        }
        Some(_) => in_place(side, access).await,
        None if Path::new(side).is_dir() => in_place(side, access).await,
        None => {
            let all = report::read(Path::new(side));
            all.map_err(|source| BaselineError::Report { place: side.to_owned(), source })
        }
    }
}

async fn in_place(side: &str, access: &S3Access) -> Result<Vec<RunResult>, BaselineError> {
    let wrong = |expected| BaselineError::place(side, format!("should be a report, {expected}"));
    let file = side.rsplit_once('/').filter(|(_, name)| side.starts_with("s3://") && is_report(name));
    let place = Place::parse(file.map_or(side, |(folder, _)| folder)).map_err(wrong)?;
    let store = Store::open(place, access).await?;
    let names = match file {
        Some((_, name)) => vec![name.to_owned()],
        None => reports(&store, "").await?,
    };
    let mut results = Vec::new();
    for name in &names {
        let content = store.read(name).await?.ok_or_else(|| BaselineError::place(side, "there is no such report"))?;
        results.extend(all_parsed(format!("{}/{name}", store.place()), &content)?);
    }
    if results.is_empty() {
        return Err(BaselineError::place(side, "it holds no .json reports"));
    }
    results.sort_by_key(|result| result.started);
    Ok(results)
}

/// The report of a URL, whose query may be a secret and is never shown.
async fn download(url: &str) -> Result<Vec<RunResult>, BaselineError> {
    let shown = url.split(['?', '#']).next().unwrap_or_default().to_owned();
    let wrong = |reason: String| BaselineError::place(&shown, reason);
    let tls = crate::tls::client_config(None).map_err(|error| wrong(innermost(&error)))?;
    let client = reqwest::Client::builder()
        .user_agent(concat!("kibertas-rs/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls)
        .timeout(PATIENCE)
        .build();
    let client = client.map_err(|error| wrong(innermost(&error)))?;
    let unanswered = |error: reqwest::Error| wrong(innermost(&error.without_url()));
    let mut reply = client.get(url).send().await.map_err(unanswered)?;
    if !reply.status().is_success() {
        return Err(wrong(format!("status {}", reply.status().as_u16())));
    }
    let mut content = Vec::new();
    while let Some(piece) = reply.chunk().await.map_err(unanswered)? {
        content.extend_from_slice(&piece);
        if content.len() > LARGEST {
            return Err(wrong(format!("more than {LARGEST} bytes, which no report has")));
        }
    }
    all_parsed(shown, &content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    async fn told(side: &str) -> String {
        read(side, &S3Access::default()).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn an_empty_folder_is_no_side_of_a_comparison() {
        let folder = tempfile::tempdir().unwrap();
        assert!(told(folder.path().to_str().unwrap()).await.ends_with("it holds no .json reports"));
        assert!(told(folder.path().join("nothing.json").to_str().unwrap()).await.contains("No such file"));
    }

    #[tokio::test]
    async fn what_is_no_side_is_told() {
        assert!(told("ftp://x/report.json").await.contains("ftp:// is neither"));
        assert!(told("configmap://ns/name").await.contains("--baseline last"));
    }

    #[tokio::test]
    async fn a_report_comes_from_a_url_and_its_query_never_shows() {
        use stand_ins::request::{Reply, Request};
        use stand_ins::server::{Rules, Server};

        struct Reports;
        impl Rules for Reports {
            fn reply(&self, request: &Request) -> Reply {
                match (request.path.as_str(), request.parameter("signature")) {
                    ("/blue.json", "hush") => Reply::json(200, &serde_json::to_value(sample::all_passed()).unwrap()),
                    ("/blue.json", _) => Reply::text(403, "no"),
                    _ => Reply::text(200, "<html>"),
                }
            }
        }
        let server = Server::plain(Reports).unwrap();
        let url = |rest: &str| format!("{}/{rest}", server.url());
        let results = read(&url("blue.json?signature=hush"), &S3Access::default()).await.unwrap();
        assert_eq!(results, [sample::all_passed()]);
        let refused = told(&url("blue.json?signature=hash")).await;
        assert_eq!(refused, format!("{}: status 403", url("blue.json")));
        let other = told(&url("page?signature=hush")).await;
        assert!(other.contains("this is no report") && !other.contains("hush"), "{other}");
        let gone = url("blue.json?signature=hush");
        drop(server);
        let gone = told(&gone).await;
        assert!(gone.contains("refused") && !gone.contains("hush"), "{gone}");
    }
}
