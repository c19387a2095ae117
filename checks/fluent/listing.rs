//! Lists what is new under the path, however much is old there.
//!
//! Small parts of the bucket are listed whole. Of a large one, the beginning of the last hour is searched by halving, as most
//! shippers name objects by their time; from there on it is listed again and again. Names that do not sort by time are found as
//! well, only later: the whole part is gone through beside that, some pages at a time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::between::between;
use super::bucket::{Bucket, Found, Page};
use super::path::{Pattern, Window};
use super::refusal::Answer;

/// Keys a page; the server's limit.
const PAGE: i32 = 1000;
/// Pages that one look reads of a part in one go.
const PAGES: usize = 4;
/// Keys that one try of the search looks at.
const TRY: i32 = 100;
/// The most tries of a search; what it has found by then is right, only not as near.
const TRIES: usize = 160;

/// Everything under the path that is not older than the run.
pub(super) struct Listing {
    pattern: Pattern,
    /// Objects written before this, by the server's clock, are not looked at.
    since: Timestamp,
    /// Times in keys are not before this.
    horizon: Timestamp,
    parts: BTreeMap<String, Part>,
    /// The newest key that is older than the run.
    pub(super) newest_old: Option<Found>,
}

/// One window, and how far it is listed.
struct Part {
    window: Window,
    whole: Cursor,
    /// Where the last hour begins, in a part that is too large to be listed in one go.
    recent: Option<Cursor>,
}

/// Goes through keys in their order, again and again.
#[derive(Debug, Clone, Default)]
struct Cursor {
    from: Option<String>,
    at: Option<String>,
}

impl Listing {
    pub(super) fn new(pattern: Pattern, since: Timestamp, horizon: Timestamp) -> Self {
        Self { pattern, since, horizon, parts: BTreeMap::new(), newest_old: None }
    }

    /// What the keys that are listed begin with.
    pub(super) fn prefixes(&self) -> Vec<&str> {
        self.parts.keys().map(String::as_str).collect()
    }

    /// The new objects that are there now, or those of them that this look came across.
    pub(super) async fn look(&mut self, bucket: &Bucket, now: Timestamp) -> Result<Vec<Found>, Answer> {
        for window in self.pattern.windows(self.horizon, now) {
            let whole = Cursor { from: window.after.clone(), at: None };
            self.parts.entry(window.prefix.clone()).or_insert(Part { window, whole, recent: None });
        }
        let mut all = Vec::new();
        for part in self.parts.values_mut() {
            part.look(bucket, self.horizon, &mut all).await?;
        }
        let mut new = BTreeMap::new();
        for found in all {
            if found.modified >= self.since {
                new.insert(found.key.clone(), found);
            } else if self.newest_old.as_ref().is_none_or(|newest| newest.modified <= found.modified) {
                self.newest_old = Some(found);
            }
        }
        Ok(new.into_values().collect())
    }
}

impl Part {
    async fn look(&mut self, bucket: &Bucket, horizon: Timestamp, all: &mut Vec<Found>) -> Result<(), Answer> {
        let prefix = &self.window.prefix;
        if self.whole.go_on(bucket, prefix, all).await? {
            return Ok(());
        }
        if self.recent.is_none() {
            let known = self.whole.at.clone().unwrap_or_default();
            let from = horizon_in(bucket, prefix, known, horizon).await?;
            self.recent = Some(Cursor { from: Some(from), at: None });
        }
        if let Some(recent) = &mut self.recent {
            recent.go_on(bucket, prefix, all).await?;
        }
        Ok(())
    }
}

impl Cursor {
    /// Reads the next pages; whether they were all from the beginning to the end.
    async fn go_on(&mut self, bucket: &Bucket, prefix: &str, all: &mut Vec<Found>) -> Result<bool, Answer> {
        let at_beginning = self.at.is_none();
        for _ in 0..PAGES {
            let after = self.at.as_deref().or(self.from.as_deref());
            let Page { found, more, .. } = bucket.page(prefix, after, PAGE).await?;
            let last = found.last().map(|last| last.key.clone());
            all.extend(found);
            self.at = if more { last } else { None };
            if self.at.is_none() {
                return Ok(at_beginning);
            }
        }
        Ok(false)
    }
}

/// The last key before the first one that was written at `horizon` or later, if keys sort by time; `low` is a key that is there.
async fn horizon_in(bucket: &Bucket, prefix: &str, mut low: String, horizon: Timestamp) -> Result<String, Answer> {
    let mut high: Option<String> = None;
    for _ in 0..TRIES {
        let Some(middle) = between(prefix, &low, high.as_deref()) else { break };
        let page = bucket.page(prefix, Some(&middle), TRY).await?;
        let recent = page.found.iter().position(|found| found.modified >= horizon);
        match (recent, page.found.last()) {
            (Some(0), _) | (_, None) => high = Some(middle),
            (Some(at), _) => return Ok(page.found[at - 1].key.clone()),
            (None, Some(last)) if !page.more => return Ok(last.key.clone()),
            (None, Some(last)) => low.clone_from(&last.key),
        }
    }
    Ok(low)
}
