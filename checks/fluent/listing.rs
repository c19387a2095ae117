//! Lists what is new under the path, however much is old there.
//!
//! Small parts of the bucket are listed whole. Of a large one, the beginning of the last hour is searched by halving, as most
//! shippers name objects by their time; from there on it is listed again and again. Names that do not sort by time are found as
//! well, only later: the whole part is gone through beside that, some pages at a time.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::between::Alphabet;
use super::bucket::{Bucket, Found, Page};
use super::path::{Pattern, Window};
use super::refusal::Answer;

/// Keys a page; the server's limit.
const PAGE: i32 = 1000;
/// Pages that one look reads of a part in one go.
const PAGES: usize = 4;
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
            let low = self.whole.at.clone().unwrap_or_default();
            let from = Halving { bucket, prefix, horizon, low, high: None }.last_before(all).await?;
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

/// A search by halving for where the time of keys reaches `horizon`.
struct Halving<'a> {
    bucket: &'a Bucket,
    prefix: &'a str,
    horizon: Timestamp,
    /// A key before the horizon.
    low: String,
    /// A text after which there is no key before the horizon.
    high: Option<String>,
}

impl Halving<'_> {
    /// The last key before the first one that was written at the horizon or later, if keys sort by time; else some key.
    ///
    /// `known` are keys that were listed already.
    async fn last_before(mut self, known: &[Found]) -> Result<String, Answer> {
        // Most of a key is the same in all of them: first, how much of it.
        let (mut shortest, mut longest) = (self.prefix.len(), self.low.len());
        while shortest < longest {
            let length = (shortest + longest).div_ceil(2);
            let Some(after) = self.low.get(..length).map(|shared| format!("{shared}~")) else {
                longest = length - 1;
                continue;
            };
            if let Some(found) = self.narrow(after).await? {
                return Ok(found);
            }
            match &self.high {
                Some(high) if high.len() == length + 1 => shortest = length,
                _ => longest = (length - 1).min(self.low.len()),
            }
        }
        let alphabet = Alphabet::of(known.iter().filter_map(|found| found.key.strip_prefix(self.prefix)));
        for _ in 0..TRIES {
            let Some(middle) = alphabet.between(self.prefix, &self.low, self.high.as_deref()) else { break };
            if let Some(found) = self.narrow(middle).await? {
                return Ok(found);
            }
        }
        Ok(self.low)
    }

    /// Looks at the keys after `middle`; the last one before the horizon, if it is among them.
    async fn narrow(&mut self, middle: String) -> Result<Option<String>, Answer> {
        let page = self.bucket.page(self.prefix, Some(&middle), PAGE).await?;
        let recent = page.found.iter().position(|found| found.modified >= self.horizon);
        match (recent, page.found.last()) {
            (Some(0), _) | (_, None) => self.high = Some(middle),
            (Some(at), _) => return Ok(Some(page.found[at - 1].key.clone())),
            (None, Some(last)) if !page.more => return Ok(Some(last.key.clone())),
            (None, Some(last)) => self.low.clone_from(&last.key),
        }
        Ok(None)
    }
}
