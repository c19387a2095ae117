//! GitHub's REST API, as far as a commit's statuses and comments of its pull requests go.
//!
//! <https://docs.github.com/en/rest/commits/statuses>, <https://docs.github.com/en/rest/commits/commits>,
//! <https://docs.github.com/en/rest/issues/comments>

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use crate::request::{Reply, Request};
use crate::server::{Rules, taken};

/// The most characters of a status' description.
const DESCRIPTION: usize = 140;
/// The most characters of a comment.
const COMMENT: usize = 65_536;

/// One repository with one commit, which is in one open pull request and in a closed one.
pub struct GitHub {
    token: String,
    repository: String,
    commit: String,
    /// The last status of each context.
    pub statuses: Mutex<BTreeMap<String, Value>>,
    /// The comments of the open pull request, number 7.
    pub comments: Mutex<Vec<Value>>,
}

impl GitHub {
    /// A repository that this token may write to.
    pub fn new(token: &str, repository: &str, commit: &str) -> Self {
        let own = |text: &str| text.to_owned();
        let (token, repository, commit) = (own(token), own(repository), own(commit));
        Self { token, repository, commit, statuses: Mutex::default(), comments: Mutex::default() }
    }

    fn status(&self, body: &Value) -> Reply {
        let text = |key: &str| body[key].as_str().unwrap_or_default();
        let states = ["error", "failure", "pending", "success"];
        let url = text("target_url");
        let right = states.contains(&text("state"))
            && text("description").chars().count() <= DESCRIPTION
            && (url.is_empty() || url.starts_with("http://") || url.starts_with("https://"));
        if !right {
            return Reply::json(422, &json!({"message": "Validation Failed"}));
        }
        let context = if text("context").is_empty() { "default" } else { text("context") };
        taken(&self.statuses).insert(context.to_owned(), body.clone());
        Reply::json(201, body)
    }

    fn comment(&self, body: &Value, replaced: Option<usize>) -> Reply {
        let text = body["body"].as_str().unwrap_or_default();
        if text.is_empty() || text.chars().count() > COMMENT {
            return Reply::json(422, &json!({"message": "Validation Failed"}));
        }
        let mut comments = taken(&self.comments);
        let index = replaced.unwrap_or(comments.len());
        let comment = json!({"id": index + 1, "body": text});
        match comments.get_mut(index) {
            Some(place) => *place = comment.clone(),
            None if replaced.is_some() => return not_found(),
            None => comments.push(comment.clone()),
        }
        Reply::json(if replaced.is_some() { 200 } else { 201 }, &comment)
    }

    fn page(&self, request: &Request) -> Reply {
        let number = |name: &str, default: usize| request.parameter(name).parse().unwrap_or(default);
        let (size, page) = (number("per_page", 30).min(100), number("page", 1).max(1));
        let comments = taken(&self.comments);
        let shown: Vec<&Value> = comments.iter().skip((page - 1) * size).take(size).collect();
        Reply::json(200, &json!(shown))
    }
}

fn not_found() -> Reply {
    Reply::json(404, &json!({"message": "Not Found"}))
}

impl Rules for GitHub {
    fn reply(&self, request: &Request) -> Reply {
        if request.header("user-agent").is_empty() {
            return Reply::text(403, "Request forbidden by administrative rules.");
        }
        if request.header("authorization") != format!("Bearer {}", self.token) {
            return Reply::json(401, &json!({"message": "Bad credentials"}));
        }
        let Some(path) = request.path.strip_prefix(&format!("/repos/{}/", self.repository)) else { return not_found() };
        let commit = self.commit.as_str();
        match (request.method.as_str(), path.split('/').collect::<Vec<_>>().as_slice()) {
            ("POST", ["statuses", sha]) if *sha == commit => self.status(&request.json()),
            ("POST", ["statuses", _]) => Reply::json(422, &json!({"message": "No commit found for SHA"})),
            ("GET", ["commits", sha, "pulls"]) if *sha == commit => {
                Reply::json(200, &json!([{"number": 6, "state": "closed"}, {"number": 7, "state": "open"}]))
            }
            ("GET", ["commits", _, "pulls"]) => Reply::json(200, &json!([])),
            ("GET", ["issues", "7", "comments"]) => self.page(request),
            ("POST", ["issues", "7", "comments"]) => self.comment(&request.json(), None),
            ("PATCH", ["issues", "comments", id]) => match id.parse::<usize>() {
                Ok(id) if id > 0 => self.comment(&request.json(), Some(id - 1)),
                _ => not_found(),
            },
            _ => not_found(),
        }
    }
}
