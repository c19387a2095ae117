//! What a stand-in does instead of keeping its service's rules, as a test tells it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::request::{Reply, Request};

/// One misbehaviour.
#[derive(Debug, Clone)]
pub enum Act {
    /// Replies this.
    Reply(Reply),
    /// Closes the connection without a reply.
    HangUp,
    /// Never replies, and keeps the connection open.
    Silence,
    /// Replies by the rules, but only after this time.
    Late(Duration),
    /// Replies with the status and the headers of the rules, and with a body that never ends.
    SlowBody,
}

#[derive(Debug)]
struct Line {
    /// The beginning of the paths that it is for.
    path: String,
    act: Act,
    /// How many requests it is for; `None`: all.
    left: Option<usize>,
}

/// The misbehaviours that are still to come, the earlier first.
#[derive(Debug, Default)]
pub struct Script {
    lines: Mutex<Vec<Line>>,
}

impl Script {
    /// Misbehaves for the next `times` requests whose path begins with `path`, after those that were told before.
    pub fn next(&self, times: usize, path: &str, act: Act) {
        self.push(Line { path: path.to_owned(), act, left: Some(times) });
    }

    /// Misbehaves for every request whose path begins with `path`.
    pub fn always(&self, path: &str, act: Act) {
        self.push(Line { path: path.to_owned(), act, left: None });
    }

    /// Keeps the rules from now on.
    pub fn end(&self) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn push(&self, line: Line) {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }

    /// What to do with this request; `None`: keep the rules.
    pub(crate) fn take(&self, request: &Request) -> Option<Act> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines.iter_mut().find(|line| line.left != Some(0) && request.path.starts_with(&line.path))?;
        line.left = line.left.map(|left| left - 1);
        Some(line.act.clone())
    }
}
