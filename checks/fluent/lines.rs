//! Finds the run's lines in a stream of bytes, whatever is around them: JSON, tabs, a container runtime's prefix.

use std::collections::{BTreeMap, BTreeSet};

use memchr::{memchr, memmem};

use crate::probe::log::{MARK, first_line, numbered_line};

/// The longest text that is kept of a line that is not whole, in bytes.
const SAMPLE: usize = 80;
/// The most nonces of other runs that are kept.
const OTHERS: usize = 5;

/// What has to arrive.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// The run's nonce.
    pub(super) nonce: String,
    /// The number of numbered lines; the one that begins counts as number 0.
    pub(super) lines: u32,
    /// The length of a numbered line, in bytes.
    pub(super) length: usize,
}

impl Wanted {
    /// One line, whole.
    pub(super) fn line(&self, number: u32) -> String {
        match number {
            0 => first_line(&self.nonce, self.lines),
            number => numbered_line(&self.nonce, number, self.lines, self.length),
        }
    }

    /// The last line that is written.
    pub(super) fn last_line(&self) -> String {
        self.line(self.lines)
    }

    /// As many bytes as no line exceeds.
    fn longest(&self) -> usize {
        self.line(0).len().max(self.last_line().len())
    }
}

/// What one object holds of the run's lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// How many times each line is there, whole.
    pub(super) whole: BTreeMap<u32, u32>,
    /// Lines that are there but not whole: how they begin.
    pub(super) cut: Vec<String>,
    /// Nonces of other runs.
    pub(super) others: BTreeSet<String>,
}

impl Tally {
    /// Whether the object holds anything of this run.
    pub(super) fn is_ours(&self) -> bool {
        !self.whole.is_empty() || !self.cut.is_empty()
    }
}

/// Takes an object's content piece by piece, and keeps no more of it than a line.
pub(super) struct Scanner<'w> {
    wanted: &'w Wanted,
    mark: memmem::Finder<'static>,
    longest: usize,
    held: Vec<u8>,
    /// The line found last, while its record goes on: a record may hold the same line in two fields.
    in_record: Option<u32>,
    tally: Tally,
}

impl<'w> Scanner<'w> {
    pub(super) fn new(wanted: &'w Wanted) -> Self {
        Self {
            wanted,
            mark: memmem::Finder::new(MARK),
            longest: wanted.longest(),
            held: Vec::new(),
            in_record: None,
            tally: Tally::default(),
        }
    }

    /// Takes the next piece.
    pub(super) fn take(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
        self.scan(false);
    }

    /// Nothing more comes.
    pub(super) fn finish(mut self) -> Tally {
        self.scan(true);
        self.tally
    }

    fn scan(&mut self, at_end: bool) {
        let held = std::mem::take(&mut self.held);
        let mut from = 0;
        let keep_from = loop {
            let Some(at) = self.mark.find(&held[from..]).map(|at| from + at) else {
                // The mark may begin in the last bytes.
                break held.len().saturating_sub(MARK.len() - 1).max(from);
            };
            if held.len() - at < self.longest && !at_end {
                break at;
            }
            self.pass(&held[from..at]);
            from = at + self.judge(&held[at..]);
        };
        self.pass(&held[from..keep_from]);
        self.held = held;
        self.held.drain(..keep_from);
    }

    /// Bytes between lines: the end of a record is one of them.
    fn pass(&mut self, between: &[u8]) {
        if self.in_record.is_some() && memchr(b'\n', between).is_some() {
            self.in_record = None;
        }
    }

    /// Judges what begins with the mark; how many bytes of it are done with.
    fn judge(&mut self, text: &[u8]) -> usize {
        let after_mark = &text[MARK.len()..];
        let nonce = word(after_mark);
        if nonce != self.wanted.nonce.as_bytes() {
            self.another(nonce, text);
            return MARK.len();
        }
        let rest = &after_mark[nonce.len()..];
        let number = if rest.starts_with(b" begin") { Some(0) } else { number_in(rest) };
        let whole = number.map(|number| (number, self.wanted.line(number)));
        match whole.filter(|(number, line)| *number <= self.wanted.lines && text.starts_with(line.as_bytes())) {
            Some((number, line)) => {
                if self.in_record != Some(number) {
                    *self.tally.whole.entry(number).or_default() += 1;
                }
                self.in_record = Some(number);
                line.len()
            }
            None => {
                self.tally.cut.push(sample(text));
                MARK.len()
            }
        }
    }

    /// The nonces of runs are equally long up to the cluster's name: a beginning of ours is ours.
    fn another(&mut self, nonce: &[u8], text: &[u8]) {
        if nonce.is_empty() {
            return;
        }
        if self.wanted.nonce.as_bytes().starts_with(nonce) {
            self.tally.cut.push(sample(text));
        } else if self.tally.others.len() < OTHERS {
            self.tally.others.insert(String::from_utf8_lossy(nonce).into_owned());
        }
    }
}

/// The letters, digits, dashes and dots at the beginning.
fn word(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.')));
    &text[..end.unwrap_or(text.len())]
}

/// The number in ` line NUMBER of …`.
fn number_in(rest: &[u8]) -> Option<u32> {
    std::str::from_utf8(word(rest.strip_prefix(b" line ")?)).ok()?.parse().ok()
}

/// The beginning of a line, up to where something else begins.
fn sample(text: &[u8]) -> String {
    let end = text.iter().position(|b| b.is_ascii_control() || matches!(b, b'"' | b'\\')).unwrap_or(text.len());
    String::from_utf8_lossy(&text[..end.min(SAMPLE)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted { nonce: "run1.blue".to_owned(), lines: 12, length: 90 }
    }

    /// The tally of a content that comes in pieces of every size.
    fn tally(content: &[u8]) -> Tally {
        let wanted = wanted();
        let in_pieces = |size: usize| {
            let mut scanner = Scanner::new(&wanted);
            content.chunks(size).for_each(|piece| scanner.take(piece));
            scanner.finish()
        };
        let whole = in_pieces(content.len().max(1));
        for size in [1, 2, 7, 64, 1000] {
            assert_eq!(in_pieces(size), whole, "pieces of {size}");
        }
        whole
    }

    #[test]
    fn lines_are_found_in_whatever_is_around_them() {
        let line = |number| wanted().line(number);
        let around = [
            format!("{}\n{}\n", line(0), line(1)),
            format!("{{\"log\":\"{}\\n\"}}\n{{\"log\":\"{}\\n\"}}\n", line(0), line(1)),
            format!("2026-11-21T00:00:00Z stdout F {}\r\n2026-11-21T00:00:00Z stdout F {}", line(0), line(1)),
            format!("2026\tkube.x\t{{\"message\":\"{}\"}}\nnoise kibertas-rs nonce\n2026\tk\t{}", line(0), line(1)),
        ];
        for content in around {
            let tally = tally(content.as_bytes());
            assert_eq!(tally.whole, [(0, 1), (1, 1)].into(), "{content}");
            assert!(tally.cut.is_empty() && tally.others.is_empty(), "{content}");
        }
    }

    #[test]
    fn a_line_that_lost_its_end_or_its_middle_is_cut() {
        let line = wanted().line(3);
        let shorter = line.replacen("....", "", 1);
        for broken in [&line[..line.len() - 1], &line[..40], &line[..33], &line[..22], shorter.as_str()] {
            for end in ["\n", "\"}\n", ""] {
                let tally = tally(format!("{broken}{end}").as_bytes());
                assert!(tally.whole.is_empty() && tally.cut.len() == 1, "{broken}{end:?}: {tally:?}");
                assert!(tally.is_ours());
            }
        }
    }

    #[test]
    fn the_same_line_counts_once_a_record_and_again_in_the_next() {
        let line = wanted().line(2);
        assert_eq!(tally(format!("{{\"log\":\"{line}\",\"message\":\"{line}\"}}\n").as_bytes()).whole, [(2, 1)].into());
        assert_eq!(tally(format!("{line}\n{line}\n").as_bytes()).whole, [(2, 2)].into());
    }

    #[test]
    fn lines_of_other_runs_are_told_apart() {
        let other = Wanted { nonce: "run2.green".to_owned(), ..wanted() };
        let longer = Wanted { nonce: "run1.blue-2".to_owned(), ..wanted() };
        let tally = tally(format!("{}\n{}\n", other.line(1), longer.line(1)).as_bytes());
        assert!(!tally.is_ours());
        assert_eq!(tally.others.into_iter().collect::<Vec<_>>(), ["run1.blue-2", "run2.green"]);
    }

    #[test]
    fn no_more_than_a_line_is_held() {
        let wanted = wanted();
        let mut scanner = Scanner::new(&wanted);
        for _ in 0..100 {
            scanner.take(&vec![b'k'; 65_536]);
            assert!(scanner.held.len() < MARK.len());
        }
        scanner.take(&wanted.line(1).as_bytes()[..50]);
        assert!(scanner.held.len() <= wanted.longest());
    }
}
