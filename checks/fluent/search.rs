//! Looks for the run's lines in what is new in the bucket, until they are there.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use super::arrivals::{Arrival, Arrivals, counted, ranges};
use super::bucket::{Bucket, Found};
use super::content::{self, ContentError, Packing};
use super::lines::{Scanner, Tally, Wanted};
use super::listing::Listing;
use super::refusal::{Answer, failure_of, unreachable};
use super::writer::Written;
use crate::clock;
use crate::cluster::Look;
use crate::context::Step;
use crate::failure::{Certainty, Failure, Origin};
use crate::verdict::Verdict;

/// The longest pause between two looks: what is visible is found within a second.
const PAUSE: Duration = Duration::from_millis(500);
/// Objects that are read at a time.
const AT_A_TIME: usize = 4;
/// Folders that are named where nothing is under the path.
const FOLDERS: i32 = 20;

/// The search of one run.
pub(super) struct Search<'b> {
    bucket: &'b Bucket,
    listing: Listing,
    wanted: Wanted,
    written: Written,
    /// What the keys of the run's own objects may contain.
    hint: String,
    allow_doubled: bool,
    /// The server's time, and when it was so.
    since: (Timestamp, Instant),
    /// The new objects.
    known: HashMap<String, Known>,
    arrivals: Arrivals,
    seen: Seen,
}

/// A new object. One that changes is new again.
#[derive(Debug)]
struct Known {
    found: Found,
    /// When it was listed first.
    listed: Instant,
    /// Whether it needs no other reading.
    read: bool,
}

/// What was seen besides the run's lines.
#[derive(Debug, Default)]
struct Seen {
    /// Runs whose lines are in the same place.
    others: BTreeSet<String>,
    /// Objects in formats that are not read.
    unread: BTreeMap<&'static str, usize>,
    /// Objects that are broken.
    broken: Vec<String>,
    /// Why objects may not be read.
    denied: Option<String>,
    /// Objects read to their end.
    objects: usize,
    /// Bytes, unpacked.
    bytes: u64,
    /// What keeps us from seeing, as of the last look.
    blind: Option<String>,
    /// Whether the search ended for a reason of its own.
    ended: bool,
}

/// What became of reading one object.
struct Read {
    found: Found,
    tally: Tally,
    content: Result<(Packing, u64), ReadError>,
}

enum ReadError {
    Answer(Answer),
    Content(ContentError),
}

impl<'b> Search<'b> {
    pub(super) fn new(
        bucket: &'b Bucket,
        listing: Listing,
        since: (Timestamp, Instant),
        lines: (Wanted, Written),
        (hint, allow_doubled): (&str, bool),
    ) -> Self {
        let (wanted, written) = lines;
        Self {
            bucket,
            listing,
            wanted,
            written,
            hint: hint.to_owned(),
            allow_doubled,
            since,
            known: HashMap::new(),
            arrivals: Arrivals::default(),
            seen: Seen::default(),
        }
    }

    /// Waits for the first object with a line of this run.
    pub(super) async fn until_first(&mut self, step: &Step) -> Result<(), Failure> {
        self.until(step, "an object with a line of this run", |search| {
            if search.arrivals.is_empty() { Look::NotYet(search.sight()) } else { Look::Found(()) }
        })
        .await?;
        if let Some((key, arrival)) = self.arrivals.first() {
            let object = json!({"key": key, "size": arrival.size, "packing": arrival.packing.to_string()});
            step.evidence("object", object);
            step.evidence("latencyMs", clock::millis_between(self.written.at, arrival.listed));
        }
        self.tell(step);
        Ok(())
    }

    /// Waits until every line is there, whole.
    pub(super) async fn until_all(&mut self, step: &Step) -> Result<(), Failure> {
        let outcome = self.until(step, "every line in the bucket, whole", Self::completeness).await;
        let doubled = self.arrivals.doubled();
        step.evidence("lines", self.arrivals.whole());
        step.evidence("lost", self.arrivals.missing(self.wanted.lines).len());
        step.evidence("truncated", self.arrivals.cut().len());
        step.evidence("doubled", doubled.len());
        step.evidence("objects", self.arrivals.keys());
        if let Some(last) = self.arrivals.last_listed() {
            step.evidence("latencyMs", clock::millis_between(self.written.at, last));
        }
        self.tell(step);
        outcome?;
        if doubled.is_empty() || self.allow_doubled {
            return Ok(());
        }
        let saw = format!("{} of them more than once: {}", doubled.len(), ranges(&doubled));
        Err(Failure::failed("every line in the bucket once").saw(saw).on(self.written.pod.clone()))
    }

    fn tell(&self, step: &Step) {
        step.evidence("requests", self.bucket.requests());
        step.evidence("objectsRead", self.seen.objects);
        step.evidence("bytesRead", self.seen.bytes);
    }

    fn completeness(&self) -> Look<()> {
        let cut = self.arrivals.cut();
        if let Some(first) = cut.first() {
            let saw = format!("{}, such as {first}", counted(cut.len(), "truncated line"));
            let failure = Failure::failed("").saw(saw).detail("truncated lines", cut.into_iter().take(10).collect());
            return Look::Never(Box::new(failure.next(
                "see the longest line that the shipper takes (fluent-bit: Buffer_Max_Size; otel filelog: max_log_size), and whether it \
                 joins the parts that the container runtime makes of long lines (multiline.parser cri; the container operator)",
            )));
        }
        let missing = self.arrivals.missing(self.wanted.lines);
        if missing.is_empty() {
            return Look::Found(());
        }
        let all = self.wanted.lines + 1;
        Look::NotYet(format!("{} of {all} lines, missing {}", self.arrivals.whole(), ranges(&missing)))
    }

    async fn until(&mut self, step: &Step, expected: &str, holds: impl Fn(&Self) -> Look<()>) -> Result<(), Failure> {
        let pod = self.written.pod.clone();
        let outcome = step
            .poll_up_to(PAUSE, expected, Some(pod), async || {
                // What came with an earlier look may suffice.
                if let known @ (Look::Found(()) | Look::Never(_)) = holds(self) {
                    return self.ending(known);
                }
                if let Err(answer) = self.look(step, &holds).await {
                    return self.trouble(&answer, expected);
                }
                let look = holds(self);
                self.ending(look)
            })
            .await;
        match outcome {
            Err(failure) if !self.seen.ended => Err(self.overdue(failure).await),
            outcome => outcome,
        }
    }

    fn ending(&mut self, look: Look<()>) -> Look<()> {
        self.seen.ended |= matches!(look, Look::Never(_));
        look
    }

    fn trouble(&mut self, answer: &Answer, expected: &str) -> Look<()> {
        if let Answer::Transient(text) = answer {
            self.seen.blind = Some(text.clone());
            return Look::NotYet(format!("{}: {text}", self.bucket.name));
        }
        self.ending(Look::Never(Box::new(failure_of(answer, expected))))
    }

    /// One look: lists what is new, and reads what was not read before until `holds` is content.
    async fn look(&mut self, step: &Step, holds: impl Fn(&Self) -> Look<()>) -> Result<(), Answer> {
        let (since, at) = self.since;
        let now = since.checked_add(at.elapsed()).unwrap_or(since);
        let listed = self.listing.look(self.bucket, now).await?;
        self.seen.blind = None;
        let at = Instant::now();
        for found in listed {
            if self.known.get(&found.key).is_none_or(|known| known.found != found) {
                self.known.insert(found.key.clone(), Known { found, listed: at, read: false });
            }
        }
        let mut new: Vec<Found> =
            self.known.values().filter(|known| !known.read).map(|known| known.found.clone()).collect();
        // Where the key tells the namespace, the run's own objects come first; else the newest.
        new.sort_by_key(|found| (!found.key.contains(&self.hint), std::cmp::Reverse(found.modified)));
        let (bucket, wanted) = (self.bucket, self.wanted.clone());
        let mut reading =
            futures::stream::iter(new).map(|found| read(bucket, &wanted, found)).buffer_unordered(AT_A_TIME);
        while let Some(read) = reading.next().await {
            self.take(read)?;
            match holds(self) {
                Look::NotYet(seen) => step.sees(seen),
                Look::Found(()) | Look::Never(_) => return Ok(()),
            }
        }
        match &self.seen.denied {
            Some(text) if self.seen.objects == 0 => Err(Answer::Denied(text.clone())),
            _ => Ok(()),
        }
    }

    fn take(&mut self, read: Read) -> Result<(), Answer> {
        let Read { found, tally, content } = read;
        let mut packing = Packing::Plain;
        match content {
            Ok((Packing::Unread(name), _)) => *self.seen.unread.entry(name).or_default() += 1,
            Ok((how, bytes)) => {
                self.seen.objects += 1;
                self.seen.bytes += bytes;
                packing = how;
            }
            Err(ReadError::Content(ContentError::Transfer(text)) | ReadError::Answer(Answer::Transient(text))) => {
                self.seen.blind = Some(text);
                return Ok(());
            }
            Err(ReadError::Content(error @ ContentError::Broken { packing: how, .. })) => {
                self.seen.broken.push(format!("{}: {error}", found.key));
                packing = how;
            }
            // Somebody may have removed it, or keep a part of the bucket to himself.
            Err(ReadError::Answer(Answer::NoObject(_))) => {}
            Err(ReadError::Answer(Answer::Denied(text))) => self.seen.denied = Some(format!("{text} on {}", found.key)),
            Err(ReadError::Answer(answer)) => return Err(answer),
        }
        self.seen.others.extend(tally.others.iter().cloned());
        if let Some(known) = self.known.get_mut(&found.key) {
            known.read = true;
            if tally.is_ours() {
                let arrival = Arrival { tally, packing, size: found.size, listed: known.listed };
                self.arrivals.insert(found.key, arrival);
            }
        }
        Ok(())
    }

    /// What is in the bucket as long as none of the run's lines is.
    fn sight(&self) -> String {
        let place = self.place();
        if self.known.is_empty() {
            return match &self.listing.newest_old {
                None => format!("no object under {place}"),
                Some(old) => format!(
                    "no new object under {place}; the newest, {}, is of {}, older than the run ({})",
                    old.key, old.modified, self.since.0
                ),
            };
        }
        let read = self.known.values().filter(|known| known.read).count();
        let mut sight = counted(self.known.len(), "new object");
        sight = format!("{sight} under {place}, {read} read, none with a line of this run");
        if !self.seen.others.is_empty() {
            let others = self.seen.others.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            sight = format!("{sight}; there are lines of other runs or clusters: {others}");
        }
        if !self.seen.unread.is_empty() {
            let formats = self.seen.unread.iter().map(|(format, count)| format!("{count} {format}"));
            sight = format!("{sight}; of formats that are not read: {}", formats.collect::<Vec<_>>().join(", "));
        }
        if !self.seen.broken.is_empty() {
            sight = format!("{sight}; broken: {}", self.seen.broken.len());
        }
        sight
    }

    fn place(&self) -> String {
        let prefixes = self.listing.prefixes();
        format!("s3://{}/{}", self.bucket.name, prefixes.join(" and "))
    }

    /// Why lines that were not found may be in the bucket all the same.
    fn unseen(&self) -> Option<String> {
        if let Some(denied) = &self.seen.denied {
            return Some(format!("the lines may be in objects that these credentials may not read: {denied}"));
        }
        // Whoever has found some of the lines knows the format that the shipper writes.
        let formats: Vec<&str> = self.seen.unread.keys().copied().collect();
        (!formats.is_empty() && self.arrivals.is_empty())
            .then(|| format!("the lines may be in objects of a format that is not read here: {}", formats.join(", ")))
    }

    /// Time is up. What could not be seen to the end is nobody's fault.
    async fn overdue(&self, mut failure: Failure) -> Failure {
        if let Some(text) = &self.seen.blind {
            let seen = format!("{text}; before that: {}", failure.seen);
            failure.verdict = Verdict::Inconclusive;
            return unreachable(failure.saw(seen), self.bucket);
        }
        if let Some(why) = self.unseen() {
            failure.verdict = Verdict::Inconclusive;
            return failure.because(Certainty::Likely, Origin::Harness, why);
        }
        failure = failure.detail("broken objects", self.seen.broken.iter().take(10).cloned().collect());
        if self.known.is_empty() && self.listing.newest_old.is_none() {
            let instead = tokio::time::timeout(Duration::from_millis(500), self.bucket.folders("", FOLDERS)).await;
            let instead = instead.ok().and_then(Result::ok).unwrap_or_default();
            let keys = instead.found.into_iter().map(|found| found.key);
            failure = failure.detail("what the bucket has instead", instead.folders.into_iter().chain(keys).collect());
        }
        failure.next(
            "set flushInterval to the shipper's own (fluent-bit: upload_timeout, 10 min by default; fluentd: timekey and timekey_wait, 1 h \
             and 10 min by default)",
        )
    }
}

async fn read(bucket: &Bucket, wanted: &Wanted, found: Found) -> Read {
    let mut scanner = Scanner::new(wanted);
    let content = match bucket.open(&found.key).await {
        Ok(body) => content::scan(body, &mut scanner).await.map_err(ReadError::Content),
        Err(answer) => Err(ReadError::Answer(answer)),
    };
    Read { found, tally: scanner.finish(), content }
}
