//! GitHub: the commit's status, or a comment in its pull requests.
//!
//! <https://docs.github.com/en/rest/commits/statuses#create-a-commit-status>,
//! <https://docs.github.com/en/rest/commits/commits#list-pull-requests-associated-with-a-commit>,
//! <https://docs.github.com/en/rest/issues/comments>

use std::fmt::Write as _;

use http::Method;
use serde_json::{Value, json};

use super::delivery::{Answer, Http, Meaning, Request, Undelivered, by_status, in_words};
use super::message::{Line, Message, Part, word, word_of_run};
use super::waiting;
use crate::clock;
use crate::report::markdown::{escaped, fenced};
use crate::report::printable::shortened;
use crate::verdict::Verdict;

/// The most characters of a comment.
pub const LIMIT: usize = 65_536;
/// The most characters of a status' description.
const MOST_OF_DESCRIPTION: usize = 140;
/// The most comments that are looked through for our own, in pages of 100.
const MOST_PAGES: u32 = 10;

/// What is left at a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// A status.
    Status,
    /// A comment in each open pull request that the commit belongs to. A later run updates its own comment.
    Comment,
}

/// A commit of a repository.
#[derive(Clone)]
pub struct GitHub {
    /// A token that may write statuses, or comments and read pull requests.
    pub token: String,
    /// `OWNER/NAME`.
    pub repository: String,
    /// The commit, in full.
    pub commit: String,
    /// What is left there.
    pub form: As,
    /// The API's base URL.
    pub api: String,
}

impl GitHub {
    /// Sends the message.
    pub async fn send(&self, http: &Http, message: &Message) -> Result<u32, Undelivered> {
        match self.form {
            As::Status => {
                let mut tries = 0;
                for part in &message.parts {
                    let path = format!("statuses/{}", self.commit);
                    tries = tries.max(self.ask(http, Method::POST, &path, Some(status(part))).await?.1);
                }
                Ok(tries)
            }
            As::Comment => self.comment(http, message).await,
        }
    }

    async fn comment(&self, http: &Http, message: &Message) -> Result<u32, Undelivered> {
        let path = format!("commits/{}/pulls?per_page=100", self.commit);
        let (pulls, mut tries) = self.ask(http, Method::GET, &path, None).await?;
        let open = pulls.as_array().into_iter().flatten().filter(|pull| pull["state"] == "open");
        let numbers: Vec<u64> = open.filter_map(|pull| pull["number"].as_u64()).collect();
        if numbers.is_empty() {
            let reason = format!("no open pull request has the commit {}", self.commit);
            return Err(Undelivered { reason, tries });
        }
        let (marker, body) = (marker(message), json!({"body": body(message)}));
        for number in numbers {
            let (method, path) = match self.own_comment(http, number, &marker).await? {
                Some(id) => (Method::PATCH, format!("issues/comments/{id}")),
                None => (Method::POST, format!("issues/{number}/comments")),
            };
            tries = tries.max(self.ask(http, method, &path, Some(body.clone())).await?.1);
        }
        Ok(tries)
    }

    /// The comment that a run on the same clusters has left before.
    async fn own_comment(&self, http: &Http, number: u64, marker: &str) -> Result<Option<u64>, Undelivered> {
        for page in 1..=MOST_PAGES {
            let path = format!("issues/{number}/comments?per_page=100&page={page}");
            let (comments, _) = self.ask(http, Method::GET, &path, None).await?;
            let comments = comments.as_array().map(Vec::as_slice).unwrap_or_default();
            let ours = comments.iter().find(|c| c["body"].as_str().is_some_and(|body| body.starts_with(marker)));
            if let Some(id) = ours.and_then(|comment| comment["id"].as_u64()) {
                return Ok(Some(id));
            }
            if comments.len() < 100 {
                break;
            }
        }
        Ok(None)
    }

    async fn ask(
        &self,
        http: &Http,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(Value, u32), Undelivered> {
        let url = format!("{}/repos/{}/{path}", self.api.trim_end_matches('/'), self.repository);
        let mut request = Request::json(method.clone(), url, &body.unwrap_or_default())
            .header("accept", "application/vnd.github+json")
            .header("x-github-api-version", "2022-11-28")
            .header("authorization", format!("Bearer {}", self.token));
        if method == Method::GET {
            request.body.clear();
            request.wants_body = true;
        }
        // The last status of a context counts, and a comment is replaced by itself; only a new comment may come twice.
        request.repeatable = method != Method::POST || path.starts_with("statuses/");
        let delivered = http.deliver(&request, meaning).await?;
        Ok((serde_json::from_str(&delivered.answer.body).unwrap_or_default(), delivered.tries))
    }
}

impl std::fmt::Debug for GitHub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GitHub {} {} ({:?})", self.repository, self.commit, self.form)
    }
}

/// A limit that is used up is told with 403 as well as with 429:
/// <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>
fn meaning(answer: &Answer) -> Meaning {
    let header = |name: &str| answer.headers.get(name).and_then(|value| value.to_str().ok());
    if answer.status == 403 && (header("retry-after").is_some() || header("x-ratelimit-remaining") == Some("0")) {
        return Meaning::Later(in_words(answer), waiting::asked(&answer.headers, clock::now()));
    }
    by_status(answer)
}

/// The status of one cluster; its context has the cluster's name, so that blue's and green's stand side by side.
pub fn status(part: &Part) -> Value {
    let state = match part.verdict {
        Verdict::Passed => "success",
        Verdict::Failed => "failure",
        Verdict::Inconclusive | Verdict::Cancelled | Verdict::Skipped => "error",
    };
    let bad: Vec<&str> = part.checks.iter().filter(|c| c.trouble.is_some()).map(|c| c.name.as_str()).collect();
    let bad = if bad.is_empty() { String::new() } else { format!(" ({})", bad.join(", ")) };
    let took = clock::human(part.duration_ms);
    let description = format!("{}: {} in {took}{bad}", word_of_run(part.verdict), part.counts);
    let mut status = json!({
        "state": state,
        "context": format!("kibertas/{}", shortened(&part.cluster, 100)),
        "description": shortened(&description, MOST_OF_DESCRIPTION),
    });
    if let Some(report) = part.report.as_ref().filter(|report| report.starts_with("http")) {
        status["target_url"] = report.as_str().into();
    }
    status
}

/// The first line of a comment, which readers do not see: it finds the comment again for the next run on the same clusters.
fn marker(message: &Message) -> String {
    // No character of a name may end the HTML comment.
    let safe = |text: &str| text.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect::<String>();
    let clusters: Vec<String> = message.parts.iter().map(|part| safe(&shortened(&part.cluster, 100))).collect();
    format!("<!-- kibertas-rs {} -->", shortened(&clusters.join(" "), 1000))
}

/// The comment.
pub fn body(message: &Message) -> String {
    let marker = marker(message);
    let render = |message: &Message| {
        let parts = message.parts.iter().map(part).collect::<Vec<_>>().join("\n\n");
        format!("{marker}\n{parts}\n")
    };
    message.fitted(render, |text| text.chars().count() <= LIMIT)
}

fn part(part: &Part) -> String {
    let took = clock::human(part.duration_ms);
    let mut text =
        format!("### {}\n\n{}, {} in {took}", escaped(&part.title()), escaped(&part.versions()), part.counts);
    text.push_str("\n\n| | Check | Time |\n|---|---|---|\n");
    let time = |check: &Line| check.duration_ms.map(clock::human).unwrap_or_default();
    let row = |check: &Line| format!("| {} | {} | {} |", word(check.verdict), escaped(&check.name), time(check));
    text.push_str(&part.checks.iter().map(row).collect::<Vec<_>>().join("\n"));
    if part.more_checks > 0 {
        let _ = write!(text, "\n\n… and {} more", part.more_checks);
    }
    for check in &part.checks {
        let Some(trouble) = &check.trouble else { continue };
        let _ = write!(text, "\n\n**{} {}**", word(check.verdict), escaped(&check.name));
        if let Some(step) = &trouble.step {
            let _ = write!(text, "\n- step: {}", escaped(step));
        }
        let _ = write!(text, "\n- reason: {}", escaped(&trouble.reason));
        if let Some(cause) = &trouble.cause {
            let _ = write!(text, "\n- cause: {}", escaped(cause));
        }
        if let Some(next) = &trouble.next {
            let _ = write!(text, "\n\n{}", fenced("sh", std::slice::from_ref(next)));
        }
    }
    let report = match &part.report {
        Some(report) if report.starts_with("http") && !report.contains([' ', ')', '<', '>']) => {
            format!("[Report]({report}), ")
        }
        Some(report) => format!("Report: {}, ", escaped(report)),
        None => String::new(),
    };
    let _ = write!(text, "\n\n{report}run {}, started {}", escaped(&part.run), part.started);
    text
}

#[cfg(test)]
mod tests {
    use pulldown_cmark::{Event, Options, Parser, Tag};

    use super::*;
    use crate::notify::sample;

    #[test]
    fn the_comment_of_every_verdict() {
        insta::assert_snapshot!(body(&sample::of_every_verdict()));
    }

    #[test]
    fn blue_and_green_in_one_comment() {
        insta::assert_snapshot!(body(&sample::blue_and_green()));
    }

    #[test]
    fn the_statuses() {
        let status = |message: &Message| serde_json::to_string_pretty(&status(&message.parts[0])).unwrap();
        insta::assert_snapshot!(format!("{}\n{}", status(&sample::of_every_verdict()), status(&sample::ok())));
        for message in [sample::oversized(), sample::hostile()] {
            let status = super::status(&message.parts[0]);
            assert!(status["description"].as_str().unwrap().chars().count() <= MOST_OF_DESCRIPTION, "{status}");
        }
    }

    #[test]
    fn the_cluster_can_neither_mention_nor_mark_up() {
        let text = body(&sample::hostile());
        let mut links = 0;
        for event in Parser::new_ext(&text, Options::all()) {
            match event {
                Event::Html(html) => assert!(html.starts_with("<!-- kibertas-rs "), "{html}"),
                Event::InlineHtml(html) => panic!("{html}"),
                Event::Start(Tag::Link { .. }) => links += 1,
                Event::Start(tag @ (Tag::Image { .. } | Tag::Emphasis | Tag::Strikethrough)) => panic!("{tag:?}"),
                _ => {}
            }
        }
        assert_eq!(links, 1, "the report's");
        assert!(!text.replace("```", "").contains(" @channel") || text.contains("```sh"), "{text}");
    }

    #[test]
    fn a_later_run_finds_its_comment_and_no_other() {
        let (one, both) = (sample::ok(), sample::blue_and_green());
        assert!(body(&one).starts_with(&marker(&one)) && body(&sample::of_every_verdict()).starts_with(&marker(&one)));
        assert_ne!(marker(&one), marker(&both));
        assert_eq!(marker(&both), "<!-- kibertas-rs blue green -->");
        assert_eq!(marker(&sample::hostile()).matches("-->").count(), 1);
    }

    #[test]
    fn a_comment_keeps_the_limit_whatever_there_is_to_tell() {
        let text = body(&sample::oversized());
        assert!(text.chars().count() <= LIMIT, "{}", text.chars().count());
    }

    #[test]
    fn a_used_up_limit_is_no_refusal() {
        let answer = |status: u16, headers: &[(&'static str, &'static str)]| Answer {
            status,
            headers: headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect(),
            body: String::new(),
        };
        let limited = answer(403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")]);
        assert!(matches!(meaning(&limited), Meaning::Later(_, Some(_))));
        assert!(matches!(meaning(&answer(403, &[("retry-after", "7")])), Meaning::Later(_, Some(_))));
        assert!(matches!(meaning(&answer(403, &[("x-ratelimit-remaining", "9")])), Meaning::Refused(_)));
    }
}
